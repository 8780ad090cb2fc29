//! The checks: each a row of data with a function in it.

mod columns;
mod exposure;
mod grants;
mod keys;
mod objects;
mod policies;
mod roles;
mod settings;
mod tables;

pub(super) use exposure::reaching_views;

use super::finding::{Fault, Severity};
use super::subject::Subject;

/// One thing that can be wrong.
#[non_exhaustive]
pub struct Check {
    /// Its number, as in `V01`; never reused.
    pub id: &'static str,
    /// The bad thing, as in `rls-not-enabled`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a lower-case fragment.
    pub summary: &'static str,
    /// Advice is reported but does not fail the run.
    pub advice: bool,
    pub(crate) run: fn(&Subject<'_>) -> Vec<Fault>,
}

/// The page with a section per check.
const PAGE: &str = include_str!("../../../docs/verify.md");

impl Check {
    /// The check's section of the documentation: what can happen, and the SQL that fixes it.
    #[must_use]
    pub fn page(&self) -> &'static str {
        let heading = format!("### {}: ", self.id);
        let start = PAGE.find(&heading).unwrap_or(PAGE.len());
        let section = &PAGE[start..];
        let end = section[section.len().min(1)..].find("\n### ");
        end.map_or(section, |end| &section[..end + 1]).trim_end()
    }
}

const fn error(
    id: &'static str,
    name: &'static str,
    summary: &'static str,
    run: fn(&Subject<'_>) -> Vec<Fault>,
) -> Check {
    Check { id, name, severity: Severity::Error, summary, advice: false, run }
}

const fn warning(
    id: &'static str,
    name: &'static str,
    summary: &'static str,
    run: fn(&Subject<'_>) -> Vec<Fault>,
) -> Check {
    Check { severity: Severity::Warning, ..error(id, name, summary, run) }
}

const fn advice(
    id: &'static str,
    name: &'static str,
    summary: &'static str,
    run: fn(&Subject<'_>) -> Vec<Fault>,
) -> Check {
    Check { advice: true, ..warning(id, name, summary, run) }
}

/// Every check, by number; the live probes come last.
pub const CHECKS: &[Check] = &[
    error("V00", "nothing-to-verify", "no table or no runtime role to look at", tables::nothing),
    error("V01", "rls-not-enabled", "tenant table without row-level security", tables::not_enabled),
    error("V02", "rls-not-forced", "tenant table whose owner is not subject to the policies", tables::not_forced),
    error("V03", "no-policy", "row-level security is on but there is no policy", tables::no_policy),
    error("V04", "dormant-policy", "policies that do nothing because row-level security is off", tables::dormant),
    error("V05", "powerful-role", "runtime role with a dangerous attribute", roles::attributes),
    error("V06", "powerful-membership", "runtime role that can become a dangerous role", roles::memberships),
    error("V07", "owning-role", "runtime role that owns objects", roles::ownership),
    error("V08", "unsafe-policy", "policy that is not proven to keep tenants apart", policies::unsafe_policies),
    error("V09", "overlapping-policies", "several permissive policies for one command", policies::overlapping),
    error(
        "V10",
        "command-without-policy",
        "command that a runtime role may run but no policy covers",
        policies::uncovered,
    ),
    error("V11", "loose-tenant-column", "tenant column that may be empty or has an unfit type", columns::loose),
    warning("V12", "no-tenant-index", "no index leads with the tenant column", keys::no_index),
    error("V13", "key-without-tenant", "unique key or exclusion over all tenants", keys::unique_keys),
    error(
        "V14",
        "foreign-key-without-tenant",
        "foreign key that lets a row point at another tenant's",
        keys::foreign_keys,
    ),
    error("V15", "bypassing-view", "view that reads a tenant table past the policies", exposure::views),
    error("V17", "definer-function", "function that runs with its owner's rights", objects::definer_functions),
    error("V18", "leakproof-function", "user's function marked leak-proof", objects::leakproof),
    error("V19", "function-in-policy", "policy that depends on a user's function", policies::functions),
    error("V20", "unprotected-relative", "partition or inheritance relative without the policies", exposure::relatives),
    error("V21", "dangerous-privilege", "right that row-level security does not limit", grants::unlimited),
    error("V22", "public-grant", "right on tenant data for every role", grants::public),
    error("V23", "creating-role", "runtime role that may create objects", grants::creating),
    error("V24", "static-setting", "stored setting that changes the tenant or the policies", settings::stored),
    warning("V25", "default-grant", "future tables are granted before they have policies", grants::defaults),
    error("V26", "definer-trigger", "trigger that runs with its owner's rights", objects::definer_triggers),
    error("V27", "rewrite-rule", "rule that rewrites statements on tenant data", objects::rules),
    warning("V28", "replicated-table", "tenant rows leave the database without policies", objects::replication),
    error("V29", "foreign-data", "way around the policies through another server or language", objects::foreign),
    warning("V30", "readable-sequence", "sequence whose position shows all tenants' volume", grants::sequences),
    error(
        "V33",
        "table-without-tenant",
        "table without tenant column that a runtime role can reach",
        exposure::without_tenant,
    ),
    error(
        "V34",
        "loose-global-table",
        "global table that is writable or has an unknown column",
        exposure::global_tables,
    ),
    warning(
        "V35",
        "unusable-index-key",
        "index key that the planner may not use behind the policies",
        keys::leaky_keys,
    ),
    error("V38", "row-security-inactive", "table on which a runtime role is not subject to policies", roles::inactive),
    error("V44", "policy-reads-table", "policy that reads another table", policies::reads_tables),
    warning("V48", "unvalidated-constraint", "constraint or index that is not valid", keys::not_valid),
    warning(
        "V49",
        "server-function",
        "runtime role that may reach the server's files or control it",
        grants::server_functions,
    ),
    warning("V50", "grant-option", "runtime role that may pass rights on", grants::options),
    error("V51", "foreign-grant", "right on tenant data for a role that is no runtime role", grants::others),
    advice("V52", "slow-policy", "safe policy that costs more than it must", policies::slow),
    advice(
        "V53",
        "inconsistent-policy",
        "safe policy that treats a missing tenant differently from time to time",
        policies::inconsistent,
    ),
    error("V54", "tenant-default", "tenant column with a default that is not the scope's tenant", columns::defaults),
    warning("V55", "volatile-table", "tenant table that loses its rows in a crash", tables::unlogged),
    warning(
        "V56",
        "tenant-setting-function",
        "function that changes the tenant of its caller",
        objects::setting_functions,
    ),
    error("V57", "parameter-grant", "runtime role that may change a guarded parameter", settings::parameters),
    warning("V58", "notify-payload", "trigger that sends data to every listener", objects::notifications),
    warning("V59", "disabled-trigger", "trigger or foreign key that is switched off", keys::disabled),
    warning("V60", "powerful-owner", "tenant table whose owner no policy can bind", tables::powerful_owner),
    error("V61", "catalog-grant", "system catalog with tenants' values that a runtime role may read", grants::catalogs),
    warning("V62", "large-object", "large objects that a runtime role may read", grants::large_objects),
    warning("V90", "stale-exception", "exception that excepts nothing", none),
    error("P1", "probe-role", "live: the role is not subject to the policies", none),
    error("P2", "probe-no-tenant", "live: rows are visible while no tenant is set", none),
    error("P3", "probe-unknown-tenant", "live: rows are visible to a tenant that does not exist", none),
    error("P4", "probe-foreign-insert", "live: a row of another tenant can be written", none),
    error("P5", "probe-after-scope", "live: rows are visible after a scope has ended", none),
    error("P6", "probe-two-tenants", "live: one tenant sees another's rows", none),
];

/// The check with this number.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// For what is found elsewhere: by the probes, and from the exceptions.
fn none(_: &Subject<'_>) -> Vec<Fault> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_every_check_has_its_section() {
        for (at, check) in CHECKS.iter().enumerate() {
            let heading = format!("### {}: `{}`\n", check.id, check.name);
            assert!(check.page().starts_with(&heading), "docs/verify.md lacks `{}`", heading.trim());
            let again = |other: &Check| other.id == check.id || other.name == check.name;
            assert!(!CHECKS[..at].iter().any(again), "{} twice", check.id);
            assert!(!check.summary.ends_with('.'), "{}", check.id);
        }
        assert_eq!(PAGE.matches("\n### ").count(), CHECKS.len());
    }
}
