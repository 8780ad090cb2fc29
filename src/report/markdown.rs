//! The gap inventory as a part of a document, in the words and the order of the plan it comes from.

use std::io::{self, Write};

use super::counted;
use crate::inventory::{AreaGaps, Inventory};
use crate::remediation::{Buckets, Remedy};

/// Where the generated part of a document starts and ends.
const START: &str = "<!-- rls-audit: inventory -->";
const END: &str = "<!-- rls-audit: end of inventory -->";

/// Prints the inventory.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Gap inventory")?;
    areas(&inventory.areas, out)?;
    if inventory.is_empty() {
        writeln!(out, "\nNo statement runs outside a tenant scope.")?;
    }
    if inventory.resolved.iter().any(|area| !area.gaps.is_empty()) {
        writeln!(out, "\n## Gap inventory (resolved)")?;
        areas(&inventory.resolved, out)?;
    }
    Ok(())
}

/// Prints what the inventory leads to: how the statements divide, and in which order to close the gaps.
///
/// # Errors
/// Where `out` cannot be written.
pub fn remediation(buckets: &Buckets, sequence: &[Remedy], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## Statements\n\n| bucket | statements |\n|---|---|")?;
    writeln!(out, "| real gaps | {} |", buckets.gaps)?;
    writeln!(out, "| already scoped | {} |", buckets.scoped)?;
    writeln!(out, "| bypass by design | {} |", buckets.by_design)?;
    writeln!(out, "| no tenant data | {} |", buckets.no_tenant_data)?;
    if buckets.undecided > 0 {
        writeln!(out, "| decided by callers that are not known | {} |", buckets.undecided)?;
    }
    if sequence.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Remediation sequence\n")?;
    for (number, remedy) in (1..).zip(sequence) {
        let gaps = counted(remedy.gaps, "gap");
        let dependents = match (remedy.dependents.as_slice(), remedy.files) {
            ([], 0) => "called from nowhere else".to_owned(),
            ([], files) => format!("called from {}", counted(files, "other file")),
            (areas, files) => format!("called from {}, also in: {}", counted(files, "other file"), areas.join(", ")),
        };
        writeln!(out, "{number}. {}: {gaps}; {dependents}.", remedy.area)?;
    }
    let last = sequence.len() + 1;
    writeln!(out, "{last}. Force the tables that are ready then: `cargo rls-audit tables`, `cargo rls-audit force`.")
}

fn areas(areas: &[AreaGaps], out: &mut dyn Write) -> io::Result<()> {
    for area in areas.iter().filter(|area| !area.gaps.is_empty()) {
        writeln!(out, "\n### {}\n", area.name)?;
        for gap in &area.gaps {
            match &gap.resolved {
                Some(day) => writeln!(out, "- `{gap}` (resolved {day})")?,
                None => writeln!(out, "- `{gap}`")?,
            }
        }
        writeln!(out, "\nRisk: {}", area.risk)?;
    }
    Ok(())
}

/// Puts the inventory between the marks of a document, or at its end where it has none. All other text stays.
#[must_use]
pub fn update(document: &str, inventory: &str) -> String {
    let part = format!("{START}\n{}\n{END}", inventory.trim_end());
    let marked = document.find(START).and_then(|start| {
        let end = start + document[start..].find(END)?;
        Some((&document[..start], &document[end + END.len()..]))
    });
    match marked {
        Some((before, after)) => format!("{before}{part}{after}"),
        None if document.trim().is_empty() => format!("{part}\n"),
        None => format!("{}\n\n{part}\n", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::{END, START, update};

    #[test]
    fn only_the_marked_part_changes() {
        let document = format!("# Plan\n\nBy hand.\n\n{START}\nold\n{END}\n\n## Notes\n");
        let updated = update(&document, "## Gap inventory\n");
        assert_eq!(updated, format!("# Plan\n\nBy hand.\n\n{START}\n## Gap inventory\n{END}\n\n## Notes\n"));
        assert_eq!(update(&updated, "## Gap inventory\n"), updated);
    }

    #[test]
    fn a_document_without_marks_gets_them_once() {
        let once = update("# Plan\n", "new");
        assert!(once.starts_with("# Plan\n\n"));
        assert_eq!(update(&once, "new"), once);
        assert_eq!(once.matches(START).count(), 1);
    }
}
