//! Verdict and areas in, the gap inventory out: every gap that nobody allowed, area by area.

use std::fmt;

use crate::finding::{Finding, Verdict};
use crate::rules::{Area, path_matches};

/// The gap inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The areas of the rules in their order, and at the end [`OTHER`] where gaps lie outside them all.
    pub areas: Vec<AreaGaps>,
    /// The same for gaps that are gone, where a ledger remembers them.
    pub resolved: Vec<AreaGaps>,
}

/// One part of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaGaps {
    /// Its heading.
    pub name: String,
    /// What breaks.
    pub risk: String,
    /// Its gaps: paths in the order of the rules, then by line; one per line.
    pub gaps: Vec<Gap>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Relative to the audited root.
    pub file: String,
    /// Where the statement starts, or started.
    pub line: u32,
    /// The day it was gone, for one that is.
    pub resolved: Option<String>,
}

impl Gap {
    /// The entry of a finding.
    #[must_use]
    pub fn of(finding: &Finding, verdict: &Verdict) -> Self {
        let file = verdict.file(finding.place.file);
        Self { file: file.path.clone(), line: file.line(finding.place.span.start), resolved: None }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// The heading of gaps that lie in no area.
pub const OTHER: &str = "Other";

const OTHER_RISK: &str = "these statements run without a tenant under forced RLS.";

impl Inventory {
    /// Sorts the gaps into the areas.
    #[must_use]
    pub fn of(verdict: &Verdict, areas: &[Area]) -> Self {
        let gaps = verdict.findings.iter().filter(|finding| finding.is_open_gap());
        let gaps = gaps.map(|finding| Gap::of(finding, verdict));
        Self { areas: by_area(gaps, areas), resolved: Vec::new() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.areas.iter().map(|area| area.gaps.len()).sum()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Sorts gaps into the areas: paths in the order of the rules, then by line.
#[must_use]
pub fn by_area(gaps: impl Iterator<Item = Gap>, areas: &[Area]) -> Vec<AreaGaps> {
    let mut sorted: Vec<Vec<(usize, Gap)>> = vec![Vec::new(); areas.len() + 1];
    for gap in gaps {
        let (area, path) = position(areas, &gap.file).unwrap_or((areas.len(), 0));
        sorted[area].push((path, gap));
    }
    let headings = areas.iter().map(|area| (area.name.as_str(), area.risk.as_str())).chain([(OTHER, OTHER_RISK)]);
    let areas = headings.zip(sorted).map(|((name, risk), mut gaps)| {
        gaps.sort();
        gaps.dedup();
        let gaps = gaps.into_iter().map(|(_, gap)| gap).collect();
        AreaGaps { name: name.to_owned(), risk: risk.to_owned(), gaps }
    });
    areas.filter(|area| area.name != OTHER || !area.gaps.is_empty()).collect()
}

/// The first area that holds a file, and which of its paths does.
fn position(areas: &[Area], file: &str) -> Option<(usize, usize)> {
    areas
        .iter()
        .enumerate()
        .find_map(|(area, row)| row.paths.iter().position(|path| path_matches(path, file)).map(|path| (area, path)))
}

/// The name of the area that holds a file.
#[must_use]
pub fn area_of<'a>(areas: &'a [Area], file: &str) -> Option<&'a str> {
    position(areas, file).map(|(area, _)| areas[area].name.as_str())
}
