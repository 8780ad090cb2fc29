//! The sample order file, each rule of the rows, and each rule of the linkage.

use chrono::NaiveDate;
use uuid::Uuid;

use super::linkage::{Link, OrderKey, Rule, ShipmentKey, link};
use super::row::{self, COLUMNS, OrderLine, Status, sku_norm};
use crate::table::{Fields, Header, Limits, Row, Severity, Table};

const SAMPLE: &str = include_str!("../../samples/order_upload.csv");

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

type Noted = (u64, String, &'static str, Severity);

fn lines(text: &str) -> (Vec<OrderLine>, Vec<Noted>) {
    let table = Table::open(text.as_bytes(), &Limits::default()).unwrap();
    let rows: Vec<Row> = table.rows().map(Result::unwrap).collect();
    let header = Header::find(&rows[0], COLUMNS).unwrap();
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    for row in &rows[1..] {
        let mut fields = Fields::new(&header, row);
        lines.extend(row::line(&mut fields, day("2026-02-17")));
        errors.extend(fields.into_errors().into_iter().map(|e| (e.row_number, e.column, e.code, e.severity)));
    }
    (lines, errors)
}

#[test]
fn the_sample_has_four_lines_and_one_rejected_row() {
    let (lines, errors) = lines(SAMPLE);
    assert_eq!(lines.len(), 4);
    assert_eq!(errors[0], (6, "quantity".to_owned(), "QTY_INVALID", Severity::Error));
    assert_eq!(errors[1], (6, "ship_to_postal".to_owned(), "POSTAL_FORMAT", Severity::Warn));
    assert_eq!(lines[2].sku_norm, "MATQ10F");
    assert_eq!(lines[3].tracking_numbers, ["794600000015", "794600000016"]);
    assert_eq!((lines[3].status, lines[0].status), (Status::Shipped, Status::Open));
}

#[test]
fn bad_cells_are_coded() {
    let codes = |from: &str, to: &str| {
        let (_, errors) = lines(&SAMPLE.replacen(from, to, 1));
        errors.into_iter().filter(|(row, ..)| *row == 2).map(|(_, _, code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(codes("SO-70011,2026", ",2026"), ["ORDER_NUMBER_MISSING"]);
    assert_eq!(codes("2026-02-09,1", "2/9/2026,1"), [""; 0]);
    assert_eq!(codes("2026-02-09,1", "09.02.2026,1"), ["DATE_INVALID"]);
    assert_eq!(codes("2026-02-09,1", "2026-02-20,1"), ["DATE_IN_FUTURE"]);
    assert_eq!(codes("2026-02-09,1", "2026-02-09,0"), ["LINE_NUMBER_INVALID"]);
    assert_eq!(codes("CAD,PO", "dollars,PO"), ["CURRENCY_INVALID"]);
    assert_eq!(codes("FEDEX,CA", "FEDEX,Atlantis"), ["COUNTRY_INVALID"]);
    assert_eq!(codes(",2,899", ",99999999,899"), ["QTY_INVALID"]);
    assert_eq!(codes("-19,OPEN", "-19,LOST"), ["STATUS_INVALID"]);
}

#[test]
fn products_are_the_same_however_they_are_written() {
    assert_eq!(sku_norm("mat-q10-f"), sku_norm("MAT Q10 F"));
    assert_eq!(sku_norm("00123"), sku_norm("123"));
    assert_ne!(sku_norm("123"), sku_norm("1230"));
    assert_eq!(sku_norm("000"), "000");
}

fn order(id: u128, number: &str) -> OrderKey {
    OrderKey {
        id: Uuid::from_u128(id),
        order_number: number.into(),
        order_date: day("2026-02-10"),
        ..OrderKey::default()
    }
}

fn shipment() -> ShipmentKey {
    ShipmentKey {
        carrier: "FEDEX".into(),
        tracking_norm: "794600000014".into(),
        ship_date: Some(day("2026-02-11")),
        dest_postal: Some("H3B 1A7".into()),
        actual_weight_lb: "10".parse().ok(),
        ..ShipmentKey::default()
    }
}

fn check(shipment: &ShipmentKey, orders: &[OrderKey], expected: &[(u128, Rule, i32)], linked: bool) {
    let (found, is_linked) = match link(shipment, orders) {
        Link::Linked(found) => (found, true),
        Link::Ambiguous(found) => (found, false),
        Link::Unmatched => (Vec::new(), false),
    };
    let found: Vec<_> = found.iter().map(|c| (c.order.as_u128(), c.rule, c.score)).collect();
    assert_eq!((found.as_slice(), is_linked), (expected, linked));
}

#[test]
fn a_tracking_number_links_whatever_else_fits() {
    let named = |id| OrderKey { tracking_numbers: vec!["794600000014".into()], ..order(id, "SO-1") };
    let by_reference = ShipmentKey { references: vec!["SO-9".into()], ..shipment() };
    check(&by_reference, &[order(9, "SO-9"), named(1)], &[(1, Rule::T1, 100)], true);
    check(&shipment(), &[named(1), named(2)], &[(1, Rule::T1, 100), (2, Rule::T1, 100)], true);
    let of_ups = OrderKey { carrier: Some("UPS".into()), ..named(1) };
    check(&shipment(), &[of_ups], &[], false);
}

#[test]
fn a_reference_links_within_its_window() {
    let referred = ShipmentKey { references: vec!["x".into(), "#so 1".into()], ..shipment() };
    check(&referred, &[order(1, "SO-1"), order(2, "SO-2")], &[(1, Rule::R1, 95)], true);
    let late = ShipmentKey { ship_date: Some(day("2026-04-01")), ..referred.clone() };
    check(&late, &[order(1, "SO-1")], &[(1, Rule::R1, 80)], false);
    check(&referred, &[order(1, "SO-1"), order(2, "SO 1")], &[(1, Rule::R1, 95), (2, Rule::R1, 95)], false);
}

#[test]
fn a_purchase_order_links_one_order_only() {
    let referred = ShipmentKey { references: vec!["PO-7".into()], ..shipment() };
    let bought = |id| OrderKey { po_number: Some("po7".into()), ..order(id, "SO-1") };
    check(&referred, &[bought(1)], &[(1, Rule::P1, 90)], true);
    check(&referred, &[bought(1), bought(2)], &[(1, Rule::P1, 70), (2, Rule::P1, 70)], false);
}

#[test]
fn address_day_and_weight_make_a_candidate_only() {
    let alike = OrderKey { ship_to_postal: Some("h3b1a7".into()), weight_lb: "10.9".parse().ok(), ..order(1, "SO-1") };
    check(&shipment(), std::slice::from_ref(&alike), &[(1, Rule::C1, 60)], false);
    let heavier = OrderKey { weight_lb: "11.1".parse().ok(), ..alike.clone() };
    check(&shipment(), &[heavier], &[], false);
    let later = ShipmentKey { ship_date: Some(day("2026-02-14")), ..shipment() };
    check(&later, &[alike], &[], false);
}
