//! The files that are not parsed could not have changed a byte of the report.

mod rendered;

use std::path::Path;

use rls_audit::audit::{AuditOptions, Parsing, audit};
use rls_audit::discover::{Project, Request, Sources};
use rls_audit::finding::Verdict;
use rls_audit::parse::{LARGE_STACK, on_large_stack, outline, parse, parse_partly, read_bodies};
use rls_audit::rules::{Origin, RULES_FILE, load};

use self::rendered::rendered;

/// Has nothing to do with databases, and stands in every tree.
const UNRELATED: (&str, &str) = (
    "src/unrelated.rs",
    "pub struct Clock { pub ticks: u64 }\nimpl Clock { pub fn tick(&mut self) { self.ticks += 1 } }\n",
);

#[test]
fn fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for folder in ["", "probes", "idioms", "staging", "staging-hardened", "rls003_unscoped_path/modules"] {
        let request = Request { cwd: root.clone(), paths: vec![root.join(folder)], ..Request::default() };
        let sources = Project::find(&request).unwrap().read(&request).unwrap();
        assert_same(folder, &sources, &root.join(folder).join(RULES_FILE));
    }
}

/// What is read in parts is what is read at once, in every file of this repository that has no mistakes.
#[test]
fn bodies_that_are_read_later() {
    let reader = std::thread::Builder::new().stack_size(LARGE_STACK).spawn(|| {
        on_large_stack();
        read_in_parts();
    });
    reader.unwrap().join().unwrap();
}

fn read_in_parts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in walkdir::WalkDir::new(root.join("src")).into_iter().chain(walkdir::WalkDir::new(root.join("fixtures")))
    {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            count += assert_same_in_parts(&path);
        }
    }
    assert!(count > 500, "only {count} bodies were left out");
}

fn assert_same_in_parts(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let whole = parse(&text, false);
    let Some(outline) = outline(&text) else { return 0 };
    let insides: Vec<_> = outline.bodies.iter().filter(|body| body.is_optional).map(|body| body.inside).collect();
    let Some(mut partly) = parse_partly(&text, false, &insides) else {
        let is_recovered = whole.functions.iter().any(|function| function.is_recovered);
        assert!(is_recovered || !whole.blind_spots.is_empty(), "{}: could not be read in parts", path.display());
        return 0;
    };
    let Some(blocks) = read_bodies(&text, &insides) else {
        assert!(!whole.blind_spots.is_empty(), "{}: has a body that could not be read alone", path.display());
        return 0;
    };
    for (inside, block) in insides.iter().zip(blocks) {
        let mut ending = partly.functions.iter_mut().filter(|function| function.span.end == inside.end + 1);
        let function = ending.next().unwrap();
        assert_eq!(function.body.replace(block), None, "{}: {}", path.display(), function.name);
    }
    assert!(partly == whole, "{}: differs when read in parts", path.display());
    insides.len()
}

/// Larger trees, where there are some: `RLS_AUDIT_TREES=DIR:DIR cargo test --test prefilter -- --nocapture`.
#[test]
fn trees_of_your_own() {
    let Some(folders) = std::env::var_os("RLS_AUDIT_TREES") else {
        return println!("skipped: RLS_AUDIT_TREES names no folder");
    };
    for folder in std::env::split_paths(&folders) {
        let request = Request { cwd: folder.clone(), ..Request::default() };
        let sources = Project::find(&request).unwrap().read(&request).unwrap();
        let stats = assert_same(&folder.to_string_lossy(), &sources, &folder.join(RULES_FILE)).stats;
        println!("{}: {} of {} files parsed", folder.display(), stats.parsed, stats.files);
    }
}

#[test]
fn an_alias_of_a_pool() {
    check(&[
        ("src/db.rs", "pub type Db = sqlx::PgPool;"),
        ("src/store.rs", "use crate::db::Db; pub struct Store { pub inner: Db }"),
        ("src/app.rs", "pub struct App { pub store: crate::store::Store }"),
        (
            "src/use.rs",
            "use crate::app::App;\npub async fn all(app: &App) { \"select 1\".execute(&app.store.inner).await }",
        ),
    ]);
}

#[test]
fn re_exports() {
    check(&[
        ("src/db.rs", "pub use sqlx::{query as q, PgPool as Db};"),
        ("src/prelude.rs", "pub(crate) use crate::db::*;"),
        (
            "src/orders.rs",
            "use crate::prelude::*;\npub async fn all(db: &Db) { q(\"select 1\").execute(db).await.unwrap(); }",
        ),
        ("src/main.rs", "mod db; mod prelude; mod orders;\nfn main() { orders::all(db()) }"),
    ]);
}

#[test]
fn re_exports_of_common_names() {
    check(&[
        ("src/db.rs", "pub use sqlx::Pool;\npub use diesel::update;"),
        ("src/all.rs", "pub use tokio_postgres::*;"),
        ("src/orders.rs", "use crate::db::Pool;\npub async fn all(db: &Pool<X>) { \"select 1\".execute(db).await }"),
        ("src/users.rs", "use crate::db::update;\npub fn all(it: &mut C) { update(users::table).execute(it) }"),
        (
            "src/more.rs",
            "use crate::all::Client;\npub async fn all(client: &Client) { client.execute(\"select 1\", &[]).await }",
        ),
    ]);
}

#[test]
fn imports_that_a_child_module_sees() {
    check(&[
        ("src/db.rs", "use tokio_postgres::Client;\nmod child;"),
        (
            "src/db/child.rs",
            "use super::*;\npub async fn all(client: &Client) { client.execute(\"select 1\", &[]).await }",
        ),
    ]);
}

#[test]
fn a_helper_behind_functions_that_name_no_handle() {
    check(&[
        (
            "src/helper.rs",
            "pub async fn claim(c: &mut sqlx::PgConnection) { sqlx::query(\"select 1\").execute(c).await.unwrap(); }",
        ),
        ("src/pool.rs", "pub fn pool() -> &'static sqlx::PgPool { todo() }"),
        (
            "src/job.rs",
            "pub async fn job() { crate::helper::claim(&mut *crate::pool::pool().acquire().await.unwrap()).await }",
        ),
        ("src/worker.rs", "pub struct Worker;\nimpl Worker { pub async fn turn(&self) { crate::job::job().await } }"),
        ("src/main.rs", "mod worker;\nasync fn main() { worker::Worker.turn().await }"),
    ]);
}

#[test]
fn callers_of_a_common_name() {
    check(&[
        (
            "src/helper.rs",
            "pub async fn claim(c: &mut sqlx::PgConnection) { sqlx::query(\"select 1\").execute(c).await.unwrap(); }",
        ),
        (
            "src/worker.rs",
            "pub async fn run() { let pool = sqlx::PgPool::connect(\"\").await.unwrap(); crate::helper::claim(&mut *pool.acquire().await.unwrap()).await }",
        ),
        ("src/other.rs", "pub async fn run() { println!(\"other\") }"),
        ("src/main.rs", "mod worker;\nasync fn main() { crate::worker::run().await }"),
    ]);
}

#[test]
fn texts_in_constants() {
    check(&[
        (
            "src/names.rs",
            "pub const ORDERS: &str = \"orders\";\npub const ALL: &str = concat!(\"select * from \", \"orders\");",
        ),
        (
            "src/statements.rs",
            "pub const EACH: &str = crate::names::ALL;\npub static SETTING: &str = \"app.tenant_id\";",
        ),
        (
            "src/use.rs",
            "use crate::{names::ORDERS, statements::EACH};\n\
             pub async fn one(pool: &sqlx::PgPool) { sqlx::query(EACH).execute(pool).await.unwrap(); }\n\
             pub async fn two(pool: &sqlx::PgPool) { sqlx::query(&format!(\"select * from {}\", ORDERS)).execute(pool).await.unwrap(); }\n\
             pub async fn three(pool: &sqlx::PgPool) { sqlx::query(&format!(\"select set_config('{}', $1, true)\", crate::statements::SETTING)).execute(pool).await.unwrap(); }\n",
        ),
    ]);
}

#[test]
fn a_static_with_a_pool() {
    check(&[
        ("src/db.rs", "pub static MAIN: std::sync::OnceLock<sqlx::PgPool> = std::sync::OnceLock::new();"),
        ("src/use.rs", "use crate::db::MAIN;\npub async fn all() { \"select 1\".execute(MAIN.get().unwrap()).await }"),
    ]);
}

#[test]
fn generic_helpers_without_a_name_of_the_rules() {
    check(&[
        (
            "src/util.rs",
            "pub fn share<T: Clone>(it: &T) -> T { it.clone() }\npub fn timed<T, R, F: FnOnce(T) -> R>(it: T, run: F) -> R { run(it) }",
        ),
        (
            "src/wrap.rs",
            "pub struct Wrap<T> { pub inner: T }\nimpl<T> Wrap<T> { pub fn of(inner: T) -> Self { Self { inner } } pub fn into_it(self) -> T { self.inner } }",
        ),
        (
            "src/use.rs",
            "use sqlx::PgPool;\n\
             pub async fn one(pool: &PgPool) { let other = crate::util::share(pool); sqlx::query(\"select 1\").execute(&other).await.unwrap(); }\n\
             pub async fn two(pool: &PgPool) { crate::util::timed(pool, |it| sqlx::query(\"select 2\").execute(it)).await.unwrap(); }\n\
             pub async fn three(pool: PgPool) { let it = crate::wrap::Wrap::of(pool); sqlx::query(\"select 3\").execute(&it.into_it()).await.unwrap(); }\n",
        ),
    ]);
}

#[test]
fn macros_that_name_nothing_of_the_rules() {
    check(&[
        (
            "src/macros.rs",
            "#[macro_export]\nmacro_rules! send { ($query:expr, $on:expr) => { $query.execute($on).await }; }",
        ),
        ("src/use.rs", "pub async fn one(pool: &sqlx::PgPool) { let _ = send!(sqlx::query(\"select 1\"), pool); }"),
    ]);
}

#[test]
fn macros_that_hide_the_pool() {
    check(&[
        ("src/macros.rs", "macro_rules! with_pool { ($run:expr) => { $run(crate::pool()).await }; }"),
        ("src/pool.rs", "pub fn pool() -> &'static sqlx::PgPool { todo() }"),
        ("src/use.rs", "pub async fn one() { with_pool!(|it| \"select 1\".execute(it)); }"),
    ]);
}

#[test]
fn a_method_of_a_trait_of_ours() {
    check(&[
        ("src/has.rs", "pub trait HasPool { fn the_pool(&self) -> &sqlx::PgPool; }"),
        (
            "src/app.rs",
            "pub struct App;\nimpl crate::has::HasPool for App { fn the_pool(&self) -> &'static sqlx::PgPool { todo() } }",
        ),
        ("src/use.rs", "pub async fn one(app: &crate::app::App) { \"select 1\".execute(app.the_pool()).await }"),
        ("src/more.rs", "pub async fn two(app: impl Clone) { \"select 1\".execute(app.the_pool()).await }"),
    ]);
}

#[test]
fn a_method_that_is_not_the_only_one_of_its_name() {
    check(&[
        (
            "src/repo.rs",
            "pub struct Repo { pool: sqlx::PgPool }\nimpl Repo { pub async fn store_one(&self) { rls_runtime::with_tenant(&self.pool, id(), async |mut tx| sqlx::query(\"select 1\").execute(&mut *tx).await).await; } }",
        ),
        ("src/disk.rs", "pub struct Disk;\nimpl Disk { pub async fn store_one(&self) {} }"),
        (
            "src/use.rs",
            "pub async fn one(pool: &sqlx::PgPool) { rls_runtime::with_tenant(pool, id(), async |_tx| unknown().store_one().await).await; }",
        ),
    ]);
}

#[test]
fn a_scope_function_by_name_only() {
    check(&[
        (
            "src/scope.rs",
            "pub async fn in_scope<T>(pool: &sqlx::PgPool, id: uuid::Uuid, run: impl AsyncFnOnce(&mut sqlx::PgConnection) -> T) -> T {\n\
             let mut tx = pool.begin().await.unwrap(); sqlx::query(\"select set_config('app.tenant_id', $1, true)\").bind(id).execute(&mut *tx).await.unwrap(); run(&mut tx).await }",
        ),
        (
            "src/use.rs",
            "pub async fn one(app: &App) { crate::scope::in_scope(&app.pool, id(), crate::one::work).await; }",
        ),
        ("src/one.rs", "pub async fn work(it: &mut crate::alias::Conn) { \"select 1\".execute(it).await }"),
        ("src/alias.rs", "pub use sqlx::PgConnection as Conn;"),
        ("src/app.rs", "pub struct App { pub pool: sqlx::PgPool }"),
    ]);
}

#[test]
fn broken_files_that_name_nothing() {
    check(&[
        ("src/broken.rs", "fn broken( { let = ; }\nfn whole() {}"),
        ("src/open.rs", "fn open() { \"never closed }"),
        (
            "src/use.rs",
            "pub async fn one(pool: &sqlx::PgPool) { sqlx::query(\"select 1\").execute(pool).await.unwrap(); }",
        ),
    ]);
}

#[test]
fn migrations_in_rust() {
    check(&[
        ("migrations/0001.sql", "create table orders (tenant_id uuid not null);"),
        ("src/names.rs", "pub const TABLE: &str = \"orders\";"),
        (
            "src/m1.rs",
            "use sea_orm_migration::prelude::*;\npub struct Migration;\nimpl MigrationTrait for Migration { async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {\n\
             manager.get_connection().execute_unprepared(\"alter table orders enable row level security\").await?; Ok(()) } }",
        ),
    ]);
}

#[test]
fn functions_beside_statements() {
    check(&[(
        "src/use.rs",
        "use sqlx::PgPool;
         pub struct Store { pool: PgPool, sql: String }
         pub struct Plain { text: String }
         impl Store {
             pub fn name(&self) -> String { format!(\"select {}\", self.sql) }
             pub async fn all(&self) { sqlx::query(&self.name()).execute(self.inner()).await.unwrap(); }
             fn inner(&self) -> &PgPool { let one = &self.pool; one }
             pub async fn hidden(&self) { \"select 1\".execute(&self.pool).await; }
         }
         impl Plain { pub fn table() -> &'static str { \"orders\" } pub fn count(&self) -> usize { self.text.len() + 17 } }
         pub fn text() -> Plain { Plain { text: \"select 1 from orders\".to_owned() } }
         pub fn twice<T, R>(run: impl Fn(T) -> R, it: T) -> R { let result = run(it); result }
         pub fn unrelated(count: usize) -> usize { let doubled = count * 2; doubled + 1 }
         pub async fn go(pool: &PgPool) {
             sqlx::query(&format!(\"select * from {}\", Plain::table())).execute(pool).await.unwrap();
             sqlx::query(&text().text).execute(pool).await.unwrap();
             twice(|it| \"select 2\".execute(it), pool).await;
         }
         pub async fn job() { start().await; let done = unrelated(1); drop(done); }
         async fn start() { let pool = PgPool::connect(\"\").await.unwrap(); go(&pool).await }
         async fn main() { let handle = job(); handle.await }",
    )]);
}

#[test]
fn a_mistake_beside_statements() {
    for broken in ["let x = ;", "a b c d e f g h", "match { }", "if { } else else"] {
        let text = format!(
            "pub async fn one(pool: &sqlx::PgPool) {{ sqlx::query(\"select 1\").execute(pool).await.unwrap(); }}\n\
             fn two() {{ {broken} let after = 1; }}\nfn three() {{ let after = 1; two(); }}"
        );
        let verdict = check(&[("src/use.rs", text.as_str())]);
        assert!(!verdict.blind_spots.is_empty(), "{broken}");
    }
}

#[test]
fn test_code_that_is_left_out() {
    let verdict = check(&[(
        "src/use.rs",
        "pub async fn one(pool: &sqlx::PgPool) { sqlx::query(\"select 1\").execute(pool).await.unwrap(); }\n\
         #[cfg(test)]\nmod tests { use super::*; async fn two(pool: &sqlx::PgPool) { one(pool).await; let x = ; } }",
    )]);
    assert!(verdict.blind_spots.is_empty(), "{:?}", verdict.blind_spots);
    assert_eq!(verdict.program.statements.len(), 1);
}

#[test]
fn nothing_about_databases_at_all() {
    let verdict = check(&[("src/main.rs", "fn main() { println!(\"hello\") }")]);
    assert_eq!(verdict.stats.parsed, 0);
}

/// Audits a tree beside a file that is never parsed.
fn check(files: &[(&str, &str)]) -> Verdict {
    let sources = Sources::from_texts(files.iter().copied().chain([UNRELATED]));
    let verdict = assert_same("the tree", &sources, Path::new("none"));
    assert!(verdict.stats.parsed < verdict.stats.files, "every file was parsed");
    verdict
}

/// The same report, byte by byte, whichever files are parsed.
fn assert_same(name: &str, sources: &Sources, rules: &Path) -> Verdict {
    let origin = rules.exists().then(|| Origin::File(rules.to_owned()));
    let rules = load(origin.as_ref(), rules.parent().unwrap_or(rules)).unwrap().rules;
    let run =
        |parsing| audit(sources.clone(), &rules, &AuditOptions { parsing, jobs: Some(1), ..AuditOptions::default() });
    let (some, all) = (run(Parsing::Prefiltered), run(Parsing::Everything));
    let (some_report, all_report) = (report(&some), report(&all));
    for (some, all) in some_report.lines().zip(all_report.lines()) {
        assert_eq!(some, all, "{name}: what was not parsed matters");
    }
    assert_eq!(some_report.len(), all_report.len(), "{name}");
    some
}

fn report(verdict: &Verdict) -> String {
    let mut text = rendered(verdict);
    // What was inferred is part of what `--stats` and `init` show.
    verdict.program.inferred.iter().for_each(|inferred| text.push_str(&format!("{inferred:?}\n")));
    text
}
