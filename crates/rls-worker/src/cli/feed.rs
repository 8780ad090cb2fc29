//! What hands jobs in, counts them, and looks at one.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use rls_runtime::queue::{JobId, NewJob, Queue};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::workers::envelope::created_by;
use rls_worker::workers::jobs;
use rls_worker::workers::outcome::LaneError;

use super::say::{say, say_json};
use super::{Passed, Runtime};

/// Failed jobs that the status tells of.
const FAILED: i64 = 5;

#[derive(clap::Args)]
pub(super) struct JobCommand {
    /// What to do
    action: OnJob,
    /// The job, by the id that `enqueue` printed
    job: JobId,
    #[command(flatten)]
    runtime: Runtime,
    /// Whose it is
    #[arg(long)]
    tenant: TenantId,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnJob {
    /// All there is to know about it as JSON, with what is wrong with the rows of its file
    Show,
    /// End it, at once when it waits, through its worker when it runs
    Cancel,
    /// Give it another life, when it failed or was cancelled
    Requeue,
}

#[derive(clap::Args)]
pub(super) struct HandedIn {
    /// The lane; `wayfair_upload` is the catalog
    lane: String,
    /// The file
    file: PathBuf,
    /// Who hands it in
    #[arg(long, env = "USER", default_value = "operator")]
    by: String,
}

pub(super) async fn enqueue(pool: &RlsPool, tenant: TenantId, what: &HandedIn) -> anyhow::Result<Passed> {
    let HandedIn { lane, file, by } = what;
    let known = jobs::lane_of(lane)
        .with_context(|| format!("there is no lane `{lane}`; there are {}", jobs::LANES.join(", ")))?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let name = file.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let queue = Queue::new();
    let (job, duplicate) = if jobs::takes_files(known) {
        let file = jobs::HandedIn::new(known, &name, &bytes, by)?;
        let submitted = with_tenant(pool, tenant, async |mut tx| jobs::submit(&mut tx, &queue, &file).await).await?;
        (submitted.job, submitted.duplicate)
    } else {
        let payload: serde_json::Value = serde_json::from_slice(&bytes).context("the payload is no JSON")?;
        let new = created_by(NewJob::new(known, known, &payload)?.max_attempts(3), by);
        let job =
            with_tenant(pool, tenant, async |mut tx| Ok::<_, LaneError>(queue.enqueue(&mut tx, &new).await?)).await?;
        (job.id(), false)
    };
    say(format_args!("{job}{}", if duplicate { " (the same file was handed in before)" } else { "" }))?;
    Ok(Passed::Yes)
}

pub(super) async fn status(pool: &RlsPool, tenant: TenantId) -> anyhow::Result<Passed> {
    let counts = with_tenant(pool, tenant, async |mut tx| jobs::counts(&mut tx).await).await?;
    let failed = with_tenant(pool, tenant, async |mut tx| jobs::failed(&mut tx, FAILED).await).await?;
    say(format_args!("{:<20} {:<10} {:>8}", "lane", "state", "jobs"))?;
    for count in counts {
        let percent = count.percent.map_or(String::new(), |percent| format!("  {percent} %"));
        say(format_args!("{:<20} {:<10} {:>8}{percent}", count.lane, count.state, count.jobs))?;
    }
    for job in failed {
        say(format_args!("failed: {} of {}: {}", job.id, job.lane, job.reason))?;
    }
    Ok(Passed::Yes)
}

pub(super) async fn job(command: &JobCommand) -> anyhow::Result<Passed> {
    let (pool, queue, job) = (command.runtime.pool().await?, Queue::new(), command.job);
    let shown = with_tenant(&pool, command.tenant, async |mut tx| {
        let is_done = match command.action {
            OnJob::Show => true,
            OnJob::Cancel => queue.cancel(&mut tx, job).await?.is_some(),
            OnJob::Requeue => queue.requeue(&mut tx, job).await?,
        };
        Ok::<_, sqlx::Error>(jobs::shown(&mut tx, &queue, job).await?.map(|shown| (shown, is_done)))
    });
    let (shown, is_done) = shown.await?.with_context(|| format!("the tenant has no job {job}"))?;
    say_json(&shown)?;
    if is_done {
        return Ok(Passed::Yes);
    }
    let verb = if matches!(command.action, OnJob::Cancel) { "cancelled" } else { "requeued" };
    eprintln!("a job that is {} cannot be {verb}", shown["state"].as_str().unwrap_or_default());
    Ok(Passed::No)
}
