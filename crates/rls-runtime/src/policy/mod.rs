//! A table's name and tenant column in, the SQL that puts it under row-level security out.
//!
//! ```
//! use rls_runtime::policy::TenantTable;
//!
//! let orders = TenantTable::new("orders".parse()?).role("app");
//! assert_eq!(
//!     orders.predicate(),
//!     "\"tenant_id\" = (select current_setting('app.tenant_id')::uuid)"
//! );
//! println!("{}", orders.up());
//! # Ok::<(), rls_runtime::policy::BadName>(())
//! ```
//!
//! The predicate is loud: a statement outside every scope is an error, not an empty result.
//! The cast is inside the sub-select, so that the setting is read and parsed once per query.

mod ident;
mod keys;

pub use ident::{BadName, TableName, quote_ident, quote_literal};
pub(crate) use keys::quote_body;

/// The type of a tenant column.
///
/// All of them compare leak-proof, so that an index serves the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TenantType {
    /// `uuid`, the type of [`TenantTable`] unless said otherwise.
    #[default]
    Uuid,
    /// `bigint`.
    BigInt,
    /// `integer`.
    Integer,
    /// `text`. It cannot be loud: the empty text is a value, so the predicate yields no row instead.
    Text,
}

/// A command that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// `SELECT`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

impl Command {
    /// All four, in the order in which policies are written.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// The keyword, in lower case.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A table whose rows belong to tenants, and how its policies shall look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTable {
    table: TableName,
    column: String,
    setting: String,
    column_type: TenantType,
    roles: Vec<String>,
    commands: Vec<Command>,
}

impl TenantTable {
    /// A table with the column `tenant_id uuid` and the setting `app.tenant_id`, with policies for every role and command.
    #[must_use]
    pub fn new(table: TableName) -> Self {
        Self {
            table,
            column: "tenant_id".into(),
            setting: "app.tenant_id".into(),
            column_type: TenantType::Uuid,
            roles: Vec::new(),
            commands: Command::ALL.to_vec(),
        }
    }

    /// Names the tenant column.
    #[must_use]
    pub fn column(self, column: impl Into<String>) -> Self {
        Self { column: column.into(), ..self }
    }

    /// Names the setting that carries the tenant.
    #[must_use]
    pub fn setting(self, setting: impl Into<String>) -> Self {
        Self { setting: setting.into(), ..self }
    }

    /// Says which type the tenant column has.
    #[must_use]
    pub fn column_type(self, column_type: TenantType) -> Self {
        Self { column_type, ..self }
    }

    /// Adds a role that the policies are for; without any they are for `PUBLIC`.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Writes policies for these commands only; what has no policy is refused to everybody.
    #[must_use]
    pub fn commands(self, commands: &[Command]) -> Self {
        Self { commands: commands.to_vec(), ..self }
    }

    /// The same protection for another table.
    #[must_use]
    pub fn renamed(self, table: TableName) -> Self {
        Self { table, ..self }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &TableName {
        &self.table
    }

    /// The tenant column, quoted.
    #[must_use]
    pub fn tenant_column(&self) -> String {
        quote_ident(&self.column)
    }

    /// The condition that every policy of the table states.
    #[must_use]
    pub fn predicate(&self) -> String {
        format!("{} = {}", quote_ident(&self.column), self.tenant())
    }

    /// The tenant that the scope has set, as an expression of the column's type.
    #[must_use]
    pub fn tenant(&self) -> String {
        let setting = quote_literal(&self.setting);
        match self.column_type {
            TenantType::Uuid => format!("(select current_setting({setting})::uuid)"),
            TenantType::BigInt => format!("(select current_setting({setting})::bigint)"),
            TenantType::Integer => format!("(select current_setting({setting})::integer)"),
            TenantType::Text => format!("(select nullif(current_setting({setting}, true), ''))"),
        }
    }

    /// Turns row-level security on.
    #[must_use]
    pub fn enable(&self) -> String {
        self.alter("enable row level security")
    }

    /// Turns row-level security off; the policies stay and do nothing.
    #[must_use]
    pub fn disable(&self) -> String {
        self.alter("disable row level security")
    }

    /// Subjects the table's owner to the policies too.
    #[must_use]
    pub fn force(&self) -> String {
        self.alter("force row level security")
    }

    /// Lets the table's owner past the policies again.
    #[must_use]
    pub fn unforce(&self) -> String {
        self.alter("no force row level security")
    }

    /// Makes the tenant column mandatory: a row without a tenant is invisible to everybody.
    #[must_use]
    pub fn require_tenant(&self) -> String {
        let column = quote_ident(&self.column);
        self.alter(&format!("alter column {column} set not null"))
    }

    /// The canonical policies, one per command; running it again replaces them.
    #[must_use]
    pub fn policies(&self) -> String {
        self.commands.iter().map(|command| self.drop_policy(*command) + &self.create_policy(*command)).collect()
    }

    /// Removes the canonical policies.
    #[must_use]
    pub fn drop_policies(&self) -> String {
        Command::ALL.iter().map(|command| self.drop_policy(*command)).collect()
    }

    /// Closes the partitions and children of the table, to whatever depth: the table's own policies do not apply to them.
    ///
    /// They get no policies, so that nobody reads them directly; reading them through the table works as before.
    /// A partition that is added later needs it again.
    #[must_use]
    pub fn close_relatives(&self) -> String {
        self.on_relatives("enable row level security, force row level security")
    }

    /// Opens the partitions and children of the table again.
    #[must_use]
    pub fn open_relatives(&self) -> String {
        self.on_relatives("disable row level security, no force row level security")
    }

    fn on_relatives(&self, actions: &str) -> String {
        let body = format!(
            "declare\n  relative regclass;\n\
             begin\n  \
               for relative in\n    \
                 with recursive below as (\n      \
                   select inhrelid from pg_inherits where inhparent = {table}::regclass\n      \
                   union\n      \
                   select i.inhrelid from pg_inherits i join below b on i.inhparent = b.inhrelid\n    \
                 )\n    \
                 select inhrelid from below join pg_class on oid = inhrelid where relkind in ('r', 'p')\n  \
               loop\n    \
                 execute format('alter table %s {actions}', relative);\n  \
               end loop;\n\
             end",
            table = quote_literal(&self.table.to_string()),
        );
        format!("do {};\n", quote_body(&body))
    }

    /// Everything that puts the table under row-level security, safe to run twice.
    ///
    /// The statements lock the table for an instant each; run them in one transaction, with a `lock_timeout`.
    #[must_use]
    pub fn up(&self) -> String {
        [
            self.require_tenant(),
            self.tenant_index(),
            self.policies(),
            self.enable(),
            self.force(),
            self.close_relatives(),
        ]
        .concat()
    }

    /// Takes back what [`TenantTable::up`] did, except the mandatory column and the index, which do no harm.
    #[must_use]
    pub fn down(&self) -> String {
        [self.unforce(), self.disable(), self.drop_policies(), self.open_relatives()].concat()
    }

    fn alter(&self, what: &str) -> String {
        format!("alter table {} {what};\n", self.table)
    }

    fn drop_policy(&self, command: Command) -> String {
        let name = policy_name(command);
        format!("drop policy if exists {name} on {};\n", self.table)
    }

    fn create_policy(&self, command: Command) -> String {
        let predicate = self.predicate();
        let using = format!("using ({predicate})");
        let check = format!("with check ({predicate})");
        let condition = match command {
            Command::Select | Command::Delete => using,
            Command::Insert => check,
            Command::Update => format!("{using}\n  {check}"),
        };
        format!(
            "create policy {} on {}\n  for {} to {}\n  {condition};\n",
            policy_name(command),
            self.table,
            command.keyword(),
            self.grantees(),
        )
    }

    fn grantees(&self) -> String {
        if self.roles.is_empty() {
            return "public".into();
        }
        let quoted: Vec<String> = self.roles.iter().map(|role| quote_ident(role)).collect();
        quoted.join(", ")
    }
}

/// Policies live in their table's name space, so that a fixed name cannot collide or grow too long.
fn policy_name(command: Command) -> String {
    format!("tenant_isolation_{}", command.keyword())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_of_a_quoted_table_for_two_roles() {
        let table = TenantTable::new(TableName::in_schema("s", "Odd \"t\""))
            .column("Tenant")
            .setting("my.tenant")
            .column_type(TenantType::BigInt)
            .role("app")
            .role("Worker")
            .commands(&[Command::Insert]);
        assert_eq!(
            table.policies(),
            "drop policy if exists tenant_isolation_insert on \"s\".\"Odd \"\"t\"\"\";\n\
             create policy tenant_isolation_insert on \"s\".\"Odd \"\"t\"\"\"\n  \
             for insert to \"app\", \"Worker\"\n  \
             with check (\"Tenant\" = (select current_setting('my.tenant')::bigint));\n"
        );
    }

    #[test]
    fn an_update_policy_guards_the_old_row_and_the_new_one() {
        let sql = TenantTable::new(TableName::new("t")).policies();
        assert!(sql.contains("for update to public\n  using (\"tenant_id\" ="));
        assert_eq!(sql.matches("with check").count(), 2);
    }
}
