//! `tables`, `force` and `inventory --ledger` as they are typed.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const SQL: &str = "create table orders (tenant_id uuid);
alter table orders enable row level security;
create policy p on orders using (tenant_id = (select current_setting('app.tenant_id')::uuid));
create table bills (tenant_id uuid);
alter table bills enable row level security;
create policy p on bills using (tenant_id = (select current_setting('app.tenant_id')::uuid));
";
const GAP: &str = "use sqlx::PgPool;
pub async fn purge(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query(\"delete from orders\").execute(pool).await?;
    Ok(())
}
";
const FIXED: &str = "use sqlx::PgPool;
pub async fn purge(_pool: &PgPool) -> sqlx::Result<()> {
    Ok(())
}
";

fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn read(folder: &TempDir, path: &str) -> String {
    std::fs::read_to_string(folder.path().join(path)).unwrap()
}

/// Runs on the 17th of February 2026, `days` days later.
fn run_on_day(folder: &TempDir, days: u64, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cargo-rls-audit"))
        .current_dir(folder.path())
        .args(args)
        .stdin(Stdio::null())
        .env("SOURCE_DATE_EPOCH", (1_771_286_400 + days * 86_400).to_string())
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn stdout(folder: &TempDir, args: &[&str]) -> String {
    String::from_utf8(run_on_day(folder, 0, args).stdout).unwrap()
}

#[test]
fn tables_print_in_three_formats() {
    let folder = project(&[("migrations/1.sql", SQL), ("src/lib.rs", GAP)]);
    let human = stdout(&folder, &["tables", "."]);
    assert!(human.contains("orders  yes      no      all       1 gap       blocked: 1 open gap"), "{human}");
    assert!(human.contains("    src/lib.rs:3"), "{human}");
    assert!(
        stdout(&folder, &["tables", ".", "--format", "markdown"])
            .contains("| `bills` | yes | no | all | none | ready |")
    );
    let json: serde_json::Value = serde_json::from_str(&stdout(&folder, &["tables", ".", "--format", "json"])).unwrap();
    assert_eq!(json["tables"][0]["state"], "ready");
    assert_eq!(json["tables"][1]["gaps"][0], "src/lib.rs:3");
}

#[test]
fn force_writes_what_is_ready_and_refuses_the_rest() {
    let folder = project(&[
        ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n"),
        ("migrations/1.sql", SQL),
        ("src/lib.rs", GAP),
    ]);
    let printed = run_on_day(&folder, 0, &["force"]);
    let up = String::from_utf8(printed.stdout).unwrap();
    assert!(up.contains("ALTER TABLE bills FORCE ROW LEVEL SECURITY;"), "{up}");
    assert!(up.contains("--   ALTER TABLE bills NO FORCE ROW LEVEL SECURITY;"), "{up}");
    assert!(!up.contains("orders"), "{up}");
    assert!(String::from_utf8(printed.stderr).unwrap().contains("not forced: `orders`: 1 open gap"));

    run_on_day(&folder, 0, &["force", "orders", "-o", "migrations/2_force.up.sql"]);
    assert!(read(&folder, "migrations/2_force.up.sql").contains("ALTER TABLE orders FORCE ROW LEVEL SECURITY;"));
    assert!(read(&folder, "migrations/2_force.down.sql").contains("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;"));

    let unknown = run_on_day(&folder, 0, &["force", "ordres"]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn nothing_to_force_writes_nothing() {
    let folder = project(&[("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n"), ("src/lib.rs", GAP)]);
    let run = run_on_day(&folder, 0, &["force", "-o", "x.sql"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(!folder.path().join("x.sql").exists());
}

#[test]
fn the_ledger_keeps_resolved_gaps_with_their_day() {
    let folder = project(&[("src/lib.rs", GAP), ("plan.md", "# Plan\n\nBy hand.\n")]);
    let inventory = ["inventory", ".", "--ledger", "ledger.json", "--update", "plan.md"];
    assert!(run_on_day(&folder, 0, &inventory).status.success());
    assert!(read(&folder, "plan.md").contains("- `src/lib.rs:3`\n"));
    let (plan, ledger) = (read(&folder, "plan.md"), read(&folder, "ledger.json"));
    run_on_day(&folder, 1, &inventory);
    assert_eq!(
        (read(&folder, "plan.md"), read(&folder, "ledger.json")),
        (plan, ledger),
        "a second run changes nothing"
    );

    write(folder.path(), "src/lib.rs", FIXED);
    run_on_day(&folder, 13, &inventory);
    let plan = read(&folder, "plan.md");
    assert!(plan.starts_with("# Plan\n\nBy hand.\n"), "{plan}");
    assert!(
        plan.contains("## Gap inventory (resolved)\n\n### Other\n\n- `src/lib.rs:3` (resolved 2026-03-02)\n"),
        "{plan}"
    );
    let ledger = read(&folder, "ledger.json");
    run_on_day(&folder, 20, &inventory);
    assert_eq!(
        (read(&folder, "plan.md"), read(&folder, "ledger.json")),
        (plan, ledger),
        "a second run changes nothing"
    );
}

#[test]
fn a_file_that_is_no_ledger_is_refused() {
    let folder = project(&[("src/lib.rs", GAP), ("ledger.json", "{}")]);
    let run = run_on_day(&folder, 0, &["inventory", ".", "--ledger", "ledger.json"]);
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(read(&folder, "ledger.json"), "{}");
}
