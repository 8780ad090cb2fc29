drop policy if exists tenant_isolation_select on "ingest_row_errors";
create policy tenant_isolation_select on "ingest_row_errors"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ingest_row_errors";
create policy tenant_isolation_insert on "ingest_row_errors"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ingest_row_errors";
create policy tenant_isolation_update on "ingest_row_errors"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ingest_row_errors";
create policy tenant_isolation_delete on "ingest_row_errors"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ingest_row_errors" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ingest_row_errors"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ingest_row_errors"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "notification_events";
create policy tenant_isolation_select on "notification_events"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "notification_events";
create policy tenant_isolation_insert on "notification_events"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "notification_events";
create policy tenant_isolation_update on "notification_events"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "notification_events";
create policy tenant_isolation_delete on "notification_events"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "notification_events" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"notification_events"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"notification_events"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "catalog_products";
create policy tenant_isolation_select on "catalog_products"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "catalog_products";
create policy tenant_isolation_insert on "catalog_products"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "catalog_products";
create policy tenant_isolation_update on "catalog_products"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "catalog_products";
create policy tenant_isolation_delete on "catalog_products"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "catalog_products" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"catalog_products"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"catalog_products"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "catalog_product_versions";
create policy tenant_isolation_select on "catalog_product_versions"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "catalog_product_versions";
create policy tenant_isolation_insert on "catalog_product_versions"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "catalog_product_versions";
create policy tenant_isolation_update on "catalog_product_versions"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "catalog_product_versions";
create policy tenant_isolation_delete on "catalog_product_versions"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "catalog_product_versions" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"catalog_product_versions"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"catalog_product_versions"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "product_keys";
create policy tenant_isolation_select on "product_keys"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "product_keys";
create policy tenant_isolation_insert on "product_keys"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "product_keys";
create policy tenant_isolation_update on "product_keys"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "product_keys";
create policy tenant_isolation_delete on "product_keys"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "product_keys" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"product_keys"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"product_keys"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "exporter_normal_values";
create policy tenant_isolation_select on "exporter_normal_values"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "exporter_normal_values";
create policy tenant_isolation_insert on "exporter_normal_values"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "exporter_normal_values";
create policy tenant_isolation_update on "exporter_normal_values"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "exporter_normal_values";
create policy tenant_isolation_delete on "exporter_normal_values"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "exporter_normal_values" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"exporter_normal_values"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"exporter_normal_values"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "sima_results";
create policy tenant_isolation_select on "sima_results"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "sima_results";
create policy tenant_isolation_insert on "sima_results"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "sima_results";
create policy tenant_isolation_update on "sima_results"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "sima_results";
create policy tenant_isolation_delete on "sima_results"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "sima_results" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"sima_results"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"sima_results"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "sima_reviews";
create policy tenant_isolation_select on "sima_reviews"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "sima_reviews";
create policy tenant_isolation_insert on "sima_reviews"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "sima_reviews";
create policy tenant_isolation_update on "sima_reviews"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "sima_reviews";
create policy tenant_isolation_delete on "sima_reviews"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "sima_reviews" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"sima_reviews"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"sima_reviews"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "orders";
create policy tenant_isolation_select on "orders"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "orders";
create policy tenant_isolation_insert on "orders"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "orders";
create policy tenant_isolation_update on "orders"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "orders";
create policy tenant_isolation_delete on "orders"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "orders" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"orders"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"orders"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "order_trackings";
create policy tenant_isolation_select on "order_trackings"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "order_trackings";
create policy tenant_isolation_insert on "order_trackings"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "order_trackings";
create policy tenant_isolation_update on "order_trackings"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "order_trackings";
create policy tenant_isolation_delete on "order_trackings"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "order_trackings" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"order_trackings"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"order_trackings"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "order_lines";
create policy tenant_isolation_select on "order_lines"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "order_lines";
create policy tenant_isolation_insert on "order_lines"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "order_lines";
create policy tenant_isolation_update on "order_lines"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "order_lines";
create policy tenant_isolation_delete on "order_lines"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "order_lines" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"order_lines"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"order_lines"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "order_line_products";
create policy tenant_isolation_select on "order_line_products"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "order_line_products";
create policy tenant_isolation_insert on "order_line_products"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "order_line_products";
create policy tenant_isolation_update on "order_line_products"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "order_line_products";
create policy tenant_isolation_delete on "order_line_products"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "order_line_products" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"order_line_products"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"order_line_products"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "carrier_invoices";
create policy tenant_isolation_select on "carrier_invoices"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "carrier_invoices";
create policy tenant_isolation_insert on "carrier_invoices"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "carrier_invoices";
create policy tenant_isolation_update on "carrier_invoices"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "carrier_invoices";
create policy tenant_isolation_delete on "carrier_invoices"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "carrier_invoices" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"carrier_invoices"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"carrier_invoices"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "shipments";
create policy tenant_isolation_select on "shipments"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "shipments";
create policy tenant_isolation_insert on "shipments"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "shipments";
create policy tenant_isolation_update on "shipments"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "shipments";
create policy tenant_isolation_delete on "shipments"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "shipments" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"shipments"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"shipments"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "shipment_references";
create policy tenant_isolation_select on "shipment_references"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "shipment_references";
create policy tenant_isolation_insert on "shipment_references"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "shipment_references";
create policy tenant_isolation_update on "shipment_references"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "shipment_references";
create policy tenant_isolation_delete on "shipment_references"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "shipment_references" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"shipment_references"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"shipment_references"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "shipment_charges";
create policy tenant_isolation_select on "shipment_charges"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "shipment_charges";
create policy tenant_isolation_insert on "shipment_charges"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "shipment_charges";
create policy tenant_isolation_update on "shipment_charges"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "shipment_charges";
create policy tenant_isolation_delete on "shipment_charges"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "shipment_charges" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"shipment_charges"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"shipment_charges"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "order_shipment_links";
create policy tenant_isolation_select on "order_shipment_links"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "order_shipment_links";
create policy tenant_isolation_insert on "order_shipment_links"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "order_shipment_links";
create policy tenant_isolation_update on "order_shipment_links"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "order_shipment_links";
create policy tenant_isolation_delete on "order_shipment_links"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "order_shipment_links" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"order_shipment_links"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"order_shipment_links"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "order_link_candidates";
create policy tenant_isolation_select on "order_link_candidates"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "order_link_candidates";
create policy tenant_isolation_insert on "order_link_candidates"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "order_link_candidates";
create policy tenant_isolation_update on "order_link_candidates"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "order_link_candidates";
create policy tenant_isolation_delete on "order_link_candidates"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "order_link_candidates" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"order_link_candidates"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"order_link_candidates"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "carrier_agreements";
create policy tenant_isolation_select on "carrier_agreements"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "carrier_agreements";
create policy tenant_isolation_insert on "carrier_agreements"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "carrier_agreements";
create policy tenant_isolation_update on "carrier_agreements"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "carrier_agreements";
create policy tenant_isolation_delete on "carrier_agreements"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "carrier_agreements" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"carrier_agreements"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"carrier_agreements"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "tenant_carrier_overrides";
create policy tenant_isolation_select on "tenant_carrier_overrides"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "tenant_carrier_overrides";
create policy tenant_isolation_insert on "tenant_carrier_overrides"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "tenant_carrier_overrides";
create policy tenant_isolation_update on "tenant_carrier_overrides"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "tenant_carrier_overrides";
create policy tenant_isolation_delete on "tenant_carrier_overrides"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "tenant_carrier_overrides" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"tenant_carrier_overrides"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"tenant_carrier_overrides"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "ship_findings";
create policy tenant_isolation_select on "ship_findings"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ship_findings";
create policy tenant_isolation_insert on "ship_findings"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ship_findings";
create policy tenant_isolation_update on "ship_findings"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ship_findings";
create policy tenant_isolation_delete on "ship_findings"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ship_findings" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ship_findings"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ship_findings"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "ship_finding_events";
create policy tenant_isolation_select on "ship_finding_events"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ship_finding_events";
create policy tenant_isolation_insert on "ship_finding_events"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ship_finding_events";
create policy tenant_isolation_update on "ship_finding_events"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ship_finding_events";
create policy tenant_isolation_delete on "ship_finding_events"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ship_finding_events" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ship_finding_events"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ship_finding_events"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "ship_finding_credits";
create policy tenant_isolation_select on "ship_finding_credits"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ship_finding_credits";
create policy tenant_isolation_insert on "ship_finding_credits"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ship_finding_credits";
create policy tenant_isolation_update on "ship_finding_credits"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ship_finding_credits";
create policy tenant_isolation_delete on "ship_finding_credits"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ship_finding_credits" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ship_finding_credits"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ship_finding_credits"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "ship_claims";
create policy tenant_isolation_select on "ship_claims"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ship_claims";
create policy tenant_isolation_insert on "ship_claims"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ship_claims";
create policy tenant_isolation_update on "ship_claims"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ship_claims";
create policy tenant_isolation_delete on "ship_claims"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ship_claims" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ship_claims"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ship_claims"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "ship_claim_findings";
create policy tenant_isolation_select on "ship_claim_findings"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ship_claim_findings";
create policy tenant_isolation_insert on "ship_claim_findings"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ship_claim_findings";
create policy tenant_isolation_update on "ship_claim_findings"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ship_claim_findings";
create policy tenant_isolation_delete on "ship_claim_findings"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ship_claim_findings" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ship_claim_findings"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ship_claim_findings"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "ship_claim_events";
create policy tenant_isolation_select on "ship_claim_events"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "ship_claim_events";
create policy tenant_isolation_insert on "ship_claim_events"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "ship_claim_events";
create policy tenant_isolation_update on "ship_claim_events"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "ship_claim_events";
create policy tenant_isolation_delete on "ship_claim_events"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "ship_claim_events" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"ship_claim_events"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"ship_claim_events"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "trade_detection_config";
create policy tenant_isolation_select on "trade_detection_config"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "trade_detection_config";
create policy tenant_isolation_insert on "trade_detection_config"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "trade_detection_config";
create policy tenant_isolation_update on "trade_detection_config"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "trade_detection_config";
create policy tenant_isolation_delete on "trade_detection_config"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "trade_detection_config" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"trade_detection_config"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"trade_detection_config"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "trade_caught_orders";
create policy tenant_isolation_select on "trade_caught_orders"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "trade_caught_orders";
create policy tenant_isolation_insert on "trade_caught_orders"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "trade_caught_orders";
create policy tenant_isolation_update on "trade_caught_orders"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "trade_caught_orders";
create policy tenant_isolation_delete on "trade_caught_orders"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "trade_caught_orders" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"trade_caught_orders"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"trade_caught_orders"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "uploads";
create policy tenant_isolation_select on "uploads"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "uploads";
create policy tenant_isolation_insert on "uploads"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "uploads";
create policy tenant_isolation_update on "uploads"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "uploads";
create policy tenant_isolation_delete on "uploads"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "uploads" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"uploads"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"uploads"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "notification_preferences";
create policy tenant_isolation_select on "notification_preferences"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "notification_preferences";
create policy tenant_isolation_insert on "notification_preferences"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "notification_preferences";
create policy tenant_isolation_update on "notification_preferences"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "notification_preferences";
create policy tenant_isolation_delete on "notification_preferences"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "notification_preferences" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"notification_preferences"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"notification_preferences"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "notification_deliveries";
create policy tenant_isolation_select on "notification_deliveries"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "notification_deliveries";
create policy tenant_isolation_insert on "notification_deliveries"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "notification_deliveries";
create policy tenant_isolation_update on "notification_deliveries"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "notification_deliveries";
create policy tenant_isolation_delete on "notification_deliveries"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "notification_deliveries" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"notification_deliveries"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"notification_deliveries"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "notification_rate_buckets";
create policy tenant_isolation_select on "notification_rate_buckets"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "notification_rate_buckets";
create policy tenant_isolation_insert on "notification_rate_buckets"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "notification_rate_buckets";
create policy tenant_isolation_update on "notification_rate_buckets"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "notification_rate_buckets";
create policy tenant_isolation_delete on "notification_rate_buckets"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "notification_rate_buckets" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"notification_rate_buckets"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"notification_rate_buckets"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "notification_schedules";
create policy tenant_isolation_select on "notification_schedules"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "notification_schedules";
create policy tenant_isolation_insert on "notification_schedules"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "notification_schedules";
create policy tenant_isolation_update on "notification_schedules"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "notification_schedules";
create policy tenant_isolation_delete on "notification_schedules"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "notification_schedules" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"notification_schedules"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"notification_schedules"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "trade_spikes";
create policy tenant_isolation_select on "trade_spikes"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "trade_spikes";
create policy tenant_isolation_insert on "trade_spikes"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "trade_spikes";
create policy tenant_isolation_update on "trade_spikes"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "trade_spikes";
create policy tenant_isolation_delete on "trade_spikes"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "trade_spikes" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"trade_spikes"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"trade_spikes"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "webhook_endpoints";
create policy tenant_isolation_select on "webhook_endpoints"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "webhook_endpoints";
create policy tenant_isolation_insert on "webhook_endpoints"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "webhook_endpoints";
create policy tenant_isolation_update on "webhook_endpoints"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "webhook_endpoints";
create policy tenant_isolation_delete on "webhook_endpoints"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "webhook_endpoints" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"webhook_endpoints"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"webhook_endpoints"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "guest_sessions";
create policy tenant_isolation_select on "guest_sessions"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "guest_sessions";
create policy tenant_isolation_insert on "guest_sessions"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "guest_sessions";
create policy tenant_isolation_update on "guest_sessions"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "guest_sessions";
create policy tenant_isolation_delete on "guest_sessions"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "guest_sessions" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"guest_sessions"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"guest_sessions"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
drop policy if exists tenant_isolation_select on "guest_results";
create policy tenant_isolation_select on "guest_results"
  for select to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_insert on "guest_results";
create policy tenant_isolation_insert on "guest_results"
  for insert to public
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_update on "guest_results";
create policy tenant_isolation_update on "guest_results"
  for update to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid))
  with check ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
drop policy if exists tenant_isolation_delete on "guest_results";
create policy tenant_isolation_delete on "guest_results"
  for delete to public
  using ("tenant_id" = (select current_setting('app.tenant_id')::uuid));
alter table "guest_results" enable row level security;
do $rls$
declare
  bad text;
begin
  select string_agg(name, ', ' order by name) into bad from (
    select i.indexrelid::regclass::text as name
    from pg_index i
    where i.indrelid = '"guest_results"'::regclass and (i.indisunique or i.indisexclusion)
      and not exists (
        select from pg_attribute a
        where a.attrelid = i.indrelid and a.attname = 'tenant_id'
          and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
      )
    union all
    select k.conname::text
    from pg_constraint k
    join pg_attribute p on p.attrelid = k.confrelid and p.attname = 'tenant_id'
    where k.conrelid = '"guest_results"'::regclass and k.contype = 'f'
      and not exists (
        select from unnest(k.conkey, k.confkey) as pair(child, parent)
        join pg_attribute c on c.attrelid = k.conrelid and c.attnum = pair.child
        where c.attname = 'tenant_id' and pair.parent = p.attnum
      )
  ) keys;
  if bad is not null then
    raise exception 'keys without the tenant column: %', bad;
  end if;
end
$rls$;
