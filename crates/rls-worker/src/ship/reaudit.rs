//! Agreements and settings that came after the charges in, the findings of those charges anew out.
//!
//! Invoices are gone through some at a time, so that memory does not grow with the charges on file.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use sqlx::types::Json;
use uuid::Uuid;

use super::agreement::Agreement;
use super::auditing::{Audited, Book, audit_shipments};
use super::charge_codes;
use super::reconciling::supersede_unauthorized;
use super::tenant_carrier_overrides::{self, Override};
use crate::workers::outcome::Job;

/// Invoices that are gone through at once.
const INVOICES: i64 = 200;

/// Charges that something new holds for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    carrier: String,
    /// All accounts when empty.
    account: Option<String>,
    since: Since,
}

/// From which day on. No end: what is new also ends what held before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    /// Agreements are those of the day of shipping.
    Shipped(NaiveDate),
    /// Settings are those of the day of the invoice.
    Invoiced(NaiveDate),
}

/// Audits the charges that new agreements hold for.
///
/// # Errors
/// When the database says no.
pub async fn after_agreements(tx: &mut TenantTx, job: &Job, agreements: &[Agreement]) -> sqlx::Result<Audited> {
    let mut closed = 0;
    for of in agreements {
        closed += supersede_unauthorized(tx, job, &of.carrier, &of.account).await?;
    }
    let scope = |of: &Agreement| Scope {
        carrier: of.carrier.clone(),
        account: Some(of.account.clone()),
        since: Since::Shipped(of.from),
    };
    let mut audited = audit_scopes(tx, job, agreements.iter().map(scope).collect()).await?;
    audited.superseded += closed;
    Ok(audited)
}

/// Audits the charges that new settings hold for.
///
/// # Errors
/// When the database says no.
pub async fn after_overrides(tx: &mut TenantTx, job: &Job, overrides: &[Override]) -> sqlx::Result<Audited> {
    let renames = |of: &Override| of.key == charge_codes::KEY && overrides.iter().any(|new| new.key == of.key);
    let mut maps = tenant_carrier_overrides::load(tx).await?;
    maps.retain(renames);
    // The later one goes before the earlier one, as it does in files.
    maps.sort_by_key(|of| (of.account.is_some(), of.valid_from));
    for map in &maps {
        rename(tx, map).await?;
    }
    let scope = |of: &Override| Scope {
        carrier: of.carrier.clone(),
        account: of.account.clone(),
        since: Since::Invoiced(of.valid_from),
    };
    audit_scopes(tx, job, overrides.iter().map(scope).collect()).await
}

/// Each scope once, and of those that differ by their days only the one that begins first.
async fn audit_scopes(tx: &mut TenantTx, job: &Job, scopes: BTreeSet<Scope>) -> sqlx::Result<Audited> {
    let mut first: Vec<Scope> = Vec::new();
    for scope in scopes {
        let is_within = |of: &Scope| (&of.carrier, &of.account) == (&scope.carrier, &scope.account);
        if !first.iter().any(is_within) {
            first.push(scope);
        }
    }
    let book = Book::load(tx).await?;
    let mut way = Way { done: 0, all: 0 };
    for scope in &first {
        way.all += invoices(tx, scope).await?;
    }
    let mut all = Audited::default();
    for scope in &first {
        all.add(audit_scope(tx, job, scope, &book, &mut way).await?);
    }
    Ok(all)
}

/// Invoices that are behind, and all of them.
struct Way {
    done: usize,
    all: usize,
}

impl Way {
    fn percent(&self) -> u8 {
        u8::try_from(99 * self.done / self.all.max(1)).unwrap_or(99)
    }
}

async fn invoices(tx: &mut TenantTx, scope: &Scope) -> sqlx::Result<usize> {
    let invoices: i64 = sqlx::query_scalar(
        "select count(*) from carrier_invoices where carrier = $1 and ($2::text is null or account = $2)",
    )
    .bind(&scope.carrier)
    .bind(&scope.account)
    .fetch_one(&mut *tx)
    .await?;
    Ok(usize::try_from(invoices).unwrap_or(0))
}

async fn audit_scope(tx: &mut TenantTx, job: &Job, scope: &Scope, book: &Book, way: &mut Way) -> sqlx::Result<Audited> {
    let mut all = Audited::default();
    let mut after = (String::new(), String::new());
    loop {
        let page: Vec<(Uuid, String, String)> = sqlx::query_as(
            "select id, account, invoice_number from carrier_invoices
             where carrier = $1 and ($2::text is null or account = $2) and (account, invoice_number) > ($3, $4)
             order by account, invoice_number limit $5",
        )
        .bind(&scope.carrier)
        .bind(&scope.account)
        .bind(&after.0)
        .bind(&after.1)
        .bind(INVOICES)
        .fetch_all(&mut *tx)
        .await?;
        let Some((_, account, number)) = page.last() else { break };
        after = (account.clone(), number.clone());
        let invoices: Vec<Uuid> = page.iter().map(|(id, ..)| *id).collect();
        let from = way.percent();
        way.done += invoices.len();
        job.progress.stage(from, way.percent());
        let shipments = shipments(tx, &invoices, scope.since).await?;
        all.add(audit_shipments(tx, job, &shipments, book).await?);
    }
    Ok(all)
}

/// The shipments that invoices bill, in the order in which they were written.
async fn shipments(tx: &mut TenantTx, invoices: &[Uuid], since: Since) -> sqlx::Result<Vec<Uuid>> {
    let (shipped, invoiced) = match since {
        Since::Shipped(day) => (Some(day), None),
        Since::Invoiced(day) => (None, Some(day)),
    };
    sqlx::query_scalar(
        "select c.shipment_id
         from unnest($1::uuid[]) as wanted (id),
             lateral (select id, invoice_date from carrier_invoices v where v.id = wanted.id offset 0) v,
             lateral (select shipment_id, ship_date, row_number from shipment_charges c where c.invoice_id = v.id offset 0) c
         where c.shipment_id is not null and ($2::date is null or coalesce(c.ship_date, v.invoice_date) >= $2)
             and ($3::date is null or v.invoice_date >= $3)
         group by c.shipment_id order by min(v.invoice_date), min(c.row_number), c.shipment_id",
    )
    .bind(invoices)
    .bind(shipped)
    .bind(invoiced)
    .fetch_all(&mut *tx)
    .await
}

/// Gives the charges on file the codes that a map has for their names. A name that a map no longer has keeps its code.
async fn rename(tx: &mut TenantTx, of: &Override) -> sqlx::Result<()> {
    let pairs = charge_codes::pairs(&of.value).unwrap_or_default();
    let pairs: Vec<serde_json::Value> =
        pairs.into_iter().map(|(name, code)| serde_json::json!({"name": name, "code": code})).collect();
    sqlx::query(
        "with map as materialized (
             select name, code from jsonb_to_recordset($1) as r (name text, code text)
         ), named as (
             select c.id, coalesce(by_code.code, by_name.code) as code
             from (select id from carrier_invoices v where v.carrier = $2 and ($3::text is null or v.account = $3)
                     and v.invoice_date >= $4 and ($5::date is null or v.invoice_date <= $5)) v,
                 lateral (select id, code, carrier_code, description from shipment_charges c
                     where c.invoice_id = v.id offset 0) c
                 left join map by_code on by_code.name = upper(regexp_replace(btrim(c.carrier_code), '\\s+', ' ', 'g'))
                 left join map by_name on by_name.name = upper(regexp_replace(btrim(c.description), '\\s+', ' ', 'g'))
             where coalesce(by_code.code, by_name.code, c.code) <> c.code
         )
         update shipment_charges c set code = n.code from named n where c.id = n.id",
    )
    .bind(Json(pairs))
    .bind(&of.carrier)
    .bind(&of.account)
    .bind(of.valid_from)
    .bind(of.valid_to)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
