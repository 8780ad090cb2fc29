//! The lanes on a real PostgreSQL, under FORCE, as a role that owns nothing.

mod alerts;
mod claims;
mod golden;
mod guests;
mod isolation;
mod long_files;
mod mail;
mod mail_server;
mod migrations;
mod notifications;
mod processor;
mod repeats;
mod support;
