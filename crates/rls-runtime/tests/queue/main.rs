//! The queue against a real PostgreSQL.

mod doorbell;
mod enqueue;
mod harness;
mod lifecycle;
mod model;
mod schedule;
mod worker;
