//! A migrated database, the sample files, and one call per lane.

use chrono::NaiveDate;
use rls_runtime::testing::TestDb;
use rls_runtime::{RlsPool, TenantId, TenantTx, with_tenant};
use rls_worker::schema;
use rls_worker::workers::handlers::{catalog_upload, order_upload, ship_upload, sima_validation};
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

/// A database under FORCE, with the currencies of the golden figures.
pub async fn database() -> TestDb {
    let db = TestDb::new().await;
    let mut owner = owner(&db).await;
    schema::MIGRATOR.run(&mut owner).await.expect("the migrations apply");
    prepare(&db, &mut owner).await;
    db
}

/// What the owner does after the migrations.
pub async fn prepare(db: &TestDb, owner: &mut PgConnection) {
    schema::grant(owner, &db.runtime()).await.expect("the role exists");
    assert_eq!(schema::seed(owner).await.expect("the seed is valid"), 111);
    let rates = [("USD", "1.37"), ("CNY", "0.19")].map(|(currency, rate)| (currency, rate.parse().expect("a figure")));
    schema::set_fx(owner, today(), &rates).await.expect("the rates are valid");
}

pub async fn owner(db: &TestDb) -> PgConnection {
    PgConnection::connect_with(&db.owner_options()).await.expect("the owner connects")
}

/// Runs a lane for a tenant, in its scope.
pub async fn run(pool: &RlsPool, tenant: TenantId, lane: &str, input: &str) -> Result<Outcome, LaneError> {
    let job = Job { id: Uuid::new_v4(), today: today() };
    with_tenant(pool, tenant, async |mut tx| dispatch(&mut tx, &job, lane, input).await).await
}

async fn dispatch(tx: &mut TenantTx, job: &Job, lane: &str, input: &str) -> Result<Outcome, LaneError> {
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
