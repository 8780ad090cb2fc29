//! The scope through PgBouncer in transaction mode, one server connection for all clients.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::{Error, RlsPool, RlsPoolOptions, TenantId, TenantTx, with_tenant};
use sqlx::postgres::PgConnectOptions;

use crate::support::database;

const MORE_SETTINGS: &str = "ignore_startup_parameters = extra_float_digits";

struct PgBouncer {
    dir: PathBuf,
    process: Child,
}

impl PgBouncer {
    fn start(db: &TestDb, more_settings: &str) -> PgBouncer {
        let dir = std::env::temp_dir().join(format!("rls-bouncer-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&dir).expect("a folder for PgBouncer");
        let server = fs::metadata(db.cluster().socket_dir()).expect("the cluster has a home");
        let mut program = Command::new(find_pgbouncer());
        if server.uid() != fs::metadata(&dir).expect("just created").uid() {
            // As root: PgBouncer refuses to be, so it runs as who the server runs as.
            chown(&dir, Some(server.uid()), Some(server.gid())).expect("root may");
            program.uid(server.uid()).gid(server.gid());
        }
        let settings = format!(
            "[databases]\n{name} = host={socket} port=5432\n[pgbouncer]\nlisten_addr =\nlisten_port = 5432\n\
             unix_socket_dir = {dir}\nauth_type = trust\nauth_file = {dir}/users\npool_mode = transaction\n\
             default_pool_size = 1\n{more_settings}\n",
            name = db.name(),
            socket = db.cluster().socket_dir().display(),
            dir = dir.display()
        );
        fs::write(dir.join("settings.ini"), settings).expect("writable");
        fs::write(dir.join("users"), format!("\"{}\" \"\"\n", db.runtime())).expect("writable");
        let mut process =
            program.arg(dir.join("settings.ini")).stderr(Stdio::piped()).spawn().expect("PgBouncer can be started");
        let mut log = BufReader::new(process.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.contains("process up") {
            let length = log.read_line(&mut said).expect("PgBouncer writes text");
            assert!(length > 0, "PgBouncer did not start: {said}");
        }
        // Somebody must go on reading, or PgBouncer stops when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        PgBouncer { dir, process }
    }

    fn route(&self, options: PgConnectOptions) -> PgConnectOptions {
        options.socket(&self.dir)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}

fn find_pgbouncer() -> PathBuf {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let folders = on_path.into_iter().flatten().chain(["/usr/sbin".into()]);
    folders
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .expect("no `pgbouncer` found in PATH or /usr/sbin; install it, on Debian with `apt-get install pgbouncer`")
}

async fn add(tx: &mut TenantTx, id: i64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO orders VALUES ($1, $2, 'new')").bind(tx.tenant()).bind(id).execute(&mut *tx).await?;
    Ok(())
}

async fn tenants_seen(pool: &RlsPool, tenant: TenantId) -> Vec<TenantId> {
    with_tenant(pool, tenant, async |mut tx| {
        sqlx::query_scalar("SELECT DISTINCT tenant_id FROM orders").fetch_all(&mut *tx).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"))
}

async fn two_clients(bouncer: &PgBouncer, db: &TestDb) -> (RlsPool, RlsPool) {
    let connect = async || {
        let options = RlsPoolOptions::new().max_connections(1).behind_transaction_pooler();
        options.connect_with(bouncer.route(db.runtime_options())).await.expect("connects")
    };
    (connect().await, connect().await)
}

#[tokio::test]
async fn scopes_of_two_clients_share_a_server_connection_and_nothing_else() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, MORE_SETTINGS);
    let (first, second) = two_clients(&bouncer, &db).await;
    for id in 100..110 {
        with_tenant(&first, TENANT_A, async |mut tx| add(&mut tx, id).await).await.expect("commits");
        with_tenant(&second, TENANT_B, async |mut tx| add(&mut tx, id).await).await.expect("commits");
        assert_eq!(tenants_seen(&first, TENANT_B).await, [TENANT_B]);
        assert_eq!(tenants_seen(&second, TENANT_A).await, [TENANT_A]);
    }
}

#[tokio::test]
async fn what_one_client_leaves_behind_does_not_meet_the_other() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, MORE_SETTINGS);
    let (first, second) = two_clients(&bouncer, &db).await;
    let bound: Result<(), Error> = with_tenant(&first, TENANT_A, async |mut tx| {
        let for_the_session =
            format!("SET app.tenant_id = '{TENANT_A}'; CREATE TEMP TABLE copied AS SELECT * FROM orders");
        sqlx::raw_sql(sqlx::AssertSqlSafe(for_the_session)).execute(&mut *tx).await.map_err(Error::Unavailable)?;
        Ok(())
    })
    .await;
    assert!(matches!(bound, Err(Error::SessionBound { .. })), "{bound:?}");
    let copied = with_tenant(&second, TENANT_B, async |mut tx| {
        sqlx::raw_sql("SELECT * FROM pg_temp.copied").fetch_all(&mut *tx).await
    })
    .await;
    assert!(copied.is_err(), "{copied:?}");
    let plain = sqlx::PgPool::connect_with(bouncer.route(db.runtime_options())).await.expect("connects");
    let unscoped = sqlx::query("SELECT * FROM orders").persistent(false).fetch_all(&plain).await;
    assert!(unscoped.is_err(), "no tenant may be left on the shared connection: {unscoped:?}");
}

#[tokio::test]
async fn a_client_that_keeps_prepared_statements_is_told_what_to_set() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, MORE_SETTINGS);
    let named = async || {
        let options = RlsPoolOptions::new().max_connections(1);
        options.connect_with(bouncer.route(db.runtime_options())).await.expect("connects")
    };
    let (first, second) = (named().await, named().await);
    let mut results = Vec::new();
    for (pool, id) in [(&first, 100), (&second, 101)] {
        results.push(with_tenant(pool, TENANT_A, async |mut tx| add(&mut tx, id).await).await);
    }
    assert!(results.iter().any(Result::is_err), "two clients cannot have the same names on one session");
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(Error::find_in(&error), Some(Error::PreparedStatementLost(_))), "{error}");
        assert!(error.to_string().contains("RlsPoolOptions::behind_transaction_pooler"), "{error}");
    }
}

#[tokio::test]
async fn a_pooler_that_refuses_the_start_is_explained() {
    let db = database().await;
    let bouncer = PgBouncer::start(&db, "");
    match RlsPool::connect_with(bouncer.route(db.runtime_options())).await {
        Ok(_) => {}
        Err(error) => assert!(error.to_string().contains("ignore_startup_parameters"), "{error}"),
    }
}
