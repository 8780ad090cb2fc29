//! This repository passes its own audit.

use std::path::Path;
use std::process::Command;

#[test]
fn the_repository_passes_its_own_audit() {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"))
        .args(["rls-audit", "check", "--format", "short"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}");
}

#[test]
fn the_audit_of_bad_code_fails() {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"))
        .args(["rls-audit", "check", "--format", "short", "fixtures/probes/sqlx_plain.rs"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("RLS001"), "{shown}");
}
