-- What is looked at again, and settings that were the same for everybody.

-- Labels that nobody has scanned are looked at again when they are old.
create index shipment_charges_unscanned on shipment_charges (tenant_id, ship_date) where scanned = false;

alter table trade_detection_config
    -- The days before a day that say what is usual.
    add column spike_baseline_days integer not null default 28 check (spike_baseline_days between 7 and 365),
    -- For so long nobody is told again of the same thing that stands out.
    add column spike_cooldown_hours integer not null default 24 check (spike_cooldown_hours between 0 and 720);
