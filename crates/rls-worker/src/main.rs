//! The program: a worker for the six lanes, and what it takes to set it up, feed it and check it.
//!
//! Exit status: 0 done, 1 something did not pass, 2 bad usage or no database.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
