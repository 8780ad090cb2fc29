//! A row of a catalog file in, what it says of one product out.
//!
//! An empty cell says nothing, and the product keeps what it has; `\N` clears it.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::orders::row::sku_norm;
use crate::table::{Column, Fields, Severity};

/// The columns, one row per product; the aliases are those of the legacy `wayfair` files.
pub const COLUMNS: &[Column] = &[
    Column::required("sku").or(&[LEGACY_SKU]),
    Column::required("title").or(&["Product Name"]),
    Column::optional("description"),
    Column::optional("category"),
    Column::optional("hs_code").or(&["Harmonized Code"]),
    Column::optional("country_of_origin").or(&["Manufacture Country"]),
    Column::optional("country_of_export"),
    Column::optional("manufacturer"),
    Column::optional("exporter_name"),
    Column::optional("exporter_id"),
    Column::optional("unit_cost").or(&["Wholesale Price"]),
    Column::optional("currency"),
    Column::optional("uom"),
    Column::optional("net_weight_kg"),
    Column::optional("attributes"),
    Column::optional("aliases").or(&["Alternate SKUs"]),
    Column::optional("gtin").or(&["UPC", "EAN"]),
];

/// What the legacy `wayfair` files call the number of a product.
pub const LEGACY_SKU: &str = "Supplier Part Number";

/// What clears a value.
const CLEAR: &str = "\\N";

/// What a row says of a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductRow {
    /// The file's own line.
    pub row_number: u64,
    /// The product's number, as written.
    pub sku: String,
    /// The product's number, so that it can be found.
    pub sku_norm: String,
    /// Its title.
    pub title: String,
    /// What it is.
    pub description: Option<String>,
    /// What it is.
    pub category: Option<String>,
    /// The tariff number, digits only.
    pub hs_code: Option<String>,
    /// Where it is made.
    pub country_of_origin: Option<String>,
    /// Where it is shipped from.
    pub country_of_export: Option<String>,
    /// Who makes it.
    pub manufacturer: Option<String>,
    /// Who exports it.
    pub exporter_name: Option<String>,
    /// The exporter's number.
    pub exporter_id: Option<String>,
    /// What one costs.
    pub unit_cost: Option<Decimal>,
    /// The currency of the cost.
    pub currency: Option<String>,
    /// The unit of the cost.
    pub uom: Option<String>,
    /// What one weighs.
    pub net_weight_kg: Option<Decimal>,
    /// What else is known, by name.
    pub attributes: Option<Value>,
    /// What else it is called, so that it can be found; `|` stands between the names.
    pub aliases: Option<Vec<String>>,
    /// Its GTIN, so that it can be found.
    pub gtin: Option<String>,
    /// The columns that the file clears.
    pub cleared: Vec<String>,
}

/// Reads a row; nothing where it is rejected.
pub fn product(fields: &mut Fields<'_>) -> Option<ProductRow> {
    let sku = fields.required("sku", "SKU_MISSING");
    let title = fields.required("title", "TITLE_MISSING");
    let cleared: Vec<String> = COLUMNS
        .iter()
        .filter(|column| !column.required && fields.text(column.name) == Some(CLEAR))
        .map(|column| column.name.to_owned())
        .collect();
    let keeps = |column: &str| !cleared.iter().any(|cleared| cleared == column);
    let hs_code = keeps("hs_code").then(|| hs_code(fields)).flatten();
    let mut country = |column| keeps(column).then(|| fields.country(column, Severity::Warn)).flatten();
    let (country_of_origin, country_of_export) = (country("country_of_origin"), country("country_of_export"));
    let exporter_id = keeps("exporter_id").then(|| exporter_id(fields)).flatten();
    let mut figure = |column, code| keeps(column).then(|| positive(fields, column, code)).flatten();
    let (unit_cost, net_weight_kg) = (figure("unit_cost", "COST_INVALID"), figure("net_weight_kg", "WEIGHT_INVALID"));
    let currency = keeps("currency").then(|| fields.currency("currency")).flatten();
    let attributes = keeps("attributes").then(|| attributes(fields)).flatten();
    let aliases = keeps("aliases").then(|| aliases(fields)).flatten();
    let gtin = keeps("gtin").then(|| gtin(fields)).flatten();
    if fields.rejected() {
        return None;
    }
    let text = |column: &str| fields.text(column).filter(|_| keeps(column)).map(str::to_owned);
    Some(ProductRow {
        row_number: fields.number(),
        sku: sku?.to_owned(),
        sku_norm: sku_norm(sku?),
        title: title?.to_owned(),
        description: text("description"),
        category: text("category"),
        hs_code,
        country_of_origin,
        country_of_export,
        manufacturer: text("manufacturer"),
        exporter_name: text("exporter_name"),
        exporter_id,
        unit_cost,
        currency,
        uom: text("uom").map(|unit| unit.to_uppercase()),
        net_weight_kg,
        attributes,
        aliases,
        gtin,
        cleared: cleared.clone(),
    })
}

/// Six, eight or ten digits.
fn hs_code(fields: &mut Fields<'_>) -> Option<String> {
    let digits: String = fields.text("hs_code")?.chars().filter(|c| !['.', ' '].contains(c)).collect();
    let is_code = [6, 8, 10].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_code {
        fields.note("hs_code", "HS_FORMAT", Severity::Warn);
    }
    is_code.then_some(digits)
}

/// `776506214RM0001` or `SIMAEXP00000001`.
fn exporter_id(fields: &mut Fields<'_>) -> Option<String> {
    let id = fields.text("exporter_id")?.to_uppercase();
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let of_business = id.split_once("RM").is_some_and(|(number, account)| digits(number, 9) && digits(account, 4));
    let of_registry = id.strip_prefix("SIMAEXP").is_some_and(|number| digits(number, 8));
    let is_id = of_business || of_registry;
    if !is_id {
        fields.note("exporter_id", "EXPORTER_ID_FORMAT", Severity::Warn);
    }
    is_id.then_some(id)
}

fn positive(fields: &mut Fields<'_>, column: &'static str, code: &'static str) -> Option<Decimal> {
    let figure = fields.figure(column, code)?;
    if figure.is_sign_negative() {
        fields.note(column, code, Severity::Error);
    }
    Some(figure)
}

fn aliases(fields: &Fields<'_>) -> Option<Vec<String>> {
    let names = fields.text("aliases")?.split('|').map(sku_norm).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.collect();
    Some(names.into_iter().collect())
}

/// Eight, twelve, thirteen or fourteen digits of which the last proves the others; an order writes it as a product's number.
fn gtin(fields: &mut Fields<'_>) -> Option<String> {
    let digits: String = fields.text("gtin")?.chars().filter(|c| !['-', ' '].contains(c)).collect();
    let weights = [3, 1].into_iter().cycle();
    let known =
        digits.bytes().rev().skip(1).zip(weights).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight);
    let is_gtin = [8, 12, 13, 14].contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.ends_with(&((10 - known.sum::<u32>() % 10) % 10).to_string());
    if !is_gtin {
        fields.note("gtin", "GTIN_INVALID", Severity::Warn);
    }
    is_gtin.then(|| sku_norm(&digits))
}

/// An object; nested ones are not for us.
fn attributes(fields: &mut Fields<'_>) -> Option<Value> {
    let value: Option<Value> = serde_json::from_str(fields.text("attributes")?).ok();
    let object = value.filter(|value| value.is_object() && !value.to_string().contains("\\u0000"));
    if object.is_none() {
        fields.note("attributes", "ATTRIBUTES_JSON", Severity::Warn);
    }
    object
}
