//! Product rows in, products and their versions in the database.

use rls_runtime::TenantTx;
use sqlx::types::Json;

use super::row::ProductRow;
use crate::workers::outcome::Job;

/// What became of a batch.
#[derive(Debug, Default, sqlx::FromRow)]
pub struct Stored {
    /// Products that are new.
    pub created: i64,
    /// Products that changed.
    pub updated: i64,
    /// What orders may call both, now or before.
    pub changed: Vec<String>,
}

/// Writes a batch. What a row does not say stays; a product whose content hash stays the same gets no version.
///
/// # Errors
/// When the database says no.
pub async fn store(tx: &mut TenantTx, job: &Job, rows: &[ProductRow]) -> sqlx::Result<Stored> {
    sqlx::query_as(STORE).bind(job.id).bind(Json(rows)).fetch_one(&mut *tx).await
}

const STORE: &str = "
with input as (
    select * from jsonb_to_recordset($2) as r (sku text, sku_norm text, title text, description text, category text,
        hs_code text, country_of_origin text, country_of_export text, manufacturer text, exporter_name text,
        exporter_id text, unit_cost numeric, currency text, uom text, net_weight_kg numeric, attributes jsonb,
        aliases text[], gtin text, cleared text[])
), merged as (
    select p as known, coalesce(p.version, 0) + 1 as version, i.sku, i.sku_norm, i.title,
        case when 'description' = any (cleared) then null else coalesce(i.description, p.description) end as description,
        case when 'category' = any (cleared) then null else coalesce(i.category, p.category) end as category,
        case when 'hs_code' = any (cleared) then null else coalesce(i.hs_code, p.hs_code) end as hs_code,
        case when 'country_of_origin' = any (cleared) then null
            else coalesce(i.country_of_origin, p.country_of_origin) end as country_of_origin,
        case when 'country_of_export' = any (cleared) then null
            else coalesce(i.country_of_export, p.country_of_export) end as country_of_export,
        case when 'manufacturer' = any (cleared) then null else coalesce(i.manufacturer, p.manufacturer) end as manufacturer,
        case when 'exporter_name' = any (cleared) then null else coalesce(i.exporter_name, p.exporter_name) end as exporter_name,
        case when 'exporter_id' = any (cleared) then null else coalesce(i.exporter_id, p.exporter_id) end as exporter_id,
        case when 'unit_cost' = any (cleared) then null else coalesce(i.unit_cost, p.unit_cost) end as unit_cost,
        case when 'currency' = any (cleared) then null else coalesce(i.currency, p.currency) end as currency,
        case when 'uom' = any (cleared) then null else coalesce(i.uom, p.uom) end as uom,
        case when 'net_weight_kg' = any (cleared) then null else coalesce(i.net_weight_kg, p.net_weight_kg) end as net_weight_kg,
        case when 'attributes' = any (cleared) then null else coalesce(i.attributes, p.attributes) end as attributes,
        case when 'aliases' = any (cleared) then '{}' else coalesce(i.aliases, p.aliases, '{}') end as aliases,
        case when 'gtin' = any (cleared) then null else coalesce(i.gtin, p.gtin) end as gtin
    from input i left join lateral (select * from catalog_products p where p.sku_norm = i.sku_norm offset 0) p on true
), changed as (
    select m.*, array_remove(array[
        case when m.title is distinct from (known).title then 'title' end,
        case when m.description is distinct from (known).description then 'description' end,
        case when m.category is distinct from (known).category then 'category' end,
        case when m.hs_code is distinct from (known).hs_code then 'hs_code' end,
        case when m.country_of_origin is distinct from (known).country_of_origin then 'country_of_origin' end,
        case when m.country_of_export is distinct from (known).country_of_export then 'country_of_export' end,
        case when m.manufacturer is distinct from (known).manufacturer then 'manufacturer' end,
        case when m.exporter_name is distinct from (known).exporter_name then 'exporter_name' end,
        case when m.exporter_id is distinct from (known).exporter_id then 'exporter_id' end,
        case when m.unit_cost is distinct from (known).unit_cost then 'unit_cost' end,
        case when m.currency is distinct from (known).currency then 'currency' end,
        case when m.uom is distinct from (known).uom then 'uom' end,
        case when m.net_weight_kg is distinct from (known).net_weight_kg then 'net_weight_kg' end,
        case when m.attributes::text is distinct from (known).attributes::text then 'attributes' end,
        case when m.aliases is distinct from coalesce((known).aliases, '{}') then 'aliases' end,
        case when m.gtin is distinct from (known).gtin then 'gtin' end
    ], null) as changed_fields
    from merged m
    where (known).id is null or (known).content_hash <> catalog_content_hash(m.title, m.description, m.category, m.hs_code,
        m.country_of_origin, m.country_of_export, m.manufacturer, m.exporter_name, m.exporter_id, m.unit_cost, m.currency,
        m.uom, m.net_weight_kg, m.attributes, m.aliases, m.gtin)
), stored as (
    insert into catalog_products as p (sku, sku_norm, title, description, category, hs_code, country_of_origin,
        country_of_export, manufacturer, exporter_name, exporter_id, unit_cost, currency, uom, net_weight_kg,
        attributes, aliases, gtin, version, source_job_id)
    select sku, sku_norm, title, description, category, hs_code, country_of_origin, country_of_export, manufacturer,
        exporter_name, exporter_id, unit_cost, currency, uom, net_weight_kg, attributes, aliases, gtin, version, $1
    from changed
    on conflict (tenant_id, sku_norm) do update set (sku, title, description, category, hs_code, country_of_origin,
        country_of_export, manufacturer, exporter_name, exporter_id, unit_cost, currency, uom, net_weight_kg,
        attributes, aliases, gtin, version, source_job_id) = (excluded.sku, excluded.title, excluded.description,
        excluded.category, excluded.hs_code, excluded.country_of_origin, excluded.country_of_export,
        excluded.manufacturer, excluded.exporter_name, excluded.exporter_id, excluded.unit_cost, excluded.currency,
        excluded.uom, excluded.net_weight_kg, excluded.attributes, excluded.aliases, excluded.gtin, p.version + 1,
        excluded.source_job_id)
    returning p.id, p.sku_norm, p.version, p.aliases, p.gtin
), versions as (
    insert into catalog_product_versions (product_id, version, changed_fields, job_id)
    select s.id, s.version, c.changed_fields, $1 from stored s join changed c using (sku_norm)
), keys as (
    select id, alias as key_norm, 'ALIAS' as kind from stored, unnest(aliases) as alias
    union all select id, gtin, 'GTIN' from stored where gtin is not null
), gone as (
    delete from product_keys k using stored s
    where k.product_id = s.id and s.version > 1 and (k.kind, k.key_norm) not in (select kind, key_norm from keys where id = s.id)
    returning k.key_norm
), named as (
    insert into product_keys (product_id, key_norm, kind) select id, key_norm, kind from keys on conflict do nothing
)
select count(*) filter (where version = 1) as created, count(*) filter (where version > 1) as updated,
    coalesce(array_agg(sku_norm), '{}') || array(select key_norm from keys) || array(select key_norm from gone) as changed
from stored";
