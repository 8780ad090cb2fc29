//! A throwaway PostgreSQL from the local binaries, for tests (feature `testing`).
//!
//! One cluster serves a whole test process; every [`TestDb`] is a fresh database in it with an owner role and a runtime role of its own, so that tests cannot meet.
//! The server listens on a Unix socket in a temporary folder only, and is stopped and removed when the process ends, however it ends.

mod clock;
mod cluster;
mod database;
mod isolation;
mod probe;

pub use clock::FixedClock;
pub use cluster::{Cluster, Shutdown, TestingError};
pub use database::TestDb;
pub use isolation::{TENANT_A, TENANT_B, assert_isolated};
pub use probe::SessionState;
