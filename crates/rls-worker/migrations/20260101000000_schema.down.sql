drop table trade_spikes, notification_schedules, notification_rate_buckets, notification_deliveries, notification_preferences,
    uploads, trade_caught_orders, trade_detection_config, ship_finding_events, ship_findings, tenant_carrier_overrides,
    carrier_agreements, order_link_candidates, order_shipment_links, shipment_charges, shipment_references, shipments, carrier_invoices,
    order_line_products, order_lines, order_trackings, orders, sima_reviews, sima_results, exporter_normal_values,
    product_keys, catalog_product_versions, catalog_products, notification_events, ingest_row_errors,
    fx_rates, sima_measure_rates, sima_measures;
