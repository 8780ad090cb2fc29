//! Do the policies hold every session to its tenant, and at what price?

use std::collections::BTreeSet;

use super::super::catalog::{Oid, Policy};
use super::super::expr;
use super::super::finding::Fault;
use super::super::predicate::{Missing, Safe, Slow, judge};
use super::super::subject::{Runtime, Subject, Tenanted};
use super::columns::refuses_empty;
use crate::policy::{Command, quote_ident};

/// One condition of a policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Using,
    Check,
}

impl Part {
    const fn keyword(self) -> &'static str {
        match self {
            Self::Using => "USING",
            Self::Check => "WITH CHECK",
        }
    }
}

/// The conditions that a policy states; one that it leaves out admits nothing or repeats the other.
fn parts(policy: &Policy) -> impl Iterator<Item = (Part, &str)> {
    let using = policy.using.as_deref().map(|text| (Part::Using, text));
    let check = policy.check.as_deref().map(|text| (Part::Check, text));
    using.into_iter().chain(check)
}

fn verdict(subject: &Subject<'_>, tenanted: &Tenanted<'_>, text: &str) -> Result<Safe, String> {
    subject.with_terms(tenanted, |terms| judge(&expr::parse(text), terms))
}

fn is_safe(subject: &Subject<'_>, tenanted: &Tenanted<'_>, policy: &Policy) -> bool {
    parts(policy).all(|(_, text)| verdict(subject, tenanted, text).is_ok())
}

/// The condition that a command applies to rows that are there, or to rows that it writes.
fn condition(policy: &Policy, part: Part) -> Option<&str> {
    match part {
        Part::Using => policy.using.as_deref(),
        Part::Check => policy.check.as_deref().or(policy.using.as_deref()),
    }
}

/// The commands on which a policy's condition works.
fn commands(policy: &Policy, part: Part) -> Vec<Command> {
    let writes = [Command::Insert, Command::Update];
    Command::ALL
        .into_iter()
        .filter(|command| policy.is_for(*command))
        .filter(|command| match part {
            Part::Using => *command != Command::Insert || policy.check.is_none(),
            Part::Check => writes.contains(command),
        })
        .collect()
}

pub(super) fn unsafe_policies(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (tenanted, policy) in each(subject) {
        let reasons: Vec<String> = parts(policy)
            .filter(|(part, _)| policy.permissive && !restricted(subject, tenanted, policy, *part))
            .filter_map(|(part, text)| {
                let reason = verdict(subject, tenanted, text).err()?;
                Some(format!("{}: {reason}", part.keyword()))
            })
            .collect();
        if !reasons.is_empty() {
            faults.push(Fault::new(
                object(tenanted, policy),
                format!("{} may reach rows of other tenants; {}", grantees(subject, policy), reasons.join("; ")),
                rewrite(subject, tenanted, policy),
            ));
        }
    }
    faults
}

/// Whether safe restrictive policies narrow what this permissive one admits, for every command and role it is for.
fn restricted(subject: &Subject<'_>, tenanted: &Tenanted<'_>, policy: &Policy, part: Part) -> bool {
    let affected: Vec<&Runtime> =
        subject.runtime.iter().filter(|role| policy.roles.iter().any(|oid| role.inherits.contains(oid))).collect();
    let reaches = |other: &Policy| {
        other.roles.contains(&0)
            || policy.roles.iter().all(|oid| other.roles.contains(oid))
            || (!affected.is_empty()
                && !policy.roles.contains(&0)
                && affected.iter().all(|role| other.roles.iter().any(|oid| role.inherits.contains(oid))))
    };
    commands(policy, part).into_iter().all(|command| {
        let sides: &[Part] = match command {
            Command::Insert => &[Part::Check],
            Command::Update if part == Part::Using && policy.check.is_none() => &[Part::Using, Part::Check],
            _ => &[part],
        };
        sides.iter().all(|side| {
            subject.catalog.policies_of(tenanted.table.oid).any(|other| {
                !other.permissive
                    && other.is_for(command)
                    && reaches(other)
                    && condition(other, *side).is_some_and(|text| verdict(subject, tenanted, text).is_ok())
            })
        })
    })
}

pub(super) fn overlapping(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for tenanted in &subject.tables {
        // Without a runtime role, the policies for everybody are what can be said.
        let roles: Vec<Option<&Runtime>> =
            if subject.runtime.is_empty() { vec![None] } else { subject.runtime.iter().map(Some).collect() };
        let mut seen = BTreeSet::new();
        for (role, command) in roles.iter().flat_map(|role| Command::ALL.map(|command| (role, command))) {
            let mut policies = subject.applicable(tenanted.table.oid, command, *role);
            policies.retain(|policy| policy.permissive);
            if policies.len() < 2 {
                continue;
            }
            let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
            if !seen.insert(names.clone()) {
                continue;
            }
            faults.push(Fault::new(
                format!("{} {}", tenanted.table.label(), command.keyword()),
                format!(
                    "the policies {} are joined by OR: a row that one of them admits is admitted",
                    names.join(", ")
                ),
                drop_extra(subject, tenanted, &policies),
            ));
        }
    }
    faults
}

/// Keeps the widest safe policy and drops the others.
fn drop_extra(subject: &Subject<'_>, tenanted: &Tenanted<'_>, policies: &[&Policy]) -> String {
    let keep = policies.iter().max_by_key(|policy| (is_safe(subject, tenanted, policy), policy.command == '*'));
    policies
        .iter()
        .filter(|policy| keep.is_none_or(|keep| keep.name != policy.name))
        .map(|policy| drop_policy(tenanted, policy))
        .collect()
}

pub(super) fn uncovered(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for tenanted in subject.tables.iter().filter(|tenanted| tenanted.table.rls) {
        for command in Command::ALL {
            let privilege = command.keyword().to_uppercase();
            let roles: Vec<&Runtime> = subject
                .runtime
                .iter()
                .filter(|role| role.holds(&tenanted.table.grants, &privilege))
                .filter(|role| {
                    let policies = subject.applicable(tenanted.table.oid, command, Some(role));
                    !policies.iter().any(|policy| policy.permissive)
                })
                .collect();
            if !roles.is_empty() {
                let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
                let canonical = subject.canonical_for(tenanted, &roles).commands(&[command]);
                faults.push(Fault::new(
                    format!("{} {}", tenanted.table.label(), command.keyword()),
                    format!("{} may run the command but no policy admits any row", names.join(", ")),
                    canonical.policies(),
                ));
            }
        }
    }
    faults
}

pub(super) fn functions(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (tenanted, policy) in each(subject) {
        for function in policy.functions.iter().map(|oid| (oid, subject.catalog.function(*oid))) {
            let name = function.1.map_or_else(|| format!("function {}", function.0), |f| f.label());
            let cached = function.1.is_some_and(|f| f.volatility == 'i');
            let danger = if cached {
                "the function is IMMUTABLE: a cached plan shows one tenant's rows to the next"
            } else {
                "whoever replaces the function changes the policy, and it is called once per row"
            };
            faults.push(Fault::new(
                format!("{} {name}", object(tenanted, policy)),
                danger,
                rewrite(subject, tenanted, policy),
            ));
        }
    }
    faults
}

pub(super) fn reads_tables(subject: &Subject<'_>) -> Vec<Fault> {
    let with_relations = each(subject).into_iter().filter(|(_, policy)| !policy.relations.is_empty());
    with_relations
        .map(|(tenanted, policy)| {
            Fault::new(
                format!("{} {}", object(tenanted, policy), policy.relations.join(" ")),
                "whoever can write that table gives himself tenants, and its own policies decide what this one sees",
                rewrite(subject, tenanted, policy),
            )
        })
        .collect()
}

pub(super) fn slow(subject: &Subject<'_>) -> Vec<Fault> {
    on_safe(subject, |_, safe| {
        Some(match safe.slow? {
            Slow::PerRow => {
                "the setting is read once per row wherever no index on the tenant serves (about 3 times the time of a scan)"
            }
            Slow::CastPerRow => {
                "the setting is read once but converted once per row (about 2.6 times the time of a scan)"
            }
            Slow::Set => "the setting is looked for in a set, so no index on the column serves; compare by `=` instead",
            Slow::ColumnCast => {
                "the column is converted, so no index on it serves: every statement reads the rows of all tenants"
            }
        })
    })
}

pub(super) fn inconsistent(subject: &Subject<'_>) -> Vec<Fault> {
    let mut faults = on_safe(subject, |tenanted, safe| {
        if safe.fresh != safe.later && [safe.fresh, safe.later].contains(&Missing::Error) {
            Some(
                "without a tenant a fresh session behaves differently from a used one: an error in one, an empty result in the other",
            )
        } else if safe.later == Missing::Empty && !refuses_empty(subject, tenanted) {
            Some("a session whose tenant is gone compares with the empty text, which a row may hold as its tenant")
        } else {
            None
        }
    });
    faults.extend(mixed(subject));
    faults
}

/// Tables that are silent without a tenant where most others raise an error.
fn mixed(subject: &Subject<'_>) -> Vec<Fault> {
    let safe: Vec<_> = each(subject)
        .into_iter()
        .flat_map(|(tenanted, policy)| {
            parts(policy).filter_map(move |(_, text)| {
                // A condition that is never true says nothing about the tenant.
                let silent = verdict(subject, tenanted, text).ok()?.later != Missing::Error;
                (text != "false").then_some((tenanted, policy, silent))
            })
        })
        .collect();
    let loud = safe.iter().filter(|(.., silent)| !silent).count();
    if loud * 2 <= safe.len() {
        return Vec::new();
    }
    let mut faults: Vec<Fault> = safe
        .iter()
        .filter(|(tenanted, _, silent)| {
            *silent && !super::super::predicate::is_text(&tenanted.column.base_type)
        })
        .map(|(tenanted, policy, _)| {
            Fault::new(
                object(tenanted, policy),
                "without a tenant this policy yields nothing, where most others raise an error: a forgotten scope looks like an empty table",
                rewrite(subject, tenanted, policy),
            )
        })
        .collect();
    faults.dedup_by(|a, b| a.object == b.object);
    faults
}

/// One fault per policy that is safe but of which something is to be said.
fn on_safe(subject: &Subject<'_>, say: impl Fn(&Tenanted<'_>, &Safe) -> Option<&'static str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (tenanted, policy) in each(subject) {
        let said = parts(policy).find_map(|(_, text)| {
            let safe = verdict(subject, tenanted, text).ok()?;
            say(tenanted, &safe)
        });
        if let Some(message) = said {
            faults.push(Fault::new(object(tenanted, policy), message, rewrite(subject, tenanted, policy)));
        }
    }
    faults
}

/// Every policy of every tenant table.
fn each<'a>(subject: &'a Subject<'a>) -> Vec<(&'a Tenanted<'a>, &'a Policy)> {
    subject
        .tables
        .iter()
        .flat_map(|tenanted| {
            let policies = subject.catalog.policies_of(tenanted.table.oid);
            policies.map(move |policy| (tenanted, policy))
        })
        .collect()
}

fn object(tenanted: &Tenanted<'_>, policy: &Policy) -> String {
    format!("{} policy {}", tenanted.table.label(), policy.name)
}

fn grantees(subject: &Subject<'_>, policy: &Policy) -> String {
    let names: Vec<String> = policy.roles.iter().map(|oid: &Oid| subject.catalog.role_name(*oid)).collect();
    names.join(", ")
}

/// Gives the policy the canonical condition, for the parts that its command has.
fn rewrite(subject: &Subject<'_>, tenanted: &Tenanted<'_>, policy: &Policy) -> String {
    let predicate = subject.canonical(tenanted).predicate();
    let using = format!("\n  using ({predicate})");
    let check = format!("\n  with check ({predicate})");
    let conditions = match policy.command {
        'r' | 'd' => using,
        'a' => check,
        _ => using + &check,
    };
    format!("alter policy {} on {}{conditions};\n", quote_ident(&policy.name), tenanted.table.sql())
}

fn drop_policy(tenanted: &Tenanted<'_>, policy: &Policy) -> String {
    format!("drop policy {} on {};\n", quote_ident(&policy.name), tenanted.table.sql())
}
