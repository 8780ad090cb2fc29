//! The server: local binaries in, a running PostgreSQL on a Unix socket out.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// The oldest major version that the crate supports.
const OLDEST: u32 = 15;

/// The programs a cluster needs, all from one folder.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The superuser of every throwaway cluster.
pub(super) const SUPERUSER: &str = "postgres";

/// The port only names the socket file; nothing listens on TCP.
pub(super) const PORT: u16 = 5432;

/// Runs as the owner of the data: start, say so, wait until our end of the pipe is gone, stop, remove.
const SUPERVISOR: &str = r#"
bin=$1 home=$2
"$bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$home/log" 2>&1 &&
cat "$home/settings" >>"$home/data/postgresql.conf" &&
"$bin/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 start >>"$home/log" 2>&1 && echo ready || { echo failed; exit 1; }
read -r _
"$bin/pg_ctl" -D "$home/data" -m immediate -W stop >/dev/null 2>&1
rm -rf "$home"
"#;

/// Why no throwaway PostgreSQL could be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestingError {
    /// The binaries are not installed.
    #[error(
        "no PostgreSQL {OLDEST} or newer found in PATH, by pg_config, or under /usr/lib/postgresql; install it, on Debian with `apt-get install postgresql`"
    )]
    NotInstalled,
    /// The server did not start.
    #[error("the throwaway PostgreSQL did not start: {log}")]
    NotStarted {
        /// What the server wrote to its log.
        log: String,
    },
    /// A file or a process could not be handled.
    #[error("cannot set up a throwaway PostgreSQL in `{}`: {source}", path.display())]
    Io {
        /// Where it happened.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The server refused a statement of the set-up.
    #[error("the throwaway PostgreSQL refused its set-up: {0}")]
    Database(#[from] sqlx::Error),
}

/// A running throwaway PostgreSQL. It is stopped and removed when this value, or the process, is gone.
#[derive(Debug)]
pub struct Cluster {
    home: PathBuf,
    bin: PathBuf,
    /// The supervisor reads from the other end; losing this one is the order to clean up.
    _lifeline: ChildStdin,
}

/// How [`Cluster::restart`] stops the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended, and everything is written.
    Fast,
    /// As in a crash: nothing is written, and the server recovers when it starts.
    Immediate,
}

impl Cluster {
    /// The cluster that all tests of this process share, started on first use.
    pub fn shared() -> Result<&'static Cluster, &'static TestingError> {
        static SHARED: OnceLock<Result<Cluster, TestingError>> = OnceLock::new();
        SHARED.get_or_init(Cluster::start).as_ref()
    }

    /// Start a cluster of one's own.
    pub fn start() -> Result<Cluster, TestingError> {
        let bin = find_binaries().ok_or(TestingError::NotInstalled)?;
        let home = new_home()?;
        let at_home = |source| TestingError::Io { path: home.clone(), source };
        fs::write(home.join("settings"), settings(&home)).map_err(at_home)?;
        let log = File::create(home.join("supervisor.log")).map_err(at_home)?;
        let mut supervisor = Command::new("sh");
        supervisor
            .args(["-c", SUPERVISOR, "sh"])
            .args([&bin, &home])
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // A Ctrl-C at the terminal must reach us, not the one who cleans up after us.
            .process_group(0);
        if let Some((user, group)) = unprivileged_account(&home).map_err(at_home)? {
            chown(&home, Some(user), Some(group)).map_err(at_home)?;
            supervisor.uid(user).gid(group);
        }
        let mut supervisor = supervisor.spawn().map_err(at_home)?;
        let lifeline = supervisor.stdin.take().ok_or_else(|| at_home(io::ErrorKind::BrokenPipe.into()))?;
        let mut answer = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut answer).map_err(at_home)?;
        }
        if answer.trim() == "ready" {
            return Ok(Cluster { home, bin, _lifeline: lifeline });
        }
        let log = fs::read_to_string(home.join("log")).unwrap_or_default();
        fs::remove_dir_all(&home).ok();
        Err(TestingError::NotStarted { log })
    }

    /// Stop the server and start it again, with what was committed; connections break, and new ones find it at the same place.
    ///
    /// It blocks until the server answers again.
    pub fn restart(&self, shutdown: Shutdown) -> Result<(), TestingError> {
        let at_home = |source| TestingError::Io { path: self.home.clone(), source };
        let mode = match shutdown {
            Shutdown::Fast => "fast",
            Shutdown::Immediate => "immediate",
        };
        let mut restart = Command::new(self.bin.join("pg_ctl"));
        restart.arg("-D").arg(self.home.join("data")).arg("-l").arg(self.home.join("log"));
        restart.args(["-m", mode, "-w", "-t", "60", "restart"]).current_dir(&self.home);
        restart.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // The settings are ours, the folder is the server's.
        if let Some((user, group)) = unprivileged_account(&self.home.join("settings")).map_err(at_home)? {
            restart.uid(user).gid(group);
        }
        if restart.status().map_err(at_home)?.success() {
            return Ok(());
        }
        Err(TestingError::NotStarted { log: fs::read_to_string(self.home.join("log")).unwrap_or_default() })
    }

    /// The folder with the server's socket, which is what clients take for a host name.
    pub fn socket_dir(&self) -> &Path {
        &self.home
    }

    /// The server's socket itself, for a proxy in front of it.
    pub fn socket_path(&self) -> PathBuf {
        self.home.join(format!(".s.PGSQL.{PORT}"))
    }

    /// The folder with the server's programs (`psql`, `pg_dump`, where installed).
    pub fn bin_dir(&self) -> &Path {
        &self.bin
    }
}

fn settings(home: &Path) -> String {
    format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\nport = {PORT}\nmax_connections = 300\nmax_prepared_transactions = 8\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\nwal_level = logical\nshared_buffers = 64MB\nlog_min_messages = fatal\n",
        home.display()
    )
}

/// A fresh folder with a short path, because the path of a Unix socket may have 107 bytes only.
fn new_home() -> Result<PathBuf, TestingError> {
    let base = match env::temp_dir() {
        short if short.as_os_str().len() <= 50 => short,
        _ => PathBuf::from("/tmp"),
    };
    let home = base.join(format!("rls-{}", uuid::Uuid::new_v4().simple()));
    let at_home = |source| TestingError::Io { path: home.clone(), source };
    fs::create_dir(&home).map_err(at_home)?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).map_err(at_home)?;
    Ok(home)
}

/// PostgreSQL refuses to run as root; then its own account runs it, or `nobody`.
fn unprivileged_account(own: &Path) -> io::Result<Option<(u32, u32)>> {
    let we_are_root = fs::metadata(own)?.uid() == 0;
    if !we_are_root {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let account = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Ok(account("postgres").or_else(|| account("nobody")))
}

fn find_binaries() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let mut installed: Vec<(u32, PathBuf)> = ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"]
        .iter()
        .filter_map(|base| fs::read_dir(base).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter_map(|bin| Some((major_version(&bin)?, bin)))
        .collect();
    installed.sort();
    let newest = installed.pop().map(|(_, bin)| bin);
    from_pg_config()
        .into_iter()
        .chain(on_path.into_iter().flatten())
        .chain(newest)
        .find(|bin| major_version(bin).is_some_and(|major| major >= OLDEST))
}

/// `PG_CONFIG` names the program; without it the one on the path is asked.
fn from_pg_config() -> Option<PathBuf> {
    let program = env::var_os("PG_CONFIG")?;
    let output = Command::new(program).arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn major_version(bin: &Path) -> Option<u32> {
    if !PROGRAMS.iter().all(|program| bin.join(program).is_file()) {
        return None;
    }
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
