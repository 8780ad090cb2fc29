//! Products of the catalog in, their verdicts in the database out.

use chrono::{Days, NaiveDate};
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::decision::{Decision, Law, Verdict, decide};
use super::product::Product;
use crate::catalog::row::ProductRow;

/// Which products are screened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// All of them.
    Always,
    /// Those whose current version has no verdict by the current rules.
    ChangedOnly,
    /// Those, and those whose verdict is older than so many days.
    StaleOnly(u32),
}

/// What is screened, and by which rules.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The products by their keys; all when there are none.
    pub sku_norms: Option<&'a [String]>,
    /// Which of them.
    pub policy: Policy,
    /// The day.
    pub as_of: NaiveDate,
    /// The rules.
    pub law: &'a Law,
    /// Their hash.
    pub ruleset: &'a str,
}

/// A product of the catalog with the version that is screened.
#[derive(Debug, sqlx::FromRow)]
pub struct Listed {
    sku: String,
    /// The product's key.
    pub sku_norm: String,
    version: i32,
    title: String,
    description: Option<String>,
    category: Option<String>,
    hs_code: Option<String>,
    country_of_origin: Option<String>,
    country_of_export: Option<String>,
    exporter_name: Option<String>,
    exporter_id: Option<String>,
    unit_cost: Option<Decimal>,
    currency: Option<String>,
    uom: Option<String>,
    net_weight_kg: Option<Decimal>,
    attributes: Option<Value>,
}

/// A row of a file that is screened without going to the catalog.
impl From<ProductRow> for Listed {
    fn from(row: ProductRow) -> Listed {
        Listed {
            sku: row.sku,
            sku_norm: row.sku_norm,
            version: 1,
            title: row.title,
            description: row.description,
            category: row.category,
            hs_code: row.hs_code,
            country_of_origin: row.country_of_origin,
            country_of_export: row.country_of_export,
            exporter_name: row.exporter_name,
            exporter_id: row.exporter_id,
            unit_cost: row.unit_cost,
            currency: row.currency,
            uom: row.uom,
            net_weight_kg: row.net_weight_kg,
            attributes: row.attributes,
        }
    }
}

impl Listed {
    /// The product as it is screened.
    pub(crate) fn product(&self) -> Product {
        let texts = [Some(&self.title), self.description.as_ref(), self.category.as_ref()];
        Product {
            sku: self.sku.clone(),
            text: texts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(". "),
            hs_code: self.hs_code.clone(),
            origin: self.country_of_origin.clone(),
            export_country: self.country_of_export.clone(),
            exporter_name: self.exporter_name.clone(),
            exporter_id: self.exporter_id.clone(),
            unit_cost: self.unit_cost,
            currency: self.currency.clone(),
            unit: self.uom.clone(),
            net_weight_kg: self.net_weight_kg,
            region: None,
            attributes: self.attributes.clone().unwrap_or_default(),
            ..Product::default()
        }
    }
}

/// A verdict that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// The product.
    pub sku: String,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is_now: String,
}

/// The next products after a key.
///
/// # Errors
/// When the database says no.
pub async fn next(tx: &mut TenantTx, run: &Run<'_>, after: &str, limit: i64) -> sqlx::Result<Vec<Listed>> {
    let days = match run.policy {
        Policy::StaleOnly(days) => Some(u64::from(days)),
        Policy::Always | Policy::ChangedOnly => None,
    };
    let fresh_after = days.and_then(|days| run.as_of.checked_sub_days(Days::new(days)));
    sqlx::query_as(
        "select sku, sku_norm, version, title, description, category, hs_code, country_of_origin, country_of_export,
             exporter_name, exporter_id, unit_cost, currency, uom, net_weight_kg, attributes
         from catalog_products p
         where sku_norm > $1 and ($2::text[] is null or sku_norm = any ($2)) and ($3 or (
             select true from sima_results r where r.sku_norm = p.sku_norm and r.product_version = p.version
                 and r.ruleset_hash = $4 and ($5::date is null or r.as_of >= $5) limit 1) is null)
         order by sku_norm limit $6",
    )
    .bind(after)
    .bind(run.sku_norms)
    .bind(run.policy == Policy::Always)
    .bind(run.ruleset)
    .bind(fresh_after)
    .bind(limit)
    .fetch_all(&mut *tx)
    .await
}

/// One verdict as a row.
#[derive(Serialize)]
struct Row {
    sku: String,
    sku_norm: String,
    product_version: i32,
    #[serde(flatten)]
    decision: Decision,
}

/// Decides about products and writes the verdicts; an earlier verdict is superseded, not lost.
///
/// # Errors
/// When the database says no.
pub async fn screen(tx: &mut TenantTx, run: &Run<'_>, products: &[Listed]) -> sqlx::Result<(Vec<Verdict>, Vec<Flip>)> {
    let decided = products.iter().map(|listed| {
        let decision = decide(&listed.product(), run.as_of, run.law);
        let (sku, sku_norm) = (listed.sku.clone(), listed.sku_norm.clone());
        Row { sku, sku_norm, product_version: listed.version, decision }
    });
    let rows: Vec<Row> = decided.collect();
    let fresh: Vec<Fresh> =
        sqlx::query_as(STORE).bind(Json(&rows)).bind(run.ruleset).bind(run.as_of).fetch_all(&mut *tx).await?;
    let older: Vec<(Uuid, Uuid)> = fresh.iter().filter_map(|of| Some((of.older?, of.id))).collect();
    if !older.is_empty() {
        let (older, newer): (Vec<Uuid>, Vec<Uuid>) = older.into_iter().unzip();
        sqlx::query(
            "update sima_results r set superseded_by = newer
             from unnest($1::uuid[], $2::uuid[]) as pairs (older, newer)
             where r.id = older and r.id = any (array(select unnest($1::uuid[])))",
        )
        .bind(older)
        .bind(newer)
        .execute(&mut *tx)
        .await?;
    }
    let flips = fresh.into_iter().filter_map(|of| {
        let was = of.was.filter(|was| *was != of.is_now)?;
        Some(Flip { sku: of.sku, was, is_now: of.is_now })
    });
    Ok((rows.iter().map(|row| row.decision.verdict).collect(), flips.collect()))
}

/// A verdict that was written, and the one that it supersedes.
#[derive(sqlx::FromRow)]
struct Fresh {
    id: Uuid,
    sku: String,
    is_now: String,
    older: Option<Uuid>,
    was: Option<String>,
}

const STORE: &str = "
with input as (
    select * from jsonb_to_recordset($1) as r (sku text, sku_norm text, product_version integer, measure text,
        verdict text, reasons text[], ad_cad numeric, cvd_cad numeric, total_cad numeric, upper_bound_cad numeric,
        confidence numeric, evidence jsonb)
), fresh as (
    insert into sima_results (sku, sku_norm, product_version, ruleset_hash, as_of, measure_code, verdict, reasons,
        ad_cad, cvd_cad, total_cad, upper_bound_cad, confidence, evidence)
    select sku, sku_norm, product_version, $2, $3, measure, verdict, reasons, ad_cad, cvd_cad, total_cad,
        upper_bound_cad, confidence, evidence from input
    on conflict (tenant_id, sku_norm, product_version, ruleset_hash, as_of) do update set
        (measure_code, verdict, reasons, ad_cad, cvd_cad, total_cad, upper_bound_cad, confidence, evidence,
        superseded_by) = (excluded.measure_code, excluded.verdict, excluded.reasons, excluded.ad_cad,
        excluded.cvd_cad, excluded.total_cad, excluded.upper_bound_cad, excluded.confidence, excluded.evidence, null)
    returning id, sku, sku_norm, verdict
)
select f.id, f.sku, f.verdict as is_now, r.id as older, r.verdict as was
from fresh f left join lateral (
    select id, verdict from sima_results r where r.sku_norm = f.sku_norm and r.superseded_by is null and r.id <> f.id
    offset 0) r on true
order by f.sku";
