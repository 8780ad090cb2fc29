//! A carrier's file in, charges out; charges, agreements and orders in, findings out.

pub mod auditing;
pub mod canonical;
pub mod carrier_agreement_import;
pub mod charge;
pub mod fedex;
pub mod findings;
pub mod ingest;
pub mod layout;
pub mod tenant_carrier_overrides;
pub mod ups;

#[cfg(test)]
mod tests;
