//! A charge and what it is compared with in, a finding out where the difference is too large.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::{Basis, Billed, Finding};
use crate::fingerprint;
use crate::ship::agreement::Agreement;
use crate::ship::charge::Charge;
use crate::ship::tenant_carrier_overrides::Settings;

/// Days that an invoice can be disputed for, unless the tenant knows better.
const WINDOW: u64 = 60;

/// The same for late deliveries.
const LATE_WINDOW: u64 = 30;

/// One charge with what holds for it.
pub(super) struct Case<'a> {
    pub(super) billed: &'a Billed,
    pub(super) charge: &'a Charge,
    /// Those of the day of the invoice.
    pub(super) settings: Settings,
    /// The version in force when it was shipped; the newest one where several are.
    pub(super) agreement: Option<&'a Agreement>,
    /// Agreements are those of the day of shipping.
    pub(super) day: NaiveDate,
    today: NaiveDate,
}

impl<'a> Case<'a> {
    pub(super) fn of(billed: &'a Billed, basis: &Basis<'a>) -> Case<'a> {
        let charge = &billed.charge;
        let day = charge.ship_date.unwrap_or(charge.invoice_date);
        let settings = Settings::resolve(basis.overrides, &charge.carrier, &charge.account, charge.invoice_date);
        let valid = basis.agreements.iter().filter(|of| {
            let is_own = of.carrier == charge.carrier && of.account == charge.account;
            is_own && of.currency == charge.currency && (of.from..=of.to).contains(&day)
        });
        let agreement = valid.max_by_key(|of| of.from);
        Case { billed, charge, settings, agreement, day, today: basis.today }
    }

    /// A finding, if its kind is wanted and the difference is above what is let be.
    pub(super) fn finding(&self, kind: &str, expected: Decimal, evidence: String) -> Option<Finding> {
        let by_share = expected * self.settings.tolerance_pct / Decimal::ONE_HUNDRED;
        let variance = self.charge.net - expected;
        let matters = self.wants(kind) && variance > self.settings.tolerance_abs.max(by_share);
        matters.then(|| self.raise(kind, expected, evidence))
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        !self.settings.disabled_findings.iter().any(|disabled| disabled == kind)
    }

    /// A finding, whatever the difference.
    pub(super) fn raise(&self, kind: &str, expected: Decimal, evidence: String) -> Finding {
        let charge = self.charge;
        let usual = if kind == "LATE_DELIVERY" { LATE_WINDOW } else { WINDOW };
        let window = Days::new(self.settings.dispute_window_days.unwrap_or(usual));
        let dispute_by = charge.invoice_date.checked_add_days(window).unwrap_or(NaiveDate::MAX);
        let is_late = self.today > dispute_by;
        let tracking = charge.tracking.as_deref().unwrap_or_default();
        let which = format!("{}@{}#{}", self.billed.fingerprint, charge.invoice_number, self.billed.occurrence);
        let variance = charge.net - expected;
        Finding {
            dedupe_key: fingerprint::of_texts([kind, tracking, &charge.carrier, &which]),
            charge_key: fingerprint::of_texts([tracking, &charge.carrier, &which]),
            kind: kind.to_owned(),
            tracking: charge.tracking.clone(),
            carrier: charge.carrier.clone(),
            account: charge.account.clone(),
            invoice_number: charge.invoice_number.clone(),
            code: charge.code.clone(),
            billed: charge.net,
            expected,
            variance,
            currency: charge.currency.clone(),
            severity: if is_late { "INFO" } else { "ERROR" }.to_owned(),
            dispute_by,
            parent_key: None,
            is_auto_disputed: !is_late && self.settings.auto_dispute_min.is_some_and(|least| variance >= least),
            evidence: if is_late { format!("{evidence}; WINDOW_CLOSED") } else { evidence },
        }
    }
}
