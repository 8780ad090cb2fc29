//! A row of the FedEx-style layout in, its charges out.
//!
//! One row is one shipment, and its surcharges are pairs of columns that all bear the same two titles:
//! they are read by position.

use rust_decimal::Decimal;

use super::canonical::{required_amount, size, tracking_of};
use super::charge::{Charge, code_of, inches, is_kilograms, pounds};
use super::charge_codes::ChargeCodes;
use crate::money;
use crate::table::{Column, Fields, FileError, Header, Row, RowError, Severity, time_of_day};

/// The title that tells this layout from others.
pub const MARK: &str = "Express or Ground Tracking ID";

const COLUMNS: &[Column] = &[
    Column::required("account").or(&["Bill to Account Number"]),
    Column::required("invoice").or(&["Invoice Number"]),
    Column::required("invoice_date").or(&["Invoice Date"]),
    Column::required("tracking").or(&[MARK]),
    Column::optional("service").or(&["Service Type"]),
    Column::optional("ground_service").or(&["Ground Service"]),
    Column::optional("ship_date").or(&["Shipment Date"]),
    Column::optional("delivered").or(&["POD Delivery Date"]),
    Column::optional("delivered_time").or(&["POD Delivery Time"]),
    Column::optional("actual").or(&["Actual Weight Amount"]),
    Column::optional("actual_unit").or(&["Actual Weight Units"]),
    Column::optional("rated").or(&["Rated Weight Amount"]),
    Column::optional("rated_unit").or(&["Rated Weight Units"]),
    Column::optional("length").or(&["Dim Length"]),
    Column::optional("width").or(&["Dim Width"]),
    Column::optional("height").or(&["Dim Height"]),
    Column::optional("dim_unit").or(&["Dim Unit"]),
    Column::optional("zone").or(&["Zone Code"]),
    Column::optional("postal").or(&["Recipient Zip Code", "Recipient Postal Code"]),
    Column::optional("country").or(&["Recipient Country/Territory", "Recipient Country"]),
    Column::optional("reference_1").or(&["Original Customer Reference"]),
    Column::optional("reference_2").or(&["Original Ref#2"]),
    Column::optional("reference_3").or(&["Original Ref#3/PO Number"]),
    Column::required("currency").or(&["Invoice Currency", "Currency Code"]),
    Column::required("transport").or(&["Transportation Charge Amount"]),
    Column::required("net").or(&["Net Charge Amount"]),
];

/// What shippers write on a shipment, an order's number among it.
const REFERENCES: [&str; 3] = ["reference_1", "reference_2", "reference_3"];

/// Where everything is in a file of this layout.
#[derive(Debug, Clone)]
pub struct Layout {
    header: Header,
    /// The places of each description; the amount stands to its right.
    pairs: Vec<usize>,
}

impl Layout {
    /// Finds the columns and the pairs.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn find(row: &Row) -> Result<Layout, FileError> {
        let header = Header::find(row, COLUMNS)?;
        let titles = row.cells().map(|title| title.trim().to_lowercase());
        let pairs = titles.enumerate().filter(|(_, title)| title == "tracking id charge description");
        Ok(Layout { header, pairs: pairs.map(|(at, _)| at).collect() })
    }

    /// The charges of a row; none where it is rejected.
    #[must_use]
    pub fn charges(&self, row: &Row, codes: &ChargeCodes) -> (Vec<Charge>, Vec<RowError>) {
        let mut fields = Fields::new(&self.header, row);
        let charges = self.read(&mut fields, row, codes).filter(|_| !fields.rejected());
        (charges.unwrap_or_default(), fields.into_errors())
    }

    fn read(&self, fields: &mut Fields<'_>, row: &Row, codes: &ChargeCodes) -> Option<Vec<Charge>> {
        let shipment = shipment(fields);
        let transport = required_amount(fields, "transport");
        let net = required_amount(fields, "net");
        let surcharges = self.surcharges(fields, row);
        let (shipment, transport, net) = (shipment?, transport?, net?);
        let discount: Decimal =
            -surcharges.iter().map(|pair| pair.amount).filter(Decimal::is_sign_negative).sum::<Decimal>();
        let freight = Charge {
            code: "FRT".to_owned(),
            description: Some(shipment.service.clone()),
            gross: transport,
            discount,
            net: transport - discount,
            ..shipment.clone()
        };
        let mut charges = vec![freight];
        for pair in surcharges.into_iter().filter(|pair| pair.amount.is_sign_positive()) {
            charges.push(pair.charge(&shipment, fields, codes));
        }
        let total: Decimal = charges.iter().map(|charge| charge.net).sum();
        if (total - net).abs() > Decimal::new(2, 2) {
            fields.note("net", "GROSS_NET_MISMATCH", Severity::Warn);
        }
        Some(charges)
    }

    /// Descriptions with their amounts; discounts are negative.
    fn surcharges(&self, fields: &mut Fields<'_>, row: &Row) -> Vec<Pair> {
        let mut found = Vec::new();
        for at in &self.pairs {
            let Some(description) = row.cell(*at) else { continue };
            match row.cell(at + 1).and_then(money::parse) {
                Some(amount) => found.push(Pair { at: *at, description: description.to_owned(), amount }),
                None => fields.note_at(at + 1, "AMOUNT_INVALID", Severity::Error),
            }
        }
        found
    }
}

/// A surcharge, or a discount.
struct Pair {
    /// Where its description stands.
    at: usize,
    description: String,
    amount: Decimal,
}

impl Pair {
    fn charge(self, shipment: &Charge, fields: &mut Fields<'_>, codes: &ChargeCodes) -> Charge {
        let known = code_of(&self.description);
        let mut charge = Charge {
            code: known.unwrap_or("OTHER").to_owned(),
            description: Some(self.description),
            gross: self.amount,
            net: self.amount,
            ..shipment.clone()
        };
        let is_mapped = codes.apply(&mut charge);
        if !is_mapped && known.is_none() {
            fields.note_at(self.at, "CHARGE_UNMAPPED", Severity::Warn);
        }
        charge
    }
}

/// What all charges of a row have in common.
fn shipment(fields: &mut Fields<'_>) -> Option<Charge> {
    let account = fields.required("account", "ACCOUNT_MISSING");
    let invoice = fields.required("invoice", "INVOICE_MISSING");
    let invoice_date = fields.required_day("invoice_date");
    fields.required("tracking", "TRACKING_MISSING");
    let tracking = tracking_of(fields, "tracking");
    fields.required("currency", "CURRENCY_INVALID");
    let currency = fields.currency("currency");
    let service = fields.text("service").or(fields.text("ground_service")).unwrap_or("GROUND").to_uppercase();
    let unit = |column: &str, fields: &Fields<'_>| fields.text(column).unwrap_or_default().to_owned();
    let (actual_unit, rated_unit, dim_unit) =
        (unit("actual_unit", fields), unit("rated_unit", fields), unit("dim_unit", fields));
    Some(Charge {
        row_number: i64::try_from(fields.number()).unwrap_or(i64::MAX),
        carrier: "FEDEX".to_owned(),
        ship_date: fields.day("ship_date", Severity::Error),
        delivered_on: fields.day("delivered", Severity::Warn),
        delivered_time: fields.text("delivered_time").and_then(time_of_day),
        is_metric: is_kilograms(&actual_unit) || is_kilograms(&rated_unit),
        actual_weight_lb: size(fields, "actual").map(|weight| pounds(weight, &actual_unit)),
        billed_weight_lb: size(fields, "rated").map(|weight| pounds(weight, &rated_unit)),
        length_in: size(fields, "length").map(|side| inches(side, &dim_unit)),
        width_in: size(fields, "width").map(|side| inches(side, &dim_unit)),
        height_in: size(fields, "height").map(|side| inches(side, &dim_unit)),
        dest_country: fields.country("country", Severity::Warn),
        zone: fields.text("zone").map(str::to_uppercase),
        dest_postal: fields.text("postal").map(str::to_owned),
        references: REFERENCES.iter().filter_map(|column| fields.text(column)).map(str::to_owned).collect(),
        account: account?.to_owned(),
        invoice_number: invoice?.to_owned(),
        invoice_date: invoice_date?,
        currency: currency?,
        tracking,
        service,
        ..Charge::default()
    })
}
