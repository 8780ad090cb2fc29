//! The day that stands out, and the orders that made it.

use rls_runtime::TenantTx;
use serde_json::{Map, Value, json};

use super::subject;
use crate::money;
use crate::workers::outcome::LaneError;

pub(super) async fn variables(tx: &mut TenantTx, payload: &Map<String, Value>) -> Result<Value, LaneError> {
    let scope = subject(payload, "scope")?;
    let value = subject(payload, "value_cad")?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    let median = text("median_cad");
    let ratio = money::parse(value).zip(money::parse(median)).and_then(|(value, median)| value.checked_div(median));
    let orders: Value = sqlx::query_scalar(
        "select coalesce(jsonb_agg(jsonb_build_object('order', q.order_number,
             'exposure', to_char(q.exposure_cad, 'FM999,999,990.00')) order by q.exposure_cad desc), '[]')
         from (select o.order_number, c.exposure_cad
               from trade_caught_orders c join orders o on o.tenant_id = c.tenant_id and o.id = c.order_id
               where c.state = 'OPEN' and ($1 = 'ALL' or $1 = any (c.measure_codes))
               order by c.exposure_cad desc, o.order_number limit 5) q",
    )
    .bind(scope)
    .fetch_one(&mut **tx)
    .await?;
    Ok(json!({
        "scope": scope, "window": text("window_start"), "value": value, "median": median, "z": text("z"),
        "ratio": ratio.map_or("many".to_owned(), |ratio| ratio.round_dp(1).to_string()), "orders": orders,
    }))
}
