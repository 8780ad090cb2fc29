//! Any bytes are read, and every blind spot is inside them.
//!
//! Run with `cargo +nightly fuzz run bytes -s none --no-cfg-fuzzing`:
//! there is no unsafe code to sanitise, a sanitiser makes large stacks slow,
//! and under `cfg(fuzzing)` `proc-macro2` has no positions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let facts = rls_audit::parse::parse(&text, false);
    for blind in &facts.blind_spots {
        assert!(text.get(blind.span.start as usize..blind.span.end as usize).is_some(), "{blind:?}");
    }
});
