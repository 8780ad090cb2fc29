//! The queue against a real PostgreSQL.

#[path = "../support/pgbouncer.rs"]
mod pgbouncer;

mod acting;
mod ahead;
mod doorbell;
mod durable;
mod enqueue;
mod fairness;
mod forgetting;
mod harness;
mod lifecycle;
mod listen;
mod marks;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod pooler;
mod retention;
mod schedule;
mod trouble;
mod wire;
mod worker;
