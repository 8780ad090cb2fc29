-- What charges are judged by beyond their amounts. What no file says stays empty, and no finding rests on it.

alter table shipment_charges
    -- What the carrier calls the charge, before anybody maps it.
    add column carrier_code text,
    -- Weighed and measured in kilograms and centimetres.
    add column is_metric boolean not null default false,
    add column residential boolean,
    add column delivered_time time,
    add column committed_on date,
    add column committed_time time,
    add column ordered_service text,
    add column agreed_zone text,
    -- Whether the carrier ever saw the label.
    add column scanned boolean;

alter table orders add column service text;

alter table ship_findings
    -- The charge that it is about, whatever its kind: one charge is disputed once.
    add column charge_key text,
    -- The job after which it was not justified any more; nobody decided about it.
    add column superseded_by uuid;
-- Of findings with a shipment only, so that no check of a foreign key takes it for as good as the primary key.
create index ship_findings_shipment on ship_findings (tenant_id, carrier, tracking_norm) where tracking_norm is not null;
create index ship_finding_events_finding on ship_finding_events (tenant_id, finding_id);

alter table trade_detection_config
    add column authorities text[] not null default '{CA}',
    add column destination_regions text[] not null default '{}';

alter table trade_caught_orders add column evidence jsonb not null default '{}';
