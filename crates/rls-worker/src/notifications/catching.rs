//! Orders in, those that duties would be due on in the database out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rls_runtime::TenantTx;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::caught_order::{Caught, LeftOut, OpenLine, catch};
use super::events::{Event, raise};
use crate::money::cents;
use crate::trade::decision::Verdict;
use crate::trade::detection::{Config, Destination};
use crate::workers::outcome::Job;

/// Orders that are weighed at once.
const CHUNK: usize = 2_000;

/// An open line as the tables have it.
#[derive(Debug, sqlx::FromRow)]
struct Line {
    order_id: Uuid,
    order_number: String,
    ship_to_country: String,
    ship_to_region: Option<String>,
    line_number: i32,
    sku: String,
    quantity: Decimal,
    requested_ship_date: Option<NaiveDate>,
    country_of_origin: Option<String>,
    hs_code: Option<String>,
    verdict: String,
    confidence: Decimal,
    measure_code: Option<String>,
    measure_regions: Vec<String>,
    total_cad: Option<Decimal>,
    upper_bound_cad: Option<Decimal>,
}

/// What is on file for an order.
#[derive(Debug, sqlx::FromRow)]
struct Known {
    order_id: Uuid,
    order_number: String,
    exposure_cad: Decimal,
    state: String,
    decided_by: Option<String>,
    shipped: bool,
}

/// What is to be written for an order.
#[derive(Serialize)]
struct Row {
    order_id: Uuid,
    line_numbers: Vec<i32>,
    measure_codes: Vec<String>,
    exposure_cad: Decimal,
    exposure_kind: &'static str,
    evidence: Evidence,
}

/// What of an order is not caught, and why.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    left_out: Vec<LeftOut>,
}

/// What became of the orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Catch {
    /// Orders that are caught now.
    pub caught: usize,
    /// Orders that are no longer.
    pub cleared: u64,
    /// Orders that were shipped all the same.
    pub missed: u64,
    /// Open lines that are not caught, by the reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

impl Catch {
    /// Adds what became of other orders.
    pub fn add(&mut self, other: Catch) {
        self.caught += other.caught;
        self.cleared += other.cleared;
        self.missed += other.missed;
        for (why, lines) in other.left_out {
            *self.left_out.entry(why).or_default() += lines;
        }
    }
}

/// The orders that have open lines of these products.
///
/// # Errors
/// When the database says no.
pub async fn orders_of(tx: &mut TenantTx, sku_norms: &[String]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select distinct order_id from order_lines where status = 'OPEN' and sku_norm = any (array(select unnest($1::text[]))) order by 1",
    )
    .bind(sku_norms)
    .fetch_all(&mut *tx)
    .await
}

/// Weighs orders anew under a ruleset: catches, clears, and says which were shipped while caught.
///
/// # Errors
/// When the database says no.
pub async fn refresh(
    tx: &mut TenantTx,
    job: &Job,
    orders: &[Uuid],
    config: &Config,
    ruleset: &str,
) -> sqlx::Result<Catch> {
    let mut all = Catch::default();
    for (done, chunk) in orders.chunks(CHUNK).enumerate() {
        job.progress.reached(done * CHUNK, orders.len());
        all.add(refresh_some(tx, job, chunk, config, ruleset).await?);
    }
    Ok(all)
}

async fn refresh_some(
    tx: &mut TenantTx,
    job: &Job,
    orders: &[Uuid],
    config: &Config,
    ruleset: &str,
) -> sqlx::Result<Catch> {
    let known: BTreeMap<Uuid, Known> = known(tx, orders, ruleset).await?;
    let (mut rows, mut events, mut left_out) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (order, lines) in by_order(open_lines(tx, orders).await?) {
        let number = lines[0].order_number.clone();
        let to = Destination { country: lines[0].ship_to_country.clone(), region: lines[0].ship_to_region.clone() };
        let open: Vec<OpenLine> = lines.into_iter().map(OpenLine::from).collect();
        let weighed = catch(&to, &open, config, job.today);
        if let Some(caught) = weighed.caught {
            events.extend(event(&number, &caught, known.get(&order), ruleset));
            rows.push(Row::of(order, caught, weighed.left_out));
        } else {
            left_out.insert(order, weighed.left_out);
        }
    }
    store(tx, job, &rows, ruleset).await?;
    let mut all = Catch { caught: rows.len(), ..Catch::default() };
    let of_caught = rows.iter().flat_map(|row| &row.evidence.left_out);
    for line in of_caught.chain(left_out.values().flatten()) {
        *all.left_out.entry(line.why).or_default() += 1;
    }
    let still: BTreeSet<Uuid> = rows.iter().map(|row| row.order_id).collect();
    let gone = known.into_values().filter(|order| !still.contains(&order.order_id));
    let (shipped, cleared): (Vec<Known>, Vec<Known>) = gone.partition(|order| order.shipped);
    let missed: Vec<Known> = shipped.into_iter().filter(|order| order.state == "OPEN").collect();
    all.missed += close(tx, job, &missed, ruleset, Closed::Missed, &left_out).await?;
    all.cleared += close(tx, job, &cleared, ruleset, Closed::Cleared, &left_out).await?;
    events.extend(missed.iter().map(shipped_while_caught));
    raise(tx, job, &events).await?;
    Ok(all)
}

impl From<Line> for OpenLine {
    fn from(line: Line) -> OpenLine {
        let verdict = match line.verdict.as_str() {
            "SUBJECT" => Verdict::Subject,
            "NEEDS_REVIEW" => Verdict::NeedsReview,
            _ => Verdict::NotSubject,
        };
        OpenLine {
            line_number: line.line_number,
            sku: line.sku,
            quantity: line.quantity,
            requested_ship_date: line.requested_ship_date,
            origin: line.country_of_origin,
            hs_code: line.hs_code,
            verdict,
            confidence: line.confidence,
            measure: line.measure_code,
            measure_regions: line.measure_regions,
            total_cad: line.total_cad,
            upper_bound_cad: line.upper_bound_cad,
        }
    }
}

impl Row {
    fn of(order_id: Uuid, caught: Caught, left_out: Vec<LeftOut>) -> Row {
        Row {
            order_id,
            line_numbers: caught.line_numbers,
            measure_codes: caught.measures,
            exposure_cad: cents(caught.exposure_cad),
            exposure_kind: caught.kind.word(),
            evidence: Evidence { left_out },
        }
    }
}

fn by_order(lines: Vec<Line>) -> BTreeMap<Uuid, Vec<Line>> {
    let mut orders: BTreeMap<Uuid, Vec<Line>> = BTreeMap::new();
    for line in lines {
        orders.entry(line.order_id).or_default().push(line);
    }
    orders
}

/// Told when it is new, and again when the exposure has risen by a fifth.
fn event(number: &str, caught: &Caught, known: Option<&Known>, ruleset: &str) -> Option<Event> {
    let exposure = cents(caught.exposure_cad);
    // What the machine itself let go is news again; what somebody let go is not, until it has risen.
    let is_known = known.filter(|known| known.state != "CLEARED" || known.decided_by.is_some());
    let is_news = is_known.is_none_or(|known| exposure * Decimal::from(5) >= known.exposure_cad * Decimal::from(6));
    let ruleset = ruleset.get(..8).unwrap_or(ruleset);
    (caught.notify && is_news).then(|| Event {
        key: format!("evt:caught:{number}:{ruleset}:{exposure}"),
        kind: "trade.order.caught",
        payload: json!({"order": number, "exposure_cad": exposure, "kind": caught.kind.word(), "measures": caught.measures}),
    })
}

fn shipped_while_caught(order: &Known) -> Event {
    Event {
        key: format!("evt:exc:SHIPPED_WHILE_CAUGHT:{}", order.order_number),
        kind: "ship.exception",
        payload: json!({"kind": "SHIPPED_WHILE_CAUGHT", "order": order.order_number, "exposure_cad": order.exposure_cad}),
    }
}

/// All at once: while few orders are caught one index looks like another, and asked one by one each would be a look at all of them.
async fn known(tx: &mut TenantTx, orders: &[Uuid], ruleset: &str) -> sqlx::Result<BTreeMap<Uuid, Known>> {
    let rows: Vec<Known> = sqlx::query_as(
        "select c.order_id, o.order_number, c.exposure_cad, c.state, c.decided_by,
             exists (select from order_lines l where l.order_id = c.order_id
                 and l.line_number = any (c.line_numbers) and l.status = 'SHIPPED') as shipped
         from (select * from trade_caught_orders c
                 where c.order_id = any (array(select unnest($1::uuid[]))) and c.ruleset_hash = $2 offset 0) c,
             lateral (select order_number from orders o where o.id = c.order_id offset 0) o",
    )
    .bind(orders)
    .bind(ruleset)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.order_id, row)).collect())
}

/// What somebody decided about a product goes before what the machine says.
async fn open_lines(tx: &mut TenantTx, orders: &[Uuid]) -> sqlx::Result<Vec<Line>> {
    sqlx::query_as(
        "select o.id as order_id, o.order_number, o.ship_to_country, o.ship_to_region, l.line_number, l.sku, l.quantity,
             l.requested_ship_date, p.country_of_origin, p.hs_code, coalesce(v.decision, r.verdict) as verdict,
             r.confidence, r.measure_code, r.total_cad, r.upper_bound_cad,
             coalesce((select regions from sima_measures m where m.code = r.measure_code), '{}') as measure_regions
         from unnest($1::uuid[]) as wanted (id),
             lateral (select id, order_number, ship_to_country, ship_to_region from orders o where o.id = wanted.id offset 0) o,
             lateral (select id, line_number, sku, quantity, requested_ship_date from order_lines l
                 where l.order_id = o.id and l.status = 'OPEN' offset 0) l,
             lateral (select product_id from order_line_products m where m.line_id = l.id offset 0) m,
             lateral (select sku_norm, country_of_origin, hs_code from catalog_products p where p.id = m.product_id offset 0) p,
             lateral (select sku_norm, product_version, ruleset_hash, verdict, confidence, measure_code, total_cad, upper_bound_cad
                 from sima_results r where r.sku_norm = p.sku_norm and r.superseded_by is null offset 0) r
             left join lateral (select decision from sima_reviews v where v.sku_norm = r.sku_norm
                 and v.product_version = r.product_version and v.ruleset_hash = r.ruleset_hash offset 0) v on true
         order by o.id, l.line_number",
    )
    .bind(orders)
    .fetch_all(&mut *tx)
    .await
}

async fn store(tx: &mut TenantTx, job: &Job, rows: &[Row], ruleset: &str) -> sqlx::Result<()> {
    sqlx::query(
        "insert into trade_caught_orders as c (order_id, ruleset_hash, line_numbers, measure_codes, exposure_cad,
             exposure_kind, first_caught_on, evidence)
         select order_id, $2, line_numbers, measure_codes, exposure_cad, exposure_kind, $3, evidence
         from jsonb_to_recordset($1) as r (order_id uuid, line_numbers integer[], measure_codes text[],
             exposure_cad numeric, exposure_kind text, evidence jsonb)
         on conflict (tenant_id, order_id, ruleset_hash) do update set
             (line_numbers, measure_codes, exposure_cad, exposure_kind, evidence) =
             (excluded.line_numbers, excluded.measure_codes, excluded.exposure_cad, excluded.exposure_kind, excluded.evidence),
             (state, state_since, decided_by, note) = (
                 select case when q.again then 'OPEN' else c.state end, case when q.again then $3 else c.state_since end,
                     case when q.again then null else c.decided_by end, case when q.again then null else c.note end
                 from (select c.state = 'CLEARED' and (c.decided_by is null
                     or excluded.exposure_cad * 5 >= c.exposure_cad * 6) as again) q)",
    )
    .bind(Json(rows))
    .bind(ruleset)
    .bind(job.today)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How an order is no longer caught.
#[derive(Clone, Copy)]
enum Closed {
    /// It was shipped before anybody looked at it.
    Missed,
    /// Duties are no longer due on it.
    Cleared,
}

/// Ends the catch of orders; what is left out of them now says why.
async fn close(
    tx: &mut TenantTx,
    job: &Job,
    orders: &[Known],
    ruleset: &str,
    how: Closed,
    left_out: &BTreeMap<Uuid, Vec<LeftOut>>,
) -> sqlx::Result<u64> {
    let (state, from): (_, &[&str]) = match how {
        Closed::Missed => ("MISSED", &["OPEN"]),
        Closed::Cleared => ("CLEARED", &["OPEN", "ACKNOWLEDGED", "HELD"]),
    };
    let ids: Vec<Uuid> = orders.iter().map(|order| order.order_id).collect();
    let evidence =
        |id: &Uuid| json!({"order_id": id, "evidence": {"leftOut": left_out.get(id).cloned().unwrap_or_default()}});
    let done = sqlx::query(
        "update trade_caught_orders c set (state, state_since, decided_by, note, evidence)
             = ($3, $5, null, null, r.evidence)
         from jsonb_to_recordset($4) as r (order_id uuid, evidence jsonb)
         where c.order_id = any (array(select unnest($1::uuid[]))) and c.ruleset_hash = $2 and c.state = any ($6)
             and c.order_id = r.order_id",
    )
    .bind(&ids)
    .bind(ruleset)
    .bind(state)
    .bind(Json(ids.iter().map(evidence).collect::<Vec<_>>()))
    .bind(job.today)
    .bind(from)
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
