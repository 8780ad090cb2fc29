//! Whole programs made from bytes, each statement with the verdict that it must get; shared by the property tests and the fuzzer.

use std::collections::BTreeMap;

use rls_audit::audit::{AuditOptions, audit};
use rls_audit::discover::Sources;
use rls_audit::rules::Rules;

/// How deep constructs go into each other.
const DEEPEST: u32 = 4;

/// What code is wrapped in: it stands for `@`. All are expressions.
pub const WRAPPERS: &[&str] = &[
    "{ @ }",
    "if ready { @ } else { done() }",
    "if let Ok(_) = @ { done() } else { done() }",
    "match @ { Ok(_) => done(), Err(_) => done() }",
    "match kind { 1 => @, _ => done() }",
    "{ loop { let _ = @; break; } done() }",
    "{ for _ in 0..2 { let _ = @; } done() }",
    "{ while !ready { @?; } done() }",
    "async { @ }.await",
    "{ let Ok(_) = @ else { return Ok(()) }; done() }",
    "(1, @).1",
    "[@].pop()",
    "{ Box::pin(async move { @ }).await }",
    "{ let _ = Planted { field: @?, ..base() }; done() }",
    "done_with(@)",
    "done_with(@?).await.map(|row| row.get(0))",
    "{ println!(\"{:?}\", @); done() }",
    "{ assert!(@.is_ok()); done() }",
    "{ tokio::try_join!(async { @ })?; done() }",
    "{ tokio::select! { done = async { @ } => drop(done) } done() }",
    "{ unknown_grammar! { a => b; run @ } done() }",
    "{ let later = || async { @ }; later().await }",
    "unsafe { @ }",
    "!(@.is_ok())",
];

/// A program of one file.
pub struct Program {
    /// Its text. The statements are about `orders_0`, `orders_1`, ...
    pub text: String,
    /// The verdict of each statement.
    pub verdicts: BTreeMap<usize, String>,
}

/// Makes a program from bytes. The same bytes make the same program.
pub fn program(choices: &[u8]) -> Program {
    let mut builder = Builder { choices, helpers: String::new(), scopes: 0, verdicts: BTreeMap::new() };
    let mut text = "use sqlx::{PgConnection, PgPool};\n".to_owned();
    for index in 0..=builder.pick(3) {
        let body = builder.body(None, 0);
        text.push_str(&format!(
            "pub async fn f{index}(pool: &PgPool, tenant: TenantId) -> sqlx::Result<()> {{\n{body}    Ok(())\n}}\n"
        ));
    }
    text.push_str(&builder.helpers);
    Program { text, verdicts: builder.verdicts }
}

/// What an audit says of each statement, by its number.
pub fn verdicts(text: &str, rules: &Rules) -> BTreeMap<usize, String> {
    let options = AuditOptions { jobs: Some(1), ..AuditOptions::default() };
    let verdict = audit(Sources::from_texts([("src/example.rs", text)]), rules, &options);
    let said = verdict.program.statements.iter().filter_map(|statement| {
        let written = verdict.file(statement.place.file).slice(statement.place.span);
        let (_, rest) = written.split_once("orders_")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((digits.parse().ok()?, statement.cover.verdict().to_owned()))
    });
    said.collect()
}

struct Builder<'b> {
    choices: &'b [u8],
    /// Functions that statements were moved to.
    helpers: String,
    scopes: usize,
    verdicts: BTreeMap<usize, String>,
}

impl Builder<'_> {
    /// The next choice among so many; the first once the bytes are used up.
    fn pick(&mut self, among: usize) -> usize {
        let Some((first, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        usize::from(*first) % among
    }

    /// Some lines, inside the scope of a handle or outside all.
    fn body(&mut self, scope: Option<usize>, depth: u32) -> String {
        (0..=self.pick(3)).map(|_| format!("    {};\n", self.expr(scope, depth))).collect()
    }

    fn expr(&mut self, scope: Option<usize>, depth: u32) -> String {
        if depth >= DEEPEST {
            return self.statement(scope);
        }
        match self.pick(4) {
            0 => self.statement(scope),
            1 => self.scope(depth + 1),
            _ => {
                let wrapper = WRAPPERS[self.pick(WRAPPERS.len())];
                wrapper.replace('@', &self.expr(scope, depth + 1))
            }
        }
    }

    /// A scope of its own, also inside another one.
    fn scope(&mut self, depth: u32) -> String {
        let handle = self.scopes;
        self.scopes += 1;
        let body = self.body(Some(handle), depth);
        match self.pick(4) {
            0 => {
                format!("rls_runtime::with_tenant(pool, tenant, async |mut tx{handle}| {{\n{body}    Ok(()) }}).await")
            }
            1 => format!(
                "rls_runtime::with_tenant(pool, tenant, |mut tx{handle}| async move {{\n{body}    Ok(()) }}).await"
            ),
            2 => format!(
                "rls_runtime::with_tenant(pool, tenant, |mut tx{handle}| Box::pin(async move {{\n{body}    Ok(()) }})).await"
            ),
            _ => format!(
                "{{ let run{handle} = async |mut tx{handle}: rls_runtime::TenantTx| {{\n{body}    Ok(()) }}; \
                 rls_runtime::with_tenant(pool, tenant, run{handle}).await }}"
            ),
        }
    }

    fn statement(&mut self, scope: Option<usize>) -> String {
        let id = self.verdicts.len();
        let is_on_scope = self.pick(4) != 0;
        let (on, ty, verdict) = match scope {
            None => ("pool".to_owned(), "&PgPool", "gap"),
            Some(handle) if is_on_scope => (format!("&mut *tx{handle}"), "&mut PgConnection", "scoped"),
            Some(_) => ("pool".to_owned(), "&PgPool", "escaped"),
        };
        self.verdicts.insert(id, verdict.to_owned());
        match self.pick(5) {
            0 => format!("sqlx::query(\"delete from orders_{id}\").execute({on}).await"),
            1 => format!(
                "sqlx::query_scalar!(\"select id from orders_{id} where a = $1\", a)\n    .fetch_one({on})\n    .await"
            ),
            2 => format!("sqlx::query_as::<_, Row>(\"select a from orders_{id}\").bind(id(a)).fetch_all({on}).await"),
            // What is called with the pool inside a scope is a statement of its own there.
            3 if verdict != "escaped" => {
                self.helpers.push_str(&format!(
                    "pub async fn helper_{id}(on: {ty}) -> sqlx::Result<()> {{ sqlx::query(\"delete from orders_{id}\").execute(on).await?; Ok(()) }}\n"
                ));
                format!("helper_{id}({on}).await")
            }
            _ => format!("sqlx::query!(r#\"insert into orders_{id} values (1)\"#).execute({on}).await"),
        }
    }
}
