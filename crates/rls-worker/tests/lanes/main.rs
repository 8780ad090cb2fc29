//! The lanes on a real PostgreSQL, under FORCE, as a role that owns nothing.

mod golden;
mod isolation;
mod migrations;
mod notifications;
mod processor;
mod repeats;
mod support;
