//! A live database and its subject in, what the runtime roles really see out.
//!
//! Everything runs in transactions that are rolled back.
//! One message per role and phase: a block of code tries every table and catches what each refuses.

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::catalog::{Column, Relation};
use super::finding::Fault;
use super::predicate::is_text;
use super::subject::{Runtime, Subject, Tenanted};
use crate::policy::{quote_body, quote_ident, quote_literal};

/// What the probes saw, and what they could not look at.
#[derive(Default)]
pub(crate) struct Probed {
    pub faults: Vec<(&'static str, Fault)>,
    pub notes: Vec<String>,
}

/// A finding of the block: the probe, the object, and what was tried.
type Seen = (String, String, String);

/// Probes every runtime role.
pub(crate) async fn probe(connection: &mut PgConnection, subject: &Subject<'_>) -> Result<Probed, sqlx::Error> {
    let mut probed = Probed::default();
    if subject.catalog.server.in_recovery {
        probed.notes.push("the server is a replica: the probes that write were left out".into());
    }
    for role in &subject.runtime {
        let fixes = |label: &str| fix(subject, label);
        match phases(connection, subject, role).await {
            Ok(seen) => {
                for (phase, (probe, object, tried)) in seen {
                    probed.faults.extend(fault(role, phase, &probe, &object, &tried, &fixes));
                }
            }
            Err(error) => {
                connection.execute("rollback").await?;
                probed.notes.push(format!("the probes as `{}` were cut short: {}", role.name, reason(&error)));
            }
        }
    }
    probed.faults.sort_by(|(a, x), (b, y)| (a, &x.object).cmp(&(b, &y.object)));
    probed.faults.dedup_by(|(a, x), (b, y)| a == b && x.object == y.object);
    Ok(probed)
}

fn reason(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// Where in the life of a pooled connection the block runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Scope,
    AfterCommit,
    AfterError,
    AfterCancel,
}

impl Phase {
    const fn words(self) -> &'static str {
        match self {
            Self::Scope => "",
            Self::AfterCommit => "after a commit",
            Self::AfterError => "after an error",
            Self::AfterCancel => "after a cancelled statement",
        }
    }

    /// What ends a scope in this way.
    const fn end(self) -> &'static str {
        match self {
            Self::Scope | Self::AfterCommit => "commit; ",
            Self::AfterError => "select 1 / (random() * 0)::int",
            Self::AfterCancel => "set local statement_timeout = '1ms'; select pg_sleep(1)",
        }
    }
}

/// How many tables one transaction tries: the server's memory for locks is limited.
const CHUNK: usize = 250;

async fn phases(
    connection: &mut PgConnection,
    subject: &Subject<'_>,
    role: &Runtime,
) -> Result<Vec<(Phase, Seen)>, sqlx::Error> {
    let mut all = Vec::new();
    let targets = targets(subject, role);
    for phase in [Phase::Scope, Phase::AfterCommit, Phase::AfterError, Phase::AfterCancel] {
        let scope = format!(
            "begin; set local role {}; select set_config({}, {}, true); {}",
            quote_ident(&role.name),
            quote_literal(&subject.options.tenant_setting),
            quote_literal(subject.options.tenants.first().unwrap_or(&stranger(subject))),
            phase.end(),
        );
        let before = match phase {
            Phase::Scope => String::new(),
            Phase::AfterCommit => scope,
            Phase::AfterError | Phase::AfterCancel => {
                // The server refuses this on purpose.
                _ = connection.execute(sqlx::raw_sql(AssertSqlSafe(scope))).await;
                "rollback; ".to_owned()
            }
        };
        let mut before = before.as_str();
        for chunk in targets.chunks(CHUNK) {
            let seen = block(connection, subject, role, phase, before, chunk).await?;
            all.extend(seen.into_iter().map(|seen| (phase, seen)));
            before = "";
        }
    }
    Ok(all)
}

async fn block(
    connection: &mut PgConnection,
    subject: &Subject<'_>,
    role: &Runtime,
    phase: Phase,
    before: &str,
    targets: &[serde_json::Value],
) -> Result<Vec<Seen>, sqlx::Error> {
    let targets = serde_json::Value::from(targets).to_string();
    let tenants: Vec<String> = subject.options.tenants.iter().map(|tenant| quote_literal(tenant)).collect();
    let missing = if phase == Phase::Scope { "'P2'" } else { "'P5'" };
    let body = include_str!("probe.sql")
        .replace("{setting}", &quote_literal(&subject.options.tenant_setting))
        .replace("{stranger}", &quote_literal(&stranger(subject)))
        .replace("{foreign}", &quote_literal(&foreign(subject)))
        .replace("{tenants}", &format!("array[{}]::text[]", tenants.join(", ")))
        .replace("{scoped}", if phase == Phase::Scope { "true" } else { "false" })
        .replace("{missing}", missing)
        .replace("{role}", &quote_literal(&role.name))
        .replace("{targets}", &quote_literal(&targets));
    let message = format!(
        "{before}begin; set local search_path = ''; set local statement_timeout = '10s'; set local lock_timeout = '1s'; \
         set local plan_cache_mode = force_generic_plan; \
         do {}; select current_setting('rls_verify.seen') as seen; rollback",
        quote_body(&body)
    );
    // rls-audit: allow(RLS003, reason = "tries what a role can do without a scope, and rolls back")
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(message))).await?;
    let seen: String = rows.last().ok_or(sqlx::Error::RowNotFound)?.try_get("seen")?;
    serde_json::from_str(&seen).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Tenant tables and views with the tenant column, with the statements that the role may try on each.
fn targets(subject: &Subject<'_>, role: &Runtime) -> Vec<serde_json::Value> {
    let usable = |relation: &Relation| {
        subject
            .catalog
            .schemas
            .iter()
            .find(|schema| schema.name == relation.schema)
            .is_some_and(|schema| role.holds(&schema.grants, "USAGE") || role.becomes.contains(&schema.owner))
    };
    // A view over other tables may have a column of that name and mean something else by it.
    let views = super::checks::reaching_views(subject);
    let relations =
        subject.tables.iter().map(|tenanted| tenanted.table).chain(views).filter(|relation| usable(relation));
    let with_column = relations.filter_map(|table| {
        let column = table.column(&subject.options.tenant_column)?;
        Some(Tenanted { table, column })
    });
    with_column.map(|tenanted| target(subject, role, &tenanted)).collect()
}

fn target(subject: &Subject<'_>, role: &Runtime, tenanted: &Tenanted<'_>) -> serde_json::Value {
    let Tenanted { table, column } = tenanted;
    let may = |right: &str| {
        let granted =
            table.grants.iter().any(|grant| grant.column == 0 && grant.privilege == right && role.is(grant.grantee));
        granted || role.becomes.contains(&table.owner)
    };
    let writable = table.kind != 'f' && table.is_table() && !subject.catalog.server.in_recovery;
    let tenant = quote_ident(&column.name);
    let insert = (writable && may("INSERT")).then(|| insert(tenanted));
    let update = (writable && may("UPDATE") && may("SELECT")).then(|| {
        let table = percent(&table.sql());
        let tenant = percent(&tenant);
        format!("update {table} set {tenant} = %L where ctid = (select ctid from {table} limit 1)")
    });
    json!({
        "sql": table.sql(),
        "label": table.label(),
        "column": tenant,
        "table": writable,
        "select": may("SELECT"),
        "insert": insert,
        "update": update,
        "tenants": [],
    })
}

/// A row of another tenant and nothing else; the explicit NULLs keep sequences from advancing.
fn insert(tenanted: &Tenanted<'_>) -> String {
    let given = |column: &&Column| !column.generated;
    let columns: Vec<&Column> = tenanted.table.columns.iter().filter(given).collect();
    let names: Vec<String> = columns.iter().map(|column| quote_ident(&column.name)).collect();
    let values: Vec<&str> =
        columns.iter().map(|column| if column.number == tenanted.column.number { "%L" } else { "null" }).collect();
    format!(
        "insert into {} ({}) overriding system value values ({})",
        percent(&tenanted.table.sql()),
        percent(&names.join(", ")),
        values.join(", ")
    )
}

/// Escapes text that goes through PostgreSQL's `format`.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A tenant that nobody has, of the type that most tables need.
fn stranger(subject: &Subject<'_>) -> String {
    made_up(subject, "00000000-7e57-4000-8000-00000000000a", "2147480321", "30321")
}

/// Another tenant that nobody has.
fn foreign(subject: &Subject<'_>) -> String {
    made_up(subject, "00000000-7e57-4000-8000-00000000000b", "2147480322", "30322")
}

fn made_up(subject: &Subject<'_>, uuid: &str, integer: &str, small: &str) -> String {
    let types: Vec<&str> = subject.tables.iter().map(|tenanted| tenanted.column.base_type.as_str()).collect();
    let most = |wanted: &dyn Fn(&str) -> bool| types.iter().filter(|name| wanted(name)).count() * 2 > types.len();
    if most(&|name| name == "smallint") {
        small.into()
    } else if most(&|name| name == "integer" || name == "bigint") {
        integer.into()
    } else if most(&is_text) {
        format!("rls-verify-{uuid}")
    } else {
        uuid.into()
    }
}

fn fault(
    role: &Runtime,
    phase: Phase,
    probe: &str,
    object: &str,
    tried: &str,
    fixes: &dyn Fn(&str) -> String,
) -> Option<(&'static str, Fault)> {
    let name = &role.name;
    let check = super::checks::find(probe)?;
    let message = match check.id {
        "P1" => format!("row_security_active() is false for {name}"),
        "P2" if tried.is_empty() => format!("{name} sees rows while the setting is empty"),
        "P2" => format!("{name} sees rows while no tenant is set"),
        "P3" => format!("{name} sees rows although no tenant {tried} exists"),
        "P4" if tried == "update" => format!("{name} moved a row to another tenant"),
        "P4" => format!("{name} may write a row of another tenant: no policy refused it"),
        "P5" => format!("{name} sees rows {}", phase.words()),
        _ => format!("{name} sees other tenants' rows while the tenant is {tried}"),
    };
    Some((check.id, Fault::new(object, message, fixes(object))))
}

/// What closes the hole that a probe got through: canonical policies instead of those there are, or a view that asks as its caller.
fn fix(subject: &Subject<'_>, label: &str) -> String {
    let Some(relation) = subject.catalog.relations.iter().find(|relation| relation.label() == label) else {
        return String::new();
    };
    let table = relation.sql();
    match subject.tenanted(relation.oid) {
        None if relation.kind == 'm' => format!("drop materialized view {table};\n"),
        None => format!("alter view {table} set (security_invoker = true);\n"),
        Some(tenanted) => {
            let canonical = subject.canonical(&tenanted);
            let policies = subject.catalog.policies_of(relation.oid);
            let dropped: String = policies
                .map(|policy| format!("drop policy if exists {} on {table};\n", quote_ident(&policy.name)))
                .collect();
            canonical.enable() + &canonical.force() + &dropped + &canonical.policies()
        }
    }
}
