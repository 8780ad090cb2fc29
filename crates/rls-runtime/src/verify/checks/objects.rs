//! Do functions, triggers, rules or replication carry rows past the policies?

use super::super::catalog::{Function, Oid};
use super::super::finding::Fault;
use super::super::subject::Subject;
use crate::policy::quote_ident;

/// Whether a runtime role may call the function.
fn callable(subject: &Subject<'_>, function: &Function) -> bool {
    let schema = subject.catalog.schemas.iter().find(|schema| schema.name == function.schema);
    subject.runtime.iter().any(|role| {
        let execute = role.holds(&function.grants, "EXECUTE") || role.becomes.contains(&function.owner);
        let usage =
            schema.is_some_and(|schema| role.holds(&schema.grants, "USAGE") || role.becomes.contains(&schema.owner));
        execute && usage
    })
}

pub(super) fn definer_functions(subject: &Subject<'_>) -> Vec<Fault> {
    let definers = subject.catalog.functions.iter().filter(|function| function.definer && callable(subject, function));
    definers
        .map(|function| {
            let pinned = function.config.iter().any(|setting| setting.starts_with("search_path="));
            let passes = subject.tables.iter().any(|tenanted| subject.passes(function.owner, tenanted.table));
            let danger = match (passes, pinned) {
                (true, _) => "its owner is not bound by the policies, so its caller sees the rows of all tenants",
                (false, false) => "its search path is the caller's, who can put own code under its owner's rights",
                (false, true) => {
                    "its caller acts with its owner's rights, such as to truncate a table or switch its policies off"
                }
            };
            Fault::new(function.label(), danger, format!("alter {} security invoker;\n", function.sql()))
        })
        .collect()
}

pub(super) fn leakproof(subject: &Subject<'_>) -> Vec<Fault> {
    let own = subject.catalog.functions.iter().filter(|function| function.leakproof);
    let own = own.map(|function| (function.label(), function.sql().replacen("routine ", "", 1)));
    let builtin = subject.catalog.leakproof_builtins.iter();
    let builtin = builtin.map(|name| (format!("pg_catalog.{name}"), format!("pg_catalog.{name}")));
    own.chain(builtin)
        .map(|(object, sql)| {
            Fault::new(
                object,
                "the planner calls it before the policies, on the rows of all tenants",
                format!("alter function {sql} not leakproof;\n"),
            )
        })
        .collect()
}

/// Tenant tables, and views over them, where a trigger or rule can stand.
fn carriers(subject: &Subject<'_>) -> Vec<(Oid, String, String)> {
    let tables = subject.tables.iter().map(|tenanted| tenanted.table);
    tables
        .chain(super::exposure::reaching_views(subject))
        .map(|relation| (relation.oid, relation.label(), relation.sql()))
        .collect()
}

pub(super) fn definer_triggers(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (oid, label, _) in carriers(subject) {
        let triggers = subject.catalog.triggers.iter().filter(|trigger| trigger.table == oid && !trigger.internal);
        for trigger in triggers {
            let Some(function) = subject.catalog.function(trigger.function).filter(|function| function.definer) else {
                continue;
            };
            faults.push(Fault::new(
                format!("{label} {}", trigger.name),
                format!("every write runs code with the rights of {}", subject.catalog.role_name(function.owner)),
                format!("alter {} security invoker;\n", function.sql().replacen("routine", "function", 1)),
            ));
        }
    }
    faults
}

pub(super) fn rules(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (oid, label, sql) in carriers(subject) {
        for rule in subject.catalog.rules.iter().filter(|rule| rule.table == oid) {
            faults.push(Fault::new(
                format!("{label} {}", rule.name),
                "the rule's own statements run with the rights of the table's owner, and may copy rows elsewhere",
                format!("drop rule {} on {sql};\n", quote_ident(&rule.name)),
            ));
        }
    }
    faults
}

pub(super) fn replication(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for publication in &subject.catalog.publications {
        let carried = subject
            .tables
            .iter()
            .find(|tenanted| tenanted.table.schema == publication.schema && tenanted.table.name == publication.table);
        if let Some(tenanted) = carried {
            faults.push(Fault::new(
                format!("publication {} {}", publication.name, tenanted.table.label()),
                "subscribers get the rows of all tenants; no policy is asked",
                format!("drop publication {};\n", quote_ident(&publication.name)),
            ));
        }
    }
    for slot in &subject.catalog.slots {
        faults.push(Fault::new(
            format!("replication slot {slot}"),
            "who reads the slot gets the rows of all tenants; no policy is asked",
            format!("select pg_drop_replication_slot({});\n", crate::policy::quote_literal(slot)),
        ));
    }
    faults
}

/// Extensions that reach other servers, files or raw pages.
const REACHING: [&str; 12] = [
    "dblink",
    "postgres_fdw",
    "file_fdw",
    "adminpack",
    "pg_cron",
    "pageinspect",
    "pg_surgery",
    "pg_walinspect",
    "mysql_fdw",
    "oracle_fdw",
    "http",
    "pg_net",
];

pub(super) fn foreign(subject: &Subject<'_>) -> Vec<Fault> {
    let catalog = subject.catalog;
    let tables = catalog.relations.iter().filter(|relation| relation.kind == 'f').map(|relation| {
        Fault::new(
            relation.label(),
            "a foreign table cannot have policies: who may read it reads all of it",
            format!("drop foreign table {};\n", relation.sql()),
        )
    });
    let languages = catalog.untrusted_languages.iter().map(|language| {
        Fault::new(
            format!("language {language}"),
            "functions in this language are not bound by the server's rules",
            format!("drop extension {};\n", quote_ident(language)),
        )
    });
    let extensions =
        catalog.extensions.iter().filter(|extension| REACHING.contains(&extension.as_str())).map(|extension| {
            Fault::new(
                format!("extension {extension}"),
                "it opens other connections, files or raw pages, where no policy holds",
                format!("drop extension {};\n", quote_ident(extension)),
            )
        });
    tables.chain(languages).chain(extensions).collect()
}

pub(super) fn setting_functions(subject: &Subject<'_>) -> Vec<Fault> {
    let setting = subject.options.tenant_setting.to_lowercase();
    let callable = subject
        .catalog
        .functions
        .iter()
        .filter(|function| callable(subject, function))
        .filter(|function| changes_setting(function, &setting));
    let mut faults: Vec<Fault> = callable
        .map(|function| {
            Fault::new(
                function.label(),
                "calling it changes the tenant for the rest of the caller's transaction or session",
                format!(
                    "revoke execute on {} from public{};\n",
                    function.sql(),
                    subject.runtime.iter().map(|role| format!(", {}", quote_ident(&role.name))).collect::<String>()
                ),
            )
        })
        .collect();
    faults.extend(setting_triggers(subject, &setting));
    faults
}

/// Triggers fire whoever may call their functions.
fn setting_triggers(subject: &Subject<'_>, setting: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (oid, label, sql) in carriers(subject) {
        let triggers = subject.catalog.triggers.iter().filter(|trigger| trigger.table == oid && !trigger.internal);
        for trigger in triggers {
            let function = subject.catalog.function(trigger.function);
            if function.is_some_and(|function| changes_setting(function, setting)) {
                faults.push(Fault::new(
                    format!("{label} {}", trigger.name),
                    "a write changes the tenant for the rest of the writer's transaction or session",
                    format!("drop trigger {} on {sql};\n", quote_ident(&trigger.name)),
                ));
            }
        }
    }
    faults
}

/// Whether the source sets the tenant: by `set_config('…'` or `set [local] …`.
fn changes_setting(function: &Function, setting: &str) -> bool {
    let source = function.source.as_deref().unwrap_or_default().to_lowercase();
    let words: Vec<&str> =
        source.split(|c: char| c.is_whitespace() || "(),;".contains(c)).filter(|word| !word.is_empty()).collect();
    let quoted = format!("'{setting}'");
    words.windows(2).any(|pair| {
        let name = pair[1].trim_end_matches("::text");
        let value = name.split('=').next().unwrap_or(name);
        // The quote is that of a statement which is put together at run time.
        let sets = ["set", "local", "session"].contains(&pair[0].trim_start_matches('\''));
        let filled_in = ["%i", "%s"].contains(&value) && source.contains(&quoted);
        pair[0].ends_with("set_config") && name == quoted
            || sets && (value == setting || value.replace('"', "") == setting || filled_in)
    })
}

pub(super) fn notifications(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for tenanted in &subject.tables {
        let triggers =
            subject.catalog.triggers.iter().filter(|trigger| trigger.table == tenanted.table.oid && !trigger.internal);
        for trigger in triggers {
            let function = subject.catalog.function(trigger.function);
            if function.is_some_and(sends_payload) {
                faults.push(Fault::new(
                    format!("{} {}", tenanted.table.label(), trigger.name),
                    "a notification reaches every listener of the database, whatever its tenant",
                    format!("drop trigger {} on {};\n", quote_ident(&trigger.name), tenanted.table.sql()),
                ));
            }
        }
    }
    faults
}

fn sends_payload(function: &Function) -> bool {
    let source = function.source.as_deref().unwrap_or_default().to_lowercase();
    calls_with_payload(&source) || composes_a_payload(&source)
}

/// Whether a `NOTIFY` that is put together at run time has a payload; one that is written out holds no tenant's data.
fn composes_a_payload(source: &str) -> bool {
    source.contains("execute")
        && source.split("notify ").skip(1).any(|rest| {
            let channel = |c: char| c.is_alphanumeric() || "_%\"".contains(c);
            let Some(payload) = rest.trim_start().trim_start_matches(channel).trim_start().strip_prefix(',') else {
                return false;
            };
            let written_out = payload.trim_start().strip_prefix('\'').and_then(|text| text.split_once('\''));
            written_out.is_none_or(|(_, rest)| !rest.trim_start().starts_with(';'))
        })
}

/// Whether a `pg_notify` in the source has a second argument other than the empty text.
fn calls_with_payload(source: &str) -> bool {
    source.split("pg_notify").skip(1).any(|call| {
        let arguments = call.trim_start().strip_prefix('(').unwrap_or_default();
        let Some((_, payload)) = arguments.split_once(',') else {
            return false;
        };
        let payload = payload.trim_start();
        let empty = ["''", "null"].iter().any(|word| {
            payload
                .strip_prefix(word)
                .is_some_and(|rest| rest.trim_start().trim_start_matches("::text").trim_start().starts_with(')'))
        });
        !empty
    })
}
