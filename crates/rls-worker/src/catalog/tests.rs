//! The sample catalog and each rule of its rows.

use super::row::{self, COLUMNS, ProductRow};
use crate::table::{Fields, Header, Limits, Row, Severity, Table};

const SAMPLE: &str = include_str!("../../samples/catalog_upload.csv");

fn products(text: &str) -> (Vec<ProductRow>, Vec<(&'static str, Severity)>) {
    let table = Table::open(text.as_bytes(), &Limits::default()).unwrap();
    let rows: Vec<Row> = table.rows().map(Result::unwrap).collect();
    let header = Header::find(&rows[0], COLUMNS).unwrap();
    let (mut products, mut errors) = (Vec::new(), Vec::new());
    for row in &rows[1..] {
        let mut fields = Fields::new(&header, row);
        products.extend(row::product(&mut fields));
        errors.extend(fields.into_errors().into_iter().map(|error| (error.code, error.severity)));
    }
    (products, errors)
}

#[test]
fn the_sample_has_five_products() {
    let (products, errors) = products(SAMPLE);
    assert_eq!((products.len(), errors.len()), (5, 0));
    assert_eq!(products[0].hs_code.as_deref(), Some("9401611010"));
    assert_eq!(products[2].exporter_id.as_deref(), Some("776506214RM0001"));
    assert_eq!(products[0].attributes.as_ref().unwrap()["motion"], true);
    assert_eq!(products[4].unit_cost, "190".parse().ok());
}

#[test]
fn bad_cells_are_coded() {
    let codes = |from: &str, to: &str| products(&SAMPLE.replacen(from, to, 1)).1;
    assert_eq!(codes("REC-LTH-01", ""), [("SKU_MISSING", Severity::Error)]);
    assert_eq!(codes("Leather power recliner", " "), [("TITLE_MISSING", Severity::Error)]);
    assert_eq!(codes("9401.61.10.10", "9401.6"), [("HS_FORMAT", Severity::Warn)]);
    assert_eq!(codes(",CN,US,", ",Atlantis,US,"), [("COUNTRY_INVALID", Severity::Warn)]);
    assert_eq!(codes("320.00", "-1"), [("COST_INVALID", Severity::Error)]);
    assert_eq!(codes("320.00", "lots"), [("COST_INVALID", Severity::Error)]);
    assert_eq!(codes("USD", "dollars"), [("CURRENCY_INVALID", Severity::Error)]);
    assert_eq!(codes("{}", "{oops"), [("ATTRIBUTES_JSON", Severity::Warn)]);
    assert_eq!(codes("{}", "[1]"), [("ATTRIBUTES_JSON", Severity::Warn)]);
    assert_eq!(codes("776506214RM0001", "776506214RM1"), [("EXPORTER_ID_FORMAT", Severity::Warn)]);
}

#[test]
fn an_empty_cell_says_nothing_and_the_mark_clears() {
    let (products, errors) = products("sku,title,unit_cost,hs_code,category\na,b,,\\N,=1+1\n");
    assert_eq!(errors, []);
    assert_eq!((products[0].unit_cost, products[0].cleared.as_slice()), (None, ["hs_code".to_owned()].as_slice()));
    assert_eq!(products[0].category.as_deref(), Some("=1+1"), "stored as it is, escaped on export");
}

#[test]
fn the_legacy_titles_are_known() {
    let (products, _) = products(
        "Supplier Part Number,Product Name,Manufacture Country,Harmonized Code,Wholesale Price\n1,Chair,China,940161,12\n",
    );
    assert_eq!(products[0].country_of_origin.as_deref(), Some("CN"));
    assert_eq!(products[0].hs_code.as_deref(), Some("940161"));
}
