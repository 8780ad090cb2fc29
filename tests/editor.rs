//! A real rust-analyzer in a real neovim shows a finding and its quick fix.
//!
//! Runs where both are installed and says so where they are not. `RUST_ANALYZER` names another binary.
//! The contract itself is tested everywhere, in `report.rs` and `cli.rs`.

use std::ffi::OsString;
use std::process::{Command, Stdio};

const LIBRARY: &str = "use sqlx::PgPool;
/// 🐘 An editor counts columns in UTF-16, where the elephant is two.
pub async fn purge(pool: &PgPool) -> Result<(), ()> {
    /* 🐘 */ sqlx::query(\"delete from orders\").execute(pool).await;
    Ok(())
}
";

/// The program, if it is installed and works: rustup leaves a proxy that only says what is missing.
fn working(program: OsString) -> Option<OsString> {
    let status = Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(program)
}

#[test]
fn rust_analyzer_shows_a_finding_and_its_quick_fix() {
    let analyzer = working(std::env::var_os("RUST_ANALYZER").unwrap_or_else(|| "rust-analyzer".into()));
    let editor = working("nvim".into());
    let (Some(analyzer), Some(editor)) = (analyzer, editor) else {
        eprintln!("skipped: needs rust-analyzer and nvim");
        return;
    };
    let seen = drive(&analyzer, &editor);
    let diagnostic = &seen["diagnostic"];
    assert!(diagnostic["message"].as_str().unwrap().contains("outside every tenant scope"), "{seen}");
    assert_eq!((diagnostic["line"].as_u64(), diagnostic["severity"].as_u64()), (Some(3), Some(1)), "{seen}");
    // neovim counts columns in bytes: four spaces, `/*`, a space, the elephant's four, a space, `*/`, a space.
    assert_eq!(diagnostic["column"].as_u64(), Some(15), "{seen}");
    assert_eq!(seen["code"], "unscoped_query", "{seen}");
    let actions: Vec<&str> = seen["actions"].as_array().unwrap().iter().filter_map(|title| title.as_str()).collect();
    assert!(actions.iter().any(|title| title.contains("allow RLS001 here")), "{actions:?}");
    let line = "\n    // rls-audit: allow(RLS001, reason = \"\")\n    /* 🐘 */ sqlx::query";
    assert!(seen["text"].as_str().unwrap().contains(line), "{seen}");
}

fn drive(analyzer: &OsString, editor: &OsString) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("src")).unwrap();
    std::fs::write(root.join("Cargo.toml"), "[package]\nname = \"api\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .unwrap();
    std::fs::write(root.join("src/lib.rs"), LIBRARY).unwrap();
    let result = root.join("seen.json");
    let arguments =
        serde_json::json!([root, analyzer.to_str().unwrap(), env!("CARGO_BIN_EXE_cargo-rls-audit"), result]);
    let output = Command::new(editor)
        .args(["--headless", "--clean", "-n", "-S", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/editor.lua")])
        .env("RLS_AUDIT_EDITOR_TEST", arguments.to_string())
        .env("CARGO_NET_OFFLINE", "true")
        .current_dir(&root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let seen = std::fs::read_to_string(&result)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(&seen).unwrap()
}
