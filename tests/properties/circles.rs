//! Programs that lead in circles, or double with every line: no compiler takes most of them, an editor meets them all.
//! The audit ends, and misses no statement.

use crate::RULES;
use crate::programs::verdicts;

/// More of anything than somebody writes.
const MANY: usize = 40;

/// The only statement of the program, at `@`, is a gap.
#[track_caller]
fn ends(program: &str) {
    let statement = "sqlx::query(\"select 1 from orders_0\").execute";
    let program = format!("use sqlx::PgPool;\nuse std::ops::Deref;\n{}", program.replace('@', statement));
    let found = verdicts(&program, &RULES);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(0, "gap".to_owned())]);
}

/// `line` with every number up to [`MANY`] for `#`, and the number after it, in a circle, for `$`.
fn lines(line: &str) -> String {
    (0..MANY).map(|at| line.replace('#', &at.to_string()).replace('$', &((at + 1) % MANY).to_string())).collect()
}

#[test]
fn types_that_dereference_to_each_other() {
    let types = lines(
        "struct T#(Box<T$>);
        impl Deref for T# { type Target = T$; fn deref(&self) -> &T$ { &self.0 } }
        impl AsRef<T$> for T# { fn as_ref(&self) -> &T$ { self } }\n",
    );
    ends(&format!("{types} async fn by_field(of: &T0) {{ @(&of.pool).await; }}"));
    ends(&format!("{types} async fn by_method(of: &T0) {{ @(of.pool()).await; }}"));
    ends(&format!("{types} async fn by_itself(of: &T0) {{ @(of).await; }}"));
}

#[test]
fn a_type_that_dereferences_to_its_own_variants() {
    ends(
        "enum Db<'a> { Pool(&'a PgPool), Other(&'a PgPool) }
        impl Deref for Db<'_> { type Target = PgPool; fn deref(&self) -> &PgPool { match self { Db::Pool(it) => it, Db::Other(it) => it } } }
        async fn read(db: &Db<'_>) { @(&**db).await; }",
    );
}

#[test]
fn closures_that_call_themselves_or_each_other_twice() {
    ends("async fn of_itself(pool: &PgPool) { let f = |g| g(g); f(f); f(|g| f(g)); @(pool).await; }");
    let twice = (1..MANY).map(|at| format!("let f{at} = |it| {{ f{0}(it); f{0}(it) }};\n", at - 1)).collect::<String>();
    ends(&format!("fn doubling(pool: &PgPool) {{ let f0 = |it| @(it); {twice} f{}(pool); }}", MANY - 1));
}

#[test]
fn tuples_of_themselves() {
    let pairs = "let t = (t, t);\n".repeat(MANY);
    ends(&format!("async fn read(pool: &PgPool) {{ let t = (pool, pool); {pairs} @(pool).await; }}"));
}

#[test]
fn names_that_stand_for_many_names() {
    let wide = |next: &str, by: &str| [next; 12].join(by);
    let aliases = lines(&format!("type T# = ({});\n", wide("T$", ", ")));
    ends(&format!("{aliases} async fn read(of: T0, pool: &PgPool) {{ @(pool).await; }}"));
    let traits = lines(&format!("trait T#: {} {{}}\n", wide("T$", " + ")));
    ends(&format!("{traits} async fn read(of: &dyn T0, pool: &PgPool) {{ @(pool).await; }}"));
    let texts = lines(&format!("const C#: &str = concat!({});\n", wide("C$", ", ")));
    ends(&format!("{texts} async fn read(pool: &PgPool) {{ log(C0); @(pool).await; }}"));
}

#[test]
fn a_function_that_walks_down_what_it_is_given() {
    ends(
        "struct Level { next: Box<Level>, pool: PgConnection }
        async fn walk(level: &mut Level, pool: &PgPool) { @(&mut level.pool).await; walk(&mut level.next, pool).await; @(pool).await; }",
    );
}

/// At this size nothing ends that looks at every impl for every call.
#[test]
fn a_trait_with_thousands_of_impls_that_call_each_other_and_thousands_of_callers() {
    const THOUSANDS: usize = 3_000;
    let impls = |at: usize| {
        format!(
            "struct J{at}(Box<dyn Job>);
            impl Job for J{at} {{
                fn next(&self) -> J{at} {{ of(self) }}
                async fn run(&self, cx: &mut Cx, db: &mut PgConnection) {{
                    sqlx::query(\"select 1 from orders_{at}\").execute(&mut *db).await;
                    self.0.run(cx, db).await;
                }}
            }}
            async fn call{at}(job: &dyn Job, cx: &mut Cx, pool: &PgPool) {{
                job.next().run(cx, &mut pool.acquire().await?).await;
            }}\n"
        )
    };
    let program = format!(
        "use sqlx::{{PgConnection, PgPool}};
        struct Cx {{ db: PgConnection }}
        trait Job {{ fn next(&self) -> Self; async fn run(&self, cx: &mut Cx, db: &mut PgConnection); }}
        {}",
        (0..THOUSANDS).map(impls).collect::<String>(),
    );
    let found = verdicts(&program, &RULES);
    assert_eq!(found, (0..THOUSANDS).map(|at| (at, "gap".to_owned())).collect());
}
