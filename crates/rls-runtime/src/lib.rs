//! A tenant scope for PostgreSQL row-level security that cannot leak.
#![forbid(unsafe_code)]

#[cfg(feature = "testing")]
pub mod testing;
