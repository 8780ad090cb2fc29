//! The program `rls-verify`: exit status, formats, exceptions.

use std::process::{Command, Output};

use super::harness::Clean;

fn run(clean: &Clean, role: &str, arguments: &[&str]) -> Output {
    let url = clean.db.url(role);
    let fixed = ["--global-table", "g.tenants(id, name)"];
    Command::new(env!("CARGO_BIN_EXE_rls-verify"))
        .env_remove("DATABASE_URL")
        .args(["--database-url", &url])
        .args(fixed)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

#[tokio::test]
async fn exit_status_says_clean_findings_or_failure() {
    let clean = Clean::new().await;
    let app = clean.db.runtime();
    for role in [clean.db.owner(), app.clone(), "postgres".into()] {
        let output = run(&clean, &role, &["--role", &app]);
        assert_eq!(output.status.code(), Some(0), "as {role}: {}", text(&output));
    }
    let deduced = run(&clean, &app, &[]);
    assert_eq!(deduced.status.code(), Some(0), "{}", text(&deduced));
    assert!(text(&deduced).contains("is taken for the runtime role"), "{}", text(&deduced));

    clean.db.execute("alter table lines no force row level security").await.unwrap();
    let found = run(&clean, &app, &["--role", &app]);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    assert!(text(&found).contains("alter table \"public\".\"lines\" force row level security;"));

    for bad in [&["--format", "xml"][..], &["--allow", "V99=x"], &["--allow", "V02"], &["--global-table", "a.b.c"]] {
        assert_eq!(run(&clean, &app, bad).status.code(), Some(2), "{bad:?}");
    }
    assert_eq!(run(&clean, "nobody_here", &[]).status.code(), Some(2));
    let missing = run(&clean, &app, &["--role", "no_such_role"]);
    assert_eq!(missing.status.code(), Some(1), "{}", text(&missing));
}

#[tokio::test]
async fn exceptions_need_a_reason_and_go_stale() {
    let clean = Clean::new().await;
    let app = clean.db.runtime();
    clean.db.execute("alter table lines no force row level security").await.unwrap();
    let allow = ["--role", &app, "--no-probe", "--format", "json", "--allow", "V02:public.lines=being migrated"];
    let allowed = run(&clean, &app, &allow);
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed));
    let document: serde_json::Value = serde_json::from_slice(&allowed.stdout).unwrap();
    assert_eq!(document["schema"], "rls-verify/1");
    assert_eq!(document["findings"][0]["status"], "allowed");
    assert_eq!(document["findings"][0]["reason"], "being migrated");

    clean.db.execute("alter table lines force row level security").await.unwrap();
    let stale = run(&clean, &app, &allow);
    assert_eq!(stale.status.code(), Some(1), "{}", text(&stale));
    let document: serde_json::Value = serde_json::from_slice(&stale.stdout).unwrap();
    assert_eq!(document["findings"][0]["check"], "V90");
}

#[tokio::test]
async fn json_and_sarif_carry_the_same_findings() {
    let clean = Clean::new().await;
    let app = clean.db.runtime();
    clean
        .db
        .execute("alter policy tenant on orders using (true); alter policy tenant on lines using (tenant_id = current_setting('app.tenant_id')::uuid)")
        .await
        .unwrap();
    let json = run(&clean, &app, &["--role", &app, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let sarif = run(&clean, &app, &["--role", &app, "--format", "sarif"]);
    let sarif: serde_json::Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let ids = |list: &serde_json::Value, key: &str| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|item| item[key].as_str().unwrap().to_owned()).collect()
    };
    let run = &sarif["runs"][0];
    let checks = ids(&json["findings"], "check");
    assert_eq!(checks, ids(&run["results"], "ruleId"));
    assert!(
        checks.contains(&"V08".into()) && checks.contains(&"P3".into()) && checks.contains(&"V52".into()),
        "{checks:?}"
    );
    for (at, result) in run["results"].as_array().unwrap().iter().enumerate() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], checks[at]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    }
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn a_check_explains_itself_without_a_database() {
    let output = Command::new(env!("CARGO_BIN_EXE_rls-verify"))
        .env_remove("DATABASE_URL")
        .args(["--explain", "V15"])
        .output()
        .unwrap();
    assert!(text(&output).starts_with("### V15: `bypassing-view`"));
    assert_eq!(output.status.code(), Some(0));
}
