//! What says whether the worker works here.

use std::path::Path;

use anyhow::Context as _;
use rls_runtime::testing::TestDb;
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::templates::Template;
use rls_worker::samples::throwaway;
use rls_worker::{parity, smoke, verify};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::Passed;
use super::say::say;

pub(super) async fn smoke(url: Option<&str>) -> anyhow::Result<Passed> {
    // Kept until the end: with it the server goes.
    let (pool, _throwaway) = match url {
        Some(url) => (RlsPool::connect(url).await?, None),
        None => {
            let db = throwaway(None, TestDb::runtime).await?;
            (RlsPool::connect_with(db.runtime_options()).await?, Some(db))
        }
    };
    let (mail, tenant) = (Mail::new()?, fresh_tenant());
    let reader = Channel::Email("smoke@example.com");
    with_tenant(&pool, tenant, async |mut tx| {
        preferences::subscribe(&mut tx, "smoke", reader, &Template::ALL, Wants::Everything).await
    })
    .await?;
    let steps = smoke::process(&pool, tenant, smoke::inputs(), mail.path()).await?;
    say(format_args!("{:<20} {:<10} {:>8}  detail", "lane", "state", "ms"))?;
    for step in &steps {
        say(format_args!("{:<20} {:<10} {:>8}  {}", step.lane, step.state(), step.elapsed.as_millis(), step.detail()))?;
    }
    Ok(if smoke::passed(&steps) { Passed::Yes } else { Passed::No })
}

pub(super) async fn verify(urls: Option<(String, String)>, output: Option<&Path>) -> anyhow::Result<Passed> {
    let (pool, mut owner, role, _throwaway) = match &urls {
        Some((runtime, owner)) => {
            let role: sqlx::postgres::PgConnectOptions = runtime.parse().context("the URL of the worker's role")?;
            let owner = PgConnection::connect(owner).await.context("cannot connect as the owner")?;
            (RlsPool::connect(runtime).await?, owner, role.get_username().to_owned(), None)
        }
        None => {
            let db = throwaway(None, TestDb::runtime).await?;
            let owner = PgConnection::connect_with(&db.superuser_options()).await?;
            (RlsPool::connect_with(db.runtime_options()).await?, owner, db.runtime(), Some(db))
        }
    };
    let mail = Mail::new()?;
    let gates = verify::check(&mut owner, &pool, &role, fresh_tenant(), mail.path()).await?;
    let text = verify::markdown(&gates);
    say(text.trim_end())?;
    if let Some(path) = output {
        std::fs::write(path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let passed = gates.iter().all(|gate| gate.faults.is_empty());
    Ok(if passed { Passed::Yes } else { Passed::No })
}

pub(super) async fn parity(out: &Path) -> anyhow::Result<Passed> {
    let artifact = parity::run(out).await?;
    say(format_args!("{:?}: see `{}`", artifact.status, out.join("parity.html").display()))?;
    for error in &artifact.errors {
        say(format_args!("stopped at {}: {}", error.step, error.message))?;
    }
    Ok(if artifact.status == parity::Status::Pass { Passed::Yes } else { Passed::No })
}

/// A tenant of its own, so that nobody's rows are touched.
fn fresh_tenant() -> TenantId {
    TenantId::new(Uuid::new_v4())
}

/// A folder for mail that goes away.
pub(super) struct Mail(std::path::PathBuf);

impl Mail {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn new() -> anyhow::Result<Mail> {
        let folder = std::env::temp_dir().join(format!("rls-worker-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        Ok(Mail(folder))
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
