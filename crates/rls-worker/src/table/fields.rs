//! One row in, values of the right type out; what is wrong is noted with its column.

use chrono::{Days, NaiveDate, NaiveTime};
use rust_decimal::Decimal;

use super::{Header, Row, RowError, Severity};
use crate::{country, money};

/// What no cell of ours is longer than.
const LONGEST: usize = 20_000;

/// The cells of one row by the names of their columns.
#[derive(Debug)]
pub struct Fields<'a> {
    header: &'a Header,
    row: &'a Row,
    errors: Vec<RowError>,
}

impl<'a> Fields<'a> {
    /// Reads a row by its header, and notes cells that nothing can be made of.
    #[must_use]
    pub fn new(header: &'a Header, row: &'a Row) -> Fields<'a> {
        let mut fields = Fields { header, row, errors: Vec::new() };
        for (at, cell) in row.cells().enumerate() {
            if cell.len() > LONGEST || cell.contains('\0') {
                let code = if cell.contains('\0') { "TEXT_INVALID" } else { "CELL_TOO_LONG" };
                fields.errors.push(RowError::new(row.number, &format!("#{}", at + 1), code, Severity::Error, cell));
            }
        }
        fields
    }

    /// The row's number in its file.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.row.number
    }

    /// The text of a cell; nothing where it is empty.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&'a str> {
        self.header.place(column).and_then(|at| self.row.cell(at))
    }

    /// The text of a cell that must not be empty.
    pub fn required(&mut self, column: &str, code: &'static str) -> Option<&'a str> {
        let text = self.text(column);
        if text.is_none() {
            self.note(column, code, Severity::Error);
        }
        text
    }

    /// A figure. An empty cell is none; one that is no figure is an error.
    pub fn figure(&mut self, column: &str, code: &'static str) -> Option<Decimal> {
        let text = self.text(column)?;
        let figure = money::parse(text);
        if figure.is_none() {
            self.note(column, code, Severity::Error);
        }
        figure
    }

    /// A day, as `2026-02-17`, `20260217` or `2/17/2026`; a time of day after it is left alone.
    pub fn day(&mut self, column: &str, severity: Severity) -> Option<NaiveDate> {
        let day = day(self.text(column)?);
        if day.is_none() {
            self.note(column, "DATE_INVALID", severity);
        }
        day
    }

    /// A day that must be there.
    pub fn required_day(&mut self, column: &str) -> Option<NaiveDate> {
        self.required(column, "DATE_INVALID")?;
        self.day(column, Severity::Error)
    }

    /// The time of day that stands after a day, as in `2026-02-17T10:30` or `2/17/2026 10:30 AM`; nothing where there is none.
    #[must_use]
    pub fn time_of_day(&self, column: &str) -> Option<NaiveTime> {
        let (_, time) = self.text(column)?.split_once(['T', ' '])?;
        time_of_day(time)
    }

    /// `Y` or `N`. An empty cell says nothing; anything else is noted, and says nothing either.
    pub fn flag(&mut self, column: &str) -> Option<bool> {
        let flag = match self.text(column)?.to_uppercase().as_str() {
            "Y" | "YES" | "TRUE" | "1" => Some(true),
            "N" | "NO" | "FALSE" | "0" => Some(false),
            _ => None,
        };
        if flag.is_none() {
            self.note(column, "FLAG_INVALID", Severity::Warn);
        }
        flag
    }

    /// A country's code.
    pub fn country(&mut self, column: &str, severity: Severity) -> Option<String> {
        let code = country::code(self.text(column)?);
        if code.is_none() {
            self.note(column, "COUNTRY_INVALID", severity);
        }
        code
    }

    /// A currency's code.
    pub fn currency(&mut self, column: &str) -> Option<String> {
        let code = self.text(column)?.to_uppercase();
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_code {
            self.note(column, "CURRENCY_INVALID", Severity::Error);
        }
        is_code.then_some(code)
    }

    /// Notes that something is wrong with a column.
    pub fn note(&mut self, column: &str, code: &'static str, severity: Severity) {
        let raw = self.text(column).unwrap_or_default();
        self.errors.push(RowError::new(self.row.number, column, code, severity, raw));
    }

    /// Notes that something is wrong with the cell at a position, for layouts in which several columns bear one name.
    pub fn note_at(&mut self, at: usize, code: &'static str, severity: Severity) {
        let raw = self.row.cell(at).unwrap_or_default();
        self.errors.push(RowError::new(self.row.number, &format!("#{}", at + 1), code, severity, raw));
    }

    /// Whether the row is rejected by what was noted so far.
    #[must_use]
    pub fn rejected(&self) -> bool {
        self.errors.iter().any(|error| error.severity == Severity::Error)
    }

    /// What was noted.
    #[must_use]
    pub fn into_errors(self) -> Vec<RowError> {
        self.errors
    }
}

/// Reads a day in one of the ways that files have it.
#[must_use]
pub(crate) fn day(text: &str) -> Option<NaiveDate> {
    let text = text.split(['T', ' ']).next()?;
    let day = match text.len() {
        8 if text.bytes().all(|byte| byte.is_ascii_digit()) => NaiveDate::parse_from_str(text, "%Y%m%d"),
        _ if text.contains('/') => NaiveDate::parse_from_str(text, "%m/%d/%Y"),
        _ => NaiveDate::parse_from_str(text, "%Y-%m-%d"),
    };
    let earliest = NaiveDate::from_ymd_opt(1990, 1, 1)?;
    let latest = earliest.checked_add_days(Days::new(365 * 110))?;
    day.ok().filter(|day| (earliest..latest).contains(day))
}

/// Reads a time of day; where it is not that of the place, the difference is left alone, as carriers write local times.
#[must_use]
pub(crate) fn time_of_day(text: &str) -> Option<NaiveTime> {
    let text = text.trim().trim_end_matches('Z').split('+').next()?.trim().to_uppercase();
    let formats = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];
    formats.iter().find_map(|format| NaiveTime::parse_from_str(&text, format).ok())
}
