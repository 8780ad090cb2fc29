//! What hands jobs in, and what counts them.

use std::path::Path;

use anyhow::Context as _;
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::workers::jobs::{self, UPLOAD_LANES};
use rls_worker::workers::outcome::LaneError;

use super::Passed;

pub(super) async fn enqueue(pool: &RlsPool, tenant: TenantId, lane: &str, file: &Path) -> anyhow::Result<Passed> {
    let known = jobs::lane_of(lane)
        .with_context(|| format!("there is no lane `{lane}`; there are {}", jobs::LANES.join(", ")))?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let name = file.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let queue = Queue::new();
    let (job, duplicate) = if UPLOAD_LANES.contains(&known) {
        let submitted =
            with_tenant(pool, tenant, async |mut tx| jobs::submit(&mut tx, &queue, known, &name, &bytes).await).await?;
        (submitted.job, submitted.duplicate)
    } else {
        let payload: serde_json::Value = serde_json::from_slice(&bytes).context("the payload is no JSON")?;
        let new = NewJob::new(known, known, &payload)?.max_attempts(3);
        let job =
            with_tenant(pool, tenant, async |mut tx| Ok::<_, LaneError>(queue.enqueue(&mut tx, &new).await?)).await?;
        (job.id(), false)
    };
    println!("{job}{}", if duplicate { " (the same file was handed in before)" } else { "" });
    Ok(Passed::Yes)
}

pub(super) async fn status(pool: &RlsPool, tenant: TenantId) -> anyhow::Result<Passed> {
    let counts = with_tenant(pool, tenant, async |mut tx| jobs::counts(&mut tx).await).await?;
    println!("{:<20} {:<10} {:>8}", "lane", "state", "jobs");
    for count in counts {
        let percent = count.percent.map_or(String::new(), |percent| format!("  {percent} %"));
        println!("{:<20} {:<10} {:>8}{percent}", count.lane, count.state, count.jobs);
    }
    Ok(Passed::Yes)
}
