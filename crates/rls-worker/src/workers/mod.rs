//! A job in, rows, findings and events out.

pub mod handlers;
pub mod outcome;
