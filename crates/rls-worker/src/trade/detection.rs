//! A tenant's row of settings in, what detection goes by out.

use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What is caught, and what is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(default)]
#[sqlx(default)]
pub struct Config {
    /// Whether anything is.
    pub enabled: bool,
    /// The lanes that detection runs in.
    pub lanes: Vec<String>,
    /// Where orders go to.
    pub destination_countries: Vec<String>,
    /// Where products are made; anywhere when empty.
    pub origin_countries: Vec<String>,
    /// How tariff numbers start; anyhow when empty.
    pub hs_prefixes: Vec<String>,
    /// Products that are left out.
    pub excluded_skus: Vec<String>,
    /// Whether a product that somebody has to look at counts.
    pub include_needs_review: bool,
    /// What nobody is told of.
    pub min_exposure_cad: Decimal,
    /// What nobody is told of.
    pub min_confidence: Decimal,
    /// How far ahead shipping counts, in days.
    pub caught_horizon_days: i32,
    /// How far a day must stand out.
    pub spike_z: Decimal,
    /// How many times the usual it must be.
    pub spike_ratio: Decimal,
    /// What it must be at least.
    pub spike_floor_cad: Decimal,
    /// The orders that it must have.
    pub spike_min_orders: i32,
}

impl Default for Config {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Config {
            enabled: true,
            lanes: list(&["order_upload", "sima_validation", "catalog_upload"]),
            destination_countries: list(&["CA"]),
            origin_countries: Vec::new(),
            hs_prefixes: Vec::new(),
            excluded_skus: Vec::new(),
            include_needs_review: true,
            min_exposure_cad: Decimal::from(50),
            min_confidence: Decimal::new(60, 2),
            caught_horizon_days: 30,
            spike_z: Decimal::new(35, 1),
            spike_ratio: Decimal::new(15, 1),
            spike_floor_cad: Decimal::from(1000),
            spike_min_orders: 5,
        }
    }
}

/// Loads the tenant's settings; what is not set is as usual.
///
/// # Errors
/// When the database says no.
pub async fn load(tx: &mut TenantTx) -> sqlx::Result<Config> {
    let row: Option<Config> = sqlx::query_as("select * from trade_detection_config").fetch_optional(&mut *tx).await?;
    Ok(row.unwrap_or_default())
}
