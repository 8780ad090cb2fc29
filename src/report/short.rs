//! One line per finding, as compilers print them: `file:line:col: error[RLS001]: message`.

use std::io::{self, Write};

use super::range;
use crate::finding::Verdict;

/// Prints the findings by file and position, then the blind spots.
///
/// # Errors
/// Where `out` cannot be written.
pub fn render(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    for finding in verdict.open() {
        let (start, _) = range(verdict, finding.place);
        let (file, level) = (&verdict.file(finding.place.file).path, finding.level.word());
        writeln!(out, "{file}:{}:{}: {level}[{}]: {}", start.line, start.column, finding.code, finding.message)?;
    }
    for spot in &verdict.blind_spots {
        writeln!(out, "{}:{}:{}: warning[blind-spot]: {}", spot.file, spot.line, spot.column, spot.reason)?;
    }
    Ok(())
}
