//! The scope against a real PostgreSQL.

#[path = "../support/pgbouncer.rs"]
mod pgbouncer;
#[path = "../support/mod.rs"]
mod support;

mod basics;
mod cancel;
mod lost;
mod misuse;
mod pool;
mod pooler;
mod role;
mod soak;
