//! The catalogue: every lint with its code and its name. A lint is a row of data.

use crate::finding::Level;

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
}

const fn lint(code: &'static str, name: &'static str, summary: &'static str) -> Lint {
    Lint { code, name, level: Level::Deny, summary }
}

/// All lints, by code.
pub const LINTS: &[Lint] = &[
    lint("RLS001", "unscoped-query", "a statement runs on a pool or connection outside every tenant scope"),
    lint("RLS002", "scope-escape", "a statement inside a scope runs on a handle that is not the scope's"),
    lint("RLS003", "unscoped-path", "a helper that takes a handle is reached from a caller without a scope"),
    lint("RLS004", "local-setting-outside-transaction", "a tenant is set for a transaction where none is open"),
    lint("RLS005", "session-tenant-setting", "a tenant is set for the whole session of a pooled connection"),
    lint(
        "RLS006",
        "query-after-scope",
        "a statement runs after the scope's end, or on the pool while the scope is open",
    ),
    lint("RLS007", "nested-scope", "a scope is opened inside a scope"),
    lint("RLS008", "rls-bypass", "the policies are gone around"),
    lint("RLS101", "table-without-rls", "a table with the tenant column is not protected for what is done to it"),
    lint("RLS102", "weak-policy", "a policy lets rows of other tenants through"),
    lint("RLS103", "policy-bypassing-object", "a view or function reads tenant tables around the policies"),
    lint("RLS900", "allow-without-reason", "an allow comment gives no reason"),
    lint("RLS901", "stale-exception", "an exception matches nothing"),
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
