//! What a parity run has found so far in, files that one can read out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::workers::jobs::LANES;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Nothing differs, and nothing gets past the policies.
    Pass,
    /// Something differs.
    Fail,
    /// It did not get to its end.
    Error,
}

/// One job in both states.
#[derive(Debug, Clone, Serialize)]
pub struct LaneRow {
    /// Its lane.
    pub lane: String,
    /// Its tenant.
    pub tenant: String,
    /// What there is to say of it, as why it was refused.
    pub detail: String,
    /// How it ended before.
    pub a: Ended,
    /// How it ended after.
    pub b: Ended,
    /// Whether they are the same.
    #[serde(rename = "match")]
    pub matches: bool,
    /// How long it took before.
    pub ms_a: u128,
    /// How long it took after.
    pub ms_b: u128,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Its state.
    pub state: String,
    /// Of its attempts, its result and its error, without the ids in them.
    pub hash: String,
}

/// What the migration is for: it must be seen.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// What differs.
    pub id: &'static str,
    /// Why it does.
    pub why: &'static str,
    /// Whether it was seen.
    pub seen: bool,
}

/// One table of one tenant in both states.
#[derive(Debug, Clone, Serialize)]
pub struct TableRow {
    /// The table.
    pub table: String,
    /// The tenant.
    pub tenant: String,
    /// Rows before.
    pub rows_a: usize,
    /// Rows after.
    pub rows_b: usize,
    /// Whether their contents are the same.
    pub hash_equal: bool,
    /// What only one of them has.
    pub diff_file: Option<String>,
}

/// What the migration has done to a table.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Migrated {
    name: String,
    rls: bool,
    force: bool,
    policies: i64,
}

/// One attempt to get past the policies, or one check.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What was tried.
    pub id: String,
    /// What got past.
    pub found: Vec<String>,
}

/// Where a run stopped.
#[derive(Debug, Clone, Serialize)]
pub struct Error {
    /// The step.
    pub step: String,
    /// For programs.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

/// The steps in their order.
const STEPS: &[&str] = &["legacy", "hardened", "compare", "migration", "probes", "smoke"];

/// What a run has found so far.
#[derive(Debug)]
pub struct Artifact {
    /// How it ended.
    pub status: Status,
    /// All jobs.
    pub lanes: Vec<LaneRow>,
    /// All tables.
    pub tables: Vec<TableRow>,
    /// What must differ.
    pub differences: Vec<Difference>,
    /// All probes.
    pub probes: Vec<Probe>,
    /// One state per lane.
    pub smoke: BTreeMap<String, String>,
    /// Why it stopped.
    pub errors: Vec<Error>,
    pub(super) database: String,
    pub(super) migrated: Vec<Migrated>,
    begun: Vec<&'static str>,
    started: DateTime<Utc>,
    finished: Option<DateTime<Utc>>,
    run: Uuid,
}

impl Artifact {
    pub(super) fn begin() -> Artifact {
        Artifact {
            status: Status::Error,
            lanes: Vec::new(),
            tables: Vec::new(),
            differences: Vec::new(),
            probes: Vec::new(),
            smoke: BTreeMap::new(),
            errors: Vec::new(),
            database: String::new(),
            migrated: Vec::new(),
            begun: Vec::new(),
            started: clock(),
            finished: None,
            run: Uuid::new_v4(),
        }
    }

    pub(super) fn step(&mut self, name: &'static str) {
        self.begun.push(name);
    }

    pub(super) fn fail(&mut self, error: &anyhow::Error) {
        self.stop("STEP_FAILED", format!("{error:#}"));
    }

    pub(super) fn interrupt(&mut self) {
        self.stop("INTERRUPTED", "somebody stopped the run".to_owned());
        self.finish();
    }

    fn stop(&mut self, code: &'static str, message: String) {
        self.errors.push(Error { step: self.current(), code, message });
    }

    fn current(&self) -> String {
        (*self.begun.last().unwrap_or(&"start")).to_owned()
    }

    pub(super) fn finish(&mut self) {
        self.finished = Some(clock());
        let all_ran = LANES.iter().all(|lane| self.smoke.get(*lane).is_some_and(|state| state == "ok"));
        let same = self.lanes.iter().all(|lane| lane.matches) && self.tables.iter().all(|table| table.hash_equal);
        let forced = !self.migrated.is_empty() && self.migrated.iter().all(|table| table.rls && table.force);
        let seen = !self.differences.is_empty() && self.differences.iter().all(|difference| difference.seen);
        let held = !self.probes.is_empty() && self.probes.iter().all(|probe| probe.found.is_empty());
        self.status = match self.errors.is_empty() {
            false => Status::Error,
            true if all_ran && same && forced && seen && held => Status::Pass,
            true => Status::Fail,
        };
    }

    /// Writes `parity.json`, `parity.md` and `parity.html`.
    pub(super) fn write(&self, out: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(out)?;
        std::fs::write(out.join("parity.json"), format!("{:#}\n", self.json()))?;
        std::fs::write(out.join("parity.md"), self.markdown())?;
        std::fs::write(out.join("parity.html"), self.html()?)
    }

    /// Each step, and whether it was done, failed, or not run.
    fn steps(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        STEPS.iter().map(|step| {
            let failed = self.errors.iter().any(|error| error.step == *step);
            let begun = self.begun.contains(step);
            let state = match (failed, begun) {
                (true, _) => "failed",
                (false, true) => "done",
                (false, false) => "not_run",
            };
            (*step, state)
        })
    }

    fn json(&self) -> serde_json::Value {
        let steps = self.steps().map(|(step, state)| json!({"step": step, "state": state}));
        json!({
            "schema": 1,
            "run_id": self.run,
            "started": self.started,
            "finished": self.finished,
            "git": revision(),
            "status": self.status,
            "db": self.database,
            "steps": steps.collect::<Vec<_>>(),
            "failed_step": self.errors.first().map(|error| &error.step),
            "migration": {"name": "reenable_force_rls_tenant_tables", "applied": !self.migrated.is_empty(), "tables": self.migrated},
            "lanes": self.lanes,
            "tables": self.tables,
            "expected_differences": self.differences,
            "probes": self.probes.iter().map(|probe| json!({"id": probe.id, "ok": probe.found.is_empty(), "found": probe.found})).collect::<Vec<_>>(),
            "smoke": self.smoke,
            "errors": self.errors,
        })
    }

    /// The same for people, in one file that needs no other.
    fn html(&self) -> io::Result<String> {
        let mut templates = minijinja::Environment::new();
        let page = templates.add_template("parity.html", include_str!("parity.html"));
        page.and_then(|()| templates.get_template("parity.html")?.render(minijinja::value::Serde(self.json())))
            .map_err(io::Error::other)
    }

    fn markdown(&self) -> String {
        let mut text = format!("# Parity: {:?}\n\n", self.status);
        for error in &self.errors {
            let _ = writeln!(text, "Stopped at `{}`: {}\n", error.step, error.message);
        }
        for (step, state) in self.steps() {
            let _ = writeln!(text, "- {step}: {state}");
        }
        for difference in &self.differences {
            let seen = if difference.seen { "seen, as expected" } else { "not seen" };
            let _ = writeln!(text, "- {}: {seen}; {}", difference.id, difference.why);
        }
        text.push_str("\n| lane | tenant | before | after | same | detail |\n|---|---|---|---|---|---|\n");
        for row in &self.lanes {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                row.lane,
                row.tenant,
                row.a.state,
                row.b.state,
                row.matches,
                row.detail.replace('|', "\\|")
            );
        }
        text.push_str("\n| table | tenant | rows before | rows after | same |\n|---|---|---|---|---|\n");
        for row in &self.tables {
            let same = row.diff_file.as_deref().unwrap_or("true");
            let _ = writeln!(text, "| {} | {} | {} | {} | {same} |", row.table, row.tenant, row.rows_a, row.rows_b);
        }
        let open = self.probes.iter().filter(|probe| !probe.found.is_empty());
        let _ = writeln!(text, "\n{} probes and checks, {} of them open.", self.probes.len(), open.clone().count());
        for probe in open {
            let _ = writeln!(text, "- {}: {}", probe.id, probe.found.join("; "));
        }
        text
    }
}

fn clock() -> DateTime<Utc> {
    DateTime::<Utc>::from(std::time::SystemTime::now())
}

/// What was checked out, where that can be found out.
fn revision() -> Option<String> {
    let asked = || Command::new("git").args(["rev-parse", "HEAD"]).stderr(Stdio::null()).output().ok();
    let found = || String::from_utf8(asked()?.stdout).ok();
    let known = std::env::var("GITHUB_SHA").ok().or_else(found)?;
    Some(known.trim().to_owned()).filter(|revision| !revision.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Artifact {
        let mut artifact = Artifact::begin();
        STEPS.iter().for_each(|step| artifact.step(step));
        artifact.smoke = LANES.iter().map(|lane| ((*lane).to_owned(), "ok".to_owned())).collect();
        artifact.migrated = vec![Migrated { name: "orders".into(), rls: true, force: true, policies: 4 }];
        artifact.differences = vec![Difference { id: "owner", why: "it is forced", seen: true }];
        artifact.probes = vec![Probe { id: "P1".into(), found: Vec::new() }];
        artifact
    }

    fn status(change: impl FnOnce(&mut Artifact)) -> Status {
        let mut artifact = complete();
        change(&mut artifact);
        artifact.finish();
        artifact.status
    }

    #[test]
    fn a_run_passes_only_when_nothing_speaks_against_it() {
        assert_eq!(status(|_| {}), Status::Pass);
        assert_eq!(status(|artifact| artifact.migrated[0].force = false), Status::Fail);
        assert_eq!(status(|artifact| artifact.migrated.clear()), Status::Fail);
        assert_eq!(status(|artifact| artifact.differences[0].seen = false), Status::Fail);
        assert_eq!(status(|artifact| artifact.differences.clear()), Status::Fail);
        assert_eq!(status(|artifact| artifact.probes.clear()), Status::Fail);
        assert_eq!(status(|artifact| artifact.probes[0].found.push("a row".into())), Status::Fail);
        assert_eq!(status(|artifact| drop(artifact.smoke.remove("ship_upload"))), Status::Fail);
        let failed = |artifact: &mut Artifact| drop(artifact.smoke.insert("ship_upload".into(), "discarded".into()));
        assert_eq!(status(failed), Status::Fail);
        assert_eq!(status(|artifact| artifact.fail(&anyhow::anyhow!("no"))), Status::Error);
    }

    #[test]
    fn a_run_that_stops_says_where_and_what_was_not_run() {
        let mut artifact = Artifact::begin();
        artifact.step("legacy");
        artifact.step("hardened");
        artifact.fail(&anyhow::anyhow!("the server is gone <b>"));
        artifact.finish();
        let folder = tempfile::tempdir().unwrap();
        artifact.write(&folder.path().join("deep")).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("deep/parity.json")).unwrap()).unwrap();
        assert_eq!((&json["status"], &json["failed_step"]), (&json!("ERROR"), &json!("hardened")));
        let states: Vec<&str> =
            json["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
        assert_eq!(states[..3], ["done", "failed", "not_run"]);
        assert!(states[2..].iter().all(|state| *state == "not_run"));
        let text = |name: &str| std::fs::read_to_string(folder.path().join("deep").join(name)).unwrap();
        assert!(text("parity.md").contains("the server is gone") && text("parity.md").contains("- probes: not_run"));
        assert!(text("parity.html").contains("Stopped at hardened") && text("parity.html").contains("gone &lt;b&gt;"));
    }
}
