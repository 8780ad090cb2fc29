//! A migrated database, the sample files, and one call per lane.

use chrono::{DateTime, NaiveDate, Utc};
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::testing::TestDb;
use rls_runtime::worker::Worker;
use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};
use rls_worker::notifications::transport::Transport;
use rls_worker::schema;
use rls_worker::workers::handlers::{catalog_upload, order_upload, ship_upload, sima_validation};
use rls_worker::workers::job_processor::{State, worker};
use rls_worker::workers::jobs::{HandedIn, Submitted, submit};
use rls_worker::workers::outcome::{Job, LaneError, Outcome};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

pub const CATALOG: &str = include_str!("../../samples/catalog_upload.csv");
pub const ORDERS: &str = include_str!("../../samples/order_upload.csv");
pub const SHIP: &str = include_str!("../../samples/ship_upload.csv");
pub const AGREEMENT: &str = include_str!("../../samples/carrier_agreement.csv");
pub const SCREEN: &str = r#"{"skus":null,"runPolicy":"always","screeningAuthority":"CA"}"#;

pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 2, 17).expect("a day")
}

pub fn now() -> DateTime<Utc> {
    today().and_hms_opt(14, 0, 0).expect("a time").and_utc()
}

/// A database under FORCE, with the currencies of the golden figures.
pub async fn database() -> TestDb {
    let db = TestDb::new().await;
    let mut owner = owner(&db).await;
    prepare(&db, &mut owner, None).await;
    db
}

/// What the owner does.
pub async fn prepare(db: &TestDb, owner: &mut PgConnection, version: Option<i64>) {
    schema::set_up(owner, &db.runtime(), version).await.expect("the migrations apply");
    let rates = [("USD", "1.37"), ("CNY", "0.19")].map(|(currency, rate)| (currency, rate.parse().expect("a figure")));
    schema::set_fx(owner, today(), &rates).await.expect("the rates are valid");
}

pub async fn owner(db: &TestDb) -> PgConnection {
    PgConnection::connect_with(&db.owner_options()).await.expect("the owner connects")
}

/// Runs a lane for a tenant, in its scope.
pub async fn run(pool: &RlsPool, tenant: TenantId, lane: &str, input: &str) -> Result<Outcome, LaneError> {
    let job = Job::at(Uuid::new_v4(), now());
    with_tenant(pool, tenant, async |mut tx| dispatch(&mut tx, &job, lane, input).await).await
}

pub async fn dispatch(tx: &mut TenantTx, job: &Job, lane: &str, input: &str) -> Result<Outcome, LaneError> {
    match lane {
        "catalog_upload" => catalog_upload::handle(tx, job, input.as_bytes()).await,
        "order_upload" => order_upload::handle(tx, job, input.as_bytes()).await,
        "ship_upload" => ship_upload::handle(tx, job, input.as_bytes()).await,
        "sima_validation" => {
            let payload = sima_validation::Payload::read(input.as_bytes())?;
            sima_validation::handle(tx, job, &payload).await
        }
        other => panic!("no lane {other}"),
    }
}

/// Runs a lane that must get through.
pub async fn done(pool: &RlsPool, tenant: TenantId, lane: &str, input: &str) -> Outcome {
    run(pool, tenant, lane, input).await.unwrap_or_else(|error| panic!("{lane}: {error}"))
}

/// The sample files in the order in which they come.
pub async fn everything(pool: &RlsPool, tenant: TenantId) {
    for (lane, input) in [
        ("catalog_upload", CATALOG),
        ("sima_validation", SCREEN),
        ("order_upload", ORDERS),
        ("ship_upload", AGREEMENT),
        ("ship_upload", SHIP),
    ] {
        done(pool, tenant, lane, input).await;
    }
}

/// What a query says in a tenant's scope, as one JSON document.
pub async fn select(pool: &RlsPool, tenant: TenantId, sql: &str) -> Value {
    let rows = format!("select coalesce(jsonb_agg(to_jsonb(q)), '[]') from ({sql}) q");
    with_tenant(pool, tenant, async |mut tx| sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut *tx).await)
        .await
        .unwrap_or_else(|error: sqlx::Error| panic!("{sql}: {error}"))
}

/// A worker for all lanes at the time of the golden figures, whose mail is files.
pub fn processor(pool: &RlsPool, mail: &std::path::Path) -> Worker<State> {
    processor_at(pool, mail, now())
}

/// The same at another time.
pub fn processor_at(pool: &RlsPool, mail: &std::path::Path, time: DateTime<Utc>) -> Worker<State> {
    let state = State { now: std::sync::Arc::new(move || time), ..State::new(Transport::files(mail)) };
    worker(pool.clone(), state, 2)
}

/// Hands a file in.
pub async fn hand_in(pool: &RlsPool, tenant: TenantId, lane: &str, file: &str) -> Submitted {
    let file = HandedIn::new(lane, "sample.csv", file.as_bytes(), "ann").expect("the lane takes files");
    with_tenant(pool, tenant, async |mut tx| submit(&mut tx, &Queue::new(), &file).await)
        .await
        .unwrap_or_else(|error| panic!("{lane}: {error}"))
}

/// Enqueues a job that is no file.
pub async fn enqueue(pool: &RlsPool, tenant: TenantId, lane: &str, payload: Value) {
    let job = NewJob::new(lane, lane, &payload).expect("it is JSON");
    with_tenant(pool, tenant, async |mut tx| Queue::new().enqueue(&mut tx, &job).await.map(drop))
        .await
        .unwrap_or_else(|error: sqlx::Error| panic!("{lane}: {error}"));
}

/// Changes rows in a tenant's scope, as the worker's role, and says how many.
pub async fn change(pool: &RlsPool, tenant: TenantId, sql: &str) -> u64 {
    with_tenant(pool, tenant, async |mut tx| sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await)
        .await
        .map(|done: sqlx::postgres::PgQueryResult| done.rows_affected())
        .unwrap_or_else(|error: sqlx::Error| panic!("{sql}: {error}"))
}
