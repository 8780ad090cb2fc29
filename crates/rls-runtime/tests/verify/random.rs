//! Random policies: what the verifier calls safe must not show a foreign row to anybody who tries.

use std::collections::BTreeSet;

use super::harness::Clean;

/// A small generator of its own, so that every run tries the same policies.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        match self.below(7) {
            0 => "current_setting('app.tenant_id')".into(),
            1 | 2 => "current_setting('app.tenant_id', true)".into(),
            3 => format!("nullif({}, '')", self.text()),
            4 => format!(
                "coalesce({}, {})",
                self.text(),
                self.one(&["''", "'aaaaaaaa-0000-4000-8000-000000000000'", "null"])
            ),
            5 => format!("(select {})", self.text()),
            _ => self
                .one(&[
                    "'bbbbbbbb-0000-4000-8000-000000000000'",
                    "current_setting('app.other', true)",
                    "tenant_id::text",
                ])
                .into(),
        }
    }

    fn value(&mut self) -> String {
        match self.below(5) {
            0 => format!("(select {}::uuid)", self.text()),
            4 => format!("case when x = 1 then {}::uuid else {}::uuid end", self.text(), self.text()),
            1 => format!(
                "coalesce({}::uuid, {})",
                self.text(),
                self.one(&["tenant_id", "null", "'aaaaaaaa-0000-4000-8000-000000000000'"])
            ),
            _ => format!("{}::uuid", self.text()),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        let kinds = if depth == 0 { 6 } else { 13 };
        match self.below(kinds) {
            0 | 1 => format!("tenant_id = {}", self.value()),
            2 => format!("{} = tenant_id", self.value()),
            3 => format!("tenant_id::text = {}", self.text()),
            4 => format!(
                "tenant_id {} {}",
                self.one(&["<>", ">=", "is not distinct from", "is distinct from"]),
                self.value()
            ),
            5 => self
                .one(&[
                    "true",
                    "false",
                    "x > 1",
                    "tenant_id is null",
                    "tenant_id is not null",
                    "current_setting('app.tenant_id', true) is null",
                    "coalesce(current_setting('app.tenant_id', true), '') = ''",
                    "tenant_id in (current_setting('app.tenant_id')::uuid)",
                ])
                .into(),
            6 | 7 => format!("({} and {})", self.condition(depth - 1), self.condition(depth - 1)),
            8 => format!("({} or {})", self.condition(depth - 1), self.condition(depth - 1)),
            9 => format!(
                "(case when {} then {} else {} end)",
                self.condition(depth - 1),
                self.condition(depth - 1),
                self.condition(depth - 1)
            ),
            10 => {
                format!("({} {} exists (select from g.tenants))", self.condition(depth - 1), self.one(&["and", "or"]))
            }
            11 => format!("(not {})", self.condition(depth - 1)),
            _ => format!("(({}) is true)", self.condition(depth - 1)),
        }
    }
}

#[tokio::test]
async fn what_is_called_safe_leaks_nothing() {
    const POLICIES: usize = 400;
    let clean = Clean::new().await;
    let mut site = clean.open().await;
    let mut random = Random(20_260_302);
    let mut sql = String::from("drop table lines, orders, events cascade; drop schema \"Odd Schema\" cascade;");
    let mut conditions = Vec::new();
    for at in 0..POLICIES {
        let condition = random.condition(3);
        sql += &format!(
            "create table r{at} (tenant_id uuid not null primary key, x int not null);
             insert into r{at} values ('aaaaaaaa-0000-4000-8000-000000000000', 1), ('bbbbbbbb-0000-4000-8000-000000000000', 2);
             alter table r{at} enable row level security; alter table r{at} force row level security;
             grant select, insert, update, delete on r{at} to {{app}};
             create policy p on r{at} using ({condition}) with check ({condition});"
        );
        conditions.push(condition);
    }
    site.run(&sql).await.unwrap();
    let report = site.verify(&clean.options()).await;
    assert_eq!(report.notes, [""; 0]);
    let found = |is: &dyn Fn(&str) -> bool| -> BTreeSet<&str> {
        let findings = report.findings.iter().filter(|finding| is(finding.check));
        findings.map(|finding| finding.object.split(' ').next().unwrap()).collect()
    };
    let unsafe_tables = found(&|check| check == "V08");
    let leaking = found(&|check| check.starts_with('P'));
    let missed: Vec<String> = (0..POLICIES)
        .map(|at| (format!("public.r{at}"), &conditions[at]))
        .filter(|(table, _)| leaking.contains(table.as_str()) && !unsafe_tables.contains(table.as_str()))
        .map(|(table, condition)| format!("{table}: {condition}"))
        .collect();
    assert_eq!(missed, [""; 0], "policies that leak are called safe");
    // The test would prove nothing if one side were empty.
    assert!(unsafe_tables.len() < POLICIES - 40, "{} of {POLICIES} are called unsafe", unsafe_tables.len());
    assert!(leaking.len() > 40, "{} of {POLICIES} leak", leaking.len());
    eprintln!("{} unsafe, {} leak, of {POLICIES}", unsafe_tables.len(), leaking.len());
}
