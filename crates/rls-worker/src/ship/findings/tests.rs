//! Each finding on its own: at what is let be, below and above it, without its facts, and beside the others.

use rust_decimal::Decimal;

use super::{Finding, OrderFacts};
use crate::ship::agreement::Agreement;
use crate::ship::charge::Charge;
use crate::ship::tenant_carrier_overrides::Override;
use crate::ship::tests::{AGREEMENT, SHIP, agreements, audited_by, charges, day, dec, set};

/// The sample agreement with an express service, a second zone, and the zones of addresses.
fn terms() -> Vec<Agreement> {
    let more = "RATE,FEDEX,601234567,EXPRESS,3,,10,40.00,,,,2026-01-01,2026-12-31,CAD\n\
        RATE,FEDEX,601234567,GROUND,5,,10,30.00,,,,2026-01-01,2026-12-31,CAD\n\
        RATE,FEDEX,601234567,GROUND,5,,20,36.00,,,,2026-01-01,2026-12-31,CAD\n\
        ACCESSORIAL,FEDEX,601234567,,,DAS,,5.00,0,,,2026-01-01,2026-12-31,CAD\n\
        ACCESSORIAL,FEDEX,601234567,,,LPS,,90.00,0,,,2026-01-01,2026-12-31,CAD\n\
        FUEL,FEDEX,601234567,EXPRESS,,,,,20,,,2026-02-09,2026-02-15,CAD\n";
    agreements(&format!("{}\n{more}", AGREEMENT.trim_end())).unwrap()
}

/// The freight and the fuel of the first sample shipment, both right.
fn sample() -> (Charge, Charge) {
    let mut charges = charges(SHIP).0;
    let (freight, mut fuel) = (charges.remove(0), charges.remove(0));
    fuel.net = dec("1.83");
    (freight, fuel)
}

/// The same, shipped by a service that is paid back when it is late.
fn express() -> (Charge, Charge) {
    let (freight, fuel) = sample();
    let freight = Charge { service: "EXPRESS".into(), gross: dec("40"), discount: dec("0"), net: dec("40"), ..freight };
    (freight, Charge { service: "EXPRESS".into(), net: dec("8"), ..fuel })
}

struct Found(Vec<Finding>);

impl Found {
    fn kinds(&self) -> Vec<(&str, &str, Decimal)> {
        let mut kinds: Vec<_> = self.0.iter().map(|of| (of.kind.as_str(), of.code.as_str(), of.variance)).collect();
        kinds.sort();
        kinds
    }
}

fn on(today: &str, charges: &[&Charge], overrides: &[Override], order: Option<&OrderFacts>) -> Found {
    let charges = charges.iter().map(|charge| (*charge).clone()).collect();
    Found(audited_by(&terms(), charges, overrides, order, today))
}

fn found(charges: &[&Charge], overrides: &[Override]) -> Found {
    on("2026-02-17", charges, overrides, None)
}

fn all(key: &str, value: &str) -> [Override; 1] {
    [set(None, key, value, "2026-01-01", None)]
}

const NOTHING: [(&str, &str, Decimal); 0] = [];

#[test]
fn a_guaranteed_service_that_is_late_costs_nothing_and_neither_does_its_fuel() {
    let (freight, fuel) = express();
    let with = |delivered: &str, committed: &str, overrides: &[Override]| {
        let moment = |text: &str| {
            let (day, time) = text.split_once(' ').map_or((text, None), |(day, time)| (day, time.parse().ok()));
            (day.parse().ok(), time)
        };
        let ((delivered_on, delivered_time), (committed_on, committed_time)) = (moment(delivered), moment(committed));
        let freight = Charge { delivered_on, delivered_time, committed_on, committed_time, ..freight.clone() };
        found(&[&freight, &fuel], overrides).0.iter().map(|of| (of.code.clone(), of.variance)).collect::<Vec<_>>()
    };
    let late = || {
        let mut late = vec![("FRT".to_owned(), dec("40")), ("FUEL".to_owned(), dec("8"))];
        late.sort();
        late
    };
    let sorted = |mut found: Vec<(String, Decimal)>| {
        found.sort();
        found
    };
    assert_eq!(sorted(with("2026-02-13", "2026-02-12", &[])), late());
    assert_eq!(sorted(with("2026-02-12 10:31:00", "2026-02-12 10:30:00", &[])), late());
    for (delivered, committed, why) in [
        ("2026-02-12", "2026-02-12", "on the day"),
        ("2026-02-11", "2026-02-12", "a day before"),
        ("2026-02-12 10:30:00", "2026-02-12 10:30:00", "at the minute"),
        ("2026-02-12 23:00:00", "2026-02-12", "no time was committed to"),
        ("2026-02-12", "2026-02-12 10:30:00", "the time of delivery is not known"),
        ("", "2026-02-12", "nobody knows when it arrived"),
        ("2026-02-13", "", "nothing was committed to"),
    ] {
        assert_eq!(with(delivered, committed, &[]), [], "{why}");
    }
    assert_eq!(with("2026-02-13", "2026-02-12", &all("guarantee_suspended", "true")), []);
    assert_eq!(sorted(with("2026-02-13", "2026-02-12", &all("guarantee_suspended", "false"))), late());
    assert_eq!(with("2026-02-13", "2026-02-12", &all("disabled_findings", "LATE_DELIVERY")), []);
    assert_eq!(with("2026-02-13", "2026-02-12", &all("tolerance_abs", "40")), []);
}

#[test]
fn a_late_delivery_of_a_service_without_guarantee_is_due_all_the_same() {
    let (freight, fuel) = sample();
    let late = Charge { delivered_on: Some(day("2026-02-13")), committed_on: Some(day("2026-02-12")), ..freight };
    assert_eq!(found(&[&late, &fuel], &[]).kinds(), NOTHING);
}

#[test]
fn a_late_delivery_has_a_window_of_its_own_and_gives_way_when_it_is_closed() {
    let (freight, fuel) = express();
    let late = Charge { delivered_on: Some(day("2026-02-13")), committed_on: Some(day("2026-02-12")), ..freight };
    let in_time = on("2026-03-15", &[&late, &fuel], &[], None);
    let parent = in_time.0.iter().find(|of| of.code == "FRT").unwrap();
    let child = in_time.0.iter().find(|of| of.code == "FUEL").unwrap();
    assert_eq!((parent.dispute_by, parent.severity.as_str()), (day("2026-03-15"), "ERROR"));
    assert_eq!((child.kind.as_str(), child.parent_key.as_ref()), ("LATE_DELIVERY", Some(&parent.dedupe_key)));
    let closed = on("2026-03-16", &[&late], &[], None);
    assert_eq!((closed.0[0].kind.as_str(), closed.0[0].severity.as_str()), ("LATE_DELIVERY", "INFO"));
    let dear = Charge { gross: dec("44"), net: dec("44"), ..late };
    assert_eq!(on("2026-03-15", &[&dear], &[], None).kinds(), [("LATE_DELIVERY", "FRT", dec("44"))]);
    assert_eq!(on("2026-03-16", &[&dear], &[], None).kinds(), [("RATE_MISMATCH", "FRT", dec("4"))]);
    let longer = on("2026-03-16", &[&dear], &all("dispute_window_days", "31"), None);
    assert_eq!(longer.kinds(), [("LATE_DELIVERY", "FRT", dec("44"))]);
}

#[test]
fn a_service_that_was_not_ordered_costs_what_the_ordered_one_does() {
    let (freight, fuel) = express();
    let asked = |service: &str| Charge { ordered_service: Some(service.into()), ..freight.clone() };
    assert_eq!(found(&[&asked("GROUND")], &[]).kinds(), [("SERVICE_MISMATCH", "FRT", dec("29.55"))]);
    assert_eq!(found(&[&asked("EXPRESS")], &[]).kinds(), NOTHING);
    assert_eq!(found(&[&asked("FREIGHT")], &[]).kinds(), NOTHING, "nobody knows what that costs");
    assert_eq!(found(&[&freight], &[]).kinds(), NOTHING, "nobody knows what was ordered");
    let order = OrderFacts { service: Some("GROUND".into()), ..OrderFacts::default() };
    let by_order = on("2026-02-17", &[&freight], &[], Some(&order));
    assert_eq!(by_order.kinds(), [("SERVICE_MISMATCH", "FRT", dec("29.55"))]);
    assert_eq!(on("2026-02-17", &[&asked("EXPRESS")], &[], Some(&order)).kinds(), NOTHING, "the file knows better");
    let both = found(&[&asked("GROUND"), &fuel], &[]);
    assert_eq!(both.kinds(), [("FUEL_ON_VARIANCE", "FUEL", dec("5.91")), ("SERVICE_MISMATCH", "FRT", dec("29.55"))]);
    let cheaper = Charge { ordered_service: Some("EXPRESS".into()), ..sample().0 };
    assert_eq!(found(&[&cheaper], &[]).kinds(), NOTHING);
    assert_eq!(found(&[&asked("GROUND")], &all("tolerance_abs", "29.55")).kinds(), NOTHING);
    assert_eq!(found(&[&asked("GROUND")], &all("tolerance_abs", "29.54")).kinds().len(), 1);
    assert_eq!(found(&[&asked("GROUND")], &all("disabled_findings", "SERVICE_MISMATCH")).kinds(), NOTHING);
}

#[test]
fn a_zone_that_was_not_agreed_costs_what_the_agreed_one_does() {
    let far =
        Charge { zone: Some("5".into()), gross: dec("30"), discount: dec("11.40"), net: dec("18.60"), ..sample().0 };
    let agreed = |zone: &str| Charge { agreed_zone: Some(zone.into()), ..far.clone() };
    assert_eq!(found(&[&agreed("3")], &[]).kinds(), [("ZONE_MISMATCH", "FRT", dec("8.15"))]);
    assert_eq!(found(&[&agreed("03")], &[]).kinds(), [("ZONE_MISMATCH", "FRT", dec("8.15"))]);
    assert_eq!(found(&[&agreed("05")], &[]).kinds(), NOTHING);
    assert_eq!(found(&[&agreed("9")], &[]).kinds(), NOTHING, "nobody knows what that costs");
    assert_eq!(found(&[&far], &[]).kinds(), NOTHING, "nobody knows which was agreed");
    let unknown = Charge { zone: None, ..agreed("3") };
    assert_eq!(found(&[&unknown], &[]).kinds(), NOTHING, "nobody knows which was billed");
    let dear = Charge { zone: Some("3".into()), agreed_zone: Some("5".into()), ..sample().0 };
    assert_eq!(found(&[&dear], &[]).kinds(), NOTHING, "it could have cost more");
    assert_eq!(found(&[&agreed("3")], &all("disabled_findings", "ZONE_MISMATCH")).kinds(), NOTHING);
}

#[test]
fn an_agreement_may_list_the_zones_of_addresses() {
    let zones = "ZONE,FEDEX,601234567,,5,H3,,,,,,2026-01-01,2026-12-31,CAD\n\
        ZONE,FEDEX,601234567,GROUND,3,H3B,,,,,,2026-01-01,2026-12-31,CAD\n";
    let listed = agreements(&format!("{}\n{zones}", AGREEMENT.trim_end())).unwrap();
    assert_eq!(listed[0].zone("GROUND", "h3b 1a7", day("2026-02-11")), Some("3"), "the longest start");
    assert_eq!(listed[0].zone("EXPRESS", "H3B1A7", day("2026-02-11")), Some("5"));
    assert_eq!(listed[0].zone("GROUND", "V6B 4Y8", day("2026-02-11")), None);
    let far =
        Charge { zone: Some("5".into()), gross: dec("30"), discount: dec("11.40"), net: dec("18.60"), ..sample().0 };
    let found = Found(audited_by(&listed, vec![far], &[], None, "2026-02-17"));
    assert_eq!(found.kinds(), [("ZONE_MISMATCH", "FRT", dec("8.15"))]);
    let two = format!("{}\n{zones}{}", AGREEMENT.trim_end(), zones.replace(",5,", ",6,"));
    assert_eq!(agreements(&two), Err(vec!["AGREEMENT_OVERLAP", "AGREEMENT_OVERLAP"]));
}

#[test]
fn a_label_that_never_moved_costs_nothing() {
    let (freight, fuel) = sample();
    let unscanned = Charge { scanned: Some(false), ..freight.clone() };
    let on_day = |today: &str, freight: &Charge, overrides: &[Override]| {
        on(today, &[freight, &fuel], overrides, None).0.iter().map(|of| of.kind.clone()).collect::<Vec<_>>()
    };
    assert_eq!(on_day("2026-02-22", &unscanned, &[]), ["VOID_BILLED", "VOID_BILLED"]);
    assert_eq!(on_day("2026-02-21", &unscanned, &[]), [""; 0], "ten days are not more than ten");
    assert_eq!(on_day("2026-02-22", &freight, &[]), [""; 0], "nobody knows");
    assert_eq!(on_day("2026-02-22", &Charge { scanned: Some(true), ..freight.clone() }, &[]), [""; 0]);
    let delivered = Charge { delivered_on: Some(day("2026-02-13")), ..unscanned.clone() };
    assert_eq!(on_day("2026-02-22", &delivered, &[]), [""; 0], "it did arrive");
    let undated = Charge { ship_date: None, ..unscanned.clone() };
    assert_eq!(on_day("2026-02-22", &undated, &[]), [("VOID_BILLED")], "the fuel is dated, the freight is not");
    assert_eq!(on_day("2026-02-22", &unscanned, &all("disabled_findings", "VOID_BILLED")), [""; 0]);
    let seen = Charge { scanned: Some(true), ..fuel.clone() };
    assert_eq!(on("2026-02-22", &[&unscanned, &seen], &[], None).kinds(), NOTHING, "another row saw it");
    let credit = Charge { code: "CREDIT".into(), ..freight };
    assert_eq!(on("2026-02-22", &[&Charge { scanned: Some(false), ..credit }], &[], None).kinds(), NOTHING);
}

#[test]
fn area_and_oversize_surcharges_go_by_the_lists_of_the_tenant() {
    let charge = |code: &str, net: &str| Charge {
        code: code.into(),
        gross: dec(net),
        discount: dec("0"),
        net: dec(net),
        ..sample().0
    };
    let das = charge("DAS", "5.00");
    let areas = |list: &str| found(&[&das], &all("das_postal_codes", list)).kinds().len();
    assert_eq!(found(&[&das], &[]).kinds(), NOTHING, "there is no list");
    assert_eq!((areas("X0A|H3B"), areas("h3b 1a7"), areas("X0A"), areas("H3B 1A8")), (0, 0, 1, 1));
    let nowhere = Charge { dest_postal: None, ..das.clone() };
    assert_eq!(found(&[&nowhere], &all("das_postal_codes", "X0A")).kinds(), NOTHING, "nobody knows where it went");
    let invalid = found(&[&das], &all("das_postal_codes", "X0A"));
    assert_eq!(invalid.kinds(), [("SURCHARGE_INVALID", "DAS", dec("5.00"))]);

    let lps = charge("LPS", "90.00");
    let of = |skus: &[&str]| OrderFacts {
        skus: skus.iter().map(|sku| (*sku).to_owned()).collect(),
        ..OrderFacts::default()
    };
    let with =
        |order: Option<&OrderFacts>| on("2026-02-17", &[&lps], &all("lps_skus", "sof-fab-22|TBL"), order).0.len();
    assert_eq!(with(Some(&of(&["MATQ10F"]))), 1);
    assert_eq!(with(Some(&of(&["MATQ10F", "SOFFAB22"]))), 0);
    assert_eq!((with(Some(&of(&[]))), with(None)), (0, 0), "nobody knows what was in it");
    assert_eq!(on("2026-02-17", &[&lps], &[], Some(&of(&["MATQ10F"]))).kinds(), NOTHING, "there is no list");
    let dear = charge("LPS", "95.00");
    let both = on("2026-02-17", &[&dear], &all("lps_skus", "TBL"), Some(&of(&["MATQ10F"])));
    assert_eq!(both.kinds(), [("SURCHARGE_INVALID", "LPS", dec("95.00"))], "not the price as well");
}

#[test]
fn additional_handling_begins_above_its_sides() {
    let sized = |length: &str, width: &str, height: &str| {
        let (length_in, width_in, height_in) = (Some(dec(length)), Some(dec(width)), Some(dec(height)));
        let charge = Charge { code: "AHS".into(), length_in, width_in, height_in, ..sample().0 };
        found(&[&charge], &[]).kinds().len()
    };
    assert_eq!((sized("48", "10", "8"), sized("48.01", "10", "8"), sized("8", "10", "48.01")), (1, 0, 0));
    assert_eq!((sized("40", "30", "2"), sized("40", "30.01", "2")), (1, 0));
    assert_eq!((sized("45", "20", "10"), sized("45", "20", "10.01")), (1, 0), "45 and a girth of 60 make 105");
    let unknown = Charge { code: "AHS".into(), height_in: None, ..sample().0 };
    assert_eq!(found(&[&unknown], &[]).kinds(), NOTHING);
}

#[test]
fn a_home_is_what_the_one_says_whom_the_tenant_believes() {
    let res = Charge { code: "RES".into(), gross: dec("3.05"), discount: dec("0"), net: dec("3.05"), ..sample().0 };
    let business = OrderFacts { address_type: Some("C".into()), ..OrderFacts::default() };
    let carrier = all("residential_source", "carrier");
    let kinds = |flag: Option<bool>, overrides: &[Override]| {
        let charge = Charge { residential: flag, ..res.clone() };
        on("2026-02-17", &[&charge], overrides, Some(&business)).0.len()
    };
    assert_eq!((kinds(Some(true), &[]), kinds(None, &[])), (1, 1));
    assert_eq!((kinds(Some(true), &carrier), kinds(None, &carrier), kinds(Some(false), &carrier)), (0, 0, 1));
}

#[test]
fn one_charge_has_one_finding_the_first_that_fits() {
    // Everything is wrong with it: void, late, service, zone, weight, discount and rate.
    let (freight, _) = express();
    let wrong = Charge {
        zone: Some("5".into()),
        agreed_zone: Some("3".into()),
        ordered_service: Some("GROUND".into()),
        service: "EXPRESS".into(),
        billed_weight_lb: Some(dec("15")),
        committed_on: Some(day("2026-02-12")),
        scanned: Some(false),
        gross: dec("50"),
        net: dec("50"),
        ..freight
    };
    let kind = |charge: &Charge| {
        let found = on("2026-02-22", &[charge], &[], None);
        assert!(found.0.len() <= 1, "{:?}", found.kinds());
        found.kinds().first().map(|(kind, ..)| (*kind).to_owned()).unwrap_or_default()
    };
    assert_eq!(kind(&wrong), "VOID_BILLED");
    let moved = Charge { scanned: None, delivered_on: Some(day("2026-02-13")), ..wrong };
    assert_eq!(kind(&moved), "LATE_DELIVERY");
    let in_time = Charge { committed_on: None, ..moved };
    assert_eq!(kind(&in_time), "SERVICE_MISMATCH");
    let ordered = Charge { ordered_service: None, service: "GROUND".into(), ..in_time };
    assert_eq!(kind(&ordered), "ZONE_MISMATCH");
    let in_zone = Charge { agreed_zone: None, ..ordered };
    assert_eq!(kind(&in_zone), "DIM_WEIGHT_ERROR");
    let light = Charge { billed_weight_lb: Some(dec("9")), ..in_zone };
    assert_eq!(kind(&light), "MISSING_DISCOUNT");
    let discounted = Charge { discount: dec("10"), gross: dec("60"), ..light };
    assert_eq!(kind(&discounted), "RATE_MISMATCH");
    let again = Charge { invoice_number: "Z".into(), ..discounted.clone() };
    let twice = on("2026-02-22", &[&discounted, &again], &[], None);
    assert_eq!(twice.kinds(), [("DUPLICATE_CHARGE", "FRT", dec("50")), ("RATE_MISMATCH", "FRT", dec("31.40"))]);
    let off = all("disabled_findings", "DUPLICATE_CHARGE");
    assert_eq!(on("2026-02-22", &[&discounted, &again], &off, None).kinds().len(), 2, "each is judged for itself");
}

#[test]
fn what_is_let_be_is_the_larger_of_an_amount_and_a_share() {
    let at = |net: &str, overrides: &[Override]| found(&[&Charge { net: dec(net), ..sample().0 }], overrides).0.len();
    assert_eq!((at("10.45", &[]), at("10.55", &[]), at("10.56", &[])), (0, 0, 1), "one percent of 10.45");
    let none = [all("tolerance_pct", "0"), all("tolerance_abs", "0.05")].concat();
    assert_eq!((at("10.50", &none), at("10.51", &none)), (0, 1));
    let some = [all("tolerance_pct", "10 %"), all("tolerance_abs", "1.10")].concat();
    assert_eq!((at("11.55", &some), at("11.56", &some)), (0, 1));
}

#[test]
fn large_findings_are_disputed_without_asking_while_they_can_be() {
    let (freight, fuel) = sample();
    let dear = Charge { gross: dec("20"), discount: dec("7.60"), net: dec("12.40"), ..freight };
    let fuel = Charge { net: dec("2.17"), ..fuel };
    let disputed = |today: &str, overrides: &[Override]| {
        let found = on(today, &[&dear, &fuel], overrides, None);
        found.0.iter().filter(|of| of.is_auto_disputed).count()
    };
    assert_eq!(disputed("2026-02-17", &[]), 0);
    assert_eq!(disputed("2026-02-17", &all("auto_dispute_min", "1.95")), 2, "the fuel goes with its freight");
    assert_eq!(disputed("2026-02-17", &all("auto_dispute_min", "1.96")), 0);
    assert_eq!(disputed("2026-06-17", &all("auto_dispute_min", "1.95")), 0, "it is too late");
}

#[test]
fn weights_and_sides_are_rounded_up_in_their_own_unit() {
    // 30.2 x 25 x 20 cm make 31 * 25 * 20 / 5000 = 3.1, so 4 kg; 3.2 kg weigh 4 kg.
    let metric = |billed: &str, length: &str| {
        let file = "carrier,account_number,invoice_number,invoice_date,service_code,ship_date,zone,actual_weight,billed_weight,weight_unit,length,width,height,dim_unit,charge_code,gross_amount,discount_amount,net_amount,currency,tracking_number\n";
        let row = format!(
            "FEDEX,601234567,I,2026-02-13,GROUND,2026-02-11,3,3.2,{billed},KG,{length},25,20,CM,FRT,22.40,8.51,13.89,CAD,1\n"
        );
        let by_kg: Vec<Agreement> = agreements(&AGREEMENT.replace(",139,", ",,")).unwrap();
        let charges = charges(&format!("{file}{row}")).0;
        audited_by(&by_kg, charges, &[], None, "2026-02-17").into_iter().map(|of| of.evidence).collect::<Vec<_>>()
    };
    assert_eq!(metric("6", "30.2"), ["6 kg billed, 4 kg by weight and size"]);
    assert_eq!(metric("6", "40"), ["6 kg billed, 4 kg by weight and size"]);
    assert_eq!(metric("6", "40.01"), [""; 0], "41 cm make 5 kg, which cost as much as 6");
}

#[test]
fn the_fuel_on_too_much_is_never_more_than_was_billed_too_much() {
    let (freight, fuel) = sample();
    let dear = Charge { gross: dec("20"), discount: dec("7.60"), net: dec("12.40"), ..freight };
    let with = |fuel_net: &str| found(&[&dear, &Charge { net: dec(fuel_net), ..fuel.clone() }], &[]).kinds().len();
    let parts = |fuel_net: &str| {
        let found = found(&[&dear, &Charge { net: dec(fuel_net), ..fuel.clone() }], &[]);
        found.0.iter().filter(|of| of.code == "FUEL").map(|of| of.variance).sum::<Decimal>()
    };
    assert_eq!((parts("2.17"), parts("1.95"), with("1.83")), (dec("0.34"), dec("0.12"), 1));
    assert_eq!(parts("3.17"), dec("1.34"), "1.00 of its own, and 0.34 of the freight");
}

#[test]
fn charges_that_we_have_no_name_for_are_the_same_by_the_name_of_the_carrier() {
    let fee = |name: &str| Charge { code: "OTHER".into(), carrier_code: Some(name.into()), ..sample().0 };
    assert_eq!(found(&[&fee("A"), &fee("B")], &[]).kinds(), NOTHING);
    assert_eq!(found(&[&fee("A"), &fee("A")], &[]).kinds().len(), 1);
}
