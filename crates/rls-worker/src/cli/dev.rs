//! Nothing in, everything running with sample data out, until somebody presses Ctrl-C.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, Duration, Utc};
use rls_runtime::queue::Queue;
use rls_runtime::testing::{TENANT_A, TENANT_B, TestDb};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::notifications::calendar::{Cadence, Calendar};
use rls_worker::notifications::preferences::{self, Channel, Wants};
use rls_worker::notifications::scheduler;
use rls_worker::notifications::templates::Template;
use rls_worker::notifications::transport::{Posts, Transport};
use rls_worker::notifications::webhook::endpoint;
use rls_worker::samples::{self, throwaway};
use rls_worker::smoke;
use rls_worker::workers::job_processor::{State, worker};
use tokio::sync::oneshot;

use super::say::say;
use super::{Passed, check, feed, mail, serve};

/// How long one sample file may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// How often the worker looks for work: somebody sits in front of it.
const POLL: std::time::Duration = std::time::Duration::from_millis(20);

/// A file of orders that lacks what it needs, so that there is something to be told of.
const BAD: &str = "order_number,sku\nSO-1,A\n";

pub(super) async fn dev(options: mail::Options) -> anyhow::Result<Passed> {
    // Kept until the end: with it the server goes.
    let db = throwaway(None, TestDb::runtime).await?;
    let folder = check::Mail::new()?;
    let webhooks = Posts::Files(folder.path().to_owned());
    let pages = options.pages();
    let transport = Transport { mail: options.mail(folder.path())?, webhooks };
    let state = State { now: clock(), pages, ..State::new(transport) };
    let pool = RlsPool::connect_with(db.runtime_options()).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(worker(pool.clone(), state.clone(), 2).poll(POLL).run(async {
        stopped.await.ok();
    }));
    let schedule = tokio::spawn(serve::schedule(pool.clone(), Arc::clone(&state.now)));
    let set_up = async {
        for tenant in [TENANT_A, TENANT_B] {
            settle_in(&pool, tenant, (state.now)()).await.context("the sample data cannot be written")?;
            say(format_args!("tenant {tenant}"))?;
            feed::status(&pool, tenant).await?;
        }
        show_where_to_look(&db, folder.path())?;
        std::future::pending::<anyhow::Result<()>>().await
    };
    // Whoever has seen enough need not wait until all of it is there.
    tokio::select! {
        failed = set_up => failed?,
        () = rls_worker::stop::requested() => {}
    }
    schedule.abort();
    stop.send(()).ok();
    running.await.ok();
    Ok(Passed::Yes)
}

/// The day of the samples goes on from its afternoon.
fn clock() -> Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> {
    let began = Instant::now();
    Arc::new(move || samples::now() + Duration::from_std(began.elapsed()).unwrap_or_default())
}

/// A reader, digests that are due at once, and the sample files.
async fn settle_in(pool: &RlsPool, tenant: TenantId, now: DateTime<Utc>) -> anyhow::Result<()> {
    let yesterday = now - Duration::days(1);
    with_tenant(pool, tenant, async |mut tx| {
        let reader = Channel::Email("reader@example.com");
        preferences::subscribe(&mut tx, "reader", reader, &Template::ALL, Wants::Everything).await?;
        endpoint::put(&mut tx, "example", &endpoint::Target::example()).await?;
        preferences::subscribe(&mut tx, "example", Channel::Webhook, &Template::ALL, Wants::Everything).await?;
        let calendar = Calendar { cadence: Cadence::Daily, hour: 8, zone: chrono_tz::America::Toronto };
        for digest in [Template::TradeDigest, Template::ShipRecon, Template::ShipStale] {
            scheduler::schedule(&mut tx, digest, &calendar, yesterday).await?;
        }
        Ok::<_, sqlx::Error>(())
    })
    .await?;
    let queue = Queue::new();
    let bad = ("order_upload", smoke::Input::File(BAD));
    for (lane, input) in smoke::inputs().into_iter().chain([bad]) {
        smoke::enqueue(pool, &queue, tenant, lane, &input).await?;
        // One after the other: charges are compared with the agreements that are there. Mail that cannot go out holds nothing up.
        match tokio::time::timeout(PATIENCE, smoke::settle(pool, tenant)).await {
            Ok(settled) => settled?,
            Err(_) => continue,
        }
    }
    Ok(())
}

fn show_where_to_look(db: &TestDb, mail: &Path) -> io::Result<()> {
    let (runtime, owner) = (db.url(&db.runtime()), db.url(&db.owner()));
    say(format_args!(
        "
what the worker sees   psql '{runtime}'
                       begin; set local app.tenant_id = '{TENANT_A}'; select * from ship_findings;
what its owner sees    psql '{owner}'
                       which is no more: the tables are forced
messages               {}
                       mail as text and HTML, and what an endpoint would get as JSON
the failed job         a file of orders without most of its columns, so that there is something to be told of
jobs                   rls-worker status --tenant {TENANT_A} --database-url '{runtime}'
findings               rls-worker finding list --tenant {TENANT_A} --database-url '{runtime}'
more work              rls-worker enqueue catalog_upload FILE --tenant {TENANT_A} --database-url '{runtime}'

ready; Ctrl-C stops it, and nothing of it stays",
        mail.display()
    ))
}
