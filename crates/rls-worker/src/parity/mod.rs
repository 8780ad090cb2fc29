//! The same files before and after the migration in, whether anything but the isolation differs out.
//!
//! A is the state before: not forced, and the worker is the owner, who gets past the policies;
//! each tenant has a database of its own there, for otherwise they would see each other.
//! B is the hardened state: forced, a role that owns nothing, and all tenants with the same keys in one database.

mod artifact;
mod snapshot;

use std::path::Path;

use anyhow::Context as _;
use rls_runtime::queue::{Claim, NewJob, Queue};
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::verify::verify;
use rls_runtime::{RlsPool, RlsPoolOptions, TenantId, with_tenant};
use sqlx::{Connection as _, PgConnection};

pub use artifact::{Artifact, Difference, Ended, Error, LaneRow, Probe, Status, TableRow};
pub use snapshot::Snapshot;

use crate::guest;
use crate::notifications::preferences::{self, Channel, Wants};
use crate::notifications::templates::Template;
use crate::notifications::webhook::endpoint;
use crate::samples::{CATALOG, now, throwaway};
use crate::schema::{REENABLE_FORCE, TENANT_TABLES};
use crate::smoke::{Input, Step, inputs, process};
use crate::stop;
use snapshot::compare;

/// The tenants, with the names that the artifact has for them.
const TENANTS: [(&str, TenantId); 2] = [("t1", TENANT_A), ("t2", TENANT_B)];

/// A file of which every row is bad.
const BAD: &str = "sku,title\na,\nb,\nc,\nd,\ne,\nf,\ng,\nh,\ni,\nj,\nk,\nl,\n";

/// Runs both states and compares them. Whatever happens, the artifact is written.
///
/// # Errors
/// When the artifact cannot be written.
pub async fn run(out: &Path) -> anyhow::Result<Artifact> {
    let mut artifact = Artifact::begin();
    let steps = async {
        let ended = compare_states(&mut artifact, out).await;
        if let Err(error) = ended {
            artifact.fail(&error);
        }
    };
    tokio::select! {
        // First, so that nothing has begun when nobody listens yet.
        biased;
        () = stop::requested() => artifact.interrupt(),
        () = steps => artifact.finish(),
    }
    artifact.write(out).with_context(|| format!("cannot write to `{}`", out.display()))?;
    Ok(artifact)
}

async fn compare_states(artifact: &mut Artifact, out: &Path) -> anyhow::Result<()> {
    let mail = out.join("mail");
    artifact.step("legacy");
    std::fs::create_dir_all(out)?;
    let (mut before, mut open) = (Vec::new(), true);
    for (name, tenant) in TENANTS {
        let db = throwaway(Some(REENABLE_FORCE - 1), TestDb::owner).await?;
        let any_role = RlsPoolOptions::new().max_connections(4).dangerously_accept_any_role_for_local_development();
        let pool = any_role.connect_with(db.owner_options()).await?;
        before.push(one_side(&pool, name, tenant, &mail.join("a").join(name)).await?);
        pool.close().await;
        open &= reads_without_a_tenant(&db).await?;
    }
    artifact.step("hardened");
    let db = throwaway(None, TestDb::runtime).await?;
    let pool = RlsPool::connect_with(db.runtime_options()).await?;
    let (b1, b2) = (mail.join("b").join("t1"), mail.join("b").join("t2"));
    let at_once = tokio::join!(one_side(&pool, "t1", TENANT_A, &b1), one_side(&pool, "t2", TENANT_B, &b2));
    let after = [at_once.0?, at_once.1?];

    artifact.step("compare");
    for (a, b) in before.iter().zip(&after) {
        artifact.lanes.extend(lanes(a, b));
        artifact.tables.extend(compare(&a.snapshot, &b.snapshot, a.name, out)?);
    }
    artifact.differences = vec![Difference {
        id: "the owner reads without a tenant",
        why: "before the migration the owner gets past the policies, and after it nobody does",
        seen: open && !reads_without_a_tenant(&db).await?,
    }];
    artifact.step("migration");
    let mut superuser = PgConnection::connect_with(&db.superuser_options()).await?;
    artifact.database =
        sqlx::query_scalar("select 'postgres ' || current_setting('server_version')").fetch_one(&mut superuser).await?;
    artifact.migrated = snapshot::forced(&mut superuser).await?;
    artifact.step("probes");
    artifact.probes = probes(&mut superuser, &db.runtime()).await?;
    artifact.probes.push(claimed_once(&pool).await?);
    artifact.step("smoke");
    for step in &after[0].steps {
        let state = if step.is_completed() { "ok" } else { step.state() };
        // The first of each lane: a file that is refused comes after one that is taken.
        artifact.smoke.entry(step.lane.to_owned()).or_insert_with(|| state.to_owned());
    }
    Ok(())
}

/// Whether the owner of the tables is shown rows outside of every scope.
async fn reads_without_a_tenant(db: &TestDb) -> anyhow::Result<bool> {
    let mut owner = PgConnection::connect_with(&db.owner_options()).await?;
    // rls-audit: allow(RLS001, reason = "tries whether the owner gets past the policies")
    let found = sqlx::query_scalar::<_, i64>("select count(*) from catalog_products").fetch_one(&mut owner).await;
    match found {
        Ok(rows) => Ok(rows > 0),
        Err(sqlx::Error::Database(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What one tenant has at the end of one state.
struct Side {
    name: &'static str,
    steps: Vec<Step>,
    snapshot: Snapshot,
}

async fn one_side(pool: &RlsPool, name: &'static str, tenant: TenantId, mail: &Path) -> anyhow::Result<Side> {
    let buyer = Channel::Email("buyer@example.com");
    with_tenant(pool, tenant, async |mut tx| {
        preferences::subscribe(&mut tx, "buyer", buyer, &Template::ALL, Wants::Everything).await?;
        endpoint::put(&mut tx, "erp", &endpoint::Target::example()).await?;
        preferences::subscribe(&mut tx, "erp", Channel::Webhook, &Template::ALL, Wants::Everything).await
    })
    .await?;
    let mut all = inputs();
    // The same file again, and one that is refused, twice: the second time is another attempt.
    all.extend([CATALOG, BAD, BAD].map(|file| ("catalog_upload", Input::File(file))));
    let steps = process(pool, tenant, all, mail).await?;
    // A control: guests have nothing to do with the migration, and must not notice it.
    let token = with_tenant(pool, tenant, async |mut tx| {
        guest::invite(
            &mut tx,
            &Queue::new(),
            "guest@example.com",
            guest::Offer::Catalog,
            chrono::Duration::days(7),
            now(),
        )
        .await
    })
    .await?;
    guest::upload(pool, &token, CATALOG.as_bytes(), now()).await?;
    let snapshot = Snapshot::take(pool, tenant).await?;
    Ok(Side { name, steps, snapshot })
}

fn lanes<'a>(a: &'a Side, b: &'a Side) -> impl Iterator<Item = LaneRow> + 'a {
    a.steps.iter().zip(&b.steps).map(|(before, after)| LaneRow {
        lane: before.lane.to_owned(),
        tenant: a.name.to_owned(),
        detail: after.detail(),
        a: snapshot::ended(before),
        b: snapshot::ended(after),
        matches: snapshot::ended(before) == snapshot::ended(after),
        ms_a: before.elapsed.as_millis(),
        ms_b: after.elapsed.as_millis(),
    })
}

/// Claims one job several times at once.
async fn claimed_once(pool: &RlsPool) -> anyhow::Result<Probe> {
    const LANE: &str = "probe";
    let queue = Queue::new();
    let job = NewJob::new(LANE, LANE, &())?;
    with_tenant(pool, TENANT_A, async |mut tx| queue.enqueue(&mut tx, &job).await.map(drop)).await?;
    let claim = async || {
        let claimed =
            with_tenant(pool, TENANT_A, async |mut tx| queue.claim(&mut tx, &Claim::new(LANE, 1)).await).await?;
        Ok::<_, sqlx::Error>(claimed.len())
    };
    let (a, b, c, d) = tokio::try_join!(claim(), claim(), claim(), claim())?;
    let winners = a + b + c + d;
    Ok(Probe {
        id: "of several workers one gets a job".to_owned(),
        found: (winners != 1).then(|| format!("{winners} have it")).into_iter().collect(),
    })
}

/// Every check and probe of the verifier, one line each: what it found open, or that it found nothing.
async fn probes(connection: &mut PgConnection, role: &str) -> anyhow::Result<Vec<Probe>> {
    let report = verify(connection, &crate::verify::options(role)?).await?;
    let open: Vec<(&str, String)> =
        report.open().map(|finding| (finding.check, format!("{}: {}", finding.object, finding.message))).collect();
    let checks = rls_runtime::verify::CHECKS.iter().map(|check| Probe {
        id: format!("{} {}", check.id, check.name),
        found: open.iter().filter(|(code, _)| *code == check.id).map(|(_, found)| found.clone()).collect(),
    });
    let mut probes: Vec<Probe> = checks.collect();
    let covered = TENANT_TABLES.iter().filter(|table| !report.tables.iter().any(|seen| seen.ends_with(**table)));
    probes.push(Probe {
        id: "every tenant table was looked at".to_owned(),
        found: covered.map(|table| (*table).to_owned()).collect(),
    });
    Ok(probes)
}
