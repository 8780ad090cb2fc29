//! Many rows in or out of one tenant's part of a table.
//!
//! `COPY FROM` is refused on a table under row-level security, so rows go in as arrays.
//! `COPY TO` is filtered by the policies, so it is how one tenant's rows come out.

use futures_core::stream::BoxStream;
use sqlx::{AssertSqlSafe, Executor, Postgres};

use crate::policy::{TenantTable, quote_ident};

/// An `INSERT` of many rows by one statement, one array per column.
///
/// The tenant is the scope's own: a caller cannot give another.
///
/// ```
/// use rls_runtime::bulk::BulkInsert;
/// use rls_runtime::policy::TenantTable;
///
/// let orders = TenantTable::new("orders".parse()?);
/// let sql = BulkInsert::into(&orders).column("sku", "text").column("qty", "int4").sql();
/// assert_eq!(
///     sql,
///     "insert into \"orders\" (\"tenant_id\", \"sku\", \"qty\") \
///      select (select current_setting('app.tenant_id')::uuid), * \
///      from unnest($1::text[], $2::int4[])"
/// );
/// # Ok::<(), rls_runtime::policy::BadName>(())
/// ```
///
/// Bind one `Vec` per column in the same order, in a scope's own handle.
/// All arrays must have the same length: PostgreSQL fills a shorter one up with NULL.
#[derive(Debug, Clone)]
pub struct BulkInsert<'a> {
    table: &'a TenantTable,
    columns: Vec<(&'a str, &'a str)>,
    skip_known: bool,
}

impl<'a> BulkInsert<'a> {
    /// Inserts into this table.
    #[must_use]
    pub fn into(table: &'a TenantTable) -> Self {
        Self { table, columns: Vec::new(), skip_known: false }
    }

    /// Adds a column with the SQL type of its elements, as in `text` or `numeric(10,2)`.
    ///
    /// The type is part of the statement: take it from your code, never from input.
    #[must_use]
    pub fn column(mut self, name: &'a str, sql_type: &'a str) -> Self {
        self.columns.push((name, sql_type));
        self
    }

    /// Skips rows whose key the tenant already has.
    ///
    /// Safe only where every unique key holds the tenant column; `rls-verify` checks that as V13.
    #[must_use]
    pub fn skip_known(self) -> Self {
        Self { skip_known: true, ..self }
    }

    /// The statement, with one array parameter per column.
    #[must_use]
    pub fn sql(&self) -> String {
        let names: String = self.columns.iter().map(|(name, _)| format!(", {}", quote_ident(name))).collect();
        let arrays: Vec<String> =
            (1..).zip(&self.columns).map(|(at, (_, sql_type))| format!("${at}::{sql_type}[]")).collect();
        format!(
            "insert into {} ({}{names}) select {}, * from unnest({}){}",
            self.table.name(),
            self.table.tenant_column(),
            self.table.tenant(),
            arrays.join(", "),
            if self.skip_known { " on conflict do nothing" } else { "" },
        )
    }
}

/// The rows of one tenant as JSON objects, one text per row, in a scope's own handle.
///
/// It names the tenant itself, so that it exports one tenant also on a connection that bypasses the policies.
///
/// ```
/// use futures_util::TryStreamExt;
/// use rls_runtime::{TenantTx, bulk, policy::TenantTable};
///
/// async fn backup(tx: &mut TenantTx, orders: &TenantTable) -> sqlx::Result<Vec<String>> {
///     bulk::export_json(&mut *tx, orders).try_collect().await
/// }
/// ```
pub fn export_json<'e>(
    executor: impl Executor<'e, Database = Postgres> + 'e,
    table: &TenantTable,
) -> BoxStream<'e, sqlx::Result<String>> {
    let sql = format!("select to_jsonb(t)::text from {} t where {}", table.name(), table.predicate());
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch(executor)
}

/// The statement that writes the scope's rows of a table as CSV: `COPY … TO STDOUT`.
///
/// It is for `psql` and for drivers that speak COPY, after the tenant was set; a scope's handle exports with [`export_json`].
///
/// ```
/// use rls_runtime::{bulk, policy::TenantTable};
/// let sql = bulk::export_csv(&TenantTable::new("orders".parse()?));
/// assert!(sql.starts_with("copy (select * from \"orders\" where \"tenant_id\" = "));
/// # Ok::<(), rls_runtime::policy::BadName>(())
/// ```
#[must_use]
pub fn export_csv(table: &TenantTable) -> String {
    format!("copy (select * from {} where {}) to stdout with (format csv, header)", table.name(), table.predicate())
}

/// The environment that makes `pg_dump` write one tenant's rows, as options for libpq.
///
/// Run `PGOPTIONS="<this>" pg_dump --enable-row-security --data-only`: under FORCE a plain dump by the owner fails.
#[must_use]
pub fn dump_options(setting: &str, tenant: &str) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace(' ', "\\ ");
    format!("-c {}={}", escape(setting), escape(tenant))
}
