//! Texts in, facts of the files that can matter out: most files of most trees never reach the parser.
//!
//! A file matters if it contains an identifier of the active rules, or the name of something that carries a handle:
//! a type with a handle in a field, a function with one in its signature, a macro defined beside them.
//! It matters too if it defines what a function that touches handles calls or reads: generic helpers, macros, constants.
//! Such names are only known once their files are parsed, so the search goes round by round until no name is new.

mod bodies;
mod carriers;
mod definitions;
mod matcher;
mod reading;
mod words;

pub use reading::{Parsing, Reading, TestCode};
