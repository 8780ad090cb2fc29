//! A throwaway PostgreSQL from the local binaries, for tests (feature `testing`).
//!
//! One cluster serves a whole test process; every [`TestDb`] is a fresh database in it with an owner role and a runtime role of its own, so that tests cannot meet.
//! The server listens on a Unix socket in a temporary folder only, and is stopped and removed when the process ends, however it ends.

mod cluster;
mod database;

pub use cluster::{Cluster, TestingError};
pub use database::TestDb;
