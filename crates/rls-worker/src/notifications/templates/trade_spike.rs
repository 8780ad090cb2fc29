//! The day that stands out, and the orders that made it.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::subject;
use crate::money;
use crate::table::FileError;
use crate::workers::outcome::LaneError;

pub(super) async fn variables(tx: &mut TenantTx, payload: &Map<String, Value>) -> Result<Value, LaneError> {
    let scope = subject(payload, "scope")?;
    let value = figure(subject(payload, "value_cad")?)?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    let median = match text("median_cad") {
        "" => Decimal::ZERO,
        median => figure(median)?,
    };
    let ratio = value.checked_div(median);
    let window: Option<NaiveDate> = text("window_start").parse().ok();
    let orders: Value = sqlx::query_scalar(
        "select coalesce(jsonb_agg(jsonb_build_object('order', q.order_number,
             'exposure', to_char(q.exposure_cad, 'FM999,999,990.00')) order by q.exposure_cad desc), '[]')
         from (select o.order_number, c.exposure_cad
               from trade_caught_orders c join orders o on o.tenant_id = c.tenant_id and o.id = c.order_id
               where ($1 = 'ALL' or $1 = any (c.measure_codes)) and case when $2::date is null then c.state = 'OPEN' else c.first_caught_on = $2 end
               order by c.exposure_cad desc, o.order_number limit 5) q",
    )
    .bind(scope)
    .bind(window)
    .fetch_one(&mut **tx)
    .await?;
    let skus: Value = sqlx::query_scalar(
        "select coalesce(jsonb_agg(jsonb_build_object('sku', q.sku, 'exposure', to_char(q.exposure, 'FM999,999,990.00'))
             order by q.exposure desc, q.sku), '[]')
         from (select min(l.sku) as sku, sum(coalesce(r.total_cad, r.upper_bound_cad, 0) * l.quantity) as exposure
               from trade_caught_orders c
               join order_lines l on l.tenant_id = c.tenant_id and l.order_id = c.order_id and l.line_number = any (c.line_numbers)
               join order_line_products m on m.tenant_id = l.tenant_id and m.line_id = l.id
               join catalog_products p on p.tenant_id = m.tenant_id and p.id = m.product_id
               join sima_results r on r.tenant_id = p.tenant_id and r.sku_norm = p.sku_norm and r.superseded_by is null
               where ($1 = 'ALL' or $1 = any (c.measure_codes)) and case when $2::date is null then c.state = 'OPEN' else c.first_caught_on = $2 end
               group by l.sku_norm order by 2 desc, 1 limit 5) q",
    )
    .bind(scope)
    .bind(window)
    .fetch_one(&mut **tx)
    .await?;
    Ok(json!({
        "skus": skus, "scope": scope, "window": window, "value": money::shown(value), "median": money::shown(median),
        "z": text("z"),
        "ratio": ratio.map_or("many".to_owned(), |ratio| ratio.round_dp(1).to_string()), "orders": orders,
    }))
}

fn figure(text: &str) -> Result<Decimal, FileError> {
    money::parse(text).ok_or_else(|| FileError::new("EVENT_INVALID", "a figure of the event is none"))
}
