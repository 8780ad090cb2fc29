//! Findings and exceptions in, findings with their status out.

mod baseline;

pub use baseline::Baseline;
