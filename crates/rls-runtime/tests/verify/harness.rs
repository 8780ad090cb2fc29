//! A clean database, and the way back to it after a defect was planted.

use rls_runtime::testing::TestDb;
use rls_runtime::verify::{Options, Report, verify};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What is stored for a role is seen from every database of the cluster: who plants such a setting is alone meanwhile.
static CLUSTER: RwLock<()> = RwLock::const_new(());

/// How a test has the cluster, until it ends.
#[expect(dead_code, reason = "held and never looked at")]
enum Held {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

pub struct Clean {
    pub db: TestDb,
    _held: Held,
}

/// A superuser's connection to the clean database.
pub struct Site<'a> {
    clean: &'a Clean,
    pub connection: PgConnection,
}

impl Clean {
    /// A database with the clean schema. A task has one at a time.
    pub async fn new() -> Self {
        Self::made(Held::Shared(CLUSTER.read().await)).await
    }

    /// The same, while no other test of this kind runs.
    pub async fn alone() -> Self {
        Self::made(Held::Alone(CLUSTER.write().await)).await
    }

    async fn made(held: Held) -> Self {
        let clean = Self { db: TestDb::new().await, _held: held };
        let sql = clean.fill(&format!("create role {{other}} login; {}", include_str!("clean.sql")));
        clean.db.execute_as_superuser(&sql).await.unwrap();
        clean
    }

    /// Puts the names of this database's roles into a statement.
    pub fn fill(&self, sql: &str) -> String {
        sql.replace("{app}", &self.db.runtime())
            .replace("{owner}", &self.db.owner())
            .replace("{other}", &format!("{}_other", self.db.name()))
            .replace("{db}", self.db.name())
    }

    pub fn options(&self) -> Options {
        let mut options = Options::default();
        options.roles = vec![self.db.runtime()];
        options.global_tables = vec!["g.tenants(id, name)".parse().unwrap()];
        options
    }

    /// Opens a connection that may plant anything.
    pub async fn open(&self) -> Site<'_> {
        let options = self.db.superuser_options();
        Site { clean: self, connection: PgConnection::connect_with(&options).await.unwrap() }
    }
}

impl Site<'_> {
    /// Runs statements, with the role names filled in.
    pub async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        run(&mut self.connection, &self.clean.fill(sql)).await
    }

    pub async fn verify(&mut self, options: &Options) -> Report {
        verify(&mut self.connection, options).await.unwrap()
    }

    /// Forgets what was set for the session, as a new connection would.
    pub async fn reconnect(&mut self) {
        let options = self.clean.db.superuser_options();
        self.connection = PgConnection::connect_with(&options).await.unwrap();
    }

    /// Removes everything that a defect can have left in the database, and makes the schema anew.
    pub async fn reset(&mut self) {
        self.reconnect().await;
        self.run(concat!(include_str!("reset.sql"), include_str!("clean.sql"))).await.unwrap();
        self.reconnect().await;
    }
}

pub async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(drop)
}

/// The findings as `V01 object`, for messages.
pub fn shown(report: &Report) -> Vec<String> {
    let line = |finding: &rls_runtime::verify::Finding| format!("{} {}", finding.check, finding.object);
    report.findings.iter().map(line).collect()
}
