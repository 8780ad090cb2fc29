//! The command-line program.

use std::process::ExitCode;

fn main() -> ExitCode {
    rls_audit::cli::main()
}
