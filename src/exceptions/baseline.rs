//! The file of findings that are accepted for now.

/// Findings accepted for now.
#[derive(Clone, Debug, Default)]
pub struct Baseline {}
