//! The tables, their migrations, their rights and their seed.
//!
//! All of this runs as the owner; the worker itself runs as a role that owns nothing.

use rls_runtime::migrate::Migration;
use rls_runtime::policy::{TableName, TenantTable, quote_ident};
use rls_runtime::queue::Schema;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::migrate::Migrator;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::trade::measure::{self, Measure};

/// All migrations, with their ways back.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// The migration that forces the tables: the plan's own.
pub const REENABLE_FORCE: i64 = 20260302000000;

/// Tables that hold one tenant's rows each.
pub const TENANT_TABLES: &[&str] = &[
    "ingest_row_errors",
    "notification_events",
    "catalog_products",
    "catalog_product_versions",
    "product_keys",
    "exporter_normal_values",
    "sima_results",
    "sima_reviews",
    "orders",
    "order_trackings",
    "order_lines",
    "order_line_products",
    "carrier_invoices",
    "shipments",
    "shipment_references",
    "shipment_charges",
    "order_shipment_links",
    "order_link_candidates",
    "carrier_agreements",
    "tenant_carrier_overrides",
    "ship_findings",
    "ship_finding_events",
    "ship_finding_credits",
    "ship_claims",
    "ship_claim_findings",
    "ship_claim_events",
    "trade_detection_config",
    "trade_caught_orders",
    "uploads",
    "notification_preferences",
    "notification_deliveries",
    "notification_rate_buckets",
    "notification_schedules",
    "trade_spikes",
    "webhook_endpoints",
    "guest_sessions",
    "guest_results",
];

/// Tables that all tenants read and the worker never writes.
pub const SHARED_TABLES: &[&str] = &["sima_measures", "sima_measure_rates", "fx_rates"];

/// The measures as they were captured.
const SEED: &str = include_str!("../seed/sima_measures.csv");

fn tenant_tables() -> impl DoubleEndedIterator<Item = TenantTable> {
    TENANT_TABLES.iter().map(|table| TenantTable::new(TableName::new(*table)))
}

/// The first state: policies are in place, and the owner still gets past them.
#[must_use]
pub fn policies_up() -> String {
    tenant_tables().map(|table| table.policies() + &table.enable() + &table.check_keys()).collect()
}

/// Takes the policies away.
#[must_use]
pub fn policies_down() -> String {
    tenant_tables().rev().map(|table| table.disable() + &table.drop_policies()).collect()
}

/// The setting of a scope that is a guest's: the guest's session.
pub const GUEST_SETTING: &str = "app.guest_session_id";

/// A second condition beside the tenant: a guest sees the rows of the own session, and no others.
///
/// Where no guest is set the scope is the tenant's own, and the condition asks for nothing.
fn guest_policy(table: &str) -> String {
    let guest = format!("(select nullif(current_setting('{GUEST_SETTING}', true), ''))");
    let condition = match table {
        "guest_sessions" => format!("{guest} is null or id = {guest}::uuid"),
        "guest_results" => format!("{guest} is null or guest_session_id = {guest}::uuid"),
        _ => format!("{guest} is null"),
    };
    let table = TableName::new(table);
    format!(
        "drop policy if exists guest_own_rows on {table};\n\
         create policy guest_own_rows on {table} as restrictive\n  \
         for all to public\n  using ({condition})\n  with check ({condition});\n"
    )
}

/// Keeps guests to the rows of their own sessions.
#[must_use]
pub fn guest_policies_up() -> String {
    TENANT_TABLES.iter().map(|table| guest_policy(table)).collect()
}

/// Takes the second condition away.
#[must_use]
pub fn guest_policies_down() -> String {
    let drop = |table: &&'static str| format!("drop policy if exists guest_own_rows on {};\n", TableName::new(*table));
    TENANT_TABLES.iter().rev().map(drop).collect()
}

/// The plan's own migration: nobody gets past the policies any more.
#[must_use]
pub fn reenable_force() -> Migration {
    tenant_tables().fold(Migration::force_only(REENABLE_FORCE, "reenable_force_rls_tenant_tables"), Migration::table)
}

/// Makes everything: the tables as far as a version, or all of them; the queue; the seed; the rights of the worker's role.
///
/// # Errors
/// When the connection is not the owner's, or the role does not exist.
pub async fn set_up(owner: &mut PgConnection, role: &str, version: Option<i64>) -> anyhow::Result<()> {
    match version {
        Some(version) => MIGRATOR.run_to(version, &mut *owner).await?,
        None => MIGRATOR.run(&mut *owner).await?,
    }
    // Of the queue a guest sees nothing either; the doorbell and the slots of lanes hold nothing to see.
    let queue_tables = Schema::TABLES.iter().filter(|table| !["rls_doorbell", "rls_lane_slots"].contains(table));
    let guests: String = queue_tables.map(|table| guest_policy(table)).collect();
    let queue = format!("begin; {} {guests} commit;", Schema::new().role(role).up());
    // rls-audit: allow(RLS003, reason = "makes the tables of the queue, as their owner")
    sqlx::raw_sql(AssertSqlSafe(queue)).execute(&mut *owner).await?;
    seed(owner).await?;
    grant(owner, role).await?;
    Ok(())
}

/// Gives the worker's role what it needs and takes what it does not.
///
/// # Errors
/// When the connection is not the owner's, or the role does not exist.
pub async fn grant(owner: &mut PgConnection, role: &str) -> sqlx::Result<()> {
    let role = quote_ident(role);
    let (tenant, shared) = (TENANT_TABLES.join(", "), SHARED_TABLES.join(", "));
    let queue = Schema::TABLES.join(", ");
    let sql = format!(
        "grant usage on schema public to {role};
         alter default privileges in schema public revoke all on tables from {role};
         alter default privileges in schema public revoke all on sequences from {role};
         revoke all on all tables in schema public from {role};
         grant select, insert, update, delete on {tenant}, {queue} to {role};
         grant select on {shared} to {role};"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(owner).await?;
    Ok(())
}

/// One measure as a row.
#[derive(Serialize)]
struct MeasureRow<'a> {
    code: &'a str,
    status: serde_json::Value,
    product: &'a str,
    hs10: &'a [String],
    hs6: &'a [String],
    regions: &'a [String],
    season_excluded: Option<String>,
    scope_key: &'a str,
    effective_from: Option<chrono::NaiveDate>,
    nominal_expiry: Option<chrono::NaiveDate>,
}

/// Writes the captured measures, as they are in the file; run again, it replaces them.
///
/// # Errors
/// When the connection is not the owner's.
pub async fn seed(owner: &mut PgConnection) -> anyhow::Result<usize> {
    let measures = measure::from_csv(SEED)?;
    let rows: Vec<MeasureRow<'_>> = measures.iter().map(row).collect::<Result<_, _>>()?;
    sqlx::query(
        "insert into sima_measures
         select * from jsonb_to_recordset($1) as r (code text, status text, product text, hs10 text[], hs6 text[],
             regions text[], season_excluded text, scope_key text, effective_from date, nominal_expiry date)
         on conflict (code) do update set (status, product, hs10, hs6, regions, season_excluded, scope_key,
             effective_from, nominal_expiry) = (excluded.status, excluded.product, excluded.hs10, excluded.hs6,
             excluded.regions, excluded.season_excluded, excluded.scope_key, excluded.effective_from, excluded.nominal_expiry)",
    )
    .bind(Json(&rows))
    .execute(&mut *owner)
    .await?;
    for measure in &measures {
        sqlx::query(
            "insert into sima_measure_rates
             select id, $1, duty, country, exporter, exporter_id, kind, value, currency, unit, model, effective_from
             from jsonb_to_recordset($2) as r (id integer, duty text, country text, exporter text, exporter_id text,
                 kind text, value numeric, currency text, unit text, model text, effective_from date)
             on conflict (id) do update set (measure, duty, country, exporter_norm, exporter_id, kind, value, currency,
                 unit, model, effective_from) = (excluded.measure, excluded.duty, excluded.country,
                 excluded.exporter_norm, excluded.exporter_id, excluded.kind, excluded.value, excluded.currency,
                 excluded.unit, excluded.model, excluded.effective_from)",
        )
        .bind(&measure.code)
        .bind(Json(&measure.rates))
        .execute(&mut *owner)
        .await?;
    }
    Ok(measures.iter().map(|measure| measure.rates.len()).sum())
}

fn row(measure: &Measure) -> serde_json::Result<MeasureRow<'_>> {
    Ok(MeasureRow {
        code: &measure.code,
        status: serde_json::to_value(measure.status)?,
        product: &measure.product,
        hs10: &measure.hs10,
        hs6: &measure.hs6,
        regions: &measure.regions,
        season_excluded: measure.season_excluded.map(|season| season.to_string()),
        scope_key: &measure.scope_key,
        effective_from: measure.effective_from,
        nominal_expiry: measure.nominal_expiry,
    })
}

/// Writes what currencies are worth on a day, in Canadian dollars.
///
/// # Errors
/// When the connection is not the owner's, or a rate is not positive.
pub async fn set_fx(owner: &mut PgConnection, day: chrono::NaiveDate, rates: &[(&str, Decimal)]) -> sqlx::Result<()> {
    for (currency, cad) in rates {
        sqlx::query(
            "insert into fx_rates (day, currency, cad) values ($1, $2, $3)
             on conflict (day, currency) do update set cad = excluded.cad",
        )
        .bind(day)
        .bind(currency)
        .bind(cad)
        .execute(&mut *owner)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Set it to rewrite the files.
    const BLESS: &str = "RLS_BLESS_MIGRATIONS";

    fn check(file: &str, expected: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(file);
        if std::env::var_os(BLESS).is_some() {
            std::fs::write(&path, expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{file} is not what the policy module writes; set {BLESS} to rewrite it");
    }

    #[test]
    fn the_migrations_are_what_the_policy_module_writes() {
        check("20260102000000_tenant_policies.up.sql", &policies_up());
        check("20260102000000_tenant_policies.down.sql", &policies_down());
        check("20260102000001_guest_policies.up.sql", &guest_policies_up());
        check("20260102000001_guest_policies.down.sql", &guest_policies_down());
        check("20260302000000_reenable_force_rls_tenant_tables.up.sql", &reenable_force().up_sql());
        check("20260302000000_reenable_force_rls_tenant_tables.down.sql", &reenable_force().down_sql());
    }

    #[test]
    fn every_table_of_the_schema_is_known() {
        let schema = [
            include_str!("../migrations/20260101000000_schema.up.sql"),
            include_str!("../migrations/20260101000001_claims.up.sql"),
            include_str!("../migrations/20260101000002_guests.up.sql"),
            include_str!("../migrations/20260101000003_webhooks.up.sql"),
        ];
        let created: Vec<&str> = schema
            .iter()
            .flat_map(|file| file.lines())
            .filter_map(|line| line.strip_prefix("create table ")?.strip_suffix(" ("))
            .collect();
        let known: Vec<&str> = SHARED_TABLES.iter().chain(TENANT_TABLES).copied().collect();
        let missing: Vec<_> = created.iter().filter(|table| !known.contains(table)).collect();
        assert!(missing.is_empty() && created.len() == known.len(), "{missing:?}");
    }
}
