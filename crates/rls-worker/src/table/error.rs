//! What is wrong with a file, and what is wrong with one row of it.

use serde::Serialize;

/// A file that is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FileError {
    /// For programs: `HEADER_MISSING:sku`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl FileError {
    /// Refuses a file.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> FileError {
        FileError { code: code.into(), message: message.into() }
    }
}

/// How much a row error matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The row is rejected.
    Error,
    /// The row is kept.
    Warn,
}

/// What is wrong with one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// The file's own line.
    pub row_number: u64,
    /// The column's name.
    pub column: String,
    /// For programs: `SKU_MISSING`.
    pub code: &'static str,
    /// Whether the row is rejected.
    pub severity: Severity,
    /// For people.
    pub message: String,
    /// What stood there, cut to 200 characters.
    pub raw_value: String,
}

impl RowError {
    /// Notes what is wrong at a place.
    #[must_use]
    pub fn new(row_number: u64, column: &str, code: &'static str, severity: Severity, raw: &str) -> RowError {
        let raw_value: String = raw.chars().filter(|c| *c != '\0').take(200).collect();
        let message = format!("row {row_number}, column {column}: {}", sentence(code));
        RowError { row_number, column: column.to_owned(), code, severity, message, raw_value }
    }
}

/// `SKU_MISSING` for people.
fn sentence(code: &str) -> String {
    code.to_lowercase().replace('_', " ")
}

/// Counts rows, and says when too many of them are bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Rows with data.
    pub rows: u64,
    /// Those that are rejected.
    pub rejected: u64,
}

impl Budget {
    /// Counts a row.
    pub fn count(&mut self, errors: &[RowError]) {
        self.rows += 1;
        self.rejected += u64::from(errors.iter().any(|error| error.severity == Severity::Error));
    }

    /// Refuses a file of which more than a fifth, and more than ten rows, are bad.
    ///
    /// # Errors
    /// `TOO_MANY_ROW_ERRORS`.
    pub fn settle(&self) -> Result<(), FileError> {
        let too_many = self.rejected > 10 && self.rejected * 5 > self.rows;
        let message = || format!("{} of {} rows are bad", self.rejected, self.rows);
        if too_many { Err(FileError::new("TOO_MANY_ROW_ERRORS", message())) } else { Ok(()) }
    }
}
