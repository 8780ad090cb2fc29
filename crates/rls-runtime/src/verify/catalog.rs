//! A connection in, plain facts about the database out: one query, one round trip.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::policy::{quote_ident, quote_literal};

/// PostgreSQL's number of a role, relation or function.
pub(crate) type Oid = i64;

/// The number that stands for every role.
pub(crate) const PUBLIC: Oid = 0;

/// What the system catalogs say.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Catalog {
    pub server: Server,
    pub database: Database,
    pub roles: Vec<Role>,
    pub members: Vec<Member>,
    pub schemas: Vec<Schema>,
    pub relations: Vec<Relation>,
    pub policies: Vec<Policy>,
    pub indexes: Vec<Index>,
    pub constraints: Vec<Constraint>,
    pub inherits: Vec<Inherits>,
    pub view_sources: Vec<(Oid, Oid)>,
    pub functions: Vec<Function>,
    pub server_functions: Vec<ServerObject>,
    pub leakproof_builtins: Vec<String>,
    pub catalog_grants: Vec<ServerObject>,
    pub owned: Vec<Owned>,
    pub large_objects: Vec<LargeObjects>,
    /// Whether the server ignores the rights on large objects.
    pub open_large_objects: bool,
    pub triggers: Vec<Trigger>,
    pub rules: Vec<Rule>,
    pub publications: Vec<Publication>,
    pub slots: Vec<String>,
    pub extensions: Vec<String>,
    pub untrusted_languages: Vec<String>,
    pub role_settings: Vec<RoleSetting>,
    pub parameter_grants: Vec<ServerObject>,
    pub default_grants: Vec<DefaultGrant>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    pub database: String,
    pub current_role: Oid,
    pub session_role: Oid,
    pub in_recovery: bool,
    pub row_security: String,
    pub replication_role: String,
    pub tenant: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Database {
    pub owner: Oid,
    pub grants: Vec<Grant>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Role {
    pub oid: Oid,
    pub name: String,
    pub superuser: bool,
    pub bypass_rls: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub replication: bool,
    pub login: bool,
    pub inherit: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Member {
    pub role: Oid,
    pub member: Oid,
    pub admin: bool,
    /// PostgreSQL 16 decides per membership; before, the member's own attribute does.
    pub inherit: Option<bool>,
    /// Whether the member can become the role; before PostgreSQL 16 it always can.
    pub set: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Schema {
    pub name: String,
    pub owner: Oid,
    pub grants: Vec<Grant>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Grant {
    pub grantee: Oid,
    pub privilege: String,
    pub grantable: bool,
    /// The column's number, 0 for the whole object.
    #[serde(default)]
    pub column: i16,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Relation {
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    pub kind: char,
    pub owner: Oid,
    pub rls: bool,
    pub force: bool,
    pub partition: bool,
    pub persistence: char,
    pub options: Vec<String>,
    pub extension: bool,
    pub grants: Vec<Grant>,
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Column {
    pub number: i16,
    pub name: String,
    pub base_type: String,
    /// How many characters it holds at most, where that was said.
    pub length: Option<i32>,
    pub not_null: bool,
    pub default: Option<String>,
    pub generated: bool,
    pub deterministic: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Policy {
    pub table: Oid,
    pub name: String,
    pub command: char,
    pub permissive: bool,
    pub roles: Vec<Oid>,
    pub using: Option<String>,
    pub check: Option<String>,
    pub functions: Vec<Oid>,
    pub relations: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Index {
    pub table: Oid,
    pub schema: String,
    pub name: String,
    pub unique: bool,
    pub exclusion: bool,
    pub valid: bool,
    pub partial: bool,
    pub method: String,
    pub keys: Vec<i16>,
    pub constraint: Option<String>,
    pub constraint_definition: Option<String>,
    pub definition: String,
    /// Keys that compare by something that is not leak-proof.
    pub leaky: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Constraint {
    pub table: Oid,
    pub name: String,
    pub kind: char,
    pub validated: bool,
    /// PostgreSQL 18 has constraints that nothing is held to.
    pub enforced: bool,
    pub parent: Oid,
    pub keys: Vec<i16>,
    pub parent_keys: Vec<i16>,
    pub inherited: bool,
    pub definition: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Inherits {
    pub child: Oid,
    pub parent: Oid,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Function {
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    pub arguments: String,
    pub owner: Oid,
    pub definer: bool,
    pub leakproof: bool,
    pub volatility: char,
    pub config: Vec<String>,
    pub source: Option<String>,
    pub grants: Vec<Grant>,
}

/// Something of the server's own, with who may use it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ServerObject {
    pub name: String,
    #[serde(default)]
    pub grants: Option<Vec<Grant>>,
}

/// How many large objects of one owner are granted to one role.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LargeObjects {
    pub owner: Oid,
    pub grantee: Option<Oid>,
    pub count: i64,
    pub sample: Oid,
}

/// An object that is no relation, function or schema.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Owned {
    pub owner: Oid,
    pub object: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trigger {
    pub table: Oid,
    pub name: String,
    pub function: Oid,
    pub enabled: char,
    pub internal: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rule {
    pub table: Oid,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Publication {
    pub name: String,
    pub schema: String,
    pub table: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RoleSetting {
    pub role: Oid,
    pub database: bool,
    pub setting: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DefaultGrant {
    pub kind: char,
    pub owner: Oid,
    pub schema: Option<String>,
    pub grantee: Oid,
    pub privilege: String,
}

impl Catalog {
    /// Reads the catalogs in one read-only transaction of its own.
    pub async fn load(connection: &mut PgConnection, setting: &str) -> Result<Self, sqlx::Error> {
        let open = "begin isolation level repeatable read, read only; ";
        let loaded = Self::fetch(connection, open, setting, None, "; commit").await;
        if loaded.is_err() {
            connection.execute("rollback").await?;
        }
        loaded
    }

    /// Reads the catalogs about one schema as the open transaction sees them; its search path is empty afterwards.
    pub async fn load_schema(connection: &mut PgConnection, setting: &str, schema: &str) -> Result<Self, sqlx::Error> {
        Self::fetch(connection, "", setting, Some(schema), "").await
    }

    async fn fetch(
        connection: &mut PgConnection,
        open: &str,
        setting: &str,
        schema: Option<&str>,
        close: &str,
    ) -> Result<Self, sqlx::Error> {
        let query = include_str!("catalog.sql").replace("{setting}", &quote_literal(setting));
        let query = query.replace("{schema}", &schema.map_or_else(|| "null".into(), quote_literal));
        let message = format!(
            "{open}set local search_path = ''; set local jit = off; set local lock_timeout = '5s'; {query}{close}"
        );
        // rls-audit: allow(RLS003, reason = "reads the catalogs, as whoever verifies")
        let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(message))).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let facts: String = row.try_get("facts")?;
        serde_json::from_str(&facts).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    pub fn role(&self, oid: Oid) -> Option<&Role> {
        self.roles.iter().find(|role| role.oid == oid)
    }

    /// The role's name as SQL.
    pub fn role_sql(&self, oid: Oid) -> String {
        self.role(oid).map_or_else(|| "public".into(), |role| quote_ident(&role.name))
    }

    /// The role's name for people.
    pub fn role_name(&self, oid: Oid) -> String {
        self.role(oid).map_or_else(|| "PUBLIC".into(), |role| role.name.clone())
    }

    pub fn by_oid(&self) -> BTreeMap<Oid, &Relation> {
        self.relations.iter().map(|r| (r.oid, r)).collect()
    }

    pub fn function(&self, oid: Oid) -> Option<&Function> {
        self.functions.iter().find(|function| function.oid == oid)
    }

    pub fn policies_of(&self, table: Oid) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(move |policy| policy.table == table)
    }
}

impl Relation {
    /// Table, partitioned table or foreign table.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, 'r' | 'p' | 'f')
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn column_name(&self, number: i16) -> &str {
        self.columns.iter().find(|column| column.number == number).map_or("?", |column| &column.name)
    }

    /// The name as SQL, quoted.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }

    /// The name for people: quoted only where it must be.
    pub fn label(&self) -> String {
        label(&self.schema, &self.name)
    }
}

impl Function {
    pub fn label(&self) -> String {
        format!("{}({})", label(&self.schema, &self.name), self.arguments)
    }

    /// The function as `ALTER` and `REVOKE` name it.
    pub fn sql(&self) -> String {
        format!("routine {}.{}({})", quote_ident(&self.schema), quote_ident(&self.name), self.arguments)
    }
}

impl Index {
    pub fn label(&self) -> String {
        label(&self.schema, &self.name)
    }

    pub fn sql(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }
}

/// `schema.name`, each part quoted only where it must be.
pub(crate) fn label(schema: &str, name: &str) -> String {
    format!("{}.{}", plain_ident(schema), plain_ident(name))
}

pub(crate) fn plain_ident(name: &str) -> String {
    let plain = name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() { name.to_owned() } else { quote_ident(name) }
}
