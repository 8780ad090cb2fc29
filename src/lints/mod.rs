//! A `Program` in, findings out: one row per lint, one file per check. A lint judges; what it would have to find out, `resolve` says.

mod rls001_unscoped_query;
mod rls002_scope_escape;
mod rls003_unscoped_path;
mod rls004_local_setting_outside_transaction;
mod rls005_session_tenant_setting;
mod rls006_query_after_scope;
mod rls007_nested_scope;
mod rls008_rls_bypass;
mod rls101_table_without_rls;
mod rls102_weak_policy;
mod rls103_policy_bypassing_object;
mod rls900_allow_without_reason;
mod rls901_stale_exception;

use crate::finding::{Exception, Finding, Level, Status};
use crate::program::{Event, Place, Program, Statement};
use crate::schema::SchemaInUse;

/// One lint.
#[derive(Clone, Copy, Debug)]
pub struct Lint {
    /// `RLS001`.
    pub code: &'static str,
    /// `unscoped-query`: reads well after "allow".
    pub name: &'static str,
    /// Its level where the caller gives none.
    pub level: Level,
    /// What is wrong, in one lower-case fragment.
    pub summary: &'static str,
    /// The page that `explain` prints.
    pub page: &'static str,
    /// What finds it.
    pub check: Check,
}

/// What finds a lint.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// The resolved program.
    Program(fn(&Lint, &Program) -> Vec<Finding>),
    /// The schema that the migrations make.
    Schema(fn(&Lint, &SchemaInUse<'_>) -> Vec<Finding>),
    /// The list of exceptions.
    Exceptions(fn(&Lint, &[Exception]) -> Vec<Finding>),
}

macro_rules! lint {
    ($code:literal, $name:literal, $check:expr, $file:literal, $summary:literal) => {
        Lint {
            code: $code,
            name: $name,
            level: Level::Deny,
            summary: $summary,
            page: include_str!(concat!($file, ".md")),
            check: $check,
        }
    };
}

/// All lints, by code.
pub const LINTS: &[Lint] = &[
    lint!(
        "RLS001",
        "unscoped-query",
        Check::Program(rls001_unscoped_query::check),
        "rls001_unscoped_query",
        "a statement runs on a pool or connection outside every tenant scope"
    ),
    lint!(
        "RLS002",
        "scope-escape",
        Check::Program(rls002_scope_escape::check),
        "rls002_scope_escape",
        "a statement inside a scope runs on a handle that is not the scope's"
    ),
    lint!(
        "RLS003",
        "unscoped-path",
        Check::Program(rls003_unscoped_path::check),
        "rls003_unscoped_path",
        "a helper that takes a handle is reached from a caller without a scope"
    ),
    lint!(
        "RLS004",
        "local-setting-outside-transaction",
        Check::Program(rls004_local_setting_outside_transaction::check),
        "rls004_local_setting_outside_transaction",
        "a tenant is set for a transaction where none is open"
    ),
    lint!(
        "RLS005",
        "session-tenant-setting",
        Check::Program(rls005_session_tenant_setting::check),
        "rls005_session_tenant_setting",
        "a tenant is set for the whole session of a pooled connection"
    ),
    lint!(
        "RLS006",
        "query-after-scope",
        Check::Program(rls006_query_after_scope::check),
        "rls006_query_after_scope",
        "a statement runs after the scope's end, or on the pool while the scope is open"
    ),
    lint!(
        "RLS007",
        "nested-scope",
        Check::Program(rls007_nested_scope::check),
        "rls007_nested_scope",
        "a scope is opened inside a scope"
    ),
    lint!(
        "RLS008",
        "rls-bypass",
        Check::Program(rls008_rls_bypass::check),
        "rls008_rls_bypass",
        "the policies are gone around"
    ),
    lint!(
        "RLS101",
        "table-without-rls",
        Check::Schema(rls101_table_without_rls::check),
        "rls101_table_without_rls",
        "a table with the tenant column is not protected for what is done to it"
    ),
    lint!(
        "RLS102",
        "weak-policy",
        Check::Schema(rls102_weak_policy::check),
        "rls102_weak_policy",
        "a policy lets rows of other tenants through"
    ),
    lint!(
        "RLS103",
        "policy-bypassing-object",
        Check::Schema(rls103_policy_bypassing_object::check),
        "rls103_policy_bypassing_object",
        "a view or function reads tenant tables around the policies"
    ),
    lint!(
        "RLS900",
        "allow-without-reason",
        Check::Exceptions(rls900_allow_without_reason::check),
        "rls900_allow_without_reason",
        "an allow comment gives no reason"
    ),
    lint!(
        "RLS901",
        "stale-exception",
        Check::Exceptions(rls901_stale_exception::check),
        "rls901_stale_exception",
        "an exception matches nothing"
    ),
];

/// The lint with this code or name, in any case, `_` as `-`.
#[must_use]
pub fn find(code_or_name: &str) -> Option<&'static Lint> {
    let wanted = code_or_name.trim().to_lowercase().replace('_', "-");
    LINTS.iter().find(|lint| lint.code.to_lowercase() == wanted || lint.name == wanted)
}

/// Every code and every name.
pub fn words() -> impl Iterator<Item = &'static str> {
    LINTS.iter().flat_map(|lint| [lint.code, lint.name])
}

/// The texts of a finding.
struct Words {
    message: String,
    label: String,
    help: String,
}

/// A finding on a statement.
fn on_statement(lint: &Lint, statement: &Statement, words: Words) -> Finding {
    let handle = statement.handle_span.map(|span| Place { file: statement.place.file, span });
    let kind = statement.handle_kind.map_or("handle", |kind| kind.word());
    Finding {
        tables: statement.tables.clone(),
        is_gap: true,
        related: handle.map(|place| (place, format!("this {kind} carries no tenant"))).into_iter().collect(),
        ..at(lint, statement.place, &statement.function, words)
    }
}

/// A finding on what happens to a setting or scope.
fn on_event(lint: &Lint, event: &Event, words: Words) -> Finding {
    Finding { related: event.related.iter().cloned().collect(), ..at(lint, event.place, &event.function, words) }
}

fn at(lint: &Lint, place: Place, function: &str, words: Words) -> Finding {
    Finding {
        code: lint.code,
        name: lint.name,
        level: lint.level,
        place,
        message: words.message,
        label: words.label,
        related: Vec::new(),
        help: words.help,
        fix: None,
        function: function.to_owned(),
        tables: Vec::new(),
        path: Vec::new(),
        is_gap: false,
        status: Status::Open,
        fingerprint: String::new(),
    }
}

/// The handle as messages name it.
fn handle_of(statement: &Statement) -> String {
    const LONGEST: usize = 60;
    match statement.handle.as_str() {
        "" => "a handle".to_owned(),
        text if text.chars().count() > LONGEST => {
            format!("the {}", statement.handle_kind.map_or("handle", |kind| kind.word()))
        }
        text => format!("`{}`", text.trim_start_matches("&mut ").trim_start_matches('&').trim_start_matches('*')),
    }
}
