//! A row of the canonical layout in, one charge out.

use rust_decimal::Decimal;

use super::charge::{CODES, Charge, inches, is_corrupted, pounds, tracking};
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
    Column::optional("zone"),
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
];

/// Reads a row; nothing where it is rejected.
pub fn charge(fields: &mut Fields<'_>) -> Option<Charge> {
    let carrier = fields.required("carrier", "CARRIER_MISSING");
    let account = fields.required("account_number", "ACCOUNT_MISSING");
    let invoice = fields.required("invoice_number", "INVOICE_MISSING");
    let invoice_date = fields.required_day("invoice_date");
    let service = fields.required("service_code", "SERVICE_MISSING");
    let tracking = tracking_of(fields, "tracking_number");
    let code = code(fields);
    let net = required_amount(fields, "net_amount");
    let gross = fields.figure("gross_amount", "AMOUNT_INVALID");
    let discount = fields.figure("discount_amount", "AMOUNT_INVALID");
    fields.required("currency", "CURRENCY_INVALID");
    let currency = fields.currency("currency");
    let weight_unit = fields.text("weight_unit").unwrap_or("LB");
    let dim_unit = fields.text("dim_unit").unwrap_or("IN");
    let mut weight = |column| size(fields, column).map(|weight| pounds(weight, weight_unit));
    let (actual, billed) = (weight("actual_weight"), weight("billed_weight"));
    let mut side = |column| size(fields, column).map(|side| inches(side, dim_unit));
    let (length, width, height) = (side("length"), side("width"), side("height"));
    let (ship_date, delivered_on) =
        (fields.day("ship_date", Severity::Error), fields.day("delivered_at", Severity::Warn));
    let dest_country = fields.country("dest_country", Severity::Warn);
    let text = |column| fields.text(column).map(str::to_owned);
    if fields.rejected() {
        return None;
    }
    let net = net?;
    let charge = Charge {
        row_number: i64::try_from(fields.number()).unwrap_or(i64::MAX),
        carrier: carrier?.to_uppercase(),
        account: account?.to_owned(),
        invoice_number: invoice?.to_owned(),
        invoice_date: invoice_date?,
        tracking,
        service: service?.to_uppercase(),
        ship_date,
        delivered_on,
        zone: text("zone"),
        actual_weight_lb: actual,
        billed_weight_lb: billed,
        length_in: length,
        width_in: width,
        height_in: height,
        dest_postal: text("dest_postal"),
        dest_country,
        code,
        description: text("charge_description"),
        gross: gross.unwrap_or(net + discount.unwrap_or_default()),
        discount: discount.unwrap_or_default(),
        net,
        currency: currency?,
        reference_1: text("reference_1"),
        reference_2: text("reference_2"),
        stated_total: None,
    };
    if !charge.adds_up() {
        fields.note("net_amount", "GROSS_NET_MISMATCH", Severity::Warn);
    }
    Some(charge)
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

fn code(fields: &mut Fields<'_>) -> String {
    let code = fields.text("charge_code").unwrap_or_default().to_uppercase();
    if CODES.contains(&code.as_str()) {
        return code;
    }
    fields.note("charge_code", "CHARGE_UNMAPPED", Severity::Warn);
    "OTHER".to_owned()
}
