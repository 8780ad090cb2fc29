//! The bytes of a file in, rows of text with their line numbers out.
//!
//! What a file is, its magic bytes say; its name is not asked.
//! An XLSX file is rewritten as CSV, so that there is one way to read rows.

mod error;
mod fields;
mod header;
mod ingest;
mod xlsx;

pub use error::{Budget, FileError, RowError, Severity};
pub use fields::Fields;
pub(crate) use fields::{day, time_of_day};
pub use header::{Column, Header};
pub use ingest::{Parsed, Refusal, Tally, Unique};

use encoding_rs::{Encoding, WINDOWS_1252};

/// What a file may be at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes as uploaded.
    pub bytes: usize,
    /// Bytes after unpacking.
    pub unpacked: usize,
    /// Rows, the header among them.
    pub rows: usize,
    /// Columns of one row.
    pub columns: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 50 << 20, unpacked: 256 << 20, rows: 200_001, columns: 1_024 }
    }
}

/// A file that can be read.
#[derive(Debug)]
pub struct Table {
    text: String,
    delimiter: u8,
    numbering: Numbering,
    max_rows: usize,
    /// The text was neither UTF-8 nor marked otherwise, and was read as windows-1252.
    pub encoding_guessed: bool,
}

/// Where a row's number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// It is the line in the file.
    Line,
    /// It is the first cell, put there when the file was rewritten.
    FirstCell,
}

/// One row that is not blank.
#[derive(Debug, Clone)]
pub struct Row {
    /// The file's own line, or the spreadsheet's row number.
    pub number: u64,
    cells: csv::StringRecord,
    skip: usize,
}

impl Row {
    /// The cells in order.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().skip(self.skip)
    }

    /// The cell at a position, trimmed; nothing where it is empty or not there.
    #[must_use]
    pub fn cell(&self, at: usize) -> Option<&str> {
        self.cells.get(at + self.skip).map(str::trim).filter(|cell| !cell.is_empty())
    }
}

impl Table {
    /// Recognises the file and makes it readable.
    ///
    /// # Errors
    /// When it is empty, too large, damaged, or neither CSV nor XLSX.
    pub fn open(bytes: &[u8], limits: &Limits) -> Result<Table, FileError> {
        if bytes.len() > limits.bytes {
            return Err(FileError::new("FILE_TOO_LARGE", format!("the file has more than {} bytes", limits.bytes)));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(FileError::new("FILE_EMPTY", "the file is empty"));
        }
        if bytes.starts_with(b"PK\x03\x04") {
            let text = xlsx::as_csv(bytes, limits)?;
            return Ok(Table::new(text, b',', Numbering::FirstCell, limits));
        }
        refuse_binary(bytes)?;
        let (text, encoding_guessed) = decode(bytes);
        if text.len() > limits.unpacked {
            return Err(FileError::new("FILE_TOO_LARGE", "the decoded file is too large"));
        }
        let delimiter = delimiter_of(&text);
        Ok(Table { encoding_guessed, ..Table::new(text, delimiter, Numbering::Line, limits) })
    }

    fn new(text: String, delimiter: u8, numbering: Numbering, limits: &Limits) -> Table {
        Table { text, delimiter, numbering, max_rows: limits.rows, encoding_guessed: false }
    }

    /// Whether the file is a spreadsheet.
    #[must_use]
    pub fn is_spreadsheet(&self) -> bool {
        self.numbering == Numbering::FirstCell
    }

    /// What stands between the cells of the file; a comma for a spreadsheet.
    #[must_use]
    pub fn delimiter(&self) -> char {
        char::from(self.delimiter)
    }

    /// The line of a record. The reader counts from where the last one ended, blank lines included.
    fn line(&self, position: &csv::Position) -> u64 {
        let start = usize::try_from(position.byte()).unwrap_or(usize::MAX).min(self.text.len());
        let blank = self.text.as_bytes()[start..].iter().take_while(|byte| b"\r\n".contains(byte));
        position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
    }

    /// The rows from the first on.
    ///
    /// The iterator ends after an error: more rows than allowed, or text that is no CSV.
    pub fn rows(&self) -> impl Iterator<Item = Result<Row, FileError>> + '_ {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(self.text.as_bytes());
        let skip = usize::from(self.numbering == Numbering::FirstCell);
        let mut left = self.max_rows;
        let mut failed = false;
        reader.into_records().filter_map(move |record| {
            if failed {
                return None;
            }
            let row = record.map_err(|error| FileError::new("FILE_DAMAGED", error.to_string())).map(|cells| {
                let line = cells.position().map_or(0, |position| self.line(position));
                let numbered = (skip == 1).then(|| cells.get(0)?.parse().ok()).flatten();
                Row { number: numbered.unwrap_or(line), cells, skip }
            });
            let is_blank = row.as_ref().is_ok_and(|row| row.cells().all(|cell| cell.trim().is_empty()));
            if is_blank {
                return None;
            }
            let row = match left.checked_sub(1) {
                Some(fewer) => {
                    left = fewer;
                    row
                }
                None => Err(FileError::new("TOO_MANY_ROWS", format!("the file has more than {} rows", self.max_rows))),
            };
            failed = row.is_err();
            Some(row)
        })
    }
}

/// Files that people upload by mistake.
const BINARY: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF"),
    (b"\xD0\xCF\x11\xE0", "an old or encrypted Excel file"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xFF\xD8\xFF", "a picture"),
    (b"PK", "a damaged or empty archive"),
    (b"7z\xBC\xAF", "a 7z archive"),
    (b"SQLite format", "a database"),
    (b"\x7FELF", "a program"),
];

fn refuse_binary(bytes: &[u8]) -> Result<(), FileError> {
    if let Some((_, what)) = BINARY.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(FileError::new("FORMAT_UNSUPPORTED", format!("the file is {what}, not CSV or XLSX")));
    }
    let start = &bytes[..bytes.len().min(4096)];
    let is_marked = Encoding::for_bom(bytes).is_some();
    let odd = start.iter().filter(|byte| byte.is_ascii_control() && !b"\t\r\n".contains(byte)).count();
    if !is_marked && odd * 20 > start.len() {
        return Err(FileError::new("FORMAT_UNSUPPORTED", "the file is binary, not CSV or XLSX"));
    }
    Ok(())
}

/// UTF-8 or what the byte order mark says; else windows-1252, which every byte is valid in.
fn decode(bytes: &[u8]) -> (String, bool) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return (text.into_owned(), false);
    }
    match str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(), true),
    }
}

/// The most frequent of the three in the first line, outside of quotes.
fn delimiter_of(text: &str) -> u8 {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut counts = [(b',', 0usize), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in line.bytes().take(1 << 16) {
        quoted ^= byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == *delimiter);
        }
    }
    let best = counts.iter().max_by_key(|(delimiter, count)| (*count, *delimiter == b','));
    best.map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests;
