//! Every statement planted in generated Rust is found, and in a generated program each gets its verdict.
//!
//! Run with `cargo +nightly fuzz run planted -s none --no-cfg-fuzzing`, for the reasons given in `bytes.rs`.
#![no_main]

#[path = "../../tests/planted/mod.rs"]
mod planted;
#[path = "../../tests/planted/programs.rs"]
mod programs;

use std::path::Path;
use std::sync::LazyLock;

use rls_audit::rules::{Rules, load};

static RULES: LazyLock<Rules> = LazyLock::new(|| load(None, Path::new("")).expect("the shipped rules").rules);

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let planted = planted::planted(choices);
    let facts = rls_audit::parse::parse(&planted.text, false);
    assert_eq!(planted::found(&facts), planted::expected(planted.statements), "{}", planted.text);
    let program = programs::program(choices);
    assert_eq!(programs::verdicts(&program.text, &RULES), program.verdicts, "{}", program.text);
});
