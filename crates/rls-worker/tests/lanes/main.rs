//! The lanes on a real PostgreSQL, under FORCE, as a role that owns nothing.

mod golden;
mod isolation;
mod migrations;
mod repeats;
mod support;
