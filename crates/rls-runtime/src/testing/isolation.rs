//! Two tenants and the proof that neither meets the other.

use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use crate::error::{Error, sqlstate};
use crate::handle::TenantTx;
use crate::pool::RlsPool;
use crate::scope::with_tenant;
use crate::tenant::TenantId;

/// The first of two tenants. Give both the same keys, so that a leak shows.
pub const TENANT_A: TenantId = TenantId::new(Uuid::from_u128(0xaaaaaaaa_aaaa_4aaa_8aaa_aaaaaaaaaaaa));

/// The second of two tenants.
pub const TENANT_B: TenantId = TenantId::new(Uuid::from_u128(0xbbbbbbbb_bbbb_4bbb_8bbb_bbbbbbbbbbbb));

/// Prove that a table keeps [`TENANT_A`] and [`TENANT_B`] apart: reading, updating, deleting and giving rows away.
///
/// Both must have rows in it, for a table that shows nothing proves nothing. Nothing is changed.
/// The table is named as in SQL, with quotes and schema where it needs them.
///
/// # Panics
///
/// When a tenant reaches a row of the other, or when there is nothing to reach.
pub async fn assert_isolated(pool: &RlsPool, table: &str, tenant_column: &str) {
    for (own, other) in [(TENANT_A, TENANT_B), (TENANT_B, TENANT_A)] {
        let tried = with_tenant(pool, own, async |mut tx| {
            let found = trespass(&mut tx, table, tenant_column, other).await?;
            Err::<(), Trespass>(Trespass::RolledBack(found))
        })
        .await;
        match tried {
            Err(Trespass::RolledBack(found)) if found.is_empty() => {}
            Err(Trespass::RolledBack(found)) => {
                panic!("{table} as tenant {own}: {}", found.join("; "))
            }
            Err(Trespass::Sql(error)) => panic!("{table} as tenant {own}: {error}"),
            Ok(()) => unreachable!("the closure always fails, so that nothing is written"),
        }
    }
}

enum Trespass {
    RolledBack(Vec<String>),
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Trespass {
    fn from(error: sqlx::Error) -> Trespass {
        Trespass::Sql(error)
    }
}

impl From<Error> for Trespass {
    fn from(error: Error) -> Trespass {
        Trespass::Sql(error.into())
    }
}

async fn trespass(tx: &mut TenantTx, table: &str, column: &str, other: TenantId) -> sqlx::Result<Vec<String>> {
    let mut found = Vec::new();
    let own = tx.tenant();
    let visible = format!("SELECT count(*) FROM {table} WHERE {column} = '{own}'");
    let visible: i64 = sqlx::query_scalar(AssertSqlSafe(visible)).fetch_one(&mut *tx).await?;
    if visible == 0 {
        found.push("has no rows of its own, so nothing is proven".to_owned());
    }
    let foreign = format!("SELECT count(*) FROM {table} WHERE {column} IS DISTINCT FROM '{own}'");
    let foreign: i64 = sqlx::query_scalar(AssertSqlSafe(foreign)).fetch_one(&mut *tx).await?;
    if foreign > 0 {
        found.push(format!("reads {foreign} rows of others"));
    }
    let attempts = [
        ("updates rows of others", format!("UPDATE {table} SET {column} = {column} WHERE {column} = '{other}'")),
        ("deletes rows of others", format!("DELETE FROM {table} WHERE {column} = '{other}'")),
        ("gives rows away", format!("UPDATE {table} SET {column} = '{other}'")),
    ];
    for (what, sql) in attempts {
        let mut attempt = tx.savepoint().await?;
        match attempt.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await {
            Ok(done) if done.rows_affected() == 0 => {}
            Ok(done) => found.push(format!("{what} ({})", done.rows_affected())),
            // Refused by the policy or for lack of the right: both keep the tenants apart.
            Err(error) if sqlstate(&error).as_deref() == Some("42501") => {}
            Err(error) => found.push(format!("{what}, or would: {error}")),
        }
        attempt.rollback().await?;
    }
    Ok(found)
}
