//! The program, as one runs it.

use std::process::{Command, Output, Stdio};

use rls_runtime::testing::{TENANT_A, TestDb};
use rls_worker::notifications::templates::Template;
use rls_worker::notifications::unsubscribe::{Key, Subscription};
use rls_worker::schema::REENABLE_FORCE;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rls-worker"));
    command.args(arguments).env_remove("DATABASE_URL").env_remove("OWNER_DATABASE_URL");
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = program(arguments).output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[test]
fn smoke_processes_every_lane_on_its_own_database() {
    let (code, shown) = run(&["smoke"]);
    assert_eq!(code, Some(0), "{shown}");
    for lane in rls_worker::workers::jobs::LANES {
        let line = shown.lines().find(|line| line.starts_with(lane) && line.contains("completed"));
        let line = line.unwrap_or_else(|| panic!("{lane} is not there: {shown}"));
        assert!(!lane.starts_with("notification_") || line.ends_with("1 deliveries, 1 sent"), "{line}");
    }
}

#[test]
fn parity_finds_the_same_before_and_after_the_migration() {
    let folder = tempfile::tempdir().unwrap();
    let (code, shown) = run(&["parity", "--out", folder.path().to_str().unwrap()]);
    let report = std::fs::read_to_string(folder.path().join("parity.md")).unwrap();
    assert_eq!(code, Some(0), "{shown}{report}");
    let artifact: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("parity.json")).unwrap()).unwrap();
    assert_eq!(artifact["status"], "PASS");
    assert_eq!(artifact["lanes"].as_array().unwrap().len(), 18, "nine jobs of two tenants");
    let refused = artifact["lanes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|lane| lane["a"].as_str().unwrap().starts_with("discarded"));
    assert_eq!(refused.count(), 2, "the file that is refused is refused in both");
    let findings = artifact["tables"].as_array().unwrap().iter().find(|row| row["table"] == "ship_findings").unwrap();
    assert_eq!((&findings["rows_a"], &findings["rows_b"]), (&4.into(), &4.into()));
}

#[tokio::test]
async fn verify_passes_under_force_and_fails_without() {
    let db = TestDb::new().await;
    let (owner, runtime, role) = (db.url(&db.owner()), db.url(&db.runtime()), db.runtime());
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("checklist.md");
    let report = report.to_str().unwrap();
    let verify = ["verify", "--owner-url", &owner, "--database-url", &runtime, "-o", report];
    let rates = ["--fx", "2026-02-17:USD=1.37", "--fx", "2026-02-17:CNY=0.19"];
    let before = (REENABLE_FORCE - 1).to_string();
    let migrate = [&["migrate", "--owner-url", &owner, "--role", &role], &rates[..]].concat();

    let (code, shown) = run(&[&migrate[..], &["--to", &before]].concat());
    assert_eq!(code, Some(0), "{shown}");
    let (code, shown) = run(&verify);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("- [ ] the migration") && shown.contains("orders: not forced"), "{shown}");

    let (code, shown) = run(&migrate);
    assert_eq!(code, Some(0), "{shown}");
    let (code, shown) = run(&verify);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!std::fs::read_to_string(report).unwrap().contains("- [ ]"));

    let (code, shown) = run(&["revert", "--owner-url", &owner, "--to", &before]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(run(&verify).0, Some(1));
}

#[tokio::test]
async fn a_file_goes_from_the_prompt_through_the_worker() {
    let db = TestDb::new().await;
    let (owner, runtime, role) = (db.url(&db.owner()), db.url(&db.runtime()), db.runtime());
    assert_eq!(run(&["migrate", "--owner-url", &owner, "--role", &role]).0, Some(0));
    let tenant = TENANT_A.to_string();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/catalog_upload.csv");
    let enqueue = ["enqueue", "wayfair_upload", sample, "--tenant", &tenant, "--database-url", &runtime];
    let (code, shown) = run(&enqueue);
    assert_eq!(code, Some(0), "{shown}");
    assert!(run(&enqueue).1.contains("handed in before"));
    let status = ["status", "--tenant", &tenant, "--database-url", &runtime];
    assert!(run(&status).1.contains("available"));

    let mail = tempfile::tempdir().unwrap();
    let mut worker = program(&["run", "--database-url", &runtime, "--mail", mail.path().to_str().unwrap()]);
    let mut worker = worker.stderr(Stdio::null()).spawn().unwrap();
    // The catalog's job enqueues a screening.
    let both_are_done = |shown: &str| shown.lines().filter(|line| line.contains("completed")).count() == 2;
    let done = (0..1_000).any(|_| both_are_done(&run(&status).1));
    let stopped = Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap();
    assert!(stopped.success() && worker.wait().unwrap().success(), "it stops when it is told to");
    assert!(done, "{}", run(&status).1);
}

#[tokio::test]
async fn whoever_subscribes_can_end_it_with_the_token_of_a_link() {
    let db = TestDb::new().await;
    let (owner, runtime, role) = (db.url(&db.owner()), db.url(&db.runtime()), db.runtime());
    assert_eq!(run(&["migrate", "--owner-url", &owner, "--role", &role]).0, Some(0));
    let (tenant, secret) = (TENANT_A.to_string(), "a key for tests only");
    let subscribe = ["subscribe", "ann", "trade-caught", "--mail", "ann@example.com", "--tenant", &tenant];
    let (code, shown) = run(&[&subscribe[..], &["--database-url", &runtime]].concat());
    assert!(code == Some(0) && shown.contains("`ann` hears of trade-caught"), "{shown}");
    let ann = Subscription { tenant: TENANT_A, template: Template::TradeCaught, recipient: "ann".to_owned() };
    let token = ann.token(&Key::new(secret).unwrap());
    let unsubscribe =
        |token: &str| run(&["unsubscribe", token, "--unsubscribe-key", secret, "--database-url", &runtime]);
    let (code, shown) = unsubscribe(&token);
    assert!(code == Some(0) && shown.contains("no mail of trade-caught any more"), "{shown}");
    assert!(unsubscribe(&token).1.contains("anyway"));
    let (code, shown) = unsubscribe(&token.replacen('.', "A.", 1));
    assert!(code == Some(2), "a changed token is refused: {shown}");
}

#[test]
fn bad_usage_says_what_is_wrong() {
    let unreachable = "postgres://nobody@localhost:1/none";
    for (arguments, said) in [
        (vec!["migrate", "--owner-url", unreachable, "--role", "r", "--fx", "USD=1"], "2026-02-17:USD=1.37"),
        (vec!["status", "--tenant", "me", "--database-url", unreachable], "not a tenant id"),
        (vec!["revert", "--owner-url", unreachable, "--to", "0"], "cannot connect as the owner"),
        (vec!["verify", "--database-url", unreachable], "--owner-url"),
        (vec!["run", "--database-url", unreachable, "--smtp-url", "smtp://localhost"], "--mail-from"),
        (vec!["subscribe", "ann", "trade-news", "--tenant", "x", "--database-url", unreachable], "trade-caught"),
    ] {
        let (code, shown) = run(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {shown}");
        assert!(shown.contains(said), "{arguments:?}: {shown}");
    }
}
