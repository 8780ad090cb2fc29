//! A guest's file in, what we would say to it out: by what everybody may know, and by the file itself.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use serde_json::{Value, json};

use crate::ship::charge::Charge;
use crate::ship::charge_codes::ChargeCodes;
use crate::ship::findings::{Basis, Billed, audit};
use crate::ship::layout::Layout;
use crate::table::{FileError, Table, Tally};
use crate::trade::decision::decide;
use crate::trade::law;
use crate::trade::screening::Listed;
use crate::workers::handlers::catalog_upload;
use crate::workers::outcome::LaneError;

/// The duties on each product, by the public measures only: what exporters told the tenant in confidence is not there.
pub(super) async fn verdicts(
    tx: &mut TenantTx,
    table: &Table,
    today: NaiveDate,
) -> Result<(Tally, Vec<Value>), LaneError> {
    let header = catalog_upload::header(table)?;
    let tally = Tally::of(catalog_upload::products(table, &header), None)?;
    let law = law::load(tx, today).await?;
    let mut results = Vec::new();
    for row in catalog_upload::products(table, &header) {
        for product in row?.items {
            let (number, listed) = (product.row_number, Listed::from(product));
            let product = listed.product();
            let decision = decide(&product, today, &law);
            results.push(json!({
                "row": number, "sku": product.sku, "verdict": decision.verdict, "measure": decision.measure,
                "reasons": decision.reasons, "adCad": decision.ad_cad, "cvdCad": decision.cvd_cad,
                "totalCad": decision.total_cad, "confidence": decision.confidence,
            }));
        }
    }
    Ok((tally, results))
}

/// What is wrong with the charges themselves: a guest has no agreement and no orders to compare them with.
pub(super) fn findings(table: &Table, today: NaiveDate) -> Result<(Tally, Vec<Value>), LaneError> {
    let layout = Layout::of(table)?;
    if !layout.has_charges() {
        return Err(FileError::new("FORMAT_UNSUPPORTED", "a guest's file holds charges, and nothing else").into());
    }
    let codes = ChargeCodes::default();
    let tally = Tally::of(layout.rows(table, &codes), None)?;
    let mut shipments: BTreeMap<(String, String), Vec<Billed>> = BTreeMap::new();
    for row in layout.rows(table, &codes) {
        for charge in row?.items {
            let Some(tracking) = charge.tracking.clone() else { continue };
            let of_shipment = shipments.entry((charge.carrier.clone(), tracking)).or_default();
            let same = of_shipment.iter().filter(|billed| is_same(&billed.charge, &charge)).count();
            let occurrence = i32::try_from(same + 1).unwrap_or(i32::MAX);
            of_shipment.push(Billed { fingerprint: charge.fingerprint(), charge, occurrence });
        }
    }
    let basis = Basis { agreements: &[], overrides: &[], order: None, today };
    let found = shipments.values().flat_map(|charges| audit(charges, &basis));
    // That there is no agreement is so of all that a guest can have.
    let found = found.filter(|finding| finding.kind != "UNAUTHORIZED_ACCOUNT");
    let results = found.map(|finding| {
        json!({
            "kind": finding.kind, "carrier": finding.carrier, "invoice": finding.invoice_number,
            "tracking": finding.tracking, "code": finding.code, "billed": finding.billed,
            "expected": finding.expected, "variance": finding.variance, "currency": finding.currency,
            "evidence": finding.evidence,
        })
    });
    Ok((tally, results.collect()))
}

/// Whether one charge of an invoice is billed again in it.
fn is_same(one: &Charge, other: &Charge) -> bool {
    let key = |charge: &Charge| {
        (charge.invoice_number.clone(), charge.code.clone(), charge.service.clone(), charge.net, charge.ship_date)
    };
    key(one) == key(other)
}
