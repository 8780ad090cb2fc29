//! A carrier's file in, charges out; charges, agreements, settings and orders in, findings out.
#![doc = include_str!("freight.md")]

pub mod agreement;
pub mod auditing;
pub mod canonical;
pub mod carrier_agreement_import;
pub mod charge;
pub mod charge_codes;
pub mod fedex;
pub mod findings;
pub mod ingest;
pub mod layout;
pub mod override_import;
pub mod reaudit;
mod reconciling;
pub mod second_look;
pub mod tenant_carrier_overrides;
pub mod ups;

#[cfg(test)]
mod tests;
