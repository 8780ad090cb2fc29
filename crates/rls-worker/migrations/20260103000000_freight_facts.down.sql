alter table trade_caught_orders drop column evidence;

alter table trade_detection_config drop column authorities, drop column destination_regions;

drop index ship_finding_events_finding;
drop index ship_findings_shipment;
alter table ship_findings drop column charge_key, drop column superseded_by;

alter table orders drop column service;

alter table shipment_charges
    drop column carrier_code,
    drop column is_metric,
    drop column residential,
    drop column delivered_time,
    drop column committed_on,
    drop column committed_time,
    drop column ordered_service,
    drop column agreed_zone,
    drop column scanned;
