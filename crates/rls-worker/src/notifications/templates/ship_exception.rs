//! The thing that cannot wait, and what to do about it.

use rls_runtime::TenantTx;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{MOST, not_found, subject};
use crate::table::FileError;
use crate::workers::outcome::LaneError;

/// What to do about each kind.
const NEXT_STEPS: &[(&str, &str)] = &[
    ("DISPUTE_DEADLINE", "dispute the finding before its window closes"),
    ("HIGH_VALUE_FINDING", "look at the finding and dispute it"),
    ("AGREEMENT_MISSING", "upload the carrier's agreement for the account"),
    ("INVOICE_TOTAL_MISMATCH", "ask the carrier for the missing charges"),
    ("LINK_AMBIGUOUS", "choose the order of each shipment"),
    ("SHIPPED_WHILE_CAUGHT", "declare the duties that are due"),
    ("CLAIM_FAILED", "ask the carrier why, and claim again or dismiss the findings"),
    ("CREDIT_SHORT", "ask the carrier for the rest, or accept what was credited"),
    ("JOB_FAILED", "look at the errors of the job's rows, and hand the file in again"),
];

/// What an event may be about, the closest first: the field, and a query for what is known of it. What another tenant has is not there.
const ENTITIES: &[(&str, &str)] =
    &[("finding", FINDING), ("claim", CLAIM), ("order", ORDER), ("job", JOB), ("invoice", INVOICE)];

const FINDING: &str = "
select jsonb_build_object(
    'subject', f.kind || ' on ' || coalesce(f.tracking_norm, f.invoice_number),
    'amount', to_char(f.variance, 'FM999,999,990.00') || ' ' || f.currency, 'due', f.dispute_by,
    'facts', jsonb_build_array(jsonb_build_array('Carrier', f.carrier), jsonb_build_array('Invoice', f.invoice_number),
        jsonb_build_array('Shipment', coalesce(f.tracking_norm, 'none')), jsonb_build_array('Evidence', f.evidence))
        || coalesce((select jsonb_build_array(jsonb_build_array('Credited', to_char(k.amount, 'FM999,999,990.00') || ' ' || k.currency))
            from ship_finding_credits k where k.tenant_id = f.tenant_id and k.finding_id = f.id and not k.voided), '[]'))
from ship_findings f where f.id = case when $1 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $1::uuid end
    or f.dedupe_key = $1";

const CLAIM: &str = "
select jsonb_build_object(
    'subject', 'claim ' || coalesce(c.ticket, left(c.id::text, 8)) || ' at ' || c.carrier,
    'amount', to_char(sum(k.claimed), 'FM999,999,990.00') || ' ' || c.currency,
    'facts', jsonb_build_array(jsonb_build_array('Account', c.account), jsonb_build_array('Findings', count(*)::text),
        jsonb_build_array('Credited', to_char(coalesce(sum(k.credited), 0), 'FM999,999,990.00') || ' ' || c.currency),
        jsonb_build_array('Last note', coalesce((select e.note from ship_claim_events e
            where e.tenant_id = c.tenant_id and e.claim_id = c.id order by e.at desc limit 1), 'none'))))
from ship_claims c join ship_claim_findings k on k.tenant_id = c.tenant_id and k.claim_id = c.id
where c.id = case when $1 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $1::uuid end
group by c.tenant_id, c.id";

const ORDER: &str = "
select jsonb_build_object('subject', 'order ' || o.order_number,
    'amount', (select to_char(max(c.exposure_cad), 'FM999,999,990.00') || ' CAD' from trade_caught_orders c
        where c.tenant_id = o.tenant_id and c.order_id = o.id),
    'facts', jsonb_build_array(jsonb_build_array('Ordered on', o.order_date::text),
        jsonb_build_array('Goes to', o.ship_to_country)))
from orders o where o.order_number = $1 limit 1";

const JOB: &str = "
select jsonb_build_object('subject', 'the job of ' || coalesce(u.file_name, j.lane),
    'facts', jsonb_build_array(jsonb_build_array('Lane', j.lane),
        jsonb_build_array('Error', left(coalesce(j.last_error, 'unknown'), 300))))
from rls_jobs j left join uploads u on u.tenant_id = j.tenant_id and u.job_id = j.id
where j.id = case when $1 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $1::uuid end";

const INVOICE: &str = "
select jsonb_build_object('subject', 'invoice ' || v.invoice_number || ' of ' || v.carrier,
    'facts', jsonb_build_array(jsonb_build_array('Account', v.account),
        jsonb_build_array('Invoice date', v.invoice_date::text),
        jsonb_build_array('Stated total', coalesce(to_char(v.stated_total, 'FM999,999,990.00') || ' ' || v.currency, 'none'))))
from carrier_invoices v where v.invoice_number = $1 order by v.invoice_date desc limit 1";

/// What the template prints.
#[derive(Debug, Serialize)]
struct Alert<'a> {
    kind: &'a str,
    subject: String,
    amount: Option<String>,
    due: Option<String>,
    facts: Vec<(String, String)>,
    next_step: &'a str,
    items: Vec<String>,
}

fn next_step(kind: &str) -> Result<&'static str, FileError> {
    let step = NEXT_STEPS.iter().find(|(known, _)| *known == kind);
    step.map(|(_, step)| *step).ok_or_else(|| FileError::new("EVENT_TYPE_UNKNOWN", format!("no exception `{kind}`")))
}

pub(super) async fn variables(tx: &mut TenantTx, payload: &Map<String, Value>) -> Result<Value, LaneError> {
    let kind = subject(payload, "kind")?;
    let text = |name: &str| match payload.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mut alert = Alert {
        kind,
        subject: text("account").map(|account| format!("account {account}")).unwrap_or_default(),
        amount: text("amount"),
        due: text("due"),
        facts: Vec::new(),
        next_step: next_step(kind)?,
        items: Vec::new(),
    };
    if let Some((name, sql, key)) = ENTITIES.iter().find_map(|(name, sql)| Some((name, *sql, text(name)?))) {
        let known: Option<Value> = sqlx::query_scalar(sql).bind(&key).fetch_optional(&mut **tx).await?;
        alert.learn(&known.ok_or_else(|| not_found(&format!("the {name}")))?);
    }
    if alert.subject.is_empty() {
        alert.subject = match text("shipments") {
            Some(count) => format!("{count} shipments"),
            None => "see below".to_owned(),
        };
    }
    Ok(serde_json::to_value(alert).unwrap_or_default())
}

impl Alert<'_> {
    /// What is on file goes before what the event says.
    fn learn(&mut self, known: &Value) {
        let text = |name: &str| known[name].as_str().map(str::to_owned);
        self.subject = text("subject").unwrap_or_default();
        self.amount = text("amount").or(self.amount.take());
        self.due = text("due").or(self.due.take());
        self.facts = serde_json::from_value(known["facts"].clone()).unwrap_or_default();
    }
}

/// What an hour had too much of.
pub(super) async fn of_group(tx: &mut TenantTx, kind: &str, group: &str) -> Result<Value, LaneError> {
    let next_step = next_step(kind)?;
    let subjects: Vec<String> = sqlx::query_scalar(
        "select min(subject) from notification_deliveries where group_key = $1 group by dedupe_key order by min(created_at), 1",
    )
    .bind(group)
    .fetch_all(&mut **tx)
    .await?;
    let start = format!("[Exception] {kind}: ");
    let mut items: Vec<String> =
        subjects.iter().take(MOST as usize).map(|of| of.strip_prefix(&start).unwrap_or(of).to_owned()).collect();
    if subjects.len() > items.len() {
        items.push(format!("and {} more", subjects.len() - items.len()));
    }
    Ok(json!({"kind": kind, "subject": format!("{} more in one hour", subjects.len()), "amount": null, "due": null,
        "facts": [], "next_step": next_step, "items": items}))
}
