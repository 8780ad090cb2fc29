//! Whether the role that a pool connects as could get past the policies.

use std::fmt;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// One way for the role to get past the policies, and the way to close it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoleProblem {
    /// The role has an attribute that policies do not hold against.
    Attribute {
        /// The role.
        role: String,
        /// `SUPERUSER`, `BYPASSRLS`, `CREATEROLE` or `REPLICATION`.
        attribute: String,
    },
    /// The role is a member of a role with such an attribute.
    CanBecome {
        /// The role.
        role: String,
        /// The role that it can become.
        becomes: String,
        /// What that role has.
        attribute: String,
    },
    /// The role, or one that it can become, owns a table whose policies do not hold for its owner.
    OwnsUnforced {
        /// The owner.
        owner: String,
        /// The table.
        table: String,
    },
    /// Every session of the role starts with a tenant bound.
    StartsBound {
        /// The role.
        role: String,
        /// The setting.
        setting: String,
        /// What it is bound to.
        value: String,
    },
}

/// Every way that was found for the role to get past the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleProblems {
    /// The ways, worst first.
    pub problems: Vec<RoleProblem>,
}

impl fmt::Display for RoleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoleProblem::Attribute { role, attribute } => {
                write!(f, "role `{role}` has {attribute}; fix it with: ALTER ROLE {} NO{attribute};", quoted(role))
            }
            RoleProblem::CanBecome { role, becomes, attribute } => write!(
                f,
                "role `{role}` can become `{becomes}`, which has {attribute}; fix it with: REVOKE {} FROM {};",
                quoted(becomes),
                quoted(role)
            ),
            RoleProblem::OwnsUnforced { owner, table } => write!(
                f,
                "table {table} is not forced and belongs to `{owner}`; fix it with: ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            ),
            RoleProblem::StartsBound { role, setting, value } => write!(
                f,
                "sessions of role `{role}` start with {setting} = `{value}`; fix it with: ALTER ROLE {} RESET {setting}; and the same for the database",
                quoted(role)
            ),
        }
    }
}

impl fmt::Display for RoleProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policies would not hold for this connection")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// What is asked once per pool, in one statement.
///
/// Membership is followed for the role that logged in and for the one it runs as.
/// Since PostgreSQL 16 a membership says what it allows; who may administer one can make itself a member with every option.
/// Who has a role's rights without becoming it owns what it owns, and has none of its attributes: only those of a superuser count, for it owns the server's own functions.
/// A table counts as a tenant's when row-level security is enabled or when it has the tenant column.
const CHECK: &str = "
WITH RECURSIVE start(oid) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname IN (session_user, current_user)
), membership(member, oid, admin, sets, inherits) AS (
    SELECT m.member, m.roleid, m.admin_option, coalesce((to_jsonb(m) ->> 'set_option')::boolean, true),
           coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
      FROM pg_catalog.pg_auth_members m
), reach(oid, becomes) AS (
    SELECT oid, true FROM start
    UNION
    SELECT m.oid, m.admin OR (r.becomes AND m.sets) FROM membership m JOIN reach r ON r.oid = m.member
     WHERE m.admin OR m.inherits OR (r.becomes AND m.sets)
), attribute(oid, rolname, has) AS (
    SELECT r.oid, r.rolname, a.has FROM pg_catalog.pg_roles r
    CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls),
                               ('CREATEROLE', r.rolcreaterole), ('REPLICATION', r.rolreplication)) a(has, held)
    WHERE a.held
    UNION ALL
    SELECT oid, rolname, 'the server''s files and programs' FROM pg_catalog.pg_roles
    WHERE rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
)
SELECT 'attribute' AS kind, rolname::text AS who, has AS what, '' AS extra
  FROM attribute WHERE oid IN (SELECT oid FROM start)
UNION ALL
SELECT 'becomes', session_user::text, rolname::text, string_agg(has, ' and ' ORDER BY has DESC)
  FROM attribute a WHERE oid NOT IN (SELECT oid FROM start)
   AND EXISTS (SELECT FROM reach r
                WHERE r.oid = a.oid AND (r.becomes OR a.has NOT IN ('BYPASSRLS', 'CREATEROLE', 'REPLICATION')))
 GROUP BY rolname
UNION ALL
SELECT 'owns', o.rolname::text, format('%I.%I', n.nspname, c.relname), ''
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
 WHERE c.relkind IN ('r', 'p') AND c.relowner IN (SELECT oid FROM reach)
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
   AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped))
UNION ALL
SELECT 'bound', session_user::text, $1, current_setting($1, true) WHERE current_setting($1, true) <> ''
ORDER BY kind, who, what";

/// Who the pool is, and where. A server on a Unix socket or a loopback address is local.
const WHO_AND_WHERE: &str = "
SELECT current_user::text AS role,
       coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true) AS server_is_local";

/// What a pool wants to know before it hands out scopes.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) role: String,
    pub(crate) problems: Vec<RoleProblem>,
    pub(crate) server_is_local: bool,
}

pub(crate) async fn inspect_role(
    connection: &mut PgConnection,
    tenant_setting: &str,
    tenant_column: &str,
) -> Result<Inspected, sqlx::Error> {
    let server = sqlx::query(WHO_AND_WHERE).persistent(false).fetch_one(&mut *connection).await?;
    let found =
        sqlx::query(CHECK).persistent(false).bind(tenant_setting).bind(tenant_column).fetch_all(connection).await?;
    let problems = found.iter().map(read_problem).collect::<Result<_, _>>()?;
    Ok(Inspected { role: server.try_get("role")?, problems, server_is_local: server.try_get("server_is_local")? })
}

fn read_problem(row: &PgRow) -> Result<RoleProblem, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let (who, what, extra) = (text("who")?, text("what")?, text("extra")?);
    Ok(match text("kind")?.as_str() {
        "attribute" => RoleProblem::Attribute { role: who, attribute: what },
        "becomes" => RoleProblem::CanBecome { role: who, becomes: what, attribute: extra },
        "owns" => RoleProblem::OwnsUnforced { owner: who, table: what },
        _ => RoleProblem::StartsBound { role: who, setting: what, value: extra },
    })
}
