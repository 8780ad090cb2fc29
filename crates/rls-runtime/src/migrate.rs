//! Tenant tables in, a reversible migration that puts them under row-level security out.

use std::io;
use std::path::{Path, PathBuf};

use crate::policy::{TableName, TenantTable, quote_ident, quote_literal};

/// A reversible migration in the form that `sqlx migrate` reads.
///
/// ```
/// use rls_runtime::migrate::Migration;
/// use rls_runtime::policy::TenantTable;
///
/// let migration = Migration::new(20260302000000, "force_rls")
///     .table(TenantTable::new("orders".parse()?))
///     .table(TenantTable::new("shipments".parse()?));
/// assert!(migration.up_sql().contains("force row level security"));
/// # Ok::<(), rls_runtime::policy::BadName>(())
/// ```
#[derive(Debug, Clone)]
pub struct Migration {
    version: i64,
    name: String,
    tables: Vec<TenantTable>,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Everything,
    ForceOnly,
}

impl Migration {
    /// A migration that protects its tables completely: column, index, policies, enable and force.
    #[must_use]
    pub fn new(version: i64, name: impl Into<String>) -> Self {
        Self { version, name: name.into(), tables: Vec::new(), what: What::Everything }
    }

    /// A migration that only forces tables whose policies are in place already.
    #[must_use]
    pub fn force_only(version: i64, name: impl Into<String>) -> Self {
        Self { what: What::ForceOnly, ..Self::new(version, name) }
    }

    /// Adds a table.
    #[must_use]
    pub fn table(mut self, table: TenantTable) -> Self {
        self.tables.push(table);
        self
    }

    /// What the migration does; running it twice changes nothing more.
    #[must_use]
    pub fn up_sql(&self) -> String {
        let steps = self.tables.iter().map(|table| match self.what {
            What::Everything => table.up() + &table.check_keys(),
            What::ForceOnly => table.force(),
        });
        format!("{LOCK_TIMEOUT}{}", steps.collect::<String>())
    }

    /// What takes the migration back, last table first.
    #[must_use]
    pub fn down_sql(&self) -> String {
        let steps = self.tables.iter().rev().map(|table| match self.what {
            What::Everything => table.down(),
            What::ForceOnly => table.unforce(),
        });
        format!("{LOCK_TIMEOUT}{}", steps.collect::<String>())
    }

    /// Writes `<version>_<name>.up.sql` and `.down.sql` into the folder, and returns their paths.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_to(&self, folder: &Path) -> io::Result<[PathBuf; 2]> {
        let path = |end: &str| folder.join(format!("{}_{}.{end}.sql", self.version, self.name));
        let paths = [path("up"), path("down")];
        std::fs::write(&paths[0], self.up_sql())?;
        std::fs::write(&paths[1], self.down_sql())?;
        Ok(paths)
    }
}

/// Changing a table waits for its readers, and everybody else then waits for us: rather fail.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '5s';\n";

/// A statement that a migration runs once per tenant.
///
/// Under FORCE the owner sees no row outside a scope: a plain backfill in a migration changes nothing, and says so nowhere.
///
/// ```
/// use rls_runtime::migrate::Backfill;
///
/// let sql = Backfill::new("tenants".parse()?, "id").sql("update orders set total = 0 where total is null");
/// assert!(sql.starts_with("do "));
/// # Ok::<(), rls_runtime::policy::BadName>(())
/// ```
#[derive(Debug, Clone)]
pub struct Backfill {
    tenants: TableName,
    id: String,
    setting: String,
}

impl Backfill {
    /// Takes the tenants from this column of this global table.
    #[must_use]
    pub fn new(tenants: TableName, id: impl Into<String>) -> Self {
        Self { tenants, id: id.into(), setting: "app.tenant_id".into() }
    }

    /// Names the setting that carries the tenant.
    #[must_use]
    pub fn setting(self, setting: impl Into<String>) -> Self {
        Self { setting: setting.into(), ..self }
    }

    /// The block that runs the statement for one tenant after the other, in the migration's transaction.
    ///
    /// It leaves the transaction without a tenant, and reports the rows it changed as a notice.
    #[must_use]
    pub fn sql(&self, statement: &str) -> String {
        let setting = quote_literal(&self.setting);
        let body = format!(
            "declare\n  tenant text;\n  changed bigint;\n  total bigint := 0;\n\
             begin\n  \
               for tenant in select {id}::text from {tenants} order by 1 loop\n    \
                 perform set_config({setting}, tenant, true);\n    \
                 execute {statement};\n    \
                 get diagnostics changed = row_count;\n    \
                 total := total + changed;\n  \
               end loop;\n  \
               perform set_config({setting}, '', true);\n  \
               raise notice 'backfill changed % rows', total;\n\
             end",
            id = quote_ident(&self.id),
            tenants = self.tenants,
            statement = quote_literal(statement),
        );
        format!("do {};\n", crate::policy::quote_body(&body))
    }
}
