//! Small programs, each statement in one of many places: how it is reached changes nothing about what covers it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rls_audit::audit::{AuditOptions, audit};
use rls_audit::discover::Sources;

use crate::{RULES, cases};

/// What a statement runs on.
#[derive(Clone, Copy, Debug)]
enum On {
    Pool,
    Connection,
    Scope,
}

/// Where a statement is written.
#[derive(Clone, Copy, Debug)]
enum Written {
    Inline,
    /// In a helper beside its caller.
    Beside,
    /// In a method.
    Method,
    /// In a helper behind a helper.
    Behind,
    /// In another module, called by its path.
    ByPath,
    /// In another module, imported.
    Imported,
    /// In another module, imported under another name.
    Renamed,
    /// In another module, through a re-export.
    ReExported,
    /// In another module, which is imported whole.
    Glob,
}

const ON: [On; 3] = [On::Pool, On::Connection, On::Scope];
const WRITTEN: [Written; 9] = [
    Written::Inline,
    Written::Beside,
    Written::Method,
    Written::Behind,
    Written::ByPath,
    Written::Imported,
    Written::Renamed,
    Written::ReExported,
    Written::Glob,
];

/// A program of three files.
#[derive(Default)]
struct Program {
    callers: String,
    imports: String,
    helpers: String,
    re_exports: String,
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn where_a_statement_is_written_does_not_matter(
        units in prop::collection::vec((prop::sample::select(&ON[..]), prop::sample::select(&WRITTEN[..])), 1..8),
    ) {
        let wanted: BTreeMap<usize, String> =
            units.iter().enumerate().map(|(id, (on, _))| (id, verdict_on(*on).to_owned())).collect();
        prop_assert_eq!(verdicts(&units), wanted);
    }
}

fn verdict_on(on: On) -> &'static str {
    match on {
        On::Pool | On::Connection => "gap",
        On::Scope => "scoped",
    }
}

/// What is said of each statement, by its number.
fn verdicts(units: &[(On, Written)]) -> BTreeMap<usize, String> {
    let mut program = Program::default();
    for (id, (on, written)) in units.iter().enumerate() {
        program.add(id, *on, *written);
    }
    let Program { callers, imports, helpers, re_exports } = &program;
    let main = format!("use sqlx::{{PgConnection, PgPool}};\n{imports}\n{callers}");
    let helpers = format!("use sqlx::PgConnection;\n{helpers}");
    let files = [("src/callers.rs", main.as_str()), ("src/helpers.rs", &helpers), ("src/facade.rs", re_exports)];
    let verdict = audit(Sources::from_texts(files), &RULES, &AuditOptions { jobs: Some(1), ..AuditOptions::default() });
    let number = |text: &str| {
        let digits = text.split("orders_").nth(1).expect("a planted statement");
        digits.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().expect("its number")
    };
    let statements = verdict.program.statements.iter();
    let said = statements.map(|statement| {
        let text = verdict.file(statement.place.file).slice(statement.place.span);
        (number(text), statement.cover.verdict().to_owned())
    });
    said.collect()
}

impl Program {
    fn add(&mut self, id: usize, on: On, written: Written) {
        let handle = match on {
            On::Pool => "pool",
            On::Connection | On::Scope => "&mut *it",
        };
        let (setup, end) = match on {
            On::Pool => ("", ""),
            On::Connection => ("let mut it = pool.acquire().await?; ", ""),
            On::Scope => ("rls_runtime::with_tenant(pool, tenant, async |mut it| { ", " Ok(()) }).await?;"),
        };
        let ty = if matches!(on, On::Pool) { "&sqlx::PgPool" } else { "&mut PgConnection" };
        let inline = |on: &str| format!("sqlx::query(\"delete from orders_{id}\").execute({on}).await?;");
        let helper =
            |name: &str| format!("pub async fn {name}(on: {ty}) -> sqlx::Result<()> {{ {} Ok(()) }}\n", inline("on"));
        let call = match written {
            Written::Inline => inline(handle),
            Written::Beside => {
                self.callers += &helper(&format!("beside_{id}"));
                format!("beside_{id}({handle}).await?;")
            }
            Written::Method => {
                let method = helper("remove").replace("(on:", "(&self, on:");
                self.callers += &format!("pub struct Repository{id};\nimpl Repository{id} {{ {method} }}\n");
                format!("Repository{id}.remove({handle}).await?;")
            }
            Written::Behind => {
                self.helpers += &helper(&format!("last_{id}"));
                self.callers += &format!(
                    "pub async fn first_{id}(on: {ty}) -> sqlx::Result<()> {{ crate::helpers::last_{id}(on).await }}\n"
                );
                format!("first_{id}({handle}).await?;")
            }
            Written::ByPath => {
                self.helpers += &helper(&format!("by_path_{id}"));
                format!("crate::helpers::by_path_{id}({handle}).await?;")
            }
            Written::Imported => {
                self.helpers += &helper(&format!("imported_{id}"));
                self.imports += &format!("use crate::helpers::imported_{id};\n");
                format!("imported_{id}({handle}).await?;")
            }
            Written::Renamed => {
                self.helpers += &helper(&format!("plain_{id}"));
                self.imports += &format!("use crate::helpers::plain_{id} as renamed_{id};\n");
                format!("renamed_{id}({handle}).await?;")
            }
            Written::ReExported => {
                self.helpers += &helper(&format!("inner_{id}"));
                self.re_exports += &format!("pub use crate::helpers::inner_{id} as outer_{id};\n");
                format!("crate::facade::outer_{id}({handle}).await?;")
            }
            Written::Glob => {
                self.helpers += &helper(&format!("glob_{id}"));
                self.imports += "use crate::helpers::*;\n";
                format!("glob_{id}({handle}).await?;")
            }
        };
        self.callers += &format!(
            "pub async fn caller_{id}(pool: &PgPool, tenant: TenantId) -> sqlx::Result<()> {{ {setup}{call}{end} Ok(()) }}\n"
        );
    }
}
