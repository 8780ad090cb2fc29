//! A tenant's own settings in, the settings that hold for one account out.
//!
//! What is said for the account goes before what is said for the carrier, and that before the agreement.
//! A setting holds for the invoices of its days, whenever they are looked at.

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::charge::CODES;
use super::charge_codes;
use super::findings::KINDS;
use crate::fingerprint;
use crate::orders::linkage::normalised;
use crate::orders::row::sku_norm;

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

impl Override {
    /// Whether it holds for the invoices of an account on a day.
    #[must_use]
    pub fn holds(&self, carrier: &str, account: &str, day: NaiveDate) -> bool {
        let of_account = self.carrier == carrier && self.account.as_deref().is_none_or(|own| own == account);
        of_account && self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }
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
    /// How long an invoice can be disputed, where it is not as usual.
    pub dispute_window_days: Option<u64>,
    /// Whom to believe about homes.
    pub residential_source: ResidentialSource,
    /// The carrier pays nothing back for being late.
    pub guarantee_suspended: bool,
    /// From this amount on a finding is disputed without asking anybody.
    pub auto_dispute_min: Option<Decimal>,
    /// How the postal codes start that a delivery area surcharge is due for; nobody knows when there is no list.
    pub das_postal_codes: Option<Vec<String>>,
    /// The products that an oversize surcharge is due for; nobody knows when there is no list.
    pub lps_skus: Option<Vec<String>>,
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
            dispute_window_days: None,
            residential_source: ResidentialSource::Order,
            guarantee_suspended: false,
            auto_dispute_min: None,
            das_postal_codes: None,
            lps_skus: None,
        }
    }
}

/// Why a setting changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// There is no such setting.
    Key,
    /// It cannot have that value.
    Value,
}

impl Settings {
    /// What of a tenant's settings holds for an account on a day; a value that cannot be read changes nothing.
    #[must_use]
    pub fn resolve(overrides: &[Override], carrier: &str, account: &str, day: NaiveDate) -> Settings {
        let mut valid: Vec<&Override> = overrides.iter().filter(|of| of.holds(carrier, account, day)).collect();
        valid.sort_by_key(|of| (of.account.is_some(), of.valid_from));
        let mut settings = Settings::default();
        for of in valid {
            // Files are checked when they are taken in; a row that came otherwise and cannot be read is let be.
            settings.apply(&of.key, &of.value).ok();
        }
        settings
    }

    /// Sets one of them.
    ///
    /// # Errors
    /// When there is no such setting, or it cannot have that value; then nothing is changed.
    pub fn apply(&mut self, key: &str, value: &str) -> Result<(), Unread> {
        let value = value.trim();
        let read = match key {
            "tolerance_abs" => amount(value).map(|amount| self.tolerance_abs = amount),
            "tolerance_pct" => amount(value.trim_end_matches('%')).map(|pct| self.tolerance_pct = pct),
            "auto_dispute_min" => amount(value).map(|amount| self.auto_dispute_min = Some(amount)),
            "dim_divisor" => amount(value).filter(|divisor| !divisor.is_zero()).map(|divisor| {
                self.dim_divisor = Some(divisor);
            }),
            "dispute_window_days" => value.parse().ok().filter(|days| *days <= 3650).map(|days| {
                self.dispute_window_days = Some(days);
            }),
            "fuel_applies_to" => known(value, CODES).map(|codes| self.fuel_applies_to = codes),
            "disabled_findings" => known(value, KINDS).map(|kinds| self.disabled_findings = kinds),
            "das_postal_codes" => list(value, normalised).map(|starts| self.das_postal_codes = Some(starts)),
            "lps_skus" => list(value, sku_norm).map(|skus| self.lps_skus = Some(skus)),
            "residential_source" => source(value).map(|source| self.residential_source = source),
            "guarantee_suspended" => flag(value).map(|flag| self.guarantee_suspended = flag),
            // It is for the codes of charges, before anything is judged.
            charge_codes::KEY => charge_codes::pairs(value).map(drop),
            _ => return Err(Unread::Key),
        };
        read.ok_or(Unread::Value)
    }
}

fn amount(text: &str) -> Option<Decimal> {
    crate::money::parse(text).filter(|amount| !amount.is_sign_negative())
}

/// What stands between commas or bars; nothing where there is nothing.
fn list(text: &str, item: fn(&str) -> String) -> Option<Vec<String>> {
    let items = text.split([',', '|']).map(|text| item(text.trim())).filter(|item| !item.is_empty());
    Some(items.collect::<Vec<_>>()).filter(|items| !items.is_empty())
}

/// A list of words that we know.
fn known(text: &str, words: &[&str]) -> Option<Vec<String>> {
    list(text, str::to_uppercase).filter(|items| items.iter().all(|item| words.contains(&item.as_str())))
}

fn source(text: &str) -> Option<ResidentialSource> {
    match text {
        "carrier" => Some(ResidentialSource::Carrier),
        "order" => Some(ResidentialSource::Order),
        _ => None,
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "1" => Some(true),
        "false" | "no" | "n" | "0" => Some(false),
        _ => None,
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
