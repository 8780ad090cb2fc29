//! A verdict in, one row per table with tenant data out: what protects it, what runs on it, and what stands in the way of FORCE.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Verdict;
use crate::inventory::Gap;
use crate::program::{Cover, FileId, Place, Statement};
use crate::rules::TableRules;
use crate::schema::{Policy, RowCommand, Schema, SchemaInUse, Table, Tenancy};
use crate::sql::TableName;

/// Which tables can be forced today.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// Tables with tenant data, and tables that statements name and no migration makes, by name.
    pub tables: Vec<TableReadiness>,
    /// Tables without tenant data, with the reason, by name.
    pub shared: Vec<(TableName, String)>,
    /// Open gaps whose tables are not known: each may touch any of the tables.
    pub unknown: Vec<Gap>,
}

/// One table.
#[derive(Clone, Debug)]
pub struct TableReadiness {
    /// Its name.
    pub name: TableName,
    /// Why it is known to hold tenant data; `None` where no migration makes it.
    pub tenancy: Option<String>,
    /// Where row-level security is enabled.
    pub enabled: Option<Place>,
    /// Where it is forced.
    pub forced: Option<Place>,
    /// Its policies.
    pub policies: Vec<Policy>,
    /// How many statements have which verdict; those that an exception accepts are counted by their verdict too.
    pub statements: BTreeMap<&'static str, usize>,
    /// Gaps that nobody allowed.
    pub gaps: Vec<Gap>,
    /// Whether it can be forced.
    pub state: State,
}

/// Whether a table can be forced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is enabled and forced, and nothing is open.
    Done,
    /// It is enabled and forced, and these break on it today.
    Broken(Vec<String>),
    /// It can be.
    Ready,
    /// These stand in the way.
    Blocked(Vec<String>),
}

impl State {
    /// `done`, `broken`, `ready` or `blocked`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Broken(_) => "broken",
            Self::Ready => "ready",
            Self::Blocked(_) => "blocked",
        }
    }

    /// What stands in the way, or breaks.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Broken(reasons) | Self::Blocked(reasons) => reasons,
            Self::Done | Self::Ready => &[],
        }
    }
}

impl Readiness {
    /// The readiness of every table.
    #[must_use]
    pub fn of(verdict: &Verdict, rules: &TableRules) -> Self {
        let schema = &verdict.schema;
        let used = SchemaInUse::new(schema, &verdict.program, rules);
        let uses = Uses::of(verdict);
        let mut names: BTreeSet<TableName> = schema
            .tables
            .values()
            .filter(|table| used.is_tenant(&table.name) && used.is_reached(table))
            .map(|table| table.name.clone())
            .collect();
        names.extend(uses.tables.keys().filter(|name| is_unheard_of(&used, name)).cloned());
        let tables = names.into_iter().map(|name| row(&used, &uses, name)).collect();
        let shared = used.tenancies.iter().filter_map(|(name, tenancy)| match tenancy {
            Tenancy::Shared(why) if schema.tables.contains_key(name) => Some((name.clone(), why.clone())),
            _ => None,
        });
        Self { tables, shared: shared.collect(), unknown: uses.unknown }
    }
}

/// Named by a statement, but made by no migration, and not PostgreSQL's own.
fn is_unheard_of(used: &SchemaInUse<'_>, name: &TableName) -> bool {
    let is_known = used.schema.table(name).is_some() || used.schema.view(name).is_some();
    !is_known && !used.tenancies.contains_key(name) && !name.is_catalog()
}

/// What statements and gaps there are on each table, views followed to the tables they read.
#[derive(Default)]
struct Uses {
    tables: BTreeMap<TableName, BTreeMap<&'static str, usize>>,
    gaps: BTreeMap<TableName, BTreeSet<Gap>>,
    unknown: Vec<Gap>,
}

impl Uses {
    fn of(verdict: &Verdict) -> Self {
        let mut uses = Self::default();
        let in_question = verdict.program.statements.iter().filter(|statement| !statement.in_test);
        for statement in in_question.filter(|statement| !is_ddl(statement)) {
            for table in behind(&verdict.schema, &statement.tables) {
                *uses.tables.entry(table).or_default().entry(statement.cover.verdict()).or_default() += 1;
            }
        }
        // A finding's place is cut to one line; its statement starts where it does.
        let complete: BTreeSet<(FileId, u32)> = verdict
            .program
            .statements
            .iter()
            .filter(|statement| statement.tables_known || matches!(statement.cover, Cover::Exempt(_)))
            .map(|statement| (statement.place.file, statement.place.span.start))
            .collect();
        let mut unknown = BTreeSet::new();
        for finding in verdict.findings.iter().filter(|finding| finding.is_open_gap()) {
            let gap = Gap::of(finding, verdict);
            for table in behind(&verdict.schema, &finding.tables) {
                uses.gaps.entry(table).or_default().insert(gap.clone());
            }
            if !complete.contains(&(finding.place.file, finding.place.span.start)) {
                unknown.insert(gap);
            }
        }
        uses.unknown = unknown.into_iter().collect();
        uses
    }
}

fn is_ddl(statement: &Statement) -> bool {
    statement.operation.as_deref() == Some("ddl")
}

/// The tables themselves, and for views those that they read.
fn behind(schema: &Schema, tables: &[String]) -> BTreeSet<TableName> {
    let mut todo: Vec<TableName> = tables.iter().map(|table| TableName::parse(table).canonical()).collect();
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    while let Some(name) = todo.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        match schema.view(&name) {
            Some(view) => todo.extend(view.reads.iter().cloned()),
            None => {
                found.insert(name);
            }
        }
    }
    found
}

fn row(used: &SchemaInUse<'_>, uses: &Uses, name: TableName) -> TableReadiness {
    let table = used.schema.table(&name);
    let gaps: Vec<Gap> = uses.gaps.get(&name).into_iter().flatten().cloned().collect();
    let state = table.map_or_else(|| State::Blocked(unmade(&gaps)), |table| state(used, table, &gaps));
    let tenancy = match used.tenancies.get(&name) {
        Some(Tenancy::Tenant(why)) => Some(why.clone()),
        _ => None,
    };
    TableReadiness {
        tenancy,
        enabled: table.and_then(|table| table.enabled),
        forced: table.and_then(|table| table.forced),
        policies: table.map(|table| table.policies.clone()).unwrap_or_default(),
        statements: uses.tables.get(&name).cloned().unwrap_or_default(),
        gaps,
        state,
        name,
    }
}

fn unmade(gaps: &[Gap]) -> Vec<String> {
    open_gaps(gaps).into_iter().chain(["no migration makes it".to_owned()]).collect()
}

fn open_gaps(gaps: &[Gap]) -> Option<String> {
    match gaps.len() {
        0 => None,
        1 => Some("1 open gap".to_owned()),
        many => Some(format!("{many} open gaps")),
    }
}

fn state(used: &SchemaInUse<'_>, table: &Table, gaps: &[Gap]) -> State {
    let mut reasons: Vec<String> = open_gaps(gaps).into_iter().collect();
    if !table.lets_rows_through() {
        reasons.push("no policy lets any row through".to_owned());
    } else {
        let uncovered: Vec<&str> = used.uncovered(table).into_iter().map(RowCommand::word).collect();
        if !uncovered.is_empty() {
            reasons.push(format!("no policy for {}", uncovered.join(" and ")));
        }
    }
    let is_forced = table.enabled.is_some() && table.forced.is_some();
    match (is_forced, reasons.is_empty()) {
        (true, true) => State::Done,
        (true, false) => State::Broken(reasons),
        (false, true) => State::Ready,
        (false, false) => State::Blocked(reasons),
    }
}

#[cfg(test)]
mod tests;
