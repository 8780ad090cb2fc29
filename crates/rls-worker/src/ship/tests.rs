//! The golden findings, and each kind of finding and layout on its own.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::agreement::Agreement;
use super::carrier_agreement_import;
use super::charge::Charge;
use super::charge_codes::ChargeCodes;
use super::findings::{Basis, Billed, Finding, OrderFacts, audit};
use super::layout::Layout;
use super::override_import;
use super::tenant_carrier_overrides::{Override, Settings, Unread};
use crate::table::{Limits, Table};

pub(super) const AGREEMENT: &str = include_str!("../../samples/carrier_agreement.csv");
pub(super) const SHIP: &str = include_str!("../../samples/ship_upload.csv");

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn table(text: &str) -> Table {
    Table::open(text.as_bytes(), &Limits::default()).unwrap()
}

/// A setting of the carrier of the samples, of the account or of all.
pub(super) fn set(account: Option<&str>, key: &str, value: &str, from: &str, to: Option<&str>) -> Override {
    Override {
        carrier: "FEDEX".into(),
        account: account.map(str::to_owned),
        key: key.into(),
        value: value.into(),
        valid_from: day(from),
        valid_to: to.map(day),
    }
}

pub(super) fn agreements(text: &str) -> Result<Vec<Agreement>, Vec<&'static str>> {
    let table = table(text);
    let Layout::Agreement(header) = Layout::of(&table).unwrap() else { panic!("no agreement") };
    carrier_agreement_import::read(&table, &header)
        .map_err(|(_, errors)| errors.iter().map(|error| error.code).collect())
}

pub(super) fn charges(text: &str) -> (Vec<Charge>, Vec<&'static str>) {
    let (charges, errors) = mapped(text, &[]);
    (charges, errors.into_iter().map(|(_, code)| code).collect())
}

/// The charges under the codes of a tenant, and the columns and codes of what is wrong.
fn mapped(text: &str, overrides: &[Override]) -> (Vec<Charge>, Vec<(String, &'static str)>) {
    let table = table(text);
    let layout = Layout::of(&table).unwrap();
    let map = ChargeCodes::of(overrides);
    let (mut charges, mut errors) = (Vec::new(), Vec::new());
    for parsed in layout.rows(&table, &map) {
        let parsed = parsed.unwrap();
        charges.extend(parsed.items);
        errors.extend(parsed.errors.into_iter().map(|error| (error.column, error.code)));
    }
    (charges, errors)
}

pub(super) fn audited(charges: Vec<Charge>, overrides: &[Override], order: Option<&OrderFacts>) -> Vec<Finding> {
    let agreements = agreements(AGREEMENT).unwrap();
    audited_by(&agreements, charges, overrides, order, "2026-02-17")
}

pub(super) fn audited_by(
    agreements: &[Agreement],
    charges: Vec<Charge>,
    overrides: &[Override],
    order: Option<&OrderFacts>,
    today: &str,
) -> Vec<Finding> {
    let billed = charges.into_iter().map(|charge| Billed { fingerprint: charge.fingerprint(), charge, occurrence: 1 });
    let basis = Basis { agreements, overrides, order, today: day(today) };
    audit(&billed.collect::<Vec<_>>(), &basis)
}

/// The freight charge of the first sample row, changed.
fn freight(change: impl FnOnce(&mut Charge)) -> Vec<(String, Decimal)> {
    let mut charge = charges(SHIP).0.remove(0);
    change(&mut charge);
    let findings = audited(vec![charge], &[], None);
    findings.into_iter().map(|finding| (finding.kind, finding.variance)).collect()
}

#[test]
fn the_sample_has_four_findings_of_17_29_in_all() {
    let (charges, codes) = charges(SHIP);
    assert_eq!((charges.len(), codes.len()), (5, 0));
    let mut found = Vec::new();
    for (tracking, address_type) in [("794600000014", "C"), ("794600000015", "C")] {
        let order = OrderFacts { address_type: Some(address_type.into()), ..OrderFacts::default() };
        let of_shipment = charges.iter().filter(|charge| charge.tracking.as_deref() == Some(tracking)).cloned();
        found.extend(audited(of_shipment.collect(), &[], Some(&order)));
    }
    let total: Decimal = found.iter().map(|finding| finding.variance).sum();
    let mut found: Vec<(&str, String)> =
        found.iter().map(|finding| (finding.kind.as_str(), finding.variance.to_string())).collect();
    found.sort();
    assert_eq!(
        found,
        [
            ("DIM_WEIGHT_ERROR", "3.53".to_owned()),
            ("DUPLICATE_CHARGE", "10.45".to_owned()),
            ("FUEL_MISMATCH", "0.26".to_owned()),
            ("RES_MISAPPLIED", "3.05".to_owned()),
        ]
    );
    assert_eq!(total, dec("17.29"));
}

#[test]
fn each_freight_finding_on_its_own() {
    assert_eq!(freight(|_| {}), []);
    let missing = freight(|charge| (charge.discount, charge.net) = (Decimal::ZERO, dec("16.85")));
    assert_eq!(missing, [("MISSING_DISCOUNT".to_owned(), dec("6.40"))]);
    let floor = freight(|charge| (charge.discount, charge.net) = (dec("4.35"), dec("12.50")));
    assert_eq!(floor, [("MINIMUM_MISAPPLIED".to_owned(), dec("2.05"))]);
    let rate = freight(|charge| (charge.gross, charge.discount, charge.net) = (dec("20"), dec("7.60"), dec("12.40")));
    assert_eq!(rate, [("RATE_MISMATCH".to_owned(), dec("1.95"))]);
    let heavy = freight(|charge| (charge.billed_weight_lb, charge.net) = (Some(dec("15")), dec("13.89")));
    assert_eq!(heavy, [("DIM_WEIGHT_ERROR".to_owned(), dec("3.44"))]);
    let within = freight(|charge| charge.net = dec("10.55"));
    assert_eq!(within, [], "one percent is let be");
    let nobody = freight(|charge| charge.account = "1".into());
    assert_eq!(nobody, [("UNAUTHORIZED_ACCOUNT".to_owned(), dec("0.00"))]);
    let before = freight(|charge| charge.ship_date = Some(day("2025-12-31")));
    assert_eq!(before, [], "no version was in force");
}

#[test]
fn fuel_on_too_much_is_a_child_of_its_finding() {
    let mut sample = charges(SHIP).0;
    let mut freight = sample.remove(0);
    let mut fuel = sample.remove(0);
    (freight.gross, freight.discount, freight.net) = (dec("20"), dec("7.60"), dec("12.40"));
    fuel.net = dec("2.17");
    let found = audited(vec![freight, fuel], &[], None);
    let parent = found.iter().find(|finding| finding.kind == "RATE_MISMATCH").unwrap();
    let child = found.iter().find(|finding| finding.kind == "FUEL_ON_VARIANCE").unwrap();
    assert_eq!((child.variance, child.parent_key.as_ref()), (dec("0.34"), Some(&parent.dedupe_key)));
    assert_eq!(found.len(), 2, "the fuel itself is right for what was billed");
}

#[test]
fn surcharges_that_are_not_due() {
    let order = OrderFacts { ship_to_postal: Some("h3b1a7".into()), ..OrderFacts::default() };
    let kinds = |code: &str, delivered: Option<&str>, order: Option<&OrderFacts>| {
        let mut charge = charges(SHIP).0.remove(0);
        (charge.code, charge.gross, charge.discount, charge.net) = (code.into(), dec("19.50"), dec("0"), dec("19.50"));
        charge.delivered_on = delivered.map(day);
        let found = audited(vec![charge], &[], order);
        found.into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds("ADC", None, Some(&order)), ["ADDRESS_CORRECTION_INVALID"]);
    assert_eq!(kinds("ADC", None, None), [""; 0]);
    assert_eq!(kinds("AHS", None, None), ["SURCHARGE_INVALID"]);
    assert_eq!(kinds("SAT", Some("2026-02-13"), None), ["SURCHARGE_INVALID"]);
    assert_eq!(kinds("SAT", Some("2026-02-14"), None), [""; 0], "it was a Saturday");
    assert_eq!(kinds("SAT", None, None), [""; 0], "nobody knows");
    assert_eq!(kinds("RES", None, None), ["RATE_MISMATCH"]);
}

#[test]
fn settings_of_the_account_go_before_those_of_the_carrier() {
    let overrides = [
        set(Some("1"), "tolerance_abs", "5", "2026-01-01", None),
        set(None, "tolerance_abs", "2", "2026-02-01", None),
        set(None, "disabled_findings", "fuel_mismatch|RES_MISAPPLIED", "2026-01-01", Some("2026-01-31")),
        set(None, "dispute_window_days", "-3", "2026-01-01", None),
    ];
    let on = |account, text| Settings::resolve(&overrides, "FEDEX", account, day(text));
    assert_eq!(on("1", "2026-02-17").tolerance_abs, dec("5"));
    assert_eq!(on("2", "2026-02-17").tolerance_abs, dec("2"));
    assert_eq!(on("2", "2026-01-17").disabled_findings, ["FUEL_MISMATCH", "RES_MISAPPLIED"]);
    assert_eq!(on("2", "2026-02-17").disabled_findings, [""; 0]);
    assert_eq!(on("1", "2026-02-17").dispute_window_days, None);
    let tolerant = [set(Some("601234567"), "tolerance_abs", "5", "2026-02-13", Some("2026-02-13"))];
    let fuel = || charges(SHIP).0.drain(..2).collect::<Vec<_>>();
    assert!(audited(fuel(), &tolerant, None).is_empty());
    let later = [set(None, "tolerance_abs", "5", "2026-02-14", None)];
    assert_eq!(audited(fuel(), &later, None).len(), 1, "the day of the invoice counts, not that of the audit");
}

#[test]
fn an_agreement_is_taken_whole_or_not_at_all() {
    assert_eq!(agreements(AGREEMENT).unwrap()[0].terms.len(), 9);
    let overlapping = format!("{AGREEMENT}\nFUEL,FEDEX,601234567,GROUND,,,,,18,,,2026-02-15,2026-02-21,CAD\n");
    assert_eq!(agreements(&overlapping), Err(vec!["AGREEMENT_OVERLAP"]));
    let falling = AGREEMENT.replace(",30,28.10,", ",30,22.00,");
    assert_eq!(agreements(&falling), Err(vec!["AGREEMENT_RATE_DECREASES"]));
    let generous = AGREEMENT.replace(",FRT,,,38,", ",FRT,,,138,");
    assert_eq!(agreements(&generous), Err(vec!["AGREEMENT_DISCOUNT_RANGE"]));
    let headless = AGREEMENT.replace("HEADER,", "GUARANTEE,");
    assert_eq!(agreements(&headless), Err(vec!["AGREEMENT_HEADER_MISSING"]));
    for incomplete in ["RATE,FEDEX,601234567,AIR,3,,40,", "FUEL,FEDEX,601234567,AIR,,,,", "ZONE,FEDEX,601234567,,3,,,"]
    {
        let text = format!("{AGREEMENT}\n{incomplete},,,,2026-02-15,2026-02-21,CAD\n");
        assert_eq!(agreements(&text), Err(vec!["AGREEMENT_TERM_INCOMPLETE"]), "{incomplete}");
    }
}

#[test]
fn bad_rows_of_the_canonical_layout() {
    let rows = SHIP
        .replacen("794600000014", "7.946E+11", 1)
        .replacen("2.09,0.00,2.09", "2.09,0.00,2.50", 1)
        .replacen(",RES,", ",XYZ,", 1)
        .replacen("28.10,10.68,17.42", "28.10,10.68,x", 1);
    let (charges, codes) = charges(&rows);
    assert_eq!(codes, ["TRACKING_CORRUPTED", "GROSS_NET_MISMATCH", "AMOUNT_INVALID", "CHARGE_UNMAPPED"]);
    assert_eq!(charges.len(), 3);
    assert_eq!(charges[1].code, "OTHER", "an unknown charge is never dropped");
    let astray = SHIP.replacen(",794600000014,", ",,", 2);
    assert_eq!(
        mapped(&astray, &[]).1,
        [("tracking_number".to_owned(), "TRACKING_MISSING")],
        "fuel may be of the invoice"
    );
    let unknown = Layout::of(&table("a,b\n1,2\n")).unwrap_err();
    assert_eq!(unknown.code, "MAPPING_REQUIRED");
    assert!(unknown.message.ends_with("a, b"));
}

#[test]
fn fedex_pairs_are_read_by_position() {
    let file = "Bill to Account Number,Invoice Date,Invoice Number,Invoice Currency,Net Charge Amount,Express or Ground Tracking ID,Transportation Charge Amount,Service Type,Shipment Date,Actual Weight Amount,Actual Weight Units,Rated Weight Amount,Rated Weight Units,Dim Length,Dim Width,Dim Height,Dim Unit,Zone Code,Tracking ID Charge Description,Tracking ID Charge Amount,Tracking ID Charge Description,Tracking ID Charge Amount,Tracking ID Charge Description,Tracking ID Charge Amount\n\
        601234567,20260213,FX-1,CAD,12.54,794600000014,16.85,Ground,20260211,8.2,L,9,L,12,10,8,IN,3,Earned Discount,-6.40,Fuel Surcharge,2.09,,\n\
        601234567,20260213,FX-1,CAD,18.94,7.946E+11,16.85,Ground,20260211,8.2,L,9,L,12,10,8,IN,3,Fuel Surcharge,2.09,,,,\n\
        601234567,20260213,FX-1,CAD,99.00,794600000015,10,Ground,20260211,1,K,1,K,,,,,3,Odd Fee,1.00,Fuel Surcharge,1.00,Residential Delivery,3.05\n";
    let (charges, codes) = charges(file);
    assert_eq!(codes, ["TRACKING_CORRUPTED", "CHARGE_UNMAPPED", "GROSS_NET_MISMATCH"]);
    let shown: Vec<_> = charges
        .iter()
        .map(|c| (c.code.as_str(), c.gross.to_string(), c.discount.to_string(), c.net.to_string()))
        .collect();
    assert_eq!(shown[0], ("FRT", "16.85".into(), "6.40".into(), "10.45".into()));
    assert_eq!(shown[1], ("FUEL", "2.09".into(), "0".into(), "2.09".into()));
    let codes: Vec<&str> = charges[2..].iter().map(|charge| charge.code.as_str()).collect();
    assert_eq!(codes, ["FRT", "OTHER", "FUEL", "RES"]);
    assert_eq!(charges[2].actual_weight_lb, Some(dec("2.204623")));
}

#[test]
fn ups_rows_have_no_header_and_several_make_one_shipment() {
    let row = |cells: &[(usize, &str)], separator: &str| {
        let mut row = vec![""; 130];
        row[0] = "2.1";
        for (column, cell) in cells {
            row[column - 1] = cell;
        }
        row.join(separator) + "\n"
    };
    let common =
        [(3, "0000A1B2C3"), (5, "2026-02-14"), (6, "000000A1B2C3076"), (10, "CAD"), (11, "20.00"), (117, "2026-02-10")];
    let shipment = [
        (21, "1Z999AA10123456784"),
        (27, "8.2"),
        (28, "L"),
        (29, "9"),
        (30, "L"),
        (33, "12.0x 10.0x 8.0"),
        (34, "203"),
        (16, "SO-1"),
        (24, "PO-7"),
    ];
    let of = |own: &[(usize, &'static str)]| row(&[&common[..], &shipment, own].concat(), ",");
    let file = [
        of(&[(44, "FRT"), (45, "003"), (46, "Ground Commercial"), (52, "5.00"), (53, "12.00")]),
        of(&[(44, "FSC"), (45, "FSC"), (46, "Fuel Surcharge"), (52, "0"), (53, "3.00")]),
        row(&[&common[..], &[(35, "MIS"), (45, "XX"), (46, "Service Charge"), (53, "5.00")]].concat(), ","),
    ]
    .concat();
    let (charges, codes) = charges(&file);
    assert_eq!(codes, ["CHARGE_UNMAPPED"]);
    assert_eq!((charges[0].gross, charges[0].discount, charges[0].net), (dec("17"), dec("5"), dec("12")));
    assert_eq!((charges[0].account.as_str(), charges[0].length_in), ("A1B2C3", Some(dec("12.0"))));
    assert_eq!((charges[1].code.as_str(), charges[0].references.join("|")), ("FUEL", "SO-1|PO-7".to_owned()));
    assert_eq!(charges[2].tracking, None, "a charge of the whole invoice");
    let european = [(21, "1Z9"), (3, "A"), (5, "14/02/2026"), (6, "I"), (10, "EUR"), (44, "FRT"), (53, "12,50")];
    let (charges, codes) = self::charges(&row(&european, ";"));
    assert_eq!((codes.len(), charges[0].net, charges[0].invoice_date), (0, dec("12.50"), day("2026-02-14")));
}

#[test]
fn a_late_finding_is_for_information() {
    let mut charge = charges(SHIP).0.remove(0);
    (charge.discount, charge.net) = (Decimal::ZERO, dec("16.85"));
    charge.invoice_date = day("2025-12-01");
    let found = audited(vec![charge], &[], None);
    assert_eq!((found[0].severity.as_str(), found[0].dispute_by), ("INFO", day("2026-01-30")));
    assert!(found[0].evidence.ends_with("WINDOW_CLOSED"));
}

#[test]
fn a_tenant_maps_the_codes_of_a_carrier() {
    let rows = SHIP.replacen(",RES,Residential delivery", ",XYZ,Odd Fee", 1);
    let all = |map: &str, from: &str, to: Option<&str>| {
        let (charges, errors) = mapped(&rows, &[set(None, "charge_code_map", map, from, to)]);
        (charges[3].code.clone(), errors.into_iter().map(|(_, code)| code).collect::<Vec<_>>())
    };
    let unmapped = ("OTHER".to_owned(), vec!["CHARGE_UNMAPPED"]);
    assert_eq!(all("xyz=DAS", "2026-01-01", None), ("DAS".to_owned(), vec![]));
    assert_eq!(all("A=RES | odd  fee = lps", "2026-01-01", None), ("LPS".to_owned(), vec![]));
    assert_eq!(all("xyz=DAS", "2026-02-13", Some("2026-02-13")), ("DAS".to_owned(), vec![]), "the day of the invoice");
    assert_eq!(all("xyz=DAS", "2026-02-14", None), unmapped);
    assert_eq!(all("xyz=DAS", "2026-01-01", Some("2026-02-12")), unmapped);
    assert_eq!(all("xyz=NONSENSE", "2026-01-01", None), unmapped, "a map that cannot be read maps nothing");
    let both = [
        set(Some("601234567"), "charge_code_map", "XYZ=SIG", "2026-01-01", None),
        set(None, "charge_code_map", "XYZ=DAS|FRT=OTHER", "2026-01-01", None),
    ];
    let (charges, _) = mapped(&rows, &both);
    assert_eq!((charges[3].code.as_str(), charges[0].code.as_str()), ("SIG", "OTHER"));
    let plain = mapped(&rows, &[]).0;
    assert_eq!(charges[3].fingerprint(), plain[3].fingerprint(), "it is the same charge under whatever name");
    assert_eq!(charges[0].fingerprint(), plain[0].fingerprint());
}

#[test]
fn settings_are_taken_whole_or_not_at_all() {
    let read = |text: &str| {
        let table = table(text);
        let Layout::Overrides(header) = Layout::of(&table).unwrap() else { panic!("no settings") };
        override_import::read(&table, &header).map_err(|(_, errors)| {
            errors.into_iter().map(|error| (error.row_number, error.column, error.code)).collect::<Vec<_>>()
        })
    };
    let header = "carrier,account,key,value,valid_from,valid_to\n";
    let good = read(&format!(
        "{header}fedex,,tolerance_pct,2 %,2026-01-01,\nFEDEX,1,lps_skus,a-1|B 2,2026-01-01,2026-12-31\n"
    ));
    assert_eq!(good.unwrap().len(), 2);
    for (row, column, code) in [
        ("FEDEX,,tolerance,1,2026-01-01,", "key", "OVERRIDE_KEY_UNKNOWN"),
        ("FEDEX,,tolerance_abs,-1,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,dim_divisor,0,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,charge_code_map,XYZ,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,fuel_applies_to,FRT|ABC,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,disabled_findings,FUEL,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,guarantee_suspended,maybe,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,residential_source,me,2026-01-01,", "value", "OVERRIDE_VALUE_INVALID"),
        ("FEDEX,,tolerance_abs,1,2026-01-02,2026-01-01", "valid_to", "DATE_INVALID"),
        (",,tolerance_abs,1,2026-01-02,", "carrier", "CARRIER_MISSING"),
        (
            "FEDEX,1,tolerance_abs,1,2026-01-01,\nFEDEX,1,tolerance_abs,2,2026-01-01,",
            "valid_from",
            "OVERRIDE_DUPLICATE",
        ),
    ] {
        let found = read(&format!("{header}{row}\n")).unwrap_err();
        assert_eq!(
            found.iter().map(|(_, column, code)| (column.as_str(), *code)).collect::<Vec<_>>(),
            [(column, code)]
        );
    }
}

#[test]
fn what_a_row_says_beyond_its_amounts() {
    let file = "carrier,account_number,invoice_number,invoice_date,service_code,charge_code,net_amount,currency,original_tracking,delivered_at,committed_at,ordered_service,scanned,residential,zone,agreed_zone\n\
        FEDEX,1,I,2026-02-13,express,FRT,10,CAD,7946-0001,2026-02-12T15:30,2/12/2026 10:30 AM,ground,n,Yes,3,2a\n\
        FEDEX,1,I,2026-02-13,express,FRT,10,CAD,,,,,perhaps,,,\n";
    let (charges, errors) = mapped(file, &[]);
    let noted: Vec<(&str, &str)> = errors.iter().map(|(column, code)| (column.as_str(), *code)).collect();
    assert_eq!(noted, [("scanned", "FLAG_INVALID"), ("tracking_number", "TRACKING_MISSING")]);
    let first = &charges[0];
    assert_eq!(first.tracking.as_deref(), Some("79460001"));
    let moments = (first.delivered_on, first.delivered_time, first.committed_on, first.committed_time);
    let at = |text: &str| text.parse().ok();
    assert_eq!(moments, (Some(day("2026-02-12")), at("15:30:00"), Some(day("2026-02-12")), at("10:30:00")));
    let asked = (first.ordered_service.as_deref(), first.agreed_zone.as_deref());
    assert_eq!((asked, first.scanned, first.residential), ((Some("GROUND"), Some("2A")), Some(false), Some(true)));
    let second = &charges[1];
    assert_eq!(
        (second.scanned, second.residential, second.delivered_on, second.committed_on),
        (None, None, None, None)
    );
}

#[test]
fn the_page_knows_every_column_and_every_finding() {
    let page = include_str!("freight.md");
    let columns = super::canonical::COLUMNS.iter().chain(override_import::COLUMNS).map(|column| column.name);
    for word in columns.chain(super::findings::KINDS.iter().copied()) {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
    let keys: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(key, _)| key).collect();
    let settings = keys.into_iter().skip_while(|key| *key != "tolerance_abs");
    let unknown: Vec<&str> =
        settings.filter(|key| Settings::default().apply(key, "").is_err_and(|unread| unread == Unread::Key)).collect();
    assert_eq!(unknown, [""; 0], "the page has settings that the code does not know");
}

#[test]
fn the_sample_of_settings_is_taken() {
    let table = table(include_str!("../../samples/carrier_overrides.csv"));
    let Layout::Overrides(header) = Layout::of(&table).unwrap() else { panic!("no settings") };
    assert_eq!(override_import::read(&table, &header).unwrap().len(), 6);
}
