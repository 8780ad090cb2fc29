//! Somebody whom a tenant lets try one small file in, what we would say to it out.
//!
//! A guest's scope is bound to the tenant and to the guest's own session: the second condition of every policy
//! lets it see the rows of that session and nothing else of the tenant. No message is sent, nothing is claimed,
//! nothing goes to the catalog, and when the time is over all of it is deleted.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use rls_runtime::queue::{NewJob, Queue};
use rls_runtime::{RlsPool, ScopeOptions, TenantId, TenantTx, with_tenant_opts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use crate::fingerprint;
use crate::schema::GUEST_SETTING;
use crate::ship::charge::Charge;
use crate::ship::charge_codes::ChargeCodes;
use crate::ship::findings::{Basis, Billed, audit};
use crate::ship::layout::Layout;
use crate::table::{FileError, Limits, Table, Tally};
use crate::trade::decision::decide;
use crate::trade::law;
use crate::trade::screening::Listed;
use crate::workers::handlers::catalog_upload;
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

/// What a guest shows to come in. Only its hash is on file.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    tenant: TenantId,
    session: Uuid,
    secret: String,
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

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.tenant.as_uuid().simple(), self.session.simple(), self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("session", &self.session).finish_non_exhaustive()
    }
}

impl FromStr for Token {
    type Err = FileError;

    fn from_str(text: &str) -> Result<Token, FileError> {
        let mut parts = text.trim().splitn(3, '.');
        let mut id = || Uuid::try_parse(parts.next()?).ok();
        let ids = id().zip(id());
        let secret = parts.next().filter(|secret| !secret.is_empty()).map(str::to_owned);
        let parsed = ids.zip(secret);
        let token = parsed.map(|((tenant, session), secret)| Token { tenant: tenant.into(), session, secret });
        token.ok_or_else(unknown)
    }
}

/// Whoever guesses learns nothing of what was wrong.
fn unknown() -> FileError {
    FileError::new("GUEST_TOKEN_INVALID", "the invitation is not valid, or its time is over")
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
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let token = Token { tenant: tx.tenant(), session: Uuid::new_v4(), secret };
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
    let farewell = NewJob::of(&Farewell { session: token.session })?.run_at(expires_at.into());
    queue.enqueue(tx, &farewell).await?;
    Ok(token)
}

/// Takes the guest's one file in. A file that is refused may be followed by a better one.
///
/// # Errors
/// When the token is not valid, its file was there before, or the file is refused.
pub async fn upload(pool: &RlsPool, token: &Token, file: &[u8], now: DateTime<Utc>) -> Result<Summary, LaneError> {
    with_tenant_opts(pool, token.tenant, &token.scope(), async |mut tx| {
        let (lane, is_used) = token.session(&mut tx, now).await?;
        if is_used {
            return Err(FileError::new("GUEST_FILE_USED", "the invitation is for one file, which was there").into());
        }
        let table = Table::open(file, &SMALL)?;
        let (tally, results) = match lane.as_str() {
            "catalog_upload" => verdicts(&mut tx, &table, now).await?,
            _ => findings(&table, now)?,
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

impl Token {
    fn hash(&self) -> String {
        fingerprint::of_texts([self.session.to_string().as_str(), &self.secret])
    }

    fn scope(&self) -> ScopeOptions {
        ScopeOptions::new().also(GUEST_SETTING, self.session)
    }

    /// What the guest may try, and whether that was done; locked, so that two files at once are one too many.
    async fn session(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> Result<(String, bool), LaneError> {
        let found: Option<(String, bool)> = sqlx::query_as(
            "select lane, summary is not null from guest_sessions where id = $1 and token_hash = $2 and expires_at > $3",
        )
        .bind(self.session)
        .bind(self.hash())
        .bind(now)
        .fetch_optional(&mut **tx)
        .await?;
        Ok(found.ok_or_else(unknown)?)
    }

    async fn keep(&self, tx: &mut TenantTx, summary: &Summary, results: &[Value]) -> Result<(), LaneError> {
        let kept = sqlx::query("update guest_sessions set summary = $2 where id = $1 and summary is null")
            .bind(self.session)
            .bind(Json(summary))
            .execute(&mut **tx)
            .await?;
        if kept.rows_affected() == 0 {
            return Err(FileError::new("GUEST_FILE_USED", "another file came at the same time").into());
        }
        sqlx::query(
            "insert into guest_results (guest_session_id, position, result)
             select $1, position, result from jsonb_array_elements($2) with ordinality as r (result, position)",
        )
        .bind(self.session)
        .bind(Json(results))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// The duties on each product, by the public measures only: what exporters told the tenant in confidence is not there.
async fn verdicts(tx: &mut TenantTx, table: &Table, now: DateTime<Utc>) -> Result<(Tally, Vec<Value>), LaneError> {
    let today = now.date_naive();
    let header = catalog_upload::header(table)?;
    let tally = Tally::of(catalog_upload::products(table, &header), None)?;
    let law = law::load(tx, today).await?;
    let mut results = Vec::new();
    for row in catalog_upload::products(table, &header) {
        for product in row?.items {
            let (number, listed) = (product.row_number, Listed::from(product));
            let product = listed.product();
            let decision = decide(&product, today, &law);
            results.push(json!({
                "row": number, "sku": product.sku, "verdict": decision.verdict, "measure": decision.measure,
                "reasons": decision.reasons, "adCad": decision.ad_cad, "cvdCad": decision.cvd_cad,
                "totalCad": decision.total_cad, "confidence": decision.confidence,
            }));
        }
    }
    Ok((tally, results))
}

/// What is wrong with the charges themselves: a guest has no agreement and no orders to compare them with.
fn findings(table: &Table, now: DateTime<Utc>) -> Result<(Tally, Vec<Value>), LaneError> {
    let layout = Layout::of(table)?;
    if !layout.has_charges() {
        return Err(FileError::new("FORMAT_UNSUPPORTED", "a guest's file holds charges, and nothing else").into());
    }
    let codes = ChargeCodes::default();
    let tally = Tally::of(layout.rows(table, &codes), None)?;
    let mut shipments: BTreeMap<(String, String), Vec<Billed>> = BTreeMap::new();
    for row in layout.rows(table, &codes) {
        for charge in row?.items {
            let Some(tracking) = charge.tracking.clone() else { continue };
            let of_shipment = shipments.entry((charge.carrier.clone(), tracking)).or_default();
            let same = of_shipment.iter().filter(|billed| is_same(&billed.charge, &charge)).count();
            let occurrence = i32::try_from(same + 1).unwrap_or(i32::MAX);
            of_shipment.push(Billed { fingerprint: charge.fingerprint(), charge, occurrence });
        }
    }
    let basis = Basis { agreements: &[], overrides: &[], order: None, today: now.date_naive() };
    let found = shipments.values().flat_map(|charges| audit(charges, &basis));
    // That there is no agreement is so of all that a guest can have.
    let found = found.filter(|finding| finding.kind != "UNAUTHORIZED_ACCOUNT");
    let results = found.map(|finding| {
        json!({
            "kind": finding.kind, "carrier": finding.carrier, "invoice": finding.invoice_number,
            "tracking": finding.tracking, "code": finding.code, "billed": finding.billed,
            "expected": finding.expected, "variance": finding.variance, "currency": finding.currency,
            "evidence": finding.evidence,
        })
    });
    Ok((tally, results.collect()))
}

/// Whether one charge of an invoice is billed again in it.
fn is_same(one: &Charge, other: &Charge) -> bool {
    let key = |charge: &Charge| {
        (charge.invoice_number.clone(), charge.code.clone(), charge.service.clone(), charge.net, charge.ship_date)
    };
    key(one) == key(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_says_nothing_of_its_secret() {
        let token = Token { tenant: Uuid::from_u128(1).into(), session: Uuid::from_u128(2), secret: "abc".to_owned() };
        assert_eq!(token.to_string().parse::<Token>(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains("abc"));
        for text in ["", "a.b.c", "..", &format!("{}.{}.", Uuid::nil(), Uuid::nil())] {
            assert_eq!(text.parse::<Token>().unwrap_err().code, "GUEST_TOKEN_INVALID", "{text}");
        }
    }
}
