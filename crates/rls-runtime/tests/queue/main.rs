//! The queue against a real PostgreSQL.

mod acting;
mod doorbell;
mod enqueue;
mod harness;
mod lifecycle;
mod listen;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod schedule;
mod worker;
