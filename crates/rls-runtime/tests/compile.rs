//! What must compile, and what must not.

#[test]
fn shapes_that_services_use() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile/pass/*.rs");
}

#[test]
fn shapes_that_would_leak() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile/fail/*.rs");
}
