//! A table in, its layout and the charges of each row out.

use super::charge::Charge;
use super::charge_codes::ChargeCodes;
use super::{canonical, carrier_agreement_import, fedex, override_import, ups};
use crate::table::{Fields, FileError, Header, Parsed, Row, Table};

/// What a carrier's file is.
#[derive(Debug)]
pub enum Layout {
    /// One row per charge, under our own titles.
    Canonical(Header),
    /// One row per shipment, surcharges in pairs.
    Fedex(fedex::Layout),
    /// No titles, one row per charge.
    Ups(ups::Days),
    /// No charges: the terms that a carrier agreed to.
    Agreement(Header),
    /// No charges: what the tenant sets.
    Overrides(Header),
}

impl Layout {
    /// Recognises a file by its first row.
    ///
    /// # Errors
    /// `MAPPING_REQUIRED` with the titles found, where no layout fits.
    pub fn of(table: &Table) -> Result<Layout, FileError> {
        let mut rows = table.rows();
        let empty = || FileError::new("FILE_EMPTY", "the file has no row");
        let first = rows.next().ok_or_else(empty)??;
        let second = rows.next().transpose()?;
        let starts = |row: &Row| row.cell(0) == Some(ups::MARK);
        if starts(&first) || second.as_ref().is_some_and(starts) {
            let days = if table.delimiter() == ';' { ups::Days::DayFirst } else { ups::Days::Usual };
            return Ok(Layout::Ups(days));
        }
        let has = |title: &str| first.cells().any(|cell| cell.trim().eq_ignore_ascii_case(title));
        if has(fedex::MARK) {
            return fedex::Layout::find(&first).map(Layout::Fedex);
        }
        if has("record_type") {
            return Header::find(&first, carrier_agreement_import::COLUMNS).map(Layout::Agreement);
        }
        if has("key") && has("value") && has("carrier") {
            return Header::find(&first, override_import::COLUMNS).map(Layout::Overrides);
        }
        if has("charge_code") && has("carrier") {
            return Header::find(&first, canonical::COLUMNS).map(Layout::Canonical);
        }
        let titles: Vec<String> = first.cells().take(40).map(|cell| cell.chars().take(40).collect()).collect();
        Err(FileError::new("MAPPING_REQUIRED", format!("the layout is not known; the file has: {}", titles.join(", "))))
    }

    /// What it is called in the envelope of a job.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Layout::Canonical(_) => "canonical",
            Layout::Fedex(_) => "fedex",
            Layout::Ups(_) => "ups",
            Layout::Agreement(_) => "carrier-agreement",
            Layout::Overrides(_) => "carrier-overrides",
        }
    }

    /// Whether its rows are charges.
    #[must_use]
    pub fn has_charges(&self) -> bool {
        !matches!(self, Layout::Agreement(_) | Layout::Overrides(_))
    }

    /// Its rows that hold charges, under the codes that the tenant has for them.
    pub fn rows<'t>(
        &'t self,
        table: &'t Table,
        codes: &'t ChargeCodes,
    ) -> impl Iterator<Item = Result<Parsed<Charge>, FileError>> + 't {
        let has_titles = !matches!(self, Layout::Ups(_));
        let rows = table.rows().enumerate();
        let is_title = move |at: usize, row: &Row| at == 0 && (has_titles || row.cell(0) != Some(ups::MARK));
        let data = rows.filter(move |(at, row)| !row.as_ref().is_ok_and(|row| is_title(*at, row)));
        data.map(move |(_, row)| row.map(|row| self.parse(&row, codes)))
    }

    fn parse(&self, row: &Row, codes: &ChargeCodes) -> Parsed<Charge> {
        match self {
            Layout::Canonical(header) => {
                let mut fields = Fields::new(header, row);
                let items = canonical::charge(&mut fields, codes).into_iter().collect();
                Parsed { items, errors: fields.into_errors() }
            }
            Layout::Fedex(layout) => {
                let (items, errors) = layout.charges(row, codes);
                Parsed { items, errors }
            }
            Layout::Ups(days) => {
                let (charge, errors) = ups::charge(row, *days, codes);
                Parsed { items: charge.into_iter().collect(), errors }
            }
            Layout::Agreement(_) | Layout::Overrides(_) => Parsed { items: Vec::new(), errors: Vec::new() },
        }
    }
}
