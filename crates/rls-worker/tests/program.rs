//! The program, as one runs it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};

use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_worker::notifications::templates::Template;
use rls_worker::notifications::unsubscribe::{Key, Subscription};
use rls_worker::schema::REENABLE_FORCE;
use rls_worker::workers::jobs::LANES;

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
    for lane in LANES {
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
    assert_eq!(artifact["expected_differences"][0]["seen"], true);
    let page = std::fs::read_to_string(folder.path().join("parity.html")).unwrap();
    assert!(page.contains("<span class=\"good\">PASS</span>"));
    assert!(!page.contains("class=\"bad\""), "nothing is marked as bad: {page}");
    assert_eq!(artifact["lanes"].as_array().unwrap().len(), 20, "ten jobs of two tenants");
    let refused = artifact["lanes"].as_array().unwrap().iter().filter(|lane| lane["a"]["state"] == "discarded");
    let why: Vec<_> = refused.map(|lane| lane["detail"].as_str().unwrap()).collect();
    assert!(why.len() == 4 && why.iter().all(|why| why.contains(':')), "refused in both, and again: {why:?}");
    assert!(LANES.iter().all(|lane| artifact["smoke"][lane] == "ok"), "{}", artifact["smoke"]);
    let findings = artifact["tables"].as_array().unwrap().iter().find(|row| row["table"] == "ship_findings").unwrap();
    assert_eq!((&findings["rows_a"], &findings["rows_b"]), (&4.into(), &4.into()));
}

#[test]
fn a_parity_run_that_is_stopped_says_what_was_not_run() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("parity");
        let mut parity = program(&["parity", "--out", out.to_str().unwrap()]).stdout(Stdio::null()).spawn().unwrap();
        while !out.exists() {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &parity.id().to_string()]).status().unwrap().success());
        assert_eq!(parity.wait().unwrap().code(), Some(1));
        let artifact: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("parity.json")).unwrap()).unwrap();
        assert_eq!((&artifact["status"], &artifact["errors"][0]["code"]), (&"ERROR".into(), &"INTERRUPTED".into()));
        assert_eq!(artifact["steps"][5], serde_json::json!({"step": "smoke", "state": "not_run"}));
        assert!(std::fs::read_to_string(out.join("parity.html")).unwrap().contains("Stopped at legacy"));
    }
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
    let (code, shown) = run(&["run", "--database-url", &runtime]);
    assert!(code == Some(2) && shown.contains("`rls-worker migrate` makes it"), "{shown}");
    assert_eq!(run(&["migrate", "--owner-url", &owner, "--role", &role]).0, Some(0));
    let tenant = TENANT_A.to_string();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/catalog_upload.csv");
    let enqueue = ["enqueue", "wayfair_upload", sample, "--tenant", &tenant, "--database-url", &runtime];
    let (code, shown) = run(&enqueue);
    assert_eq!(code, Some(0), "{shown}");
    assert!(run(&enqueue).1.contains("handed in before"));
    let status = ["status", "--tenant", &tenant, "--database-url", &runtime];
    assert!(run(&status).1.contains("available"));
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.csv");
    std::fs::write(&bad, "order_number,sku\nSO-1,A\n").unwrap();
    let bad = ["enqueue", "order_upload", bad.to_str().unwrap(), "--tenant", &tenant, "--database-url", &runtime];
    let (_, bad) = run(&bad);
    let job = |verb: &str| run(&["job", verb, bad.trim(), "--tenant", &tenant, "--database-url", &runtime]);
    assert_eq!(job("cancel").0, Some(0), "it waits");
    assert_eq!(job("requeue").0, Some(0));

    let mail = tempfile::tempdir().unwrap();
    let mut worker = program(&["run", "--database-url", &runtime, "--mail", mail.path().to_str().unwrap()]);
    let mut worker = worker.stderr(Stdio::null()).spawn().unwrap();
    let completed =
        |shown: &str, lane: &str| shown.lines().any(|line| line.starts_with(lane) && line.contains("completed"));
    // The catalog's job enqueues a screening. The alert about the orders may have gone out too by then.
    let all_have_ended = |shown: &str| {
        ["catalog_upload", "sima_validation"].iter().all(|lane| completed(shown, lane)) && shown.contains("failed: ")
    };
    let done = (0..1_000).any(|_| all_have_ended(&run(&status).1));
    let stopped = Command::new("kill").args(["-TERM", &worker.id().to_string()]).status().unwrap();
    assert!(stopped.success() && worker.wait().unwrap().success(), "it stops when it is told to");
    assert!(done, "{}", run(&status).1);
    let shown = run(&status).1;
    let failed = format!("failed: {} of order_upload: HEADER_MISSING:order_date: ", bad.trim());
    assert!(shown.contains(&failed), "{shown}");
    let (code, shown) = job("show");
    assert!(code == Some(0) && shown.contains("\"row_errors\": []"), "{shown}");
    assert!(shown.contains("\"adapter\": \"order-csv\"") && shown.contains("\"file_name\": \"bad.csv\""), "{shown}");
    assert!(shown.contains("\"state\": \"discarded\"") && shown.contains("\"attempt\": 1"), "{shown}");
    let (code, shown) = job("cancel");
    assert!(code == Some(1) && shown.contains("a job that is discarded cannot be cancelled"), "{shown}");
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

/// What stands after a word in the output.
fn after<'a>(shown: &'a str, word: &str) -> &'a str {
    let line = shown.lines().find_map(|line| line.strip_prefix(word));
    line.unwrap_or_else(|| panic!("no `{word}` in {shown}")).trim()
}

/// A program that does not outlive a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn dev_runs_everything_says_where_to_look_and_leaves_nothing() {
    let mut command = program(&["dev"]);
    let mut log = tempfile::NamedTempFile::new().unwrap();
    let stderr = Stdio::from(log.reopen().unwrap());
    let mut dev = Running(command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap());
    let mut shown = String::new();
    for line in BufReader::new(dev.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        shown.push_str(&line);
        shown.push('\n');
        if line.starts_with("ready") {
            break;
        }
    }
    let mail = std::path::PathBuf::from(after(&shown, "messages "));
    let url = after(&shown, "what the worker sees").trim_start_matches("psql ").trim_matches('\'').to_owned();
    let home = std::path::PathBuf::from(url.split_once("?host=").unwrap().1);
    assert!(home.is_dir(), "{shown}");
    for tenant in [TENANT_A, TENANT_B] {
        let (_, jobs) = run(&["status", "--tenant", &tenant.to_string(), "--database-url", &url]);
        for lane in LANES {
            assert!(jobs.lines().any(|line| line.starts_with(lane) && line.contains("completed")), "{lane}: {jobs}");
        }
    }
    let tenant = TENANT_A.to_string();
    let (_, findings) = run(&["finding", "list", "--tenant", &tenant, "--database-url", &url]);
    let findings: serde_json::Value = serde_json::from_str(&findings).unwrap();
    let too_much = findings.as_array().unwrap().iter().map(|finding| finding["variance"].as_str().unwrap());
    assert_eq!(too_much.collect::<BTreeSet<_>>(), BTreeSet::from(["0.26", "3.05", "3.53", "10.45"]));
    let mut warnings = String::new();
    log.read_to_string(&mut warnings).unwrap();
    assert!(
        warnings.lines().any(|line| line.contains("job failed") && line.contains("lane=order_upload")),
        "{warnings}"
    );
    let files = std::fs::read_dir(&mail).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: Vec<String> = files.collect();
    for template in ["trade-caught", "ship-recon"] {
        for end in [".html", ".txt", ".json"] {
            assert!(files.iter().any(|file| file.starts_with(template) && file.ends_with(end)), "{end}: {files:?}");
        }
    }
    let stopped = Command::new("kill").args(["-TERM", &dev.0.id().to_string()]).status().unwrap();
    assert!(stopped.success() && dev.0.wait().unwrap().success(), "it stops when it is told to");
    assert!(!mail.exists(), "the mail is gone");
    // The server is stopped by somebody who outlives the program a little.
    let is_gone = (0..5_000).any(|_| !home.exists() || !Command::new("true").status().unwrap().success());
    assert!(is_gone, "the server's folder is gone");
}

#[test]
fn whoever_stops_reading_is_no_reason_to_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut preview = program(&["preview", "--out", folder.path().to_str().unwrap()]);
    let Output { status, stderr, .. } = preview.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn preview_writes_all_six_messages() {
    let folder = tempfile::tempdir().unwrap();
    let (code, shown) = run(&["preview", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 12);
}

#[tokio::test]
async fn a_guest_is_invited_uploads_and_reads_at_the_prompt() {
    let db = TestDb::new().await;
    let (owner, runtime, role) = (db.url(&db.owner()), db.url(&db.runtime()), db.runtime());
    assert_eq!(run(&["migrate", "--owner-url", &owner, "--role", &role]).0, Some(0));
    let tenant = TENANT_A.to_string();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/catalog_upload.csv");
    let guest = |arguments: &[&str]| run(&[&["guest"], arguments, &["--database-url", &runtime]].concat());
    let (code, token) = guest(&["invite", "guest@example.com", "--tenant", &tenant]);
    assert_eq!(code, Some(0), "{token}");
    let token = token.trim();
    let (code, shown) = guest(&["upload", token, sample]);
    assert!(code == Some(0) && shown.contains("\"rowsTotal\": 5"), "{shown}");
    let (code, shown) = guest(&["upload", token, sample]);
    assert!(code == Some(1) && shown.contains("\"code\": \"GUEST_FILE_USED\""), "{shown}");
    let (code, shown) = guest(&["results", token]);
    assert!(code == Some(0) && shown.contains("TBL-OAK-6"), "{shown}");
    let (code, shown) = guest(&["results", &token.replacen('.', ".0", 1)]);
    assert!(code == Some(1) && shown.contains("GUEST_TOKEN_INVALID"), "{shown}");
}

#[tokio::test]
async fn an_endpoint_is_added_listed_and_removed_at_the_prompt() {
    let db = TestDb::new().await;
    let (owner, runtime, role) = (db.url(&db.owner()), db.url(&db.runtime()), db.runtime());
    assert_eq!(run(&["migrate", "--owner-url", &owner, "--role", &role]).0, Some(0));
    let tenant = TENANT_A.to_string();
    let webhook = |arguments: &[&str]| {
        run(&[&["webhook"], arguments, &["--tenant", &tenant, "--database-url", &runtime]].concat())
    };
    let (code, secret) = webhook(&["add", "erp", "https://erp.example.com/hook", "ship-stale", "--at-once", "urgent"]);
    assert!(code == Some(0) && secret.starts_with("whsec_"), "{secret}");
    let (code, shown) = webhook(&["list"]);
    let listed: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &listed[0]["name"], &listed[0]["templates"][0]), (Some(0), &"erp".into(), &"ship-stale".into()));
    assert!(!shown.contains(secret.trim().trim_start_matches("whsec_")), "{shown}");
    assert_eq!((webhook(&["remove", "erp"]).0, webhook(&["remove", "erp"]).0), (Some(0), Some(2)));
    let (code, shown) = webhook(&["add", "erp", "https://me:hunter2@erp.example.com/"]);
    assert!(code == Some(2) && shown.contains("no password"), "{shown}");
}

#[tokio::test]
async fn an_operator_works_on_findings_at_the_prompt() {
    let db = TestDb::new().await;
    let (owner, runtime, role) = (db.url(&db.owner()), db.url(&db.runtime()), db.runtime());
    assert_eq!(run(&["migrate", "--owner-url", &owner, "--role", &role]).0, Some(0));
    let finding = "11111111-1111-4111-8111-111111111111";
    db.execute_as_tenant(
        TENANT_A,
        &format!(
            "insert into ship_findings (id, dedupe_key, kind, carrier, account, invoice_number, code, billed, expected,
                 variance, currency, severity, dispute_by, evidence, settings_hash, job_id)
             values ('{finding}', 'k', 'RES_MISAPPLIED', 'FEDEX', '1', 'I-1', 'RES', 3, 0, 3, 'CAD', 'WARN', '2026-04-01',
                 'e', 'h', gen_random_uuid())"
        ),
    )
    .await
    .unwrap();
    let tenant = TENANT_A.to_string();
    let desk = |arguments: &[&str]| {
        run(&[arguments, &["--tenant", &tenant, "--by", "ann", "--database-url", &runtime]].concat())
    };
    assert_eq!(desk(&["caught", "list"]), (Some(0), "[]\n".to_owned()));
    let (code, shown) = desk(&["caught", "hold", finding]);
    assert!(code == Some(1) && shown.contains("CAUGHT_NOT_FOUND"), "{shown}");
    for nothing in [["caught", "hold"], ["review", "subject"], ["finding", "dispute"]] {
        let (code, shown) = desk(&nothing);
        assert!(code == Some(2) && shown.contains("about which?"), "{shown}");
    }
    assert_eq!(desk(&["review", "list"]), (Some(0), "[]\n".to_owned()));
    let (code, shown) = desk(&["review", "not-subject", "SKU-1", "--note", "it is wood"]);
    assert!(code == Some(1) && shown.contains("VERDICT_NOT_FOUND"), "{shown}");
    let (code, shown) = desk(&["finding", "submit", finding]);
    assert!(code == Some(1) && shown.contains("TRANSITION_NOT_ALLOWED"), "{shown}");
    let (code, shown) = desk(&["finding", "dispute", finding]);
    assert!(code == Some(0) && shown.contains("DISPUTED"), "{shown}");
    let (code, shown) = desk(&["claim", "draft", finding]);
    assert_eq!(code, Some(0), "{shown}");
    let claim: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let claim = claim["claim"].as_str().unwrap();
    assert_eq!(desk(&["claim", "prepare", claim]).0, Some(0));
    assert!(desk(&["claim", "submit", claim]).1.contains("TICKET_REQUIRED"));
    assert_eq!(desk(&["claim", "submit", claim, "--ticket", "T-1"]).0, Some(0));
    let credit = format!("{finding}=3.00");
    let proof = ["--source", "credit note", "--reference", "CN-1", "--confirmed", "2026-03-01T12:00:00Z"];
    let (code, shown) = desk(&[&["claim", "confirm", claim, "--credit", &credit], &proof[..]].concat());
    assert!(code == Some(0) && shown.contains("CREDIT_CONFIRMED"), "{shown}");
    assert!(desk(&["finding", "list"]).1.contains("\"credited\": \"3.00\""), "{}", desk(&["finding", "list"]).1);
    assert_eq!(desk(&["claim", "close", claim]).0, Some(0));
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
