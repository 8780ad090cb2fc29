//! A row of the canonical layout in, one charge out.
//!
//! The columns that may be missing are what findings need beyond the amounts. Where a column is missing or a cell is
//! empty nobody knows, and no finding rests on it: `delivered_at` and `committed_at` are days, with a time of day where
//! it matters; `ordered_service` and `agreed_zone` are what was asked for; `scanned` is `Y` or `N`, whether the carrier
//! ever saw the label; `residential` is `Y` or `N`, what the carrier says of the address.

use rust_decimal::Decimal;

use super::charge::{CODES, Charge, inches, is_centimetres, is_corrupted, is_kilograms, pounds, tracking};
use super::charge_codes::ChargeCodes;
use crate::table::{Column, Fields, Severity};

/// The columns, one row per charge.
pub const COLUMNS: &[Column] = &[
    Column::required("carrier"),
    Column::required("account_number"),
    Column::required("invoice_number"),
    Column::required("invoice_date"),
    Column::optional("tracking_number"),
    Column::required("service_code"),
    Column::optional("ship_date"),
    Column::optional("delivered_at"),
    Column::optional("committed_at"),
    Column::optional("ordered_service"),
    Column::optional("scanned"),
    Column::optional("zone"),
    Column::optional("agreed_zone"),
    Column::optional("actual_weight"),
    Column::optional("billed_weight"),
    Column::optional("weight_unit"),
    Column::optional("length"),
    Column::optional("width"),
    Column::optional("height"),
    Column::optional("dim_unit"),
    Column::optional("residential"),
    Column::optional("dest_postal"),
    Column::optional("dest_country"),
    Column::required("charge_code"),
    Column::optional("charge_description"),
    Column::optional("gross_amount"),
    Column::optional("discount_amount"),
    Column::required("net_amount"),
    Column::required("currency"),
    Column::optional("reference_1"),
    Column::optional("reference_2"),
    Column::optional("original_tracking"),
];

/// Reads a row; nothing where it is rejected.
pub fn charge(fields: &mut Fields<'_>, codes: &ChargeCodes) -> Option<Charge> {
    let bill = bill(fields);
    let tracking = tracking_of(fields, "tracking_number").or_else(|| tracking_of(fields, "original_tracking"));
    let (ship_date, delivered_on, committed_on) = (
        fields.day("ship_date", Severity::Error),
        fields.day("delivered_at", Severity::Warn),
        fields.day("committed_at", Severity::Warn),
    );
    let (scanned, residential) = (fields.flag("scanned"), fields.flag("residential"));
    let dest_country = fields.country("dest_country", Severity::Warn);
    let sized = sized(fields);
    let text = |column| fields.text(column).map(str::to_owned);
    let upper = |column| fields.text(column).map(str::to_uppercase);
    if fields.rejected() {
        return None;
    }
    let mut charge = Charge {
        tracking,
        ship_date,
        delivered_on,
        delivered_time: fields.time_of_day("delivered_at"),
        committed_on,
        committed_time: fields.time_of_day("committed_at"),
        ordered_service: upper("ordered_service"),
        scanned,
        residential,
        zone: upper("zone"),
        agreed_zone: upper("agreed_zone"),
        dest_postal: text("dest_postal"),
        dest_country,
        carrier_code: text("charge_code"),
        description: text("charge_description"),
        references: ["reference_1", "reference_2"].into_iter().filter_map(text).collect(),
        ..sized.onto(bill?)
    };
    let is_mapped = codes.apply(&mut charge);
    if !is_mapped && charge.code == "OTHER" && upper("charge_code").as_deref() != Some("OTHER") {
        fields.note("charge_code", "CHARGE_UNMAPPED", Severity::Warn);
    }
    if charge.is_astray() {
        fields.note("tracking_number", "TRACKING_MISSING", Severity::Warn);
    }
    if !charge.adds_up() {
        fields.note("net_amount", "GROSS_NET_MISMATCH", Severity::Warn);
    }
    Some(charge)
}

/// The invoice, the service and the amounts.
fn bill(fields: &mut Fields<'_>) -> Option<Charge> {
    let carrier = fields.required("carrier", "CARRIER_MISSING");
    let account = fields.required("account_number", "ACCOUNT_MISSING");
    let invoice = fields.required("invoice_number", "INVOICE_MISSING");
    let invoice_date = fields.required_day("invoice_date");
    let service = fields.required("service_code", "SERVICE_MISSING");
    let code = fields.text("charge_code").unwrap_or_default().to_uppercase();
    let net = required_amount(fields, "net_amount");
    let gross = fields.figure("gross_amount", "AMOUNT_INVALID");
    let discount = fields.figure("discount_amount", "AMOUNT_INVALID");
    fields.required("currency", "CURRENCY_INVALID");
    let currency = fields.currency("currency");
    let net = net?;
    Some(Charge {
        row_number: i64::try_from(fields.number()).unwrap_or(i64::MAX),
        carrier: carrier?.to_uppercase(),
        account: account?.to_owned(),
        invoice_number: invoice?.to_owned(),
        invoice_date: invoice_date?,
        service: service?.to_uppercase(),
        code: CODES.iter().find(|known| **known == code).map_or("OTHER", |known| *known).to_owned(),
        gross: gross.unwrap_or(net + discount.unwrap_or_default()),
        discount: discount.unwrap_or_default(),
        net,
        currency: currency?,
        ..Charge::default()
    })
}

/// What a shipment weighs and measures.
struct Sized {
    is_metric: bool,
    weights: [Option<Decimal>; 2],
    sides: [Option<Decimal>; 3],
}

fn sized(fields: &mut Fields<'_>) -> Sized {
    let weight_unit = fields.text("weight_unit").unwrap_or("LB");
    let dim_unit = fields.text("dim_unit").unwrap_or("IN");
    let weights =
        ["actual_weight", "billed_weight"].map(|column| size(fields, column).map(|of| pounds(of, weight_unit)));
    let sides = ["length", "width", "height"].map(|column| size(fields, column).map(|of| inches(of, dim_unit)));
    Sized { is_metric: is_kilograms(weight_unit) || is_centimetres(dim_unit), weights, sides }
}

impl Sized {
    fn onto(self, bill: Charge) -> Charge {
        let ([actual_weight_lb, billed_weight_lb], [length_in, width_in, height_in]) = (self.weights, self.sides);
        let is_metric = self.is_metric;
        Charge { is_metric, actual_weight_lb, billed_weight_lb, length_in, width_in, height_in, ..bill }
    }
}

/// The tracking number. One that a spreadsheet has damaged names no shipment.
pub(super) fn tracking_of(fields: &mut Fields<'_>, column: &str) -> Option<String> {
    let text = fields.text(column)?;
    if is_corrupted(text) {
        fields.note(column, "TRACKING_CORRUPTED", Severity::Error);
        return None;
    }
    tracking(text)
}

/// An amount that must be there.
pub(super) fn required_amount(fields: &mut Fields<'_>, column: &str) -> Option<Decimal> {
    fields.required(column, "AMOUNT_INVALID")?;
    fields.figure(column, "AMOUNT_INVALID")
}

/// A weight or a length: not negative.
pub(super) fn size(fields: &mut Fields<'_>, column: &str) -> Option<Decimal> {
    let size = fields.figure(column, "WEIGHT_INVALID")?;
    if size.is_sign_negative() {
        fields.note(column, "WEIGHT_INVALID", Severity::Error);
        return None;
    }
    Some(size)
}
