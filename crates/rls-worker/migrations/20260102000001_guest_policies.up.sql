drop policy if exists guest_own_rows on "ingest_row_errors";
create policy guest_own_rows on "ingest_row_errors" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "notification_events";
create policy guest_own_rows on "notification_events" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "catalog_products";
create policy guest_own_rows on "catalog_products" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "catalog_product_versions";
create policy guest_own_rows on "catalog_product_versions" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "product_keys";
create policy guest_own_rows on "product_keys" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "exporter_normal_values";
create policy guest_own_rows on "exporter_normal_values" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "sima_results";
create policy guest_own_rows on "sima_results" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "sima_reviews";
create policy guest_own_rows on "sima_reviews" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "orders";
create policy guest_own_rows on "orders" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "order_trackings";
create policy guest_own_rows on "order_trackings" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "order_lines";
create policy guest_own_rows on "order_lines" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "order_line_products";
create policy guest_own_rows on "order_line_products" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "carrier_invoices";
create policy guest_own_rows on "carrier_invoices" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "shipments";
create policy guest_own_rows on "shipments" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "shipment_references";
create policy guest_own_rows on "shipment_references" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "shipment_charges";
create policy guest_own_rows on "shipment_charges" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "order_shipment_links";
create policy guest_own_rows on "order_shipment_links" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "order_link_candidates";
create policy guest_own_rows on "order_link_candidates" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "carrier_agreements";
create policy guest_own_rows on "carrier_agreements" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "tenant_carrier_overrides";
create policy guest_own_rows on "tenant_carrier_overrides" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "ship_findings";
create policy guest_own_rows on "ship_findings" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "ship_finding_events";
create policy guest_own_rows on "ship_finding_events" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "ship_finding_credits";
create policy guest_own_rows on "ship_finding_credits" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "ship_claims";
create policy guest_own_rows on "ship_claims" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "ship_claim_findings";
create policy guest_own_rows on "ship_claim_findings" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "ship_claim_events";
create policy guest_own_rows on "ship_claim_events" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "trade_detection_config";
create policy guest_own_rows on "trade_detection_config" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "trade_caught_orders";
create policy guest_own_rows on "trade_caught_orders" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "uploads";
create policy guest_own_rows on "uploads" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "notification_preferences";
create policy guest_own_rows on "notification_preferences" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "notification_deliveries";
create policy guest_own_rows on "notification_deliveries" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "notification_rate_buckets";
create policy guest_own_rows on "notification_rate_buckets" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "notification_schedules";
create policy guest_own_rows on "notification_schedules" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "trade_spikes";
create policy guest_own_rows on "trade_spikes" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "webhook_endpoints";
create policy guest_own_rows on "webhook_endpoints" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null);
drop policy if exists guest_own_rows on "guest_sessions";
create policy guest_own_rows on "guest_sessions" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null or id = (select nullif(current_setting('app.guest_session_id', true), ''))::uuid)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null or id = (select nullif(current_setting('app.guest_session_id', true), ''))::uuid);
drop policy if exists guest_own_rows on "guest_results";
create policy guest_own_rows on "guest_results" as restrictive
  for all to public
  using ((select nullif(current_setting('app.guest_session_id', true), '')) is null or guest_session_id = (select nullif(current_setting('app.guest_session_id', true), ''))::uuid)
  with check ((select nullif(current_setting('app.guest_session_id', true), '')) is null or guest_session_id = (select nullif(current_setting('app.guest_session_id', true), ''))::uuid);
