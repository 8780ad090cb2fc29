//! A row of an order file in, one order line out.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::table::{Column, Fields, Severity};

/// The columns, one row per line of an order.
pub const COLUMNS: &[Column] = &[
    Column::required("order_number"),
    Column::required("order_date"),
    Column::required("line_number"),
    Column::required("sku"),
    Column::required("quantity"),
    Column::optional("unit_price"),
    Column::optional("currency"),
    Column::optional("po_number"),
    Column::optional("tracking_numbers"),
    Column::optional("carrier"),
    Column::optional("service_code"),
    Column::required("ship_to_country"),
    Column::optional("ship_to_region"),
    Column::optional("ship_to_postal"),
    Column::optional("address_type"),
    Column::optional("exporter_name"),
    Column::optional("export_country"),
    Column::optional("requested_ship_date"),
    Column::optional("status"),
];

/// Where an order line stands; a later file cannot move it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not shipped.
    Open,
    /// Shipped.
    Shipped,
    /// Given up.
    Cancelled,
}

/// One line of one order, with what is said of the whole order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The file's own line.
    pub row_number: u64,
    /// The order.
    pub order_number: String,
    /// The day of the order.
    pub order_date: NaiveDate,
    /// Its place in the order.
    pub line_number: i32,
    /// The product, as the order has it.
    pub sku: String,
    /// The product, so that it can be found.
    pub sku_norm: String,
    /// How many.
    pub quantity: Decimal,
    /// What one costs the customer.
    pub unit_price: Option<Decimal>,
    /// The currency of the price.
    pub currency: Option<String>,
    /// The customer's own order.
    pub po_number: Option<String>,
    /// The shipments, normalised.
    pub tracking_numbers: Vec<String>,
    /// The carrier, in upper case.
    pub carrier: Option<String>,
    /// The service that was asked for, in upper case.
    pub service: Option<String>,
    /// Where it goes.
    pub ship_to_country: String,
    /// Where it goes.
    pub ship_to_region: Option<String>,
    /// Where it goes.
    pub ship_to_postal: Option<String>,
    /// `R` for a home, `C` for a business.
    pub address_type: Option<String>,
    /// Who exports it, if not the one in the catalog.
    pub exporter_name: Option<String>,
    /// Where it is shipped from.
    pub export_country: Option<String>,
    /// When it is to be shipped.
    pub requested_ship_date: Option<NaiveDate>,
    /// Where it stands.
    pub status: Status,
}

/// Reads a row; nothing where it is rejected.
pub fn line(fields: &mut Fields<'_>, today: NaiveDate) -> Option<OrderLine> {
    let order_number = fields.required("order_number", "ORDER_NUMBER_MISSING");
    let order_date = fields.required_day("order_date");
    let line_number = line_number(fields);
    let sku = fields.required("sku", "SKU_MISSING");
    let quantity = quantity(fields);
    fields.required("ship_to_country", "COUNTRY_INVALID");
    let ship_to_country = fields.country("ship_to_country", Severity::Error);
    let unit_price = fields.figure("unit_price", "AMOUNT_INVALID");
    let currency = fields.currency("currency");
    let requested_ship_date = fields.day("requested_ship_date", Severity::Warn);
    let export_country = fields.country("export_country", Severity::Warn);
    let status = status(fields);
    let address_type = address_type(fields);
    let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
    if order_date.is_some_and(|day| day > tomorrow) {
        fields.note("order_date", "DATE_IN_FUTURE", Severity::Warn);
    }
    if ship_to_country.as_deref() == Some("CA")
        && fields.text("ship_to_postal").is_some_and(|postal| !is_postal(postal))
    {
        fields.note("ship_to_postal", "POSTAL_FORMAT", Severity::Warn);
    }
    if fields.rejected() {
        return None;
    }
    let text = |column| fields.text(column).map(str::to_owned);
    let trackings = fields.text("tracking_numbers").unwrap_or_default().split('|');
    Some(OrderLine {
        row_number: fields.number(),
        order_number: order_number?.to_owned(),
        order_date: order_date?,
        line_number: line_number?,
        sku: sku?.to_owned(),
        sku_norm: sku_norm(sku?),
        quantity: quantity?,
        unit_price,
        currency,
        po_number: text("po_number"),
        tracking_numbers: trackings.filter_map(crate::ship::charge::tracking).collect(),
        carrier: text("carrier").map(|carrier| carrier.to_uppercase()),
        service: text("service_code").map(|service| service.to_uppercase()),
        ship_to_country: ship_to_country?,
        ship_to_region: text("ship_to_region").map(|region| region.to_uppercase()),
        ship_to_postal: text("ship_to_postal"),
        address_type,
        exporter_name: text("exporter_name"),
        export_country,
        requested_ship_date,
        status,
    })
}

/// The same product, however its number is written: case, spaces, hyphens and leading zeros do not count.
#[must_use]
pub fn sku_norm(sku: &str) -> String {
    let plain: String = sku.to_uppercase().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let stripped = plain.trim_start_matches('0');
    if stripped.is_empty() { plain } else { stripped.to_owned() }
}

fn line_number(fields: &mut Fields<'_>) -> Option<i32> {
    let number = fields.required("line_number", "LINE_NUMBER_INVALID")?.parse().ok().filter(|number| *number > 0);
    if number.is_none() {
        fields.note("line_number", "LINE_NUMBER_INVALID", Severity::Error);
    }
    number
}

/// More than none, and not so many that sums overflow.
fn quantity(fields: &mut Fields<'_>) -> Option<Decimal> {
    fields.required("quantity", "QTY_INVALID")?;
    let quantity = fields.figure("quantity", "QTY_INVALID")?;
    let is_some = quantity > Decimal::ZERO && quantity <= Decimal::from(10_000_000);
    if !is_some {
        fields.note("quantity", "QTY_INVALID", Severity::Error);
    }
    is_some.then_some(quantity)
}

fn status(fields: &mut Fields<'_>) -> Status {
    match fields.text("status").unwrap_or("OPEN").to_uppercase().as_str() {
        "OPEN" => Status::Open,
        "SHIPPED" => Status::Shipped,
        "CANCELLED" | "CANCELED" => Status::Cancelled,
        _ => {
            fields.note("status", "STATUS_INVALID", Severity::Error);
            Status::Open
        }
    }
}

fn address_type(fields: &mut Fields<'_>) -> Option<String> {
    let text = fields.text("address_type")?.to_uppercase();
    let known = text.chars().next().filter(|first| ['R', 'C'].contains(first));
    if known.is_none() {
        fields.note("address_type", "ADDRESS_TYPE_INVALID", Severity::Warn);
    }
    known.map(String::from)
}

/// `A1A 1A1`.
fn is_postal(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    plain.len() == 6
        && plain
            .iter()
            .enumerate()
            .all(|(at, c)| if at % 2 == 0 { c.is_ascii_alphabetic() } else { c.is_ascii_digit() })
}
