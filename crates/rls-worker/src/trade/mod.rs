//! A product in, what anti-dumping law says about it out; and what that means for open orders.

pub mod decision;
pub mod detection;
pub mod duty;
pub mod exporter;
pub mod law;
pub mod measure;
pub mod product;
pub mod scope_rules;
pub mod screening;

#[cfg(test)]
mod tests;
