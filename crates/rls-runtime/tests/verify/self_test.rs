//! The verifier's test of itself, on a schema that it has not seen.

use rls_runtime::verify::self_test::self_test;
use sqlx::{Connection, PgConnection};

use super::harness::{Clean, shown};

#[tokio::test]
async fn no_planted_defect_is_missed_and_nothing_is_left_behind() {
    let clean = Clean::new().await;
    let mut connection = PgConnection::connect_with(&clean.db.superuser_options()).await.unwrap();
    let result = self_test(&mut connection, &clean.options()).await.unwrap();
    assert_eq!(result.missed, [""; 0]);
    assert_eq!(result.skipped, [""; 0]);
    // One table gets all defects; two more, which are neither partitioned nor partitions, get those that matter most.
    assert!(result.found.len() >= 35 + 2 * 6, "{}", result.found.len());

    let report = rls_runtime::verify::verify(&mut connection, &clean.options()).await.unwrap();
    assert_eq!(shown(&report), [""; 0]);
}

#[tokio::test]
async fn an_owner_without_power_plants_what_it_may() {
    let clean = Clean::new().await;
    let mut connection = PgConnection::connect_with(&clean.db.owner_options()).await.unwrap();
    let result = self_test(&mut connection, &clean.options()).await.unwrap();
    assert_eq!(result.missed, [""; 0]);
    assert!(result.found.len() > 40, "{:?}", result.skipped);
    assert!(result.skipped.iter().any(|label| label.contains("BYPASSRLS")), "{:?}", result.skipped);
}

#[tokio::test]
async fn other_columns_types_and_settings_are_tested_too() {
    let clean = Clean::new().await;
    clean
        .db
        .execute("create table a (\"Org\" bigint primary key); create table b (\"Org\" text, id serial); create table c (\"Org\" smallint)")
        .await
        .unwrap();
    let mut options = clean.options();
    options.tenant_column = "Org".into();
    options.tenant_setting = "my.org".into();
    let mut connection = PgConnection::connect_with(&clean.db.superuser_options()).await.unwrap();
    let result = self_test(&mut connection, &options).await.unwrap();
    assert_eq!((result.missed, result.skipped), (vec![], vec![]));
    assert!(result.found.len() >= 3 * 35, "{}", result.found.len());
}
