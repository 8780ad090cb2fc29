//! Every safe form of a policy is accepted, whatever the column's type and the setting's name.

use std::collections::BTreeSet;

use rls_runtime::verify::{Options, Report, Status};

use super::harness::{Clean, Site, shown};

/// A form, and the advice that is given about it.
struct Form {
    name: &'static str,
    sql: &'static str,
    advice: &'static [&'static str],
}

const fn form(name: &'static str, sql: &'static str, advice: &'static [&'static str]) -> Form {
    Form { name, sql, advice }
}

/// Each is for all four commands, to {app} unless it says otherwise, on a table of its own.
const FORMS: &[Form] = &[
    form("loud, once", "create policy p on t using (tenant_id = (select current_setting('app.tenant_id')::uuid))", &[]),
    form(
        "quiet with NULLIF, once",
        "create policy p on t using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))",
        &[],
    ),
    form(
        "quiet, once",
        "create policy p on t using (tenant_id = (select current_setting('app.tenant_id', true)::uuid))",
        &["V53"],
    ),
    form("loud, bare", "create policy p on t using (tenant_id = current_setting('app.tenant_id')::uuid)", &["V52"]),
    form(
        "quiet, bare",
        "create policy p on t using (tenant_id = current_setting('app.tenant_id', true)::uuid)",
        &["V52", "V53"],
    ),
    form(
        "quiet with NULLIF, bare",
        "create policy p on t using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)",
        &["V52"],
    ),
    form(
        "loud with NULLIF",
        "create policy p on t using (tenant_id = (select nullif(current_setting('app.tenant_id', false), '')::uuid))",
        &["V53"],
    ),
    form(
        "cast outside",
        "create policy p on t using (tenant_id = (select current_setting('app.tenant_id'))::uuid)",
        &["V52"],
    ),
    form(
        "column cast",
        "create policy p on t using (tenant_id::text = (select nullif(current_setting('app.tenant_id', true), '')))",
        &["V52"],
    ),
    form(
        "turned round",
        "create policy p on t using ((select current_setting('app.tenant_id')::uuid) = tenant_id)",
        &[],
    ),
    form(
        "cast()",
        "create policy p on t using (tenant_id = (select cast(current_setting('app.tenant_id') as uuid)))",
        &[],
    ),
    form(
        "setting in capitals",
        "create policy p on t using (tenant_id = (select current_setting('App.Tenant_Id')::uuid))",
        &[],
    ),
    form("list of one", "create policy p on t using (tenant_id in (current_setting('app.tenant_id')::uuid))", &["V52"]),
    form(
        "set of one",
        "create policy p on t using (tenant_id in (select current_setting('app.tenant_id')::uuid))",
        &["V52"],
    ),
    form(
        "COALESCE with the empty text",
        "create policy p on t using (tenant_id = (select coalesce(current_setting('app.tenant_id', true), '')::uuid))",
        &[],
    ),
    form(
        "to a role, with a check",
        "create policy p on t to {app} using (tenant_id = (select current_setting('app.tenant_id')::uuid)) \
         with check (tenant_id = (select current_setting('app.tenant_id')::uuid))",
        &[],
    ),
    form(
        "one per command",
        "create policy s on t for select using (tenant_id = (select current_setting('app.tenant_id')::uuid)); \
         create policy i on t for insert with check (tenant_id = (select current_setting('app.tenant_id')::uuid)); \
         create policy u on t for update using (tenant_id = (select current_setting('app.tenant_id')::uuid)); \
         create policy d on t for delete using (tenant_id = (select current_setting('app.tenant_id')::uuid))",
        &[],
    ),
    form(
        "narrowed",
        "create policy p on t using (tenant_id = (select current_setting('app.tenant_id')::uuid) and x > 0)",
        &[],
    ),
    form(
        "two safe sides",
        "create policy p on t using ((x > 0 and tenant_id = (select current_setting('app.tenant_id')::uuid)) \
         or (tenant_id = (select current_setting('app.tenant_id')::uuid) and x < 0))",
        &[],
    ),
    form(
        "restrictive closes permissive",
        "create policy open on t using (true) with check (true); \
         create policy closed on t as restrictive using (tenant_id = (select current_setting('app.tenant_id')::uuid))",
        &[],
    ),
    form(
        "restrictive per command closes permissive per command",
        "create policy r on t for select using (true); create policy w on t for insert with check (true); \
         create policy u on t for update using (true); create policy d on t for delete using (true); \
         create policy closed on t as restrictive to public using (tenant_id = (select current_setting('app.tenant_id')::uuid)) \
         with check (tenant_id = (select current_setting('app.tenant_id')::uuid))",
        &[],
    ),
    form(
        "safe permissive, unrelated restrictive",
        "create policy p on t using (tenant_id = (select current_setting('app.tenant_id')::uuid)); \
         create policy fresh on t as restrictive for select using (x is not null)",
        &[],
    ),
    form(
        "nothing for another role",
        "create policy p on t using (tenant_id = (select current_setting('app.tenant_id')::uuid)); \
         create policy none on t as permissive for delete to {other} using (false)",
        &[],
    ),
];

async fn accepts(site: &mut Site<'_>, options: &Options, table: &str, form: &Form) -> Option<String> {
    let report = reported(site, options, table, form).await;
    let open: Vec<_> =
        report.open().map(|finding| format!("{} {}: {}", finding.check, finding.object, finding.message)).collect();
    let advice = report.findings.iter().filter(|finding| finding.status == Status::Advice);
    let advice: BTreeSet<&str> = advice.map(|finding| finding.check).collect();
    let wanted: BTreeSet<&str> = form.advice.iter().copied().collect();
    (!open.is_empty() || advice != wanted).then(|| format!("{}: {open:?}, advice {advice:?}", form.name))
}

async fn reported(site: &mut Site<'_>, options: &Options, table: &str, form: &Form) -> Report {
    site.run("drop schema public cascade; create schema public; grant usage on schema public to {app}; drop schema if exists \"Odd Schema\" cascade")
        .await
        .unwrap();
    site.run(table).await.unwrap();
    site.run("alter table t enable row level security; alter table t force row level security; grant select, insert, update, delete on t to {app}")
        .await
        .unwrap();
    site.run(form.sql).await.unwrap();
    site.verify(options).await
}

#[tokio::test]
async fn safe_forms_are_accepted() {
    let clean = Clean::new().await;
    let table = "create table t (tenant_id uuid not null, x int, primary key (tenant_id)); \
                 insert into t values ('aaaaaaaa-0000-4000-8000-000000000000', 1), ('bbbbbbbb-0000-4000-8000-000000000000', 1)";
    let mut site = clean.open().await;
    let mut wrong = Vec::new();
    for form in FORMS {
        wrong.extend(accepts(&mut site, &clean.options(), table, form).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn other_types_columns_and_settings_are_accepted() {
    let clean = Clean::new().await;
    let mut site = clean.open().await;
    let mut wrong = Vec::new();
    for (table, column, setting, form) in [
        (
            "create table t (\"Org Id\" bigint not null, x int, primary key (\"Org Id\")); insert into t values (1, 1), (2, 1)",
            "Org Id",
            "my.org",
            form("bigint", "create policy p on t using (\"Org Id\" = (select current_setting('my.org')::bigint))", &[]),
        ),
        (
            "create table t (org text not null check (org <> ''), x int, primary key (org)); insert into t values ('a', 1), ('b', 1)",
            "org",
            "my.org",
            form(
                "text that cannot be empty",
                "create policy p on t using (org = (select current_setting('my.org')))",
                &["V53"],
            ),
        ),
        (
            "create table t (org text not null, x int, primary key (org)); insert into t values ('a', 1), ('b', 1)",
            "org",
            "my.org",
            form(
                "text with NULLIF",
                "create policy p on t using (org = (select nullif(current_setting('my.org', true), '')))",
                &[],
            ),
        ),
        (
            "create table t (org varchar(36) not null, x int, primary key (org)); insert into t values ('a', 1), ('b', 1)",
            "org",
            "my.org",
            form(
                "varchar",
                "create policy p on t using (org = (select nullif(current_setting('my.org', true), '')))",
                &[],
            ),
        ),
        (
            "create table t (org varchar(12) not null, x int, primary key (org)); insert into t values ('a', 1), ('b', 1)",
            "org",
            "my.org",
            form(
                "cut to what the column holds",
                "create policy p on t using (org = (select nullif(current_setting('my.org', true), '')::varchar(12)))",
                &["V52"],
            ),
        ),
        (
            "create domain tenant as uuid not null; create table t (tenant_id tenant, x int, primary key (tenant_id))",
            "tenant_id",
            "app.tenant_id",
            form(
                "domain",
                "create policy p on t using (tenant_id = (select current_setting('app.tenant_id')::uuid))",
                &[],
            ),
        ),
    ] {
        let mut options = clean.options();
        options.tenant_column = column.into();
        options.tenant_setting = setting.into();
        wrong.extend(accepts(&mut site, &options, table, &form).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn roles_are_reached_by_membership_and_deduced_without_a_name() {
    let clean = Clean::new().await;
    let mut site = clean.open().await;
    site.run(
        "grant {other} to {app}; \
         revoke all on orders, lines, events, order_totals, \"Odd Schema\".\"Odd \"\"Table\" from {app}; \
         grant select, insert on orders, lines, events, \"Odd Schema\".\"Odd \"\"Table\" to {other}; \
         alter policy tenant on orders to {other}; grant select on g.tenants to {other}; \
         grant usage on schema public, g, \"Odd Schema\" to {other}",
    )
    .await
    .unwrap();
    let named = site.verify(&clean.options()).await;
    assert_eq!(shown(&named), [""; 0]);
    let mut options = clean.options();
    options.roles.clear();
    let deduced = site.verify(&options).await;
    assert_eq!(deduced.roles, [clean.fill("{app}"), clean.fill("{other}")]);
    assert!(deduced.notes[0].contains("no role was named"), "{:?}", deduced.notes);
}
