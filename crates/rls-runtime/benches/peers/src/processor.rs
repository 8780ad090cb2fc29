//! A server in, the time out that its processes and this one have had the processor.
//!
//! Beside jobs per second, which a busy machine halves, it says what a job costs.

use std::fs;

use rls_runtime::testing::TestDb;
use sqlx::{Connection, PgConnection};

/// What Linux counts in, whatever the machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// How much of the processor was used, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub client: f64,
    pub server: f64,
}

/// The processes that are counted.
pub struct Meter {
    postmaster: u32,
}

/// What the kernel tells about a process.
struct Process {
    parent: u32,
    own: f64,
    /// Of those that it has waited for.
    children: f64,
}

impl Meter {
    pub async fn of(db: &TestDb) -> Meter {
        let mut connection = PgConnection::connect_with(&db.superuser_options()).await.expect("connects");
        let backend: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.expect("reads");
        let postmaster = process(&backend.to_string()).map_or(0, |backend| backend.parent);
        connection.close().await.ok();
        Meter { postmaster }
    }

    pub fn read(&self) -> Used {
        let client = process("self").map_or(0.0, |process| process.own);
        let backends = fs::read_dir("/proc").into_iter().flatten().flatten();
        let backends = backends.filter_map(|entry| process(&entry.file_name().to_string_lossy()));
        let living: f64 = backends.filter(|process| process.parent == self.postmaster).map(|process| process.own).sum();
        let ended = process(&self.postmaster.to_string()).map_or(0.0, |process| process.own + process.children);
        Used { client, server: living + ended }
    }
}

impl Used {
    pub fn since(self, start: Used) -> Used {
        Used { client: self.client - start.client, server: self.server - start.server }
    }
}

fn process(name: &str) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
    // The name of the program may hold anything, parentheses too.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        children: seconds(13)? + seconds(14)?,
    })
}
