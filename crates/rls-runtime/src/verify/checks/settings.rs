//! Does a stored setting bind a tenant or switch a guard off?

use super::super::catalog::{Oid, RoleSetting};
use super::super::finding::Fault;
use super::super::subject::Subject;
use crate::policy::quote_ident;

/// Why storing this setting is dangerous.
fn danger(subject: &Subject<'_>, setting: &str, value: &str) -> Option<&'static str> {
    let name = setting.to_lowercase();
    let tenant = subject.options.tenant_setting.to_lowercase();
    let space = tenant.split_once('.').map_or(tenant.as_str(), |(space, _)| space);
    if name == tenant {
        Some("sessions start bound to a tenant: a statement outside every scope reads its rows")
    } else if name.split_once('.').is_some_and(|(first, _)| first == space) {
        Some("a setting of the tenant's own name space is stored, which code may take for the scope's")
    } else {
        match name.as_str() {
            "row_security" if value != "on" => Some(
                "with row_security off, statements fail for roles that policies bind and bypass them for all others",
            ),
            "session_replication_role" if value != "origin" => Some("triggers and foreign keys are not enforced"),
            "role" => Some("sessions start as another role than the one that is verified"),
            "search_path" if !names_only_postgres(value) => {
                Some("unqualified names mean other tables and functions for this role than for the rest")
            }
            _ => None,
        }
    }
}

/// Whether a search path leads to PostgreSQL's own objects and the session's, and to nothing that others make.
fn names_only_postgres(search_path: &str) -> bool {
    search_path.split(',').all(|schema| ["", "pg_catalog", "pg_temp"].contains(&schema.trim().trim_matches('"')))
}

pub(super) fn stored(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for stored in &subject.catalog.role_settings {
        let (name, value) = stored.setting.split_once('=').unwrap_or((&stored.setting, ""));
        let applies = stored.role == 0 || subject.runtime.iter().any(|role| role.oid == stored.role);
        let searched = name.eq_ignore_ascii_case("search_path");
        if let Some(danger) = danger(subject, name, value).filter(|_| applies || !searched) {
            let (object, reset) = place(subject, stored);
            faults.push(Fault::new(
                format!("{object} {}", stored.setting),
                danger,
                format!("{reset} reset {};\n", setting_sql(name)),
            ));
        }
    }
    faults.extend(of_functions(subject));
    faults.extend(of_server(subject));
    faults
}

/// Where a setting is stored, for people and for `ALTER`.
fn place(subject: &Subject<'_>, stored: &RoleSetting) -> (String, String) {
    let database = &subject.catalog.server.database;
    let quoted = quote_ident(database);
    let role = |oid: Oid| subject.catalog.role_sql(oid);
    match (stored.role, stored.database) {
        (0, true) => (format!("database {database}"), format!("alter database {quoted}")),
        (0, false) => ("all roles".into(), "alter role all".into()),
        (oid, here) => {
            let within = if here { format!(" in database {quoted}") } else { String::new() };
            (format!("role {}", subject.catalog.role_name(oid)), format!("alter role {}{within}", role(oid)))
        }
    }
}

fn of_functions(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for function in &subject.catalog.functions {
        for config in &function.config {
            let (name, value) = config.split_once('=').unwrap_or((config, ""));
            if name == "search_path" {
                continue;
            }
            if let Some(danger) = danger(subject, name, value) {
                faults.push(Fault::new(
                    format!("{} {config}", function.label()),
                    danger,
                    format!("alter {} reset {};\n", function.sql(), setting_sql(name)),
                ));
            }
        }
    }
    faults
}

/// What the server's own configuration gave to the session that looked.
fn of_server(subject: &Subject<'_>) -> Vec<Fault> {
    let server = &subject.catalog.server;
    let tenant = server.tenant.as_deref().unwrap_or_default();
    let seen = [
        (subject.options.tenant_setting.as_str(), tenant, !tenant.is_empty()),
        ("row_security", server.row_security.as_str(), server.row_security != "on"),
        ("session_replication_role", server.replication_role.as_str(), server.replication_role != "origin"),
    ];
    let known = |name: &str| {
        subject
            .catalog
            .role_settings
            .iter()
            .any(|stored| stored.setting.to_lowercase().starts_with(&format!("{}=", name.to_lowercase())))
    };
    seen.into_iter()
        .filter(|(name, _, wrong)| *wrong && !known(name))
        .filter_map(|(name, value, _)| {
            let danger = danger(subject, name, value)?;
            Some(Fault::new(
                format!("session {name}={value}"),
                danger,
                format!("alter system reset {};\nselect pg_reload_conf();\n", setting_sql(name)),
            ))
        })
        .collect()
}

/// Parameters that change only what is logged or counted.
const HARMLESS: [&str; 4] = ["log_", "track_", "auto_explain.", "pg_stat_statements."];

pub(super) fn parameters(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let granted = subject.catalog.parameter_grants.iter();
    let guarded = granted.filter(|parameter| !HARMLESS.iter().any(|start| parameter.name.starts_with(start)));
    for parameter in guarded {
        let grants = parameter.grants.as_deref().unwrap_or_default();
        for grant in grants {
            if subject.runtime.iter().any(|role| role.is(grant.grantee)) {
                let right = grant.privilege.to_lowercase();
                faults.push(Fault::new(
                    format!("parameter {} {}", parameter.name, grant.privilege),
                    "the role can change a parameter that only a superuser should, such as switching triggers off",
                    format!(
                        "revoke {right} on parameter {} from {};\n",
                        setting_sql(&parameter.name),
                        subject.catalog.role_sql(grant.grantee)
                    ),
                ));
            }
        }
    }
    faults
}

/// A setting's name, each part quoted.
fn setting_sql(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(quote_ident).collect();
    parts.join(".")
}
