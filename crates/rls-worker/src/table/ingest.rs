//! Parsed rows in, a count of what is wrong out, or the refusal of the whole file.

use std::collections::{BTreeMap, HashMap};

use super::{Budget, FileError, RowError, Severity};

/// How many row errors of one file are kept; all are counted.
const KEPT: usize = 10_000;

/// What was read from one row.
#[derive(Debug)]
pub struct Parsed<T> {
    /// What it says; nothing where it is rejected.
    pub items: Vec<T>,
    /// What is wrong with it.
    pub errors: Vec<RowError>,
}

/// A file that is refused, with what is wrong with its rows.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// Why.
    pub error: FileError,
    /// The rows that are to blame.
    pub row_errors: Vec<RowError>,
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Refusal {
        Refusal { error, row_errors: Vec::new() }
    }
}

/// What the rows of a file come to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rows with data, and those that are rejected.
    pub budget: Budget,
    /// The first errors.
    pub errors: Vec<RowError>,
    /// All errors by their codes.
    pub by_code: BTreeMap<&'static str, u64>,
    /// Those that reject no row.
    pub warnings: u64,
    /// The last row of each key.
    last: HashMap<String, u64>,
}

/// What tells one row from another, and the code of two that are the same.
#[derive(Debug, Clone, Copy)]
pub struct Unique<T> {
    /// The column that is blamed.
    pub column: &'static str,
    /// The code.
    pub code: &'static str,
    /// The key and the row's number.
    pub key: fn(&T) -> (String, u64),
}

impl Tally {
    /// Reads all rows once and keeps none of them.
    ///
    /// # Errors
    /// When the file cannot be read to its end, or too many of its rows are bad.
    pub fn of<T>(
        rows: impl Iterator<Item = Result<Parsed<T>, FileError>>,
        unique: Option<Unique<T>>,
    ) -> Result<Tally, Refusal> {
        let mut tally = Tally::default();
        for row in rows {
            let row = row?;
            tally.budget.count(&row.errors);
            row.errors.into_iter().for_each(|error| tally.note(error));
            for (unique, item) in unique.iter().flat_map(|unique| row.items.iter().map(move |item| (unique, item))) {
                let (key, number) = (unique.key)(item);
                if let Some(earlier) = tally.last.insert(key, number) {
                    tally.note(RowError::new(earlier, unique.column, unique.code, Severity::Warn, ""));
                }
            }
        }
        match tally.budget.settle() {
            Ok(()) => Ok(tally),
            Err(error) => Err(Refusal { error, row_errors: tally.errors }),
        }
    }

    /// Counts an error, and keeps it if it is one of the first.
    pub fn note(&mut self, error: RowError) {
        *self.by_code.entry(error.code).or_default() += 1;
        self.warnings += u64::from(error.severity == Severity::Warn);
        if self.errors.len() < KEPT {
            self.errors.push(error);
        }
    }

    /// Rows with data.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::try_from(self.budget.rows).unwrap_or(usize::MAX)
    }

    /// Whether no later row has the same key: the last one wins.
    #[must_use]
    pub fn is_last(&self, key: &str, number: u64) -> bool {
        self.last.get(key).is_none_or(|last| *last == number)
    }
}
