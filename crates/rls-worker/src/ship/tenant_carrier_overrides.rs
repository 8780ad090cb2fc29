//! A tenant's own settings in, the settings that hold for one account out.
//!
//! What is said for the account goes before what is said for the carrier, and that before the agreement.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::fingerprint;

/// One setting of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Override {
    /// The carrier.
    pub carrier: String,
    /// The account; all when empty.
    pub account: Option<String>,
    /// What is set.
    pub key: String,
    /// To what.
    pub value: String,
    /// The first day.
    pub valid_from: NaiveDate,
    /// The last day.
    pub valid_to: Option<NaiveDate>,
}

/// Where it is known whether an address is a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResidentialSource {
    /// The order says so.
    Order,
    /// The carrier says so.
    Carrier,
}

/// What holds for one account on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Differences up to this amount are let be.
    pub tolerance_abs: Decimal,
    /// Differences up to this percentage are let be.
    pub tolerance_pct: Decimal,
    /// What makes a weight of a volume, where it is not the agreement's.
    pub dim_divisor: Option<Decimal>,
    /// The charges that the fuel surcharge is computed on.
    pub fuel_applies_to: Vec<String>,
    /// Findings that nobody wants.
    pub disabled_findings: Vec<String>,
    /// How long an invoice can be disputed.
    pub dispute_window_days: u64,
    /// Whom to believe about homes.
    pub residential_source: ResidentialSource,
}

impl Default for Settings {
    fn default() -> Self {
        let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        Settings {
            tolerance_abs: Decimal::new(5, 2),
            tolerance_pct: Decimal::ONE,
            dim_divisor: None,
            fuel_applies_to: codes(&["FRT", "RES", "DAS", "AHS", "LPS", "SAT"]),
            disabled_findings: Vec::new(),
            dispute_window_days: 60,
            residential_source: ResidentialSource::Order,
        }
    }
}

impl Settings {
    /// What of a tenant's settings holds for an account on a day; a value that cannot be read changes nothing.
    #[must_use]
    pub fn resolve(overrides: &[Override], carrier: &str, account: &str, day: NaiveDate) -> Settings {
        let mut valid: Vec<&Override> = overrides
            .iter()
            .filter(|of| of.carrier == carrier && of.account.as_deref().is_none_or(|own| own == account))
            .filter(|of| of.valid_from <= day && of.valid_to.is_none_or(|last| day <= last))
            .collect();
        valid.sort_by_key(|of| (of.account.is_some(), of.valid_from));
        let mut settings = Settings::default();
        for of in valid {
            settings.apply(&of.key, of.value.trim());
        }
        settings
    }

    fn apply(&mut self, key: &str, value: &str) {
        let figure = crate::money::parse(value).filter(|figure| !figure.is_sign_negative());
        let list =
            || value.split([',', '|']).map(|item| item.trim().to_uppercase()).filter(|item| !item.is_empty()).collect();
        match (key, figure) {
            ("tolerance_abs", Some(figure)) => self.tolerance_abs = figure,
            ("tolerance_pct", Some(figure)) => self.tolerance_pct = figure,
            ("dim_divisor", Some(figure)) if !figure.is_zero() => self.dim_divisor = Some(figure),
            ("dispute_window_days", Some(_)) => {
                self.dispute_window_days =
                    value.parse().ok().filter(|days| *days <= 3650).unwrap_or(self.dispute_window_days);
            }
            ("fuel_applies_to", _) => self.fuel_applies_to = list(),
            ("disabled_findings", _) => self.disabled_findings = list(),
            ("residential_source", _) if value == "carrier" => self.residential_source = ResidentialSource::Carrier,
            ("residential_source", _) if value == "order" => self.residential_source = ResidentialSource::Order,
            _ => {}
        }
    }
}

/// Loads all of a tenant's settings, once per job.
///
/// # Errors
/// When the database says no.
pub async fn load(tx: &mut TenantTx) -> sqlx::Result<Vec<Override>> {
    sqlx::query_as(
        "select carrier, account, key, value, valid_from, valid_to from tenant_carrier_overrides
         order by carrier, account nulls first, key, valid_from, id",
    )
    .fetch_all(&mut *tx)
    .await
}

/// What a finding rests on: the settings that were loaded for its job.
#[must_use]
pub fn hash(overrides: &[Override]) -> String {
    fingerprint::of_texts([serde_json::to_string(overrides).unwrap_or_default().as_str()])
}
