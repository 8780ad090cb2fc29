//! The lanes on a real PostgreSQL, under FORCE, as a role that owns nothing.

mod alerts;
mod authority;
mod claims;
mod days;
mod detection;
mod envelopes;
mod golden;
mod guests;
mod http_server;
mod isolation;
mod long_files;
mod mail;
mod mail_server;
mod mail_tls;
mod migrations;
mod notifications;
mod outbox;
mod processor;
mod reaudits;
mod repeats;
mod reviews;
mod second_look;
mod support;
mod webhooks;
