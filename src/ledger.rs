//! An old ledger and a verdict in, the new ledger out: which gaps there were, since when, and when they were resolved.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::discover::Coverage;
use crate::finding::{Finding, Status, Verdict};
use crate::inventory::{AreaGaps, Gap, area_of, by_area};
use crate::rules::Area;

const SCHEMA: &str = "rls-audit-ledger/1";

/// Every gap there was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    schema: String,
    /// By file, line and fingerprint.
    pub gaps: Vec<Entry>,
}

/// One gap. Only the fingerprint decides which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it was last seen, relative to the audited root.
    pub file: String,
    /// Where its statement started.
    pub line: u32,
    /// See [`Finding::fingerprint`].
    pub fingerprint: String,
    /// The lint.
    pub code: String,
    /// The function.
    pub function: String,
    /// The area of the inventory.
    pub area: Option<String>,
    /// The day it was first seen.
    pub found: String,
    /// The day it was first gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Why it is accepted, where an exception says so. It is neither open nor resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), gaps: Vec::new() }
    }
}

impl Ledger {
    /// Reads a ledger's text; an empty one is an empty ledger.
    ///
    /// # Errors
    /// With what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let ledger: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if ledger.schema == SCHEMA { Ok(ledger) } else { Err(format!("schema `{}` is not known", ledger.schema)) }
    }

    /// The text that [`Ledger::parse`] reads.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.map_or_else(|_| String::new(), |text| text + "\n")
    }

    /// The ledger after a run on the day `today`.
    ///
    /// A gap is resolved when its file was looked at, wholly, and the gap is not there any more.
    #[must_use]
    pub fn updated(&self, verdict: &Verdict, coverage: Coverage, areas: &[Area], today: &str) -> Self {
        let mut seen = BTreeMap::new();
        for finding in verdict.findings.iter().filter(|finding| finding.is_gap) {
            seen.insert(finding.fingerprint.as_str(), entry(finding, verdict, areas, today));
        }
        let blind: BTreeSet<&str> = verdict.blind_spots.iter().map(|spot| spot.file.as_str()).collect();
        let read: BTreeSet<&str> = verdict.files.iter().map(|file| file.path.as_str()).collect();
        let was_looked_at = |file: &str| !blind.contains(file) && (coverage == Coverage::Whole || read.contains(file));
        let mut gaps = Vec::new();
        for old in &self.gaps {
            gaps.push(match seen.remove(old.fingerprint.as_str()) {
                Some(new) => Entry { found: old.found.clone(), ..new },
                None if old.resolved.is_none() && was_looked_at(&old.file) => {
                    Entry { resolved: Some(today.to_owned()), allowed: None, ..old.clone() }
                }
                None => old.clone(),
            });
        }
        // What was allowed from the start was never open.
        gaps.extend(seen.into_values().filter(|entry| entry.allowed.is_none()));
        gaps.sort_by(|left, right| {
            (&left.file, left.line, &left.fingerprint).cmp(&(&right.file, right.line, &right.fingerprint))
        });
        Self { schema: SCHEMA.to_owned(), gaps }
    }

    /// The resolved gaps, area by area.
    #[must_use]
    pub fn resolved(&self, areas: &[Area]) -> Vec<AreaGaps> {
        let gaps = self.gaps.iter().filter_map(|entry| {
            let resolved = Some(entry.resolved.clone()?);
            Some(Gap { file: entry.file.clone(), line: entry.line, resolved })
        });
        by_area(gaps, areas)
    }
}

fn entry(finding: &Finding, verdict: &Verdict, areas: &[Area], today: &str) -> Entry {
    let file = verdict.file(finding.place.file);
    let allowed = match &finding.status {
        Status::Allowed(reason) => Some(reason.clone()),
        Status::Open | Status::Baselined => None,
    };
    Entry {
        file: file.path.clone(),
        line: file.line(finding.place.span.start),
        fingerprint: finding.fingerprint.clone(),
        code: finding.code.to_owned(),
        function: finding.function.clone(),
        area: area_of(areas, &file.path).map(str::to_owned),
        found: today.to_owned(),
        resolved: None,
        allowed,
    }
}

#[cfg(test)]
mod tests;
