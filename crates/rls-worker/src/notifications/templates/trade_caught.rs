//! The order that is caught, its lines and what they would cost.

use rls_runtime::TenantTx;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{MOST, not_found, subject};
use crate::notifications::pages::Pages;
use crate::workers::outcome::LaneError;

pub(super) async fn variables(
    tx: &mut TenantTx,
    payload: &Map<String, Value>,
    pages: Option<&Pages>,
) -> Result<Value, LaneError> {
    let order = subject(payload, "order")?;
    let found: Option<Value> = sqlx::query_scalar(
        "select jsonb_build_object(
             'caught', c.id, 'order', o.order_number, 'exposure', to_char(c.exposure_cad, 'FM999,999,990.00'), 'kind', c.exposure_kind,
             'measures', c.measure_codes,
             'ship_by', (select min(l.requested_ship_date) from order_lines l
                 where l.tenant_id = o.tenant_id and l.order_id = o.id and l.line_number = any (c.line_numbers)),
             'more_lines', greatest(cardinality(c.line_numbers) - $2, 0),
             'lines', (select coalesce(jsonb_agg(jsonb_build_object('sku', l.sku, 'quantity', trim_scale(l.quantity)::text,
                     'verdict', coalesce(v.decision, r.verdict), 'reasons', array_to_string(r.reasons, ', '),
                     'ad', coalesce(to_char(r.ad_cad, 'FM999,999,990.00'), 'open'),
                     'cvd', coalesce(to_char(r.cvd_cad, 'FM999,999,990.00'), 'open')) order by l.line_number), '[]')
                 from order_lines l
                 join order_line_products m on m.tenant_id = l.tenant_id and m.line_id = l.id
                 join catalog_products p on p.tenant_id = m.tenant_id and p.id = m.product_id
                 join sima_results r on r.tenant_id = p.tenant_id and r.sku_norm = p.sku_norm and r.superseded_by is null
                 left join sima_reviews v on v.tenant_id = r.tenant_id and v.sku_norm = r.sku_norm
                     and v.product_version = r.product_version and v.ruleset_hash = r.ruleset_hash
                 where l.tenant_id = o.tenant_id and l.order_id = o.id
                     and l.line_number = any (array(select unnest(c.line_numbers) order by 1 limit $2))))
         from orders o join trade_caught_orders c on c.tenant_id = o.tenant_id and c.order_id = o.id
         where o.order_number = $1 order by c.first_caught_on desc limit 1",
    )
    .bind(order)
    .bind(MOST)
    .fetch_optional(&mut **tx)
    .await?;
    let mut found = found.ok_or_else(|| not_found("the order"))?;
    let id = found.as_object_mut().and_then(|fields| serde_json::from_value::<Uuid>(fields.remove("caught")?).ok());
    found["review_link"] = pages.zip(id).map(|(pages, id)| pages.caught_order(id)).into();
    Ok(found)
}
