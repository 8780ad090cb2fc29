use super::Ledger;
use crate::discover::Coverage;
use crate::finding::{BlindSpot, Finding, Level, Mode, Stats, Status, Verdict};
use crate::program::{Place, Program};
use crate::rules::Area;
use crate::schema::Schema;
use crate::source::{SourceFile, Span, Target};

/// A verdict with gaps at these lines of these files, with these fingerprints.
fn verdict(gaps: &[(&str, u32, &str)]) -> Verdict {
    let paths = ["a.rs", "b.rs"];
    let file = |path: &&str| SourceFile::new((*path).to_owned(), "x\n".repeat(20), Target::default());
    let finding = |(path, line, fingerprint): &(&str, u32, &str)| {
        let id = paths.iter().position(|known| known == path).unwrap();
        let start = (line - 1) * 2;
        gap(Place { file: u32::try_from(id).unwrap(), span: Span { start, end: start + 1 } }, fingerprint)
    };
    Verdict {
        files: paths.iter().map(file).collect(),
        program: Program::default(),
        schema: Schema::default(),
        findings: gaps.iter().map(finding).collect(),
        blind_spots: Vec::new(),
        stats: Stats::default(),
        mode: Mode::Flow,
    }
}

fn gap(place: Place, fingerprint: &str) -> Finding {
    Finding {
        code: "RLS001",
        name: "unscoped-query",
        level: Level::Deny,
        place,
        message: String::new(),
        label: String::new(),
        related: Vec::new(),
        help: String::new(),
        fix: None,
        function: "f".to_owned(),
        tables: Vec::new(),
        path: Vec::new(),
        is_gap: true,
        status: Status::Open,
        fingerprint: fingerprint.to_owned(),
    }
}

fn areas() -> Vec<Area> {
    vec![Area {
        name: "Queue".to_owned(),
        paths: vec!["b.rs".to_owned(), "a.rs".to_owned()],
        risk: "stops.".to_owned(),
    }]
}

/// The ledger as `file:line found resolved`.
fn shown(ledger: &Ledger) -> Vec<String> {
    let resolved = |entry: &super::Entry| entry.resolved.clone().unwrap_or_else(|| "-".to_owned());
    ledger
        .gaps
        .iter()
        .map(|entry| format!("{}:{} {} {}", entry.file, entry.line, entry.found, resolved(entry)))
        .collect()
}

#[test]
fn gaps_that_are_gone_stay_with_their_day() {
    let first = Ledger::default().updated(
        &verdict(&[("a.rs", 3, "p"), ("b.rs", 4, "q")]),
        Coverage::Whole,
        &areas(),
        "2026-02-17",
    );
    assert_eq!(shown(&first), ["a.rs:3 2026-02-17 -", "b.rs:4 2026-02-17 -"]);
    let second = first.updated(&verdict(&[("a.rs", 5, "p")]), Coverage::Whole, &areas(), "2026-03-02");
    assert_eq!(shown(&second), ["a.rs:5 2026-02-17 -", "b.rs:4 2026-02-17 2026-03-02"]);
    let third = second.updated(&verdict(&[]), Coverage::Whole, &areas(), "2026-03-03");
    assert_eq!(shown(&third), ["a.rs:5 2026-02-17 2026-03-03", "b.rs:4 2026-02-17 2026-03-02"]);
    let resolved = third.resolved(&areas());
    let order: Vec<&str> = resolved[0].gaps.iter().map(|gap| gap.file.as_str()).collect();
    assert_eq!(order, ["b.rs", "a.rs"], "in the order of the area's paths");
}

#[test]
fn a_second_run_changes_nothing() {
    let now = verdict(&[("a.rs", 3, "p")]);
    let once = Ledger::default().updated(&now, Coverage::Whole, &areas(), "2026-02-17");
    assert_eq!(once.updated(&now, Coverage::Whole, &areas(), "2026-09-09"), once);
    let gone = once.updated(&verdict(&[]), Coverage::Whole, &areas(), "2026-03-01");
    assert_eq!(gone.updated(&verdict(&[]), Coverage::Whole, &areas(), "2026-09-09"), gone);
    assert_eq!(Ledger::parse(&gone.to_json()), Ok(gone));
}

#[test]
fn a_gap_that_comes_back_is_open_again() {
    let now = verdict(&[("a.rs", 3, "p")]);
    let once = Ledger::default().updated(&now, Coverage::Whole, &areas(), "2026-02-17");
    let gone = once.updated(&verdict(&[]), Coverage::Whole, &areas(), "2026-03-01");
    assert_eq!(gone.updated(&now, Coverage::Whole, &areas(), "2026-04-01"), once);
}

#[test]
fn what_was_not_looked_at_is_not_resolved() {
    let once = Ledger::default().updated(
        &verdict(&[("a.rs", 3, "p"), ("b.rs", 4, "q")]),
        Coverage::Whole,
        &areas(),
        "2026-02-17",
    );
    let mut part = verdict(&[]);
    part.files.remove(1);
    assert_eq!(
        shown(&once.updated(&part, Coverage::Part, &areas(), "2026-03-01")),
        ["a.rs:3 2026-02-17 2026-03-01", "b.rs:4 2026-02-17 -"]
    );
    let mut broken = verdict(&[]);
    broken.blind_spots.push(BlindSpot { file: "a.rs".to_owned(), line: 1, column: 1, reason: "broken".to_owned() });
    assert_eq!(
        shown(&once.updated(&broken, Coverage::Whole, &areas(), "2026-03-01")),
        ["a.rs:3 2026-02-17 -", "b.rs:4 2026-02-17 2026-03-01"]
    );
}

#[test]
fn an_allowed_gap_is_neither_open_nor_resolved() {
    let once = Ledger::default().updated(&verdict(&[("a.rs", 3, "p")]), Coverage::Whole, &areas(), "2026-02-17");
    let mut allowed = verdict(&[("a.rs", 3, "p"), ("b.rs", 4, "q")]);
    for finding in &mut allowed.findings {
        finding.status = Status::Allowed("on purpose".to_owned());
    }
    let after = once.updated(&allowed, Coverage::Whole, &areas(), "2026-03-01");
    assert_eq!(shown(&after), ["a.rs:3 2026-02-17 -"]);
    assert_eq!(after.gaps[0].allowed.as_deref(), Some("on purpose"));
}

#[test]
fn other_files_are_no_ledgers() {
    assert!(Ledger::parse("{}").is_err());
    assert!(Ledger::parse("{\"schema\": \"other/1\", \"gaps\": []}").unwrap_err().contains("other/1"));
    assert_eq!(Ledger::parse(""), Ok(Ledger::default()));
}
