//! A PgBouncer in transaction mode before the database of a test, with one server connection for all clients.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rls_runtime::testing::TestDb;
use sqlx::postgres::PgConnectOptions;

/// What sqlx needs.
pub const MORE_SETTINGS: &str = "ignore_startup_parameters = extra_float_digits";

/// Stopped and removed when it is dropped.
pub struct PgBouncer {
    dir: PathBuf,
    process: Child,
}

impl PgBouncer {
    pub fn start(db: &TestDb, more_settings: &str) -> PgBouncer {
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

    pub fn route(&self, options: PgConnectOptions) -> PgConnectOptions {
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
