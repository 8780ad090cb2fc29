//! Thousands of scopes of two tenants over four connections, with cancels, panics, failures and misuse at random.
//!
//! `RLS_SOAK_SCOPES` sets how many, 10,000 unless told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rls_runtime::testing::{SessionState, TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, RlsPoolOptions, TenantId, TenantTx, with_tenant};

use crate::support::database;

const AT_ONCE: u64 = 16;

fn scopes() -> u64 {
    std::env::var("RLS_SOAK_SCOPES").map_or(10_000, |text| text.parse().expect("RLS_SOAK_SCOPES is a number"))
}

/// A small generator, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

async fn foreign_rows(tx: &mut TenantTx) -> sqlx::Result<i64> {
    let tenant = tx.tenant();
    sqlx::query_scalar("SELECT count(*) FROM orders WHERE tenant_id <> $1").bind(tenant).fetch_one(&mut *tx).await
}

/// One scope that goes wrong in one of many ways, or not at all.
async fn one_scope(pool: &RlsPool, tenant: TenantId, fate: u64, foreign: &AtomicUsize) -> sqlx::Result<()> {
    with_tenant(pool, tenant, async |mut tx| {
        let seen = foreign_rows(&mut tx).await?;
        foreign.fetch_add(seen as usize, Ordering::Relaxed);
        match fate {
            0..=2 => panic!("on purpose"),
            3 => sqlx::raw_sql("COMMIT").execute(&mut *tx).await.map(drop),
            4 => sqlx::raw_sql("SET app.tenant_id = 'cccccccc-cccc-4ccc-8ccc-cccccccccccc'")
                .execute(&mut *tx)
                .await
                .map(drop),
            5 => sqlx::raw_sql("SELECT 1/0").execute(&mut *tx).await.map(drop).or(Ok(())),
            6 => Err(sqlx::Error::RowNotFound),
            7 => {
                let own = tx.tenant();
                sqlx::query("SELECT set_config('app.tenant_id', $1::text, false)")
                    .bind(own.as_uuid())
                    .execute(&mut *tx)
                    .await
                    .map(drop)
            }
            8 => {
                std::mem::forget(tx);
                Ok(())
            }
            _ => {
                let note = sqlx::query("UPDATE orders SET note = note || '' WHERE id = 1").execute(&mut *tx).await?;
                assert_eq!(note.rows_affected(), 1);
                Ok(())
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn not_one_foreign_row() {
    let db = database().await;
    let pool = db.pool_with(RlsPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(60))).await;
    static FOREIGN: AtomicUsize = AtomicUsize::new(0);
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let on_purpose = info.payload().downcast_ref::<&str>() == Some(&"on purpose");
        if !on_purpose {
            silent(info);
        }
    }));
    let runners = (0..AT_ONCE).map(|runner| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut random = Random(runner);
            let mut finished = 0;
            for _ in 0..scopes() / AT_ONCE {
                let tenant = [TENANT_A, TENANT_B][random.below(2) as usize];
                let cancelled = random.below(8) == 0;
                let patience = if cancelled { random.below(20_000) } else { 60_000_000 };
                let fate = random.below(120);
                let in_task = pool.clone();
                let scope = tokio::spawn(async move { one_scope(&in_task, tenant, fate, &FOREIGN).await });
                let abort = scope.abort_handle();
                match tokio::time::timeout(Duration::from_micros(patience), scope).await {
                    Ok(Ok(Ok(()))) => finished += 1,
                    Ok(_) => {}
                    Err(_) => abort.abort(),
                }
            }
            finished
        })
    });
    let mut finished = 0;
    for runner in futures_util::future::join_all(runners.collect::<Vec<_>>()).await {
        finished += runner.expect("only scopes panic");
    }
    assert!(finished > 0, "some scopes must come to their end, or nothing was tested");
    assert_eq!(FOREIGN.load(Ordering::Relaxed), 0);
    for tenant in [TENANT_A, TENANT_B] {
        let state = SessionState::of_next(&pool).await;
        assert_eq!((state.tenant, state.in_transaction), (None, false));
        let foreign = with_tenant(&pool, tenant, async |mut tx| foreign_rows(&mut tx).await).await;
        assert_eq!(foreign.expect("the pool still works"), 0);
    }
}
