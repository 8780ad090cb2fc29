//! A verdict and its inventory in, the way out of it out: how many statements there are of which kind, and in which order to close the gaps.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Status, Verdict};
use crate::inventory::{Inventory, OTHER, area_of};
use crate::program::{CallsBetween, FileId};
use crate::rules::Area;
use crate::source::to_u32;

/// How many statements there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Outside a scope, or in one on another handle, and accepted by nobody.
    pub gaps: usize,
    /// In a scope.
    pub scoped: usize,
    /// Around the policies on purpose, or outside a scope with somebody's reason.
    pub by_design: usize,
    /// On tables without tenant data.
    pub no_tenant_data: usize,
    /// On a handle that a caller gives, and no caller is known.
    pub undecided: usize,
}

impl Buckets {
    /// Counts a verdict's statements.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        let allowed = verdict.findings.iter().filter(|finding| matches!(finding.status, Status::Allowed(_)));
        let allowed: BTreeSet<(FileId, u32)> =
            allowed.filter(|finding| finding.is_gap).map(|gap| (gap.place.file, gap.place.span.start)).collect();
        let mut buckets = Self::default();
        for statement in &verdict.program.statements {
            let is_allowed = allowed.contains(&(statement.place.file, statement.place.span.start));
            *match statement.cover.verdict() {
                "scoped" => &mut buckets.scoped,
                "exempt" => &mut buckets.no_tenant_data,
                "caller" => &mut buckets.undecided,
                "gap" | "escaped" if !is_allowed => &mut buckets.gaps,
                _ => &mut buckets.by_design,
            } += 1;
        }
        buckets
    }
}

/// One step of the remediation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The area.
    pub area: String,
    /// How many gaps it has.
    pub gaps: usize,
    /// Other areas whose code calls into it, directly or not, in the order of the rules.
    pub dependents: Vec<String>,
    /// How many files call into it, directly or not.
    pub files: usize,
}

/// The areas with gaps, what most depends on first; else in the order of the rules.
#[must_use]
pub fn sequence(inventory: &Inventory, verdict: &Verdict, areas: &[Area]) -> Vec<Remedy> {
    let calls = &verdict.program.calls;
    let mut calling: BTreeMap<FileId, Vec<usize>> = BTreeMap::new();
    for (at, between) in calls.iter().enumerate() {
        for callee in &between.callees {
            calling.entry(*callee).or_default().push(at);
        }
    }
    let ids: BTreeMap<&str, FileId> = (0..).zip(&verdict.files).map(|(id, file)| (file.path.as_str(), id)).collect();
    let mut remedies: Vec<Remedy> = inventory
        .areas
        .iter()
        .filter(|area| !area.gaps.is_empty())
        .map(|area| {
            let seeds: BTreeSet<FileId> =
                area.gaps.iter().filter_map(|gap| ids.get(gap.file.as_str()).copied()).collect();
            let reached = reached(calls, &calling, &seeds);
            let path = |id: &FileId| verdict.file(*id).path.as_str();
            let from: BTreeSet<&str> = reached.iter().map(|id| area_of(areas, path(id)).unwrap_or(OTHER)).collect();
            let names = areas.iter().map(|area| area.name.as_str());
            let dependents =
                names.filter(|name| *name != area.name && from.contains(name)).map(str::to_owned).collect();
            Remedy { area: area.name.clone(), gaps: area.gaps.len(), dependents, files: reached.len() }
        })
        .collect();
    remedies.sort_by_key(|remedy| std::cmp::Reverse((to_u32(remedy.dependents.len()), remedy.files)));
    remedies
}

/// The files that call into these, directly or not, without these; `calling` are the numbers of the calls of each file.
fn reached(
    calls: &[CallsBetween],
    calling: &BTreeMap<FileId, Vec<usize>>,
    seeds: &BTreeSet<FileId>,
) -> BTreeSet<FileId> {
    let mut is_followed = vec![false; calls.len()];
    let mut todo: Vec<FileId> = seeds.iter().copied().collect();
    let mut reached = BTreeSet::new();
    while let Some(file) = todo.pop() {
        for at in calling.get(&file).into_iter().flatten() {
            if std::mem::replace(&mut is_followed[*at], true) {
                continue;
            }
            for caller in &calls[*at].callers {
                if !seeds.contains(caller) && reached.insert(*caller) {
                    todo.push(*caller);
                }
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::{Buckets, sequence};
    use crate::audit::{AuditOptions, audit};
    use crate::discover::Sources;
    use crate::inventory::Inventory;
    use crate::rules::Rules;

    const JOBS: &str = "use sqlx::PgPool;
        pub async fn claim(pool: &PgPool) { sqlx::query(\"select * from jobs\").execute(pool).await.unwrap(); }";
    const MAIL: &str = "use sqlx::PgPool;
        pub async fn mail(pool: &PgPool) { sqlx::query(\"select * from mails\").execute(pool).await.unwrap(); }";
    const UPLOAD: &str = "use sqlx::PgPool;
        pub async fn upload(pool: &PgPool) {
            crate::jobs::claim(pool).await;
            sqlx::query(\"select * from uploads\").execute(pool).await.unwrap();
            let tx = crate::with_tenant(pool, 1, async |mut tx| { sqlx::query(\"select 1 from uploads\").execute(&mut *tx).await; }).await;
            sqlx::query(\"select * from countries\").execute(pool).await.unwrap();
            // rls-audit: allow(RLS001, reason = \"the operator's own report\")
            sqlx::query(\"select count(*) from uploads\").execute(pool).await.unwrap();
        }";
    const LIB: &str = "mod jobs; mod mail; mod upload;
        pub async fn main() { upload::upload(todo()).await; mail::mail(todo()).await; }";
    const RULES: &str = "
        [[area]]
        name = \"Uploads\"
        paths = [\"src/upload.rs\"]
        risk = \"stops.\"
        [[area]]
        name = \"Mail\"
        paths = [\"src/mail.rs\"]
        risk = \"stops.\"
        [[area]]
        name = \"Queue\"
        paths = [\"src/jobs.rs\"]
        risk = \"stops.\"
        ";

    #[test]
    fn what_others_depend_on_comes_first_and_every_statement_is_counted() {
        let mut rules: Rules = toml::from_str(&format!("{}\n{RULES}", include_str!("../rules.toml"))).unwrap();
        rules.tables.exempt.push("countries".to_owned());
        let sources = Sources::from_texts([
            ("src/lib.rs", LIB),
            ("src/jobs.rs", JOBS),
            ("src/mail.rs", MAIL),
            ("src/upload.rs", UPLOAD),
        ]);
        let verdict = audit(sources, &rules, &AuditOptions::default());
        let inventory = Inventory::of(&verdict, &rules.areas);
        let order: Vec<String> = sequence(&inventory, &verdict, &rules.areas)
            .iter()
            .map(|remedy| format!("{} {} {}", remedy.area, remedy.gaps, remedy.dependents.join("+")))
            .collect();
        assert_eq!(order, ["Queue 1 Uploads", "Uploads 1 ", "Mail 1 "]);
        let buckets = Buckets::of(&verdict);
        assert_eq!((buckets.gaps, buckets.scoped, buckets.by_design), (3, 1, 1));
        assert_eq!((buckets.no_tenant_data, buckets.undecided), (1, 0));
    }
}
