//! The golden figures of the decision procedure, and each of its branches.

use chrono::NaiveDate;
use serde_json::json;

use super::decision::{Decision, Law, Verdict, decide};
use super::duty::{Fx, NormalValue, Rated};
use super::measure::{self, RateKind};
use super::product::Product;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn law() -> Law {
    let rated = |cad: &str| Rated { day: day("2026-02-17"), cad: cad.parse().unwrap() };
    let rates = [("USD", "1.37"), ("CNY", "0.19")].map(|(currency, cad)| (currency.to_owned(), rated(cad)));
    Law {
        measures: measure::from_csv(include_str!("../../seed/sima_measures.csv")).unwrap(),
        fx: Fx { rates: rates.into() },
        normal_values: Vec::new(),
    }
}

fn product(text: &str, hs: &str, origin: &str, cost: &str, attributes: serde_json::Value) -> Product {
    Product {
        sku: "X".into(),
        text: text.into(),
        hs_code: Some(hs.replace('.', "")),
        origin: Some(origin.into()),
        export_country: Some(origin.into()),
        unit_cost: cost.parse().ok(),
        currency: Some("USD".into()),
        unit: Some("NMB".into()),
        attributes,
        ..Product::default()
    }
}

fn recliner() -> Product {
    product("Leather recliner", "9401.61.10.10", "CN", "320", json!({"motion": true, "covering": "leather"}))
}

fn mattress() -> Product {
    product("10 inch queen foam mattress", "9404.21.00.00", "CN", "110", json!({"height_in": 10, "core": "foam"}))
}

fn potatoes() -> Product {
    let attributes = json!({"model_id": "50 LB CARTON"});
    let potatoes = product("Whole potatoes", "0701.90.00.20", "US", "12.90", attributes);
    Product { unit: Some("CWT".into()), region: Some("CA-BC".into()), ..potatoes }
}

fn on(product: &Product, as_of: &str) -> Decision {
    decide(product, day(as_of), &law())
}

fn check(product: &Product, expected: (&str, &str, &str, &str, &str, &str)) {
    let decision = on(product, "2026-02-17");
    let money = |value: Option<rust_decimal::Decimal>| value.map_or(String::new(), |value| format!("{value:.2}"));
    let found = (
        decision.verdict.word(),
        decision.measure.as_deref().unwrap_or_default(),
        decision.reasons[0].as_str(),
        &*money(decision.ad_cad),
        &*money(decision.cvd_cad),
        &*money(decision.total_cad),
    );
    assert_eq!(found, expected, "{:#?}", decision.evidence);
}

#[test]
fn the_worked_results() {
    check(&recliner(), ("SUBJECT", "UDS", "SCOPE_IN_MOTION", "824.19", "264.22", "1088.41"));
    let sofa = product("Fabric sofa", "9401.61.10.90", "CN", "210", json!({"motion": false, "covering": "fabric"}));
    check(&sofa, ("NOT_SUBJECT", "UDS", "UDS_STATIONARY_FABRIC", "0.00", "0.00", "0.00"));
    check(&mattress(), ("SUBJECT", "MAT", "SCOPE_IN_MATTRESS", "220.93", "33.94", "254.87"));
    let healthcare = Product { exporter_id: Some("776506214RM0001".into()), ..mattress() };
    check(&healthcare, ("NEEDS_REVIEW", "MAT", "NORMAL_VALUE_REQUIRED", "", "0.86", "0.86"));
    let sink = product("Single bowl sink", "7324.10.00.11", "CN", "48", json!({"forming": "drawn"}));
    check(&sink, ("NEEDS_REVIEW", "SSS", "ATTRIBUTE_MISSING:bowl_volume_in3", "", "", ""));
    check(&potatoes(), ("SUBJECT", "POT", "SCOPE_IN_POTATO", "2.45", "0.00", "2.45"));
    let table = product("Oak dining table", "9403.60.10.00", "VN", "190", json!({}));
    check(&table, ("NOT_SUBJECT", "", "NO_MEASURE", "0.00", "0.00", "0.00"));
}

#[test]
fn potatoes_are_not_subject_in_june_nor_in_ontario() {
    for june in ["2025-06-15", "2026-06-15"] {
        assert_eq!(on(&potatoes(), june).reasons, ["SEASON_OUT"]);
    }
    let ontario = Product { region: Some("CA-ON".into()), ..potatoes() };
    assert_eq!(on(&ontario, "2026-02-17").reasons, ["REGION_OUT"]);
    let anywhere = Product { region: None, ..potatoes() };
    assert_eq!(on(&anywhere, "2026-02-17").reasons[0], "ATTRIBUTE_MISSING:ship_to_region");
}

#[test]
fn weights_are_converted_to_the_unit_of_the_rate() {
    let carton = Product { unit: Some("NMB".into()), net_weight_kg: "22.6796185".parse().ok(), ..potatoes() };
    let carton = Product { unit_cost: "6.45".parse().ok(), ..carton };
    let half = on(&carton, "2026-02-17");
    assert_eq!(half.total_cad, "1.23".parse().ok(), "half a hundredweight: (7.345 - 6.45) * 1.37");
    let unweighed = Product { net_weight_kg: None, ..carton };
    assert_eq!(on(&unweighed, "2026-02-17").reasons[0], "UNIT_MISSING");
}

#[test]
fn the_country_of_export_counts_where_the_origin_is_not_named() {
    let by_way_of_china = Product { origin: Some("IT".into()), ..recliner() };
    assert_eq!(on(&by_way_of_china, "2026-02-17").verdict, Verdict::Subject);
    let from_vietnam = Product { origin: Some("VN".into()), export_country: Some("US".into()), ..recliner() };
    let decision = on(&from_vietnam, "2026-02-17");
    assert_eq!(decision.reasons[0], "FX_MISSING", "the subsidy is in dong");
    assert_eq!(decision.ad_cad, "786.93".parse().ok(), "179.5 % of 320 USD");
    let neither = Product { origin: Some("IT".into()), export_country: Some("IT".into()), ..recliner() };
    assert_eq!(on(&neither, "2026-02-17").reasons, ["NO_MEASURE"]);
    let unknown = Product { origin: None, export_country: None, ..recliner() };
    let decision = on(&unknown, "2026-02-17");
    assert_eq!((decision.verdict, decision.reasons[0].as_str()), (Verdict::NeedsReview, "ORIGIN_MISSING"));
}

#[test]
fn the_tariff_number_alone_never_decides() {
    let unlisted = Product { hs_code: Some("9401991000".into()), ..recliner() };
    assert_eq!(on(&unlisted, "2026-02-17").reasons[0], "HS_NOT_LISTED");
    let other = product("Steel plate", "7208.51.00.11", "CN", "100", json!({}));
    assert!(
        on(&other, "2026-02-17").reasons.contains(&"SCOPE_NOT_ENCODED".to_owned())
            || on(&other, "2026-02-17").measure.is_none()
    );
    let coarse = Product { hs_code: Some("940161".into()), ..recliner() };
    assert_eq!(on(&coarse, "2026-02-17").confidence, "0.60".parse().unwrap());
}

#[test]
fn a_measure_before_its_time_is_left_out_and_one_past_its_end_is_reviewed() {
    assert_eq!(on(&recliner(), "2020-01-01").reasons, ["NO_MEASURE"]);
    let later = on(&recliner(), "2026-09-02");
    assert_eq!((later.verdict, later.reasons[0].as_str()), (Verdict::NeedsReview, "MEASURE_EXPIRY_UNCONFIRMED"));
}

#[test]
fn exporters_by_number_by_name_and_nearly() {
    let by_name = Product { exporter_name: Some("HEALTHCARE CO LTD".into()), ..mattress() };
    let decision = on(&by_name, "2026-02-17");
    assert_eq!((decision.reasons[0].as_str(), decision.confidence), ("NORMAL_VALUE_REQUIRED", "0.90".parse().unwrap()));
    assert_eq!(decision.upper_bound_cad, "254.87".parse().ok());
    let nearly = Product { exporter_name: Some("Foshan Suilong Furnitures Ltd".into()), ..mattress() };
    assert_eq!(on(&nearly, "2026-02-17").reasons[0], "EXPORTER_AMBIGUOUS");
    let terminated = Product { exporter_id: Some("745089342RM0001".into()), ..mattress() };
    check(&terminated, ("SUBJECT", "MAT", "SCOPE_IN_MATTRESS", "0.00", "0.95", "0.95"));
}

#[test]
fn a_normal_value_that_the_tenant_holds_settles_the_duty() {
    let healthcare = Product { exporter_id: Some("776506214RM0001".into()), ..mattress() };
    let held = NormalValue {
        measure: "MAT".into(),
        exporter_id: "776506214RM0001".into(),
        model_id: String::new(),
        value: "130".parse().unwrap(),
        currency: "USD".into(),
        unit: "NMB".into(),
    };
    let law = Law { normal_values: vec![held], ..law() };
    let decision = decide(&healthcare, day("2026-02-17"), &law);
    assert_eq!((decision.verdict, decision.ad_cad), (Verdict::Subject, "27.40".parse().ok()));
}

#[test]
fn an_unknown_rate_is_never_zero() {
    let law = law();
    let unknown: Vec<_> =
        law.measures.iter().flat_map(|measure| &measure.rates).filter(|rate| rate.kind == RateKind::Unknown).collect();
    assert_eq!(unknown.len(), 20);
    let rates = law.measures.iter().map(|measure| measure.rates.len()).sum::<usize>();
    assert_eq!((law.measures.len(), rates), (25, 111));
    let bar = product("Reinforcing bar", "7214.20.00.11", "TR", "600", json!({}));
    let decision = on(&bar, "2026-02-17");
    assert_eq!(decision.reasons, ["SCOPE_NOT_ENCODED", "RATE_UNKNOWN"]);
    assert_eq!((decision.total_cad, decision.upper_bound_cad), (None, None));
}

#[test]
fn exclusions_of_the_definitions() {
    let chair = |text: &str, attributes| product(text, "9401.61.10.10", "CN", "90", attributes);
    let motion = json!({"motion": true});
    for (product, code) in [
        (chair("Dining chair", motion.clone()), "UDS_DINING"),
        (chair("Patio recliner", motion.clone()), "UDS_OUTDOOR"),
        (chair("Bar stool", json!({"motion": true, "seat_height_in": 30})), "UDS_TALL_STOOL"),
        (chair("Sofa", json!({"motion": false, "covering": "faux leather"})), "UDS_STATIONARY_FABRIC"),
        (product("Dog mattress", "9404.21.00.00", "CN", "9", json!({})), "MAT_PET"),
        (product("Mattress topper", "9404.21.00.00", "CN", "9", json!({"height_in": "2.5"})), "MAT_THIN_TOPPER"),
        (product("Solar panel", "8541.43.00.00", "CN", "9", json!({"watts": 100})), "SML_SMALL"),
        (product("Sink", "7324.10.00.11", "CN", "9", json!({"forming": "handmade"})), "SSS_FABRICATED"),
        (product("Potatoes, organic", "0701.90.00.20", "US", "9", json!({})), "REGION_MISSING"),
    ] {
        let decision = on(&product, "2026-02-17");
        if code == "REGION_MISSING" {
            assert_eq!(decision.reasons, ["POT_EXCLUDED"]);
        } else {
            assert_eq!((decision.verdict, decision.reasons[0].as_str()), (Verdict::NotSubject, code));
        }
    }
    assert_eq!(on(&chair("Recliner", json!({})), "2026-02-17").reasons[0], "ATTRIBUTE_MISSING:motion");
    assert_eq!(on(&chair("Massage chair", motion), "2026-02-17").reasons[0], "ATTRIBUTE_MISSING:massage_excluded");
}

#[test]
fn plywood_has_no_measure() {
    let plywood = product("Decorative plywood", "4412.33.00.00", "CN", "20", json!({}));
    assert_eq!(on(&plywood, "2026-02-17").reasons, ["NO_MEASURE"]);
}

#[test]
fn the_evidence_names_the_steps_and_the_rates() {
    let decision = on(&recliner(), "2026-02-17");
    let evidence = decision.evidence.iter().find(|of| of.measure == "UDS").unwrap();
    let steps: Vec<u8> = evidence.trace.iter().map(|step| step.step).collect();
    assert_eq!(steps, [0, 1, 4, 5, 6, 7, 8, 8]);
    assert!(evidence.duties.iter().all(|assessed| assessed.rate_id.is_some()));
    assert_eq!(measure::ruleset_hash(&law().measures).len(), 64);
}
