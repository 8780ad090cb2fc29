//! One test's database: the shared cluster in, a fresh database with two roles out.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

use crate::pool::{RlsPool, RlsPoolOptions};
use crate::tenant::TenantId;

use super::cluster::{Cluster, PORT, SUPERUSER, TestingError};

/// A fresh database with an owner role and a runtime role that no other test has.
///
/// The owner is no superuser and owns the database and its schema `public`.
/// The runtime role may connect and gets the usual rights on every table that the owner creates, and nothing else.
#[derive(Debug, Clone)]
pub struct TestDb {
    cluster: &'static Cluster,
    name: String,
}

impl TestDb {
    /// Create a database in the cluster that the process shares.
    ///
    /// # Panics
    ///
    /// When there is no PostgreSQL: a test that needs one must fail, not pass by doing nothing.
    pub async fn new() -> TestDb {
        let created = match Cluster::shared() {
            Ok(cluster) => TestDb::create(cluster).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        created.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn create(cluster: &'static Cluster) -> Result<TestDb, TestingError> {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let name = format!("t{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let db = TestDb { cluster, name };
        let (owner, runtime) = (db.owner(), db.runtime());
        run(
            &db.options(SUPERUSER, "postgres"),
            &[
                format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {runtime} LOGIN"),
                format!("CREATE DATABASE {} OWNER {owner}", db.name),
            ],
        )
        .await?;
        run(
            &db.superuser_options(),
            &[format!(
                "ALTER SCHEMA public OWNER TO {owner}; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
                 GRANT USAGE ON SCHEMA public TO {runtime};
                 ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {runtime};
                 ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {runtime}"
            )],
        )
        .await?;
        Ok(db)
    }

    /// The cluster that the database lives in.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role that owns the database and its tables.
    pub fn owner(&self) -> String {
        format!("{}_owner", self.name)
    }

    /// The role that the service runs as.
    pub fn runtime(&self) -> String {
        format!("{}_app", self.name)
    }

    /// How the owner connects.
    pub fn owner_options(&self) -> PgConnectOptions {
        self.options(&self.owner(), &self.name)
    }

    /// How the runtime role connects.
    pub fn runtime_options(&self) -> PgConnectOptions {
        self.options(&self.runtime(), &self.name)
    }

    /// How the cluster's superuser connects to this database, for planting what no owner could.
    pub fn superuser_options(&self) -> PgConnectOptions {
        self.options(SUPERUSER, &self.name)
    }

    /// The connection URL of a role, for a program under test.
    pub fn url(&self, role: &str) -> String {
        let socket_dir = self.cluster.socket_dir().display();
        format!("postgres://{role}@localhost:{PORT}/{}?host={socket_dir}", self.name)
    }

    /// A plain pool of the owner.
    pub async fn owner_pool(&self) -> Result<PgPool, TestingError> {
        Ok(PgPoolOptions::new().max_connections(4).connect_with(self.owner_options()).await?)
    }

    /// The pool of the runtime role, as the service has it.
    pub async fn pool(&self) -> RlsPool {
        self.pool_with(RlsPoolOptions::new().max_connections(4)).await
    }

    /// A pool of the runtime role with options of one's own.
    ///
    /// # Panics
    ///
    /// When the pool refuses the role, which is what a test of a service should fail with.
    pub async fn pool_with(&self, options: RlsPoolOptions) -> RlsPool {
        options.connect_with(self.runtime_options()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Run statements as the owner, with a tenant bound.
    pub async fn execute_as_tenant(&self, tenant: TenantId, sql: &str) -> Result<(), TestingError> {
        let bound = format!("BEGIN; SELECT set_config('app.tenant_id', '{tenant}', true); {sql}; COMMIT");
        run(&self.owner_options(), &[bound]).await
    }

    /// Run statements as the owner.
    pub async fn execute(&self, sql: &str) -> Result<(), TestingError> {
        run(&self.owner_options(), &[sql.to_owned()]).await
    }

    /// Run statements as the cluster's superuser.
    pub async fn execute_as_superuser(&self, sql: &str) -> Result<(), TestingError> {
        run(&self.superuser_options(), &[sql.to_owned()]).await
    }

    fn options(&self, role: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.cluster.socket_dir())
            .port(PORT)
            .username(role)
            .database(database)
            .disable_statement_logging()
    }
}

// rls-audit: allow(RLS001, reason = "sets a test up as the owner or the superuser")
async fn run(options: &PgConnectOptions, statements: &[String]) -> Result<(), TestingError> {
    let mut connection: PgConnection = options.connect().await?;
    for sql in statements {
        sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}
