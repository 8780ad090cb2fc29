//! What newer versions of PostgreSQL bring: each is planted where the server knows it.

use super::harness::{Clean, shown};

/// From which version on, what to plant, and what must be found: `None` where it is harmless.
const NEWS: &[(i32, &str, Option<&str>)] = &[
    (16, "alter role {other} bypassrls; grant {other} to {app} with inherit false, set false", None),
    (16, "alter role {other} bypassrls; grant {other} to {app} with inherit true, set false", None),
    (
        16,
        "alter role {other} bypassrls; grant {other} to {app} with inherit false, set false, admin true",
        Some("V06 role {app} -> {other}"),
    ),
    (16, "alter role {other} bypassrls; grant {other} to {app} with inherit false", Some("V06 role {app} -> {other}")),
    (16, "grant {owner} to {app} with inherit true, set false", Some("V06 role {app} -> {owner}")),
    (17, "grant maintain on orders to {app}", Some("V21 public.orders MAINTAIN")),
    (
        18,
        "alter table lines add constraint loose foreign key (tenant_id, order_id) references orders (tenant_id, id) not enforced",
        Some("V48 public.lines loose"),
    ),
    (18, "alter table lines add constraint few check (quantity < 100) not enforced", Some("V48 public.lines few")),
    (
        18,
        "create table bare (tenant_id uuid); alter table bare add constraint filled not null tenant_id not valid",
        Some("V48 public.bare filled"),
    ),
    (
        18,
        "create table made (tenant_id uuid generated always as ('aaaaaaaa-0000-4000-8000-000000000000'::uuid) virtual)",
        Some("V54 public.made.tenant_id"),
    ),
    (18, "alter table lines add column doubled int generated always as (quantity * 2) virtual", None),
];

#[tokio::test]
async fn what_newer_servers_bring_is_judged() {
    let clean = Clean::new().await;
    let mut site = clean.open().await;
    let version = "select current_setting('server_version_num')::int / 10000";
    let version: i32 = sqlx::query_scalar(version).fetch_one(&mut site.connection).await.unwrap();
    let mut options = clean.options();
    options.probe = false;
    let mut wrong = Vec::new();
    for (_, planted, expected) in NEWS.iter().filter(|(since, ..)| *since <= version) {
        site.run(planted).await.unwrap_or_else(|error| panic!("{planted}: {error}"));
        site.reconnect().await;
        let report = site.verify(&options).await;
        let expected = expected.map(|expected| clean.fill(expected));
        let is_right = match &expected {
            Some(expected) => shown(&report).contains(expected),
            None => report.is_clean(),
        };
        if !is_right {
            wrong.push(format!("{planted}: {:?}", shown(&report)));
        }
        for finding in report.findings.iter().filter(|finding| finding.check == "V48") {
            site.run(&finding.fix).await.unwrap_or_else(|error| panic!("{}: {error}", finding.fix));
        }
        site.reset().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
