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
}

/// Rows whose status would move back.
///
/// # Errors
/// When the database says no.
pub async fn regressions(tx: &mut TenantTx, lines: &[OrderLine]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar(
        "with input as materialized (
             select * from jsonb_to_recordset($1) as i (row_number bigint, order_number text, line_number integer, status text)
             where status = 'OPEN'
         ), known as materialized (
             select id, order_number from orders
             where source = 'file' and order_number = any (array(select order_number from input))
         ), ended as materialized (
             select order_id, line_number from order_lines
             where order_id = any (array(select id from known)) and status in ('SHIPPED', 'CANCELLED')
         )
         select i.row_number from input i join known k using (order_number)
         join ended e on e.order_id = k.id and e.line_number = i.line_number order by 1",
    )
    .bind(Json(lines))
    .fetch_all(&mut *tx)
    .await
}

/// Rows whose product is not in the catalog.
///
/// # Errors
/// When the database says no.
pub async fn unknown_skus(tx: &mut TenantTx, lines: &[OrderLine]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar(
        "select i.row_number from jsonb_to_recordset($1) as i (row_number bigint, sku_norm text)
         where not exists (select from catalog_products p where p.sku_norm = i.sku_norm) order by 1",
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
        po_number text, po_norm text, tracking_numbers text[], carrier text, ship_to_country text, ship_to_region text,
        ship_to_postal text, postal_norm text, address_type text, exporter_name text, export_country text,
        requested_ship_date date, status text)
), trackings as (
    select order_number, array_agg(distinct tracking order by tracking) as tracking_numbers
    from input, unnest(tracking_numbers) as tracking group by order_number
), stored as (
    insert into orders as o (source, order_number, number_norm, order_date, po_number, po_norm, carrier,
        tracking_numbers, ship_to_country, ship_to_region, ship_to_postal, postal_norm, address_type)
    select distinct on (i.order_number) 'file', i.order_number, i.number_norm, i.order_date, i.po_number, i.po_norm,
        i.carrier, coalesce(t.tracking_numbers, '{}'), i.ship_to_country, i.ship_to_region, i.ship_to_postal,
        i.postal_norm, i.address_type
    from input i left join trackings t using (order_number) order by i.order_number, i.row_number desc
    on conflict (tenant_id, source, order_number) do update set (order_date, po_number, po_norm, carrier,
        tracking_numbers, ship_to_country, ship_to_region, ship_to_postal, postal_norm, address_type) =
        (excluded.order_date, coalesce(excluded.po_number, o.po_number), coalesce(excluded.po_norm, o.po_norm),
        coalesce(excluded.carrier, o.carrier),
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
    returning xmax = 0 as created
)
select count(*) filter (where created) as created, count(*) filter (where not created) as updated,
    (select coalesce(array_agg(id), '{}') from stored) as orders
from lines";

/// Gives lines their products by the number, however it is written, and says how many changed.
///
/// # Errors
/// When the database says no.
pub async fn match_products(tx: &mut TenantTx, sku_norms: &[String]) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "insert into order_line_products as m (line_id, product_id, method, confidence)
         select l.id, p.id, case when p.sku = l.sku then 'EXACT' else 'NORMALISED' end,
             case when p.sku = l.sku then 1.00 else 0.90 end
         from order_lines l join catalog_products p on p.tenant_id = l.tenant_id and p.sku_norm = l.sku_norm
         where l.sku_norm = any ($1)
         on conflict (tenant_id, line_id) do update set (product_id, method, confidence) =
             (excluded.product_id, excluded.method, excluded.confidence)
         where (m.product_id, m.method) is distinct from (excluded.product_id, excluded.method)",
    )
    .bind(sku_norms)
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
