//! Somebody whom a tenant lets try one small file in, what we would say to it out.
//!
//! A guest's scope is bound to the tenant and to the guest's own session: the second condition of every policy
//! lets it see the rows of that session and nothing else of the tenant. No message is sent, nothing is claimed,
//! nothing goes to the catalog, and when the time is over all of it is deleted.

mod file;
mod token;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::{RlsPool, TenantTx, with_tenant_opts};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use token::Token;

use crate::fingerprint;
use crate::notifications::zone;
use crate::table::{FileError, Limits, Table};
use crate::workers::envelope::created_by;
use crate::workers::outcome::LaneError;

/// What a guest's file may be at most.
const SMALL: Limits = Limits { bytes: 256 << 10, unpacked: 2 << 20, rows: 501, columns: 100 };

/// What a guest may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// A catalog, for the duties on its products.
    Catalog,
    /// A carrier's file, for what is wrong with it.
    Ship,
}

/// What became of a guest's file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Rows with data.
    pub rows_total: u64,
    /// Rows that were not taken.
    pub rows_rejected: u64,
    /// What was noted about all rows, by code.
    pub errors_by_code: BTreeMap<&'static str, u64>,
    /// What there is to read.
    pub results: usize,
}

impl Offer {
    const fn lane(self) -> &'static str {
        match self {
            Offer::Catalog => "catalog_upload",
            Offer::Ship => "ship_upload",
        }
    }
}

/// Invites somebody in the tenant's own scope, and gives the token that is shown this once.
///
/// # Errors
/// When the database says no.
pub async fn invite(
    tx: &mut TenantTx,
    queue: &Queue,
    email: &str,
    offer: Offer,
    lasts: Duration,
    now: DateTime<Utc>,
) -> sqlx::Result<Token> {
    let expires_at = now + lasts;
    let token = Token::random(tx.tenant());
    let tenant = token.tenant.to_string();
    sqlx::query(
        "insert into guest_sessions (id, email_hash, lane, token_hash, expires_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(token.session)
    .bind(fingerprint::of_texts([tenant.as_str(), &email.trim().to_lowercase()]))
    .bind(offer.lane())
    .bind(token.hash())
    .bind(expires_at)
    .execute(&mut **tx)
    .await?;
    let farewell = created_by(NewJob::of(&Farewell { session: token.session })?, "guest").run_at(expires_at.into());
    queue.enqueue(tx, &farewell).await?;
    Ok(token)
}

/// Takes the guest's one file in. A file that is refused may be followed by a better one.
///
/// # Errors
/// When the token is not valid, its file was there before, or the file is refused.
pub async fn upload(pool: &RlsPool, token: &Token, bytes: &[u8], now: DateTime<Utc>) -> Result<Summary, LaneError> {
    // A guest does not see where the tenant is.
    let today = zone::day(now, zone::USUAL);
    with_tenant_opts(pool, token.tenant, &token.scope(), async |mut tx| {
        let (lane, is_used) = token.session(&mut tx, now).await?;
        if is_used {
            return Err(FileError::new("GUEST_FILE_USED", "the invitation is for one file, which was there").into());
        }
        let table = Table::open(bytes, &SMALL)?;
        let (tally, results) = match lane.as_str() {
            "catalog_upload" => file::verdicts(&mut tx, &table, today).await?,
            _ => file::findings(&table, today)?,
        };
        let summary = Summary {
            rows_total: tally.budget.rows,
            rows_rejected: tally.budget.rejected,
            errors_by_code: tally.by_code,
            results: results.len(),
        };
        token.keep(&mut tx, &summary, &results).await?;
        Ok(summary)
    })
    .await
}

/// What there is to read: the file's summary and its results.
///
/// # Errors
/// When the token is not valid.
pub async fn results(pool: &RlsPool, token: &Token, now: DateTime<Utc>) -> Result<Value, LaneError> {
    let scope = token.scope().read_only();
    with_tenant_opts(pool, token.tenant, &scope, async |mut tx| {
        token.session(&mut tx, now).await?;
        Ok(sqlx::query_scalar(
            "select jsonb_build_object('summary', s.summary, 'results', (
                 select coalesce(jsonb_agg(r.result order by r.position), '[]') from guest_results r
                 where r.tenant_id = s.tenant_id and r.guest_session_id = s.id))
             from guest_sessions s where s.id = $1",
        )
        .bind(token.session)
        .fetch_one(&mut *tx)
        .await?)
    })
    .await
}

/// Deletes what is left of one guest when the time is over: a job of the tenant, enqueued with the invitation.
///
/// So it is done also for a tenant that never has another job, which no schedule would look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// The guest's session.
    session: Uuid,
}

impl Farewell {
    /// Deletes all guests whose time is over; says how long this one has left.
    ///
    /// # Errors
    /// When the database says no.
    pub async fn say(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<Option<std::time::Duration>> {
        remove_expired(tx, now).await?;
        let expires_at: Option<DateTime<Utc>> =
            sqlx::query_scalar("select expires_at from guest_sessions where id = $1")
                .bind(self.session)
                .fetch_optional(&mut **tx)
                .await?;
        Ok(expires_at.map(|at| (at - now).to_std().unwrap_or_default()))
    }
}

/// Deletes all that is left of guests whose time is over, in the tenant's own scope.
///
/// # Errors
/// When the database says no.
pub async fn remove_expired(tx: &mut TenantTx, now: DateTime<Utc>) -> sqlx::Result<u64> {
    sqlx::query(
        "delete from guest_results where guest_session_id in (select id from guest_sessions where expires_at <= $1)",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    let gone = sqlx::query("delete from guest_sessions where expires_at <= $1").bind(now).execute(&mut **tx).await?;
    Ok(gone.rows_affected())
}
