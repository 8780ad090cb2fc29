//! The order that is caught, its lines and what they would cost.

use rls_runtime::TenantTx;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{not_found, subject};
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
             'lines', (select coalesce(jsonb_agg(jsonb_build_object('sku', l.sku, 'quantity', trim_scale(l.quantity)::text,
                     'verdict', r.verdict, 'reasons', array_to_string(r.reasons, ', '),
                     'ad', coalesce(to_char(r.ad_cad, 'FM999,999,990.00'), 'open'),
                     'cvd', coalesce(to_char(r.cvd_cad, 'FM999,999,990.00'), 'open')) order by l.line_number), '[]')
                 from order_lines l
                 join sima_results r on r.tenant_id = l.tenant_id and r.sku_norm = l.sku_norm and r.superseded_by is null
                 where l.tenant_id = o.tenant_id and l.order_id = o.id and l.line_number = any (c.line_numbers)))
         from orders o join trade_caught_orders c on c.tenant_id = o.tenant_id and c.order_id = o.id
         where o.order_number = $1 order by c.first_caught_on desc limit 1",
    )
    .bind(order)
    .fetch_optional(&mut **tx)
    .await?;
    let mut found = found.ok_or_else(|| not_found("the order"))?;
    let id = found.as_object_mut().and_then(|fields| serde_json::from_value::<Uuid>(fields.remove("caught")?).ok());
    found["review_link"] = pages.zip(id).map(|(pages, id)| pages.caught_order(id)).into();
    Ok(found)
}
