//! The throwaway PostgreSQL itself.
use rls_runtime::testing::TestDb;

#[tokio::test]
async fn owner_creates_and_runtime_role_reads() {
    let db = TestDb::new().await;
    db.execute("CREATE TABLE note (body text); INSERT INTO note VALUES ('hello')").await.expect("owner may create");
    let runtime = sqlx::PgPool::connect_with(db.runtime_options()).await.expect("runtime role connects");
    let body: String = sqlx::query_scalar("SELECT body FROM note").fetch_one(&runtime).await.expect("granted");
    assert_eq!(body, "hello");
    let refused = sqlx::query("CREATE TABLE mine ()").execute(&runtime).await;
    assert!(refused.is_err(), "the runtime role must not create tables");
    let by_url = sqlx::PgPool::connect(&db.url(&db.owner())).await.expect("the URL works too");
    let who: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&by_url).await.expect("connected");
    assert_eq!(who, db.owner());
}
