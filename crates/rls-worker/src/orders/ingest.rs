//! Order lines in, orders, their lines and their products in the database.

use rls_runtime::TenantTx;
use sqlx::types::Json;
use uuid::Uuid;

use super::row::OrderLine;
use crate::workers::outcome::Job;

/// What became of a batch.
#[derive(Debug, Default, sqlx::FromRow)]
pub struct Stored {
    /// Lines that are new.
    pub created: i64,
    /// Lines that changed.
    pub updated: i64,
    /// The orders of all lines.
    pub orders: Vec<Uuid>,
    /// Lines that are new or changed.
    pub lines: Vec<Uuid>,
}

/// Rows whose status would move back.
///
/// # Errors
/// When the database says no.
pub async fn regressions(tx: &mut TenantTx, lines: &[OrderLine]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar(
        "select i.row_number
         from jsonb_to_recordset($1) as i (row_number bigint, order_number text, line_number integer, status text),
             lateral (select id from orders o where o.source = 'file' and o.order_number = i.order_number offset 0) known,
             lateral (select from order_lines l where l.order_id = known.id and l.line_number = i.line_number
                 and l.status in ('SHIPPED', 'CANCELLED') offset 0) ended
         where i.status = 'OPEN' order by 1",
    )
    .bind(Json(lines))
    .fetch_all(&mut *tx)
    .await
}

/// A row whose line has no product.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Unmatched {
    /// The file's own line.
    pub row_number: i64,
    /// Not none of the catalog's products fits, but several do.
    pub is_ambiguous: bool,
}

/// Rows of a batch whose lines have no product, after [`match_products`].
///
/// # Errors
/// When the database says no.
pub async fn unmatched(tx: &mut TenantTx, lines: &[OrderLine]) -> sqlx::Result<Vec<Unmatched>> {
    sqlx::query_as(
        "select i.row_number, exists (select from product_keys k where k.key_norm = i.sku_norm) as is_ambiguous
         from jsonb_to_recordset($1) as i (row_number bigint, order_number text, line_number integer, sku_norm text),
             lateral (select id from orders o where o.source = 'file' and o.order_number = i.order_number offset 0) o,
             lateral (select id from order_lines l where l.order_id = o.id and l.line_number = i.line_number offset 0) l
             left join lateral (select true as known from order_line_products m where m.line_id = l.id offset 0) m on true
         where m.known is null order by 1",
    )
    .bind(Json(lines))
    .fetch_all(&mut *tx)
    .await
}

/// Writes a batch.
///
/// # Errors
/// When the database says no.
pub async fn store(tx: &mut TenantTx, job: &Job, lines: &[OrderLine]) -> sqlx::Result<Stored> {
    let normed: Vec<serde_json::Value> = lines.iter().map(with_norms).collect();
    sqlx::query_as(STORE).bind(job.id).bind(Json(normed)).fetch_one(&mut *tx).await
}

fn with_norms(line: &OrderLine) -> serde_json::Value {
    let norm = |text: &Option<String>| text.as_deref().map(super::linkage::normalised);
    let mut row = serde_json::to_value(line).unwrap_or_default();
    row["number_norm"] = super::linkage::normalised(&line.order_number).into();
    row["po_norm"] = norm(&line.po_number).into();
    row["postal_norm"] = norm(&line.ship_to_postal).into();
    row
}

const STORE: &str = "
with input as (
    select * from jsonb_to_recordset($2) as r (row_number bigint, order_number text, number_norm text, order_date date,
        line_number integer, sku text, sku_norm text, quantity numeric, unit_price numeric, currency text,
        po_number text, po_norm text, tracking_numbers text[], carrier text, service text, ship_to_country text, ship_to_region text,
        ship_to_postal text, postal_norm text, address_type text, exporter_name text, export_country text,
        requested_ship_date date, status text)
), trackings as (
    select order_number, array_agg(distinct tracking order by tracking) as tracking_numbers
    from input, unnest(tracking_numbers) as tracking group by order_number
), stored as (
    insert into orders as o (source, order_number, number_norm, order_date, po_number, po_norm, carrier, service,
        tracking_numbers, ship_to_country, ship_to_region, ship_to_postal, postal_norm, address_type)
    select distinct on (i.order_number) 'file', i.order_number, i.number_norm, i.order_date, i.po_number, i.po_norm,
        i.carrier, i.service, coalesce(t.tracking_numbers, '{}'), i.ship_to_country, i.ship_to_region, i.ship_to_postal,
        i.postal_norm, i.address_type
    from input i left join trackings t using (order_number) order by i.order_number, i.row_number desc
    on conflict (tenant_id, source, order_number) do update set (order_date, po_number, po_norm, carrier, service,
        tracking_numbers, ship_to_country, ship_to_region, ship_to_postal, postal_norm, address_type) =
        (excluded.order_date, coalesce(excluded.po_number, o.po_number), coalesce(excluded.po_norm, o.po_norm),
        coalesce(excluded.carrier, o.carrier), coalesce(excluded.service, o.service),
        array(select distinct x from unnest(o.tracking_numbers || excluded.tracking_numbers) x order by x),
        excluded.ship_to_country, coalesce(excluded.ship_to_region, o.ship_to_region),
        coalesce(excluded.ship_to_postal, o.ship_to_postal), coalesce(excluded.postal_norm, o.postal_norm),
        coalesce(excluded.address_type, o.address_type))
    returning o.id, o.order_number
), named as (
    insert into order_trackings (tracking_norm, order_id)
    select tracking, s.id from trackings t join stored s using (order_number), unnest(t.tracking_numbers) as tracking
    on conflict do nothing
), lines as (
    insert into order_lines as l (order_id, line_number, sku, sku_norm, quantity, unit_price, currency, exporter_name,
        export_country, requested_ship_date, status, job_id)
    select s.id, i.line_number, i.sku, i.sku_norm, i.quantity, i.unit_price, i.currency, i.exporter_name,
        i.export_country, i.requested_ship_date, i.status, $1
    from input i join stored s using (order_number)
    on conflict (tenant_id, order_id, line_number) do update set (sku, sku_norm, quantity, unit_price, currency,
        exporter_name, export_country, requested_ship_date, status, job_id) =
        (excluded.sku, excluded.sku_norm, excluded.quantity, excluded.unit_price, excluded.currency,
        excluded.exporter_name, excluded.export_country, excluded.requested_ship_date,
        case when excluded.status = 'OPEN' then l.status else excluded.status end, excluded.job_id)
    where (l.sku, l.quantity, l.unit_price, l.currency, l.exporter_name, l.export_country, l.requested_ship_date,
        l.status) is distinct from (excluded.sku, excluded.quantity, excluded.unit_price, excluded.currency,
        excluded.exporter_name, excluded.export_country, excluded.requested_ship_date,
        case when excluded.status = 'OPEN' then l.status else excluded.status end)
    returning l.id, xmax = 0 as created
)
select count(*) filter (where created) as created, count(*) filter (where not created) as updated,
    (select coalesce(array_agg(id), '{}') from stored) as orders, coalesce(array_agg(id), '{}') as lines
from lines";

/// The lines that are to be given their products.
#[derive(Debug, Clone, Copy)]
pub enum Lines<'a> {
    /// By their ids.
    Ids(&'a [Uuid]),
    /// By what they call their products.
    Skus(&'a [String]),
}

/// Gives lines their products, and says how many changed.
///
/// A product goes by its number, by another name that the catalog has for it, by its number however it is written,
/// or by its GTIN. Where the best of these names two products, none is picked.
///
/// # Errors
/// When the database says no.
pub async fn match_products(tx: &mut TenantTx, lines: Lines<'_>) -> sqlx::Result<u64> {
    let (ids, skus): (&[Uuid], &[String]) = match lines {
        Lines::Ids(ids) => (ids, &[]),
        Lines::Skus(skus) => (&[], skus),
    };
    let changed: i64 = sqlx::query_scalar(MATCH).bind(ids).bind(skus).fetch_one(&mut *tx).await?;
    Ok(u64::try_from(changed).unwrap_or(0))
}

const MATCH: &str = "
with lines as materialized (
    select l.id, l.sku, l.sku_norm from unnest($1::uuid[]) as wanted (id),
        lateral (select id, sku, sku_norm from order_lines l where l.id = wanted.id offset 0) l
    union all
    select l.id, l.sku, l.sku_norm from unnest($2::text[]) as wanted (sku_norm),
        lateral (select id, sku, sku_norm from order_lines l where l.sku_norm = wanted.sku_norm offset 0) l
), found as (
    select l.id as line_id, p.id as product_id, case when p.sku = l.sku then 'EXACT' else 'NORMALISED' end as method,
        case when p.sku = l.sku then 1.00 else 0.90 end as confidence
    from lines l, lateral (select id, sku from catalog_products p where p.sku_norm = l.sku_norm offset 0) p
    union all
    select l.id, k.product_id, k.kind, case k.kind when 'ALIAS' then 0.95 else 0.90 end
    from lines l, lateral (select product_id, kind from product_keys k where k.key_norm = l.sku_norm offset 0) k
), best as (
    select line_id, min(product_id::text)::uuid as product_id, min(method) as method, confidence
    from (select *, max(confidence) over (partition by line_id) as top from found) ranked
    where confidence = top group by line_id, confidence having count(distinct product_id) = 1
), lost as (
    delete from order_line_products where line_id = any (array(
        select l.id from lines l left join best b on b.line_id = l.id where b.line_id is null))
    returning line_id
), matched as (
    insert into order_line_products as m (line_id, product_id, method, confidence)
    select line_id, product_id, method, confidence from best
    on conflict (tenant_id, line_id) do update set (product_id, method, confidence) =
        (excluded.product_id, excluded.method, excluded.confidence)
    where (m.product_id, m.method) is distinct from (excluded.product_id, excluded.method)
    returning line_id
)
select (select count(*) from lost) + (select count(*) from matched)";
