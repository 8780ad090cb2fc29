alter table trade_detection_config drop column spike_baseline_days, drop column spike_cooldown_hours;
drop index shipment_charges_unscanned;
