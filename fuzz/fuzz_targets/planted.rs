//! Every statement planted in generated Rust is found.
//!
//! Run with `cargo +nightly fuzz run planted -s none --no-cfg-fuzzing`, for the reasons given in `bytes.rs`.
#![no_main]

#[path = "../../tests/planted/mod.rs"]
mod planted;

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let planted = planted::planted(choices);
    let facts = rls_audit::parse::parse(&planted.text, false);
    assert_eq!(planted::found(&facts), planted::expected(planted.statements), "{}", planted.text);
});
