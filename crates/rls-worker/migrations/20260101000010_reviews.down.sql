alter table sima_reviews drop column evidence_ref, drop column decided_at;
alter table trade_caught_orders drop column state_since, drop column decided_by, drop column note;
