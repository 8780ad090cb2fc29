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
    /// Whose measures count.
    pub authorities: Vec<String>,
    /// Where orders go to.
    pub destination_countries: Vec<String>,
    /// The regions of those countries, as `BC` or `CA-BC`; all when empty.
    pub destination_regions: Vec<String>,
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
    /// The days before it that say what is usual.
    pub spike_baseline_days: i32,
    /// For so many hours nobody is told again of the same thing.
    pub spike_cooldown_hours: i32,
}

impl Default for Config {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Config {
            enabled: true,
            lanes: list(&["order_upload", "sima_validation", "catalog_upload"]),
            authorities: list(&[AUTHORITY]),
            destination_countries: list(&["CA"]),
            destination_regions: Vec::new(),
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
            spike_baseline_days: 28,
            spike_cooldown_hours: 24,
        }
    }
}

impl Config {
    /// Whether detection runs in a lane.
    #[must_use]
    pub fn runs_in(&self, lane: &str) -> bool {
        self.enabled && self.lanes.iter().any(|of| of == lane)
    }

    /// Why orders to a place are left out, where they are. Where a region is asked for and not known, they are.
    #[must_use]
    pub fn leaves_out(&self, to: &Destination) -> Option<&'static str> {
        if !self.authorities.iter().any(|authority| authority == AUTHORITY) {
            return Some("AUTHORITY_OUT");
        }
        if !self.destination_countries.contains(&to.country) {
            return Some("DESTINATION_COUNTRY_OUT");
        }
        let is_out = !self.destination_regions.is_empty() && !to.is_in(&self.destination_regions);
        is_out.then_some("DESTINATION_REGION_OUT")
    }
}

/// Whose measures there are: the Canada Border Services Agency's.
pub const AUTHORITY: &str = "CA";

/// Where an order goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// The country's code.
    pub country: String,
    /// The region, as `BC` or `CA-BC`.
    pub region: Option<String>,
}

impl Destination {
    /// Whether it is known to be in one of these regions, with their country or without.
    #[must_use]
    pub fn is_in(&self, regions: &[String]) -> bool {
        let plain = |region: &str| {
            let region = region.to_uppercase();
            region.strip_prefix(&format!("{}-", self.country)).map_or(region.clone(), str::to_owned)
        };
        self.region.as_deref().is_some_and(|own| regions.iter().any(|region| plain(region) == plain(own)))
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
