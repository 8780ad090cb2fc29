//! The shared tables and a tenant's own values in, the law that verdicts rest on out.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::Deserialize;
use sqlx::types::Json;

use super::decision::Law;
use super::duty::{Fx, NormalValue, Rated};
use super::measure::{Measure, Rate, Season, Status};

/// A measure as its table has it, its rates as the table of rates has them.
#[derive(Deserialize)]
struct Row {
    code: String,
    status: Status,
    product: String,
    hs10: Vec<String>,
    hs6: Vec<String>,
    regions: Vec<String>,
    season_excluded: Option<String>,
    scope_key: String,
    effective_from: Option<NaiveDate>,
    nominal_expiry: Option<NaiveDate>,
    rates: Vec<Rate>,
}

impl From<Row> for Measure {
    fn from(row: Row) -> Measure {
        Measure {
            code: row.code,
            status: row.status,
            product: row.product,
            hs10: row.hs10,
            hs6: row.hs6,
            regions: row.regions,
            season_excluded: row.season_excluded.as_deref().and_then(Season::parse),
            scope_key: row.scope_key,
            effective_from: row.effective_from,
            nominal_expiry: row.nominal_expiry,
            rates: row.rates,
        }
    }
}

/// Loads the law of a day. Currencies are those of the day, or of the last day before it that has any.
///
/// # Errors
/// When the database says no.
pub async fn load(tx: &mut TenantTx, as_of: NaiveDate) -> sqlx::Result<Law> {
    let rows: Vec<Json<Row>> = sqlx::query_scalar(
        "select to_jsonb(m) || jsonb_build_object('rates', (
             select coalesce(jsonb_agg(jsonb_build_object('id', id, 'duty', duty, 'country', country,
                 'exporter', exporter_norm, 'exporter_id', exporter_id, 'kind', kind, 'value', value::text,
                 'currency', currency, 'unit', unit, 'model', model, 'effective_from', effective_from) order by id), '[]')
             from sima_measure_rates r where r.measure = m.code))
         from sima_measures m order by m.code",
    )
    .fetch_all(&mut *tx)
    .await?;
    let fx: Vec<(NaiveDate, String, Decimal)> = sqlx::query_as(
        "select distinct on (currency) day, currency, cad from fx_rates where day <= $1 order by currency, day desc",
    )
    .bind(as_of)
    .fetch_all(&mut *tx)
    .await?;
    let normal_values: Vec<NormalValue> = sqlx::query_as(
        "select measure, exporter_id, model_id, value, currency, unit from exporter_normal_values
         where valid_from <= $1 and (valid_to is null or valid_to >= $1) order by measure, exporter_id, model_id, valid_from",
    )
    .bind(as_of)
    .fetch_all(&mut *tx)
    .await?;
    let rates = fx.into_iter().map(|(day, currency, cad)| (currency, Rated { day, cad })).collect();
    let measures = rows.into_iter().map(|Json(row)| row.into()).collect();
    Ok(Law { measures, fx: Fx { rates }, normal_values })
}
