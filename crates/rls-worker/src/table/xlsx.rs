//! The bytes of a spreadsheet in, its first sheet as CSV out, with the row's number as first cell.

use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader as _, Xlsx};

use super::{FileError, Limits};

/// Rewrites the first sheet. Formulas give their last value, dates the day.
pub(super) fn as_csv(bytes: &[u8], limits: &Limits) -> Result<String, FileError> {
    refuse_bombs(bytes, limits)?;
    // The reader takes the archive's own word for some paths, and panics where it is wrong.
    catch_unwind(AssertUnwindSafe(|| rewrite(bytes, limits))).unwrap_or_else(|_| Err(damaged("its parts do not fit")))
}

/// Unpacks everything into nothing, so that no part can be larger than it says.
fn refuse_bombs(bytes: &[u8], limits: &Limits) -> Result<(), FileError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let is_spreadsheet = archive.file_names().any(|name| name.is_ok_and(|name| name.ends_with("workbook.xml")));
    if !is_spreadsheet {
        return Err(FileError::new("FORMAT_UNSUPPORTED", "the file is an archive, but not XLSX"));
    }
    let mut left = limits.unpacked as u64;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(damaged)?;
        let unpacked = io::copy(&mut part.take(left + 1), &mut io::sink()).map_err(damaged)?;
        left = left.checked_sub(unpacked).ok_or_else(|| too_large(limits))?;
    }
    Ok(())
}

fn rewrite(bytes: &[u8], limits: &Limits) -> Result<String, FileError> {
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let sheet = book.sheet_names().first().cloned();
    let sheet = sheet.ok_or_else(|| FileError::new("FILE_EMPTY", "the workbook has no sheet"))?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(damaged)?;
    let mut sheet = Sheet { out: String::new(), row: None, columns: 0, rows: 0, limits };
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (row, column) = cell.get_position();
        sheet.move_to(row, column as usize)?;
        sheet.write(&text_of(cell.get_value()))?;
    }
    if sheet.row.is_none() {
        return Err(FileError::new("FILE_EMPTY", "the first sheet is empty"));
    }
    sheet.out.push('\n');
    Ok(sheet.out)
}

/// The CSV so far.
struct Sheet<'a> {
    out: String,
    row: Option<u32>,
    /// Cells of the row so far.
    columns: usize,
    rows: usize,
    limits: &'a Limits,
}

impl Sheet<'_> {
    fn move_to(&mut self, row: u32, column: usize) -> Result<(), FileError> {
        if self.row.is_none_or(|current| row > current) {
            if self.row.is_some() {
                self.out.push('\n');
            }
            self.rows += 1;
            self.row = Some(row);
            self.columns = 0;
            self.out.push_str(&(u64::from(row) + 1).to_string());
        }
        if self.rows > self.limits.rows {
            return Err(FileError::new("TOO_MANY_ROWS", format!("the file has more than {} rows", self.limits.rows)));
        }
        if column >= self.limits.columns {
            let message = format!("the file has more than {} columns", self.limits.columns);
            return Err(FileError::new("TOO_MANY_COLUMNS", message));
        }
        let goes_on = self.row == Some(row) && column >= self.columns;
        if !goes_on {
            return Err(damaged("its cells are out of order"));
        }
        for _ in self.columns..=column {
            self.out.push(',');
        }
        self.columns = column + 1;
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<(), FileError> {
        if text.contains(['"', ',', '\n', '\r']) {
            self.out.push('"');
            self.out.push_str(&text.replace('"', "\"\""));
            self.out.push('"');
        } else {
            self.out.push_str(text);
        }
        if self.out.len() > self.limits.unpacked { Err(too_large(self.limits)) } else { Ok(()) }
    }
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(time) => {
            let (year, month, day, ..) = time.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

fn damaged(why: impl std::fmt::Display) -> FileError {
    FileError::new("FILE_DAMAGED", format!("the spreadsheet cannot be read: {why}"))
}

fn too_large(limits: &Limits) -> FileError {
    FileError::new("FILE_TOO_LARGE", format!("the file unpacks to more than {} bytes", limits.unpacked))
}
