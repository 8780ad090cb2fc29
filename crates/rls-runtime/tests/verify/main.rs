//! `verify` against a real PostgreSQL: a clean schema, planted defects, safe policies, the program.

mod defects;
mod forms;
mod harness;
mod planted;
mod program;
mod random;
mod self_test;
mod versions;
