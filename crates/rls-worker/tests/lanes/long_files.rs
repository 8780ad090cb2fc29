//! Long files: what a lane reads for a row does not grow with the rows before it.

use std::collections::BTreeMap;

use rls_runtime::testing::TENANT_A;
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::long_samples;
use rls_worker::schema::TENANT_TABLES;
use rls_worker::workers::outcome::{Job, LaneError};
use uuid::Uuid;

use crate::support::*;

/// One batch of every lane.
const ROWS: usize = 2_000;

/// A lane, and the file that it is given before.
type Need = (&'static str, fn(usize) -> String);

/// What a lane has read of each table in its transaction: rows by an index, and how often the whole.
async fn reads(pool: &RlsPool, lane: &str, input: &str) -> BTreeMap<String, (i64, i64)> {
    let job = Job::at(Uuid::new_v4(), now());
    with_tenant(pool, TENANT_A, async |mut tx| {
        let outcome = dispatch(&mut tx, &job, lane, input).await?;
        assert_eq!((outcome.rows_rejected, outcome.warnings), (0, 0), "{lane}: {outcome:?}");
        let read: Vec<(String, i64, i64)> = sqlx::query_as(
            "select relname::text, idx_tup_fetch, seq_scan from pg_stat_xact_user_tables where relname = any ($1)",
        )
        .bind(TENANT_TABLES)
        .fetch_all(&mut *tx)
        .await?;
        Ok::<_, LaneError>(read.into_iter().map(|(table, rows, whole)| (table, (rows, whole))).collect())
    })
    .await
    .unwrap_or_else(|error| panic!("{lane}: {error}"))
}

/// Three times the rows: three times the reads, and a little for luck.
async fn grows_with_the_file(lane: &str, needs: &[Need], file: fn(usize) -> String) {
    let mut found = Vec::new();
    for rows in [ROWS, 3 * ROWS] {
        let db = database().await;
        let pool = db.pool().await;
        for (lane, file) in needs {
            done(&pool, TENANT_A, lane, &file(rows)).await;
        }
        let read = reads(&pool, lane, &file(rows)).await;
        assert!(read.values().all(|(_, whole)| *whole == 0), "{lane} goes through a whole table: {read:?}");
        found.push(read);
    }
    let all = |read: &BTreeMap<String, (i64, i64)>| read.values().map(|(rows, _)| rows).sum::<i64>();
    assert!(
        all(&found[1]) * 10 <= all(&found[0]) * 33,
        "{lane} reads for {ROWS} rows and for three times as many: {found:#?}"
    );
}

const SCREENED: [Need; 2] = [("catalog_upload", long_samples::catalog), ("sima_validation", |_| SCREEN.to_owned())];

#[tokio::test]
async fn a_long_catalog() {
    grows_with_the_file("catalog_upload", &[], long_samples::catalog).await;
}

#[tokio::test]
async fn a_long_list_of_verdicts() {
    grows_with_the_file("sima_validation", &SCREENED[..1], |_| SCREEN.to_owned()).await;
}

#[tokio::test]
async fn a_long_list_of_orders() {
    grows_with_the_file("order_upload", &SCREENED, long_samples::orders).await;
}

#[tokio::test]
async fn a_long_invoice() {
    let needs: [Need; 2] = [("ship_upload", |_| AGREEMENT.to_owned()), ("order_upload", long_samples::orders)];
    grows_with_the_file("ship_upload", &needs, long_samples::canonical).await;
}

#[tokio::test]
async fn an_agreement_after_a_long_invoice() {
    grows_with_the_file("ship_upload", &[("ship_upload", long_samples::canonical)], |_| AGREEMENT.to_owned()).await;
}
