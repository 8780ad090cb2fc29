//! Find every database call that runs outside a tenant-scoped transaction.
//!
//! `discover → parse → index → resolve → judge → report`: one function per arrow, plain data between.

pub mod clock;

pub mod source;

pub mod user_error;

pub mod facts;

pub mod sql;

pub mod rules;

pub mod prefilter;

pub mod index;

pub mod parse;
pub mod resolve;

pub mod program;

pub mod schema;

pub mod finding;

pub mod entities;

pub mod exempt;

pub mod lints;

pub mod judge;

pub mod discover;

pub mod cache;

pub mod exceptions;

pub mod inventory;

pub mod remediation;

pub mod readiness;

pub mod force;

pub mod ledger;

pub mod report;

pub mod audit;

pub mod cli;
