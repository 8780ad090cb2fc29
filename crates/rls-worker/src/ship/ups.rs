//! A row of a raw UPS 2.1 billing export in, one charge out.
//!
//! It has 250 columns and no header; columns are counted from one, as in the carrier's documents.
//! A file separated by `;` has days as `DD/MM/YYYY`.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::charge::{Charge, code_of, inches, is_corrupted, is_kilograms, pounds, tracking};
use super::charge_codes::ChargeCodes;
use crate::money;
use crate::table::{Row, RowError, Severity};

/// The version that the first column of every row has.
pub const MARK: &str = "2.1";

/// The references of the shipment, and those of the package.
const REFERENCES: [usize; 7] = [16, 17, 22, 23, 24, 25, 26];

/// How days are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// As everywhere else.
    Usual,
    /// `DD/MM/YYYY`.
    DayFirst,
}

/// One row and what is wrong with it.
struct Reader<'a> {
    row: &'a Row,
    days: Days,
    errors: Vec<RowError>,
}

/// The charge of a row, and what is wrong.
#[must_use]
pub fn charge(row: &Row, days: Days, codes: &ChargeCodes) -> (Option<Charge>, Vec<RowError>) {
    let mut reader = Reader { row, days, errors: Vec::new() };
    let charge = reader.charge().map(|charge| reader.mapped(charge, codes));
    let rejected = reader.errors.iter().any(|error| error.severity == Severity::Error);
    (charge.filter(|_| !rejected), reader.errors)
}

impl<'a> Reader<'a> {
    fn charge(&mut self) -> Option<Charge> {
        let account = self.required(3, "ACCOUNT_MISSING");
        let invoice = self.required(6, "INVOICE_MISSING");
        let invoice_date = self.day(5, Severity::Error);
        if self.text(5).is_none() {
            self.note(5, "DATE_INVALID", Severity::Error);
        }
        let currency = self.currency();
        let net = self.figure(53);
        if self.text(53).is_none() {
            self.note(53, "AMOUNT_INVALID", Severity::Error);
        }
        let discount = self.figure(52).unwrap_or_default().abs();
        let tracking = self.tracking();
        let (length, width, height) = self.sides();
        let (entered_unit, billed_unit) = (self.text(28).unwrap_or("L"), self.text(30).unwrap_or("L"));
        let net = net?;
        Some(Charge {
            row_number: i64::try_from(self.row.number).unwrap_or(i64::MAX),
            carrier: "UPS".to_owned(),
            account: account?,
            invoice_number: invoice?,
            invoice_date: invoice_date?,
            tracking,
            service: self.service(),
            ship_date: self.day(117, Severity::Warn).or_else(|| self.day(12, Severity::Warn)),
            delivered_on: self.day(122, Severity::Warn),
            zone: self.text(34).map(str::to_uppercase),
            is_metric: is_kilograms(entered_unit) || is_kilograms(billed_unit),
            actual_weight_lb: self.weight(27).map(|weight| pounds(weight, entered_unit)),
            billed_weight_lb: self.weight(29).map(|weight| pounds(weight, billed_unit)),
            length_in: length,
            width_in: width,
            height_in: height,
            dest_postal: self.text(81).map(str::to_owned),
            dest_country: None,
            code: self.code().to_owned(),
            stated_total: self.figure(11),
            carrier_code: self.text(45).map(str::to_owned),
            description: self.text(46).map(str::to_owned),
            gross: net + discount,
            discount,
            net,
            currency: currency?,
            references: REFERENCES.iter().filter_map(|column| self.text(*column)).map(str::to_owned).collect(),
            ..Charge::default()
        })
    }

    fn text(&self, column: usize) -> Option<&'a str> {
        self.row.cell(column - 1)
    }

    fn required(&mut self, column: usize, code: &'static str) -> Option<String> {
        let text = self.text(column).map(str::to_owned);
        if text.is_none() {
            self.note(column, code, Severity::Error);
        }
        text.map(|text| text.trim_start_matches('0').to_owned())
    }

    /// A day. An empty cell is none; one that is no day is noted.
    fn day(&mut self, column: usize, severity: Severity) -> Option<NaiveDate> {
        let text = self.text(column)?;
        let day = match self.days {
            Days::DayFirst => NaiveDate::parse_from_str(text, "%d/%m/%Y").ok(),
            Days::Usual => crate::table::day(text),
        };
        if day.is_none() {
            self.note(column, "DATE_INVALID", severity);
        }
        day
    }

    /// A weight: not negative.
    fn weight(&mut self, column: usize) -> Option<Decimal> {
        let weight = self.figure(column)?;
        if weight.is_sign_negative() {
            self.note(column, "WEIGHT_INVALID", Severity::Error);
            return None;
        }
        Some(weight)
    }

    fn figure(&mut self, column: usize) -> Option<Decimal> {
        let text = self.text(column)?.to_owned();
        let text = if self.days == Days::DayFirst { text.replace(',', ".") } else { text };
        let figure = money::parse(&text);
        if figure.is_none() {
            self.note(column, "AMOUNT_INVALID", Severity::Error);
        }
        figure
    }

    fn currency(&mut self) -> Option<String> {
        let code = self.text(10).map(str::to_uppercase).filter(|code| code.len() == 3);
        if code.is_none() {
            self.note(10, "CURRENCY_INVALID", Severity::Error);
        }
        code
    }

    /// Blank on charges of the whole invoice.
    fn tracking(&mut self) -> Option<String> {
        let text = self.text(21).or(self.text(14))?.to_owned();
        if is_corrupted(&text) {
            self.note(21, "TRACKING_CORRUPTED", Severity::Error);
            return None;
        }
        tracking(&text)
    }

    /// The code by classification and description; `OTHER` where neither is known.
    fn code(&self) -> &'static str {
        let classified = match (self.text(45), self.text(44)) {
            (Some("FSC"), _) | (_, Some("FSC")) => Some("FUEL"),
            (Some("RES"), _) => Some("RES"),
            (_, Some("FRT")) => Some("FRT"),
            (_, Some("TAX")) => Some("TAX"),
            (_, Some("GOV")) => Some("DUTY"),
            (_, Some("BRK")) => Some("BROK"),
            _ => None,
        };
        let adjusted = (self.text(35) == Some("ADJ")).then_some("ADJ");
        let described = self.text(46).and_then(code_of);
        classified.or(described).or(adjusted).unwrap_or("OTHER")
    }

    /// The charge under the code that the tenant has for it.
    fn mapped(&mut self, mut charge: Charge, codes: &ChargeCodes) -> Charge {
        let is_mapped = codes.apply(&mut charge);
        if !is_mapped && charge.code == "OTHER" {
            self.note(45, "CHARGE_UNMAPPED", Severity::Warn);
        }
        if charge.is_astray() {
            self.note(21, "TRACKING_MISSING", Severity::Warn);
        }
        charge
    }

    /// The export names the service only in the description of the freight charge.
    fn service(&self) -> String {
        let is_freight = self.text(44) == Some("FRT");
        self.text(46).filter(|_| is_freight).unwrap_or("UPS").to_uppercase()
    }

    /// `12.0x 10.0x 8.0`.
    fn sides(&self) -> (Option<Decimal>, Option<Decimal>, Option<Decimal>) {
        let mut sides = self
            .text(33)
            .unwrap_or_default()
            .split(['x', 'X'])
            .map(|side| money::parse(side).map(|side| inches(side, "IN")));
        let mut next = || sides.next().flatten();
        (next(), next(), next())
    }

    fn note(&mut self, column: usize, code: &'static str, severity: Severity) {
        let raw = self.text(column).unwrap_or_default();
        let error = RowError::new(self.row.number, &format!("#{column}"), code, severity, raw);
        self.errors.push(error);
    }
}
