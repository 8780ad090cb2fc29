//! Touched orders and shipments in, their links in the database out.
//!
//! What somebody has decided, MANUAL and REJECTED, a run never changes.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use chrono::{Days, NaiveDate};
use rls_runtime::TenantTx;
use serde::Serialize;
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::linkage::{Candidate, Link, OrderKey, ShipmentKey, link, normalised};
use crate::notifications::events::Event;
use crate::workers::outcome::Job;

/// How far back orders and shipments are looked at.
const WINDOW: Days = Days::new(90);

/// Shipments that are linked at once.
const CHUNK: usize = 2_000;

/// How far the day of an order may be from the day of its shipment, when nothing but the address says that they belong together.
const AROUND: Days = Days::new(3);

/// What became of the shipments.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Shipments that got an order.
    pub linked: Vec<Uuid>,
    /// Shipments that somebody has to choose for.
    pub ambiguous: usize,
}

impl Linked {
    /// What tells of it when somebody has to choose for more than a twentieth of a job's shipments.
    #[must_use]
    pub fn exception(&self, job: &Job, shipments: usize) -> Option<Event> {
        (self.ambiguous * 20 > shipments).then(|| Event {
            key: format!("evt:exc:LINK_AMBIGUOUS:{}", job.id),
            kind: "ship.exception",
            payload: json!({"kind": "LINK_AMBIGUOUS", "shipments": self.ambiguous}),
        })
    }
}

/// Shipments without an order that may belong to one of these.
///
/// # Errors
/// When the database says no.
pub async fn shipments_of(tx: &mut TenantTx, orders: &[Uuid], today: NaiveDate) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "with touched as materialized (
             select o.* from unnest($1::uuid[]) as wanted (id), lateral (
                 select number_norm, po_norm, postal_norm, tracking_numbers from orders o where o.id = wanted.id offset 0) o
         ), near as (
             select s.id from (select distinct unnest(tracking_numbers) as tracking from touched) t,
                 lateral (select id from shipments s where s.tracking_norm = t.tracking offset 0) s
             union
             select r.id from (select number_norm as number from touched union select po_norm from touched) n,
                 lateral (select shipment_id as id from shipment_references r where r.reference_norm = n.number offset 0) r
             union
             select s.id from (select distinct postal_norm from touched) p, lateral (
                 select id from shipments s where s.postal_norm = p.postal_norm and s.link_state <> 'LINKED' offset 0) s
         )
         select s.id from near, lateral (select id, link_state, ship_date from shipments s where s.id = near.id offset 0) s
         where s.link_state <> 'LINKED' and coalesce(s.ship_date, $2) >= $2 order by 1",
    )
    .bind(orders)
    .bind(since(today))
    .fetch_all(&mut *tx)
    .await
}

/// Links shipments, and says of all orders that they touch how far they are.
///
/// # Errors
/// When the database says no.
pub async fn relink(tx: &mut TenantTx, job: &Job, shipments: &[Uuid]) -> sqlx::Result<Linked> {
    let mut all = Linked::default();
    for (done, chunk) in shipments.chunks(CHUNK).enumerate() {
        job.progress.reached(done * CHUNK, shipments.len());
        let decided = decided(tx, chunk).await?;
        let keys = shipment_keys(tx, chunk).await?;
        let mut orders = candidates(tx, &keys, job.today).await?;
        let named = Index::of(&orders, names);
        let without: Vec<&ShipmentKey> =
            keys.iter().filter(|shipment| named.near(shipment.names()).is_empty()).collect();
        orders.extend(neighbours(tx, &without, job.today).await?);
        let placed = Index::of(&orders, places);
        let mut found = Vec::new();
        for shipment in keys.iter().filter(|shipment| !decided.linked.contains(&shipment.id)) {
            let by_name = named.near(shipment.names());
            let near = if by_name.is_empty() { placed.near(shipment.places()) } else { by_name };
            let near = near.into_iter().map(|at| &orders[at]);
            let near = near.filter(|order| !decided.rejected.contains(&(order.id, shipment.id)));
            let near: Vec<OrderKey> = near.cloned().collect();
            match link(shipment, &near) {
                Link::Linked(orders) => {
                    all.linked.push(shipment.id);
                    found.extend(orders.into_iter().map(|candidate| Row::of(shipment, &candidate, "LINKED")));
                }
                Link::Ambiguous(orders) => {
                    all.ambiguous += 1;
                    found.extend(orders.into_iter().map(|candidate| Row::of(shipment, &candidate, "AMBIGUOUS")));
                }
                Link::Unmatched => {}
            }
        }
        store(tx, chunk, &found).await?;
        let touched: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
        settle_orders(tx, &touched).await?;
    }
    Ok(all)
}

/// A link or a candidate.
#[derive(Serialize)]
struct Row {
    order_id: Uuid,
    shipment_id: Uuid,
    rule: String,
    score: i32,
    state: &'static str,
}

impl Row {
    fn of(shipment: &ShipmentKey, candidate: &Candidate, state: &'static str) -> Row {
        let rule = format!("{:?}", candidate.rule);
        Row { order_id: candidate.order, shipment_id: shipment.id, rule, score: candidate.score, state }
    }
}

/// The orders by what a shipment may know of them.
struct Index<K> {
    orders: HashMap<K, Vec<usize>>,
}

impl<K: Hash + Eq> Index<K> {
    fn of(orders: &[OrderKey], keys: fn(&OrderKey) -> Vec<K>) -> Index<K> {
        let mut places: HashMap<K, Vec<usize>> = HashMap::new();
        for (at, order) in orders.iter().enumerate() {
            for key in keys(order) {
                places.entry(key).or_default().push(at);
            }
        }
        Index { orders: places }
    }

    fn near(&self, keys: impl Iterator<Item = K>) -> BTreeSet<usize> {
        keys.filter_map(|key| self.orders.get(&key)).flatten().copied().collect()
    }
}

/// What a shipment may call an order.
fn names(order: &OrderKey) -> Vec<String> {
    let numbers = [Some(order.order_number.as_str()), order.po_number.as_deref()];
    let numbers = numbers.into_iter().flatten().map(normalised);
    numbers.chain(order.tracking_numbers.iter().cloned()).collect()
}

/// Where an order goes, and since when.
fn places(order: &OrderKey) -> Vec<(String, NaiveDate)> {
    order.ship_to_postal.iter().map(|postal| (normalised(postal), order.order_date)).collect()
}

impl ShipmentKey {
    fn names(&self) -> impl Iterator<Item = String> {
        self.references.iter().map(|text| normalised(text)).chain([self.tracking_norm.clone()])
    }

    /// Its address on the days around the one that it was shipped on.
    fn places(&self) -> impl Iterator<Item = (String, NaiveDate)> {
        let day = self.ship_date.zip(self.dest_postal.as_deref().map(normalised));
        day.into_iter().flat_map(|(day, postal)| {
            let first = day.checked_sub_days(AROUND).unwrap_or(day);
            first.iter_days().take(7).map(move |day| (postal.clone(), day))
        })
    }
}

/// What somebody has decided about shipments.
#[derive(Default)]
struct Decided {
    /// Shipments that have the order that they shall have.
    linked: BTreeSet<Uuid>,
    /// Orders and shipments that do not belong together.
    rejected: BTreeSet<(Uuid, Uuid)>,
}

async fn decided(tx: &mut TenantTx, shipments: &[Uuid]) -> sqlx::Result<Decided> {
    let rows: Vec<(Uuid, Uuid, bool)> = sqlx::query_as(
        "select k.order_id, k.shipment_id, k.state = 'MANUAL' as is_manual
         from unnest($1::uuid[]) as wanted (id), lateral (
             select order_id, shipment_id, state from order_shipment_links k
             where k.shipment_id = wanted.id and k.state <> 'LINKED' offset 0) k",
    )
    .bind(shipments)
    .fetch_all(&mut *tx)
    .await?;
    let mut decided = Decided::default();
    for (order, shipment, is_manual) in rows {
        if is_manual {
            decided.linked.insert(shipment);
        } else {
            decided.rejected.insert((order, shipment));
        }
    }
    Ok(decided)
}

async fn shipment_keys(tx: &mut TenantTx, shipments: &[Uuid]) -> sqlx::Result<Vec<ShipmentKey>> {
    sqlx::query_as(
        "select s.* from unnest($1::uuid[]) as wanted (id), lateral (
             select id, carrier, tracking_norm, ship_date, reference_norms as references, dest_postal, actual_weight_lb
             from shipments s where s.id = wanted.id offset 0) s order by s.id",
    )
    .bind(shipments)
    .fetch_all(&mut *tx)
    .await
}

/// Orders that shipments name.
async fn candidates(tx: &mut TenantTx, shipments: &[ShipmentKey], today: NaiveDate) -> sqlx::Result<Vec<OrderKey>> {
    let trackings: Vec<&str> = shipments.iter().map(|shipment| shipment.tracking_norm.as_str()).collect();
    let references: BTreeSet<&str> =
        shipments.iter().flat_map(|shipment| &shipment.references).map(String::as_str).collect();
    sqlx::query_as(ORDERS)
        .bind(since(today))
        .bind(&trackings)
        .bind(references.into_iter().collect::<Vec<_>>())
        .bind(Vec::<String>::new())
        .bind(Vec::<NaiveDate>::new())
        .fetch_all(&mut *tx)
        .await
}

/// Orders of the same address around the same day, for shipments that nothing else is known of.
async fn neighbours(tx: &mut TenantTx, shipments: &[&ShipmentKey], today: NaiveDate) -> sqlx::Result<Vec<OrderKey>> {
    let dated = shipments
        .iter()
        .filter_map(|shipment| Some((normalised(shipment.dest_postal.as_deref()?), shipment.ship_date?)));
    let (postals, days): (Vec<String>, Vec<NaiveDate>) = dated.collect::<BTreeSet<_>>().into_iter().unzip();
    sqlx::query_as(ORDERS)
        .bind(since(today))
        .bind(Vec::<String>::new())
        .bind(Vec::<String>::new())
        .bind(&postals)
        .bind(&days)
        .fetch_all(&mut *tx)
        .await
}

/// Since `$1`: orders by tracking numbers `$2`, by references `$3`, by addresses `$4` around days `$5`; with what their
/// lines weigh. Of orders that share a number or an address the first fifty are enough to see that nobody can tell.
const ORDERS: &str = "
with near as (
    select t.id from unnest($2::text[]) as wanted (tracking),
        lateral (select order_id as id from order_trackings t where t.tracking_norm = wanted.tracking offset 0) t
    union
    select o.id from unnest($3::text[]) as wanted (number), lateral (
        select id from orders o where o.number_norm = wanted.number and o.order_date >= $1
        order by order_date, order_number limit 50) o
    union
    select o.id from unnest($3::text[]) as wanted (number), lateral (
        select id from orders o where o.po_norm = wanted.number and o.order_date >= $1
        order by order_date, order_number limit 50) o
    union
    select o.id from unnest($4::text[], $5::date[]) as wanted (postal_norm, day), lateral (
        select id from orders o where o.postal_norm = wanted.postal_norm
            and o.order_date between wanted.day - 3 and wanted.day + 3
        order by order_date, order_number limit 50) o
)
select o.*, (
    select round(sum(p.net_weight_kg * l.quantity) / 0.45359237, 6)
    from (select id, quantity from order_lines l where l.order_id = o.id offset 0) l
    left join lateral (select product_id from order_line_products m where m.line_id = l.id offset 0) m on true
    left join lateral (select net_weight_kg from catalog_products p where p.id = m.product_id offset 0) p on true
    having bool_and(p.net_weight_kg is not null)) as weight_lb
from near, lateral (
    select id, order_number, po_number, order_date, carrier, tracking_numbers, ship_to_postal
    from orders o where o.id = near.id offset 0) o
where o.order_date >= $1 order by o.id";

/// Replaces what an earlier run found for these shipments, but not what somebody decided.
async fn store(tx: &mut TenantTx, shipments: &[Uuid], found: &[Row]) -> sqlx::Result<()> {
    sqlx::query("delete from order_link_candidates where shipment_id = any (array(select unnest($1::uuid[])))")
        .bind(shipments)
        .execute(&mut *tx)
        .await?;
    sqlx::query("delete from order_shipment_links where shipment_id = any (array(select unnest($1::uuid[]))) and state = 'LINKED'")
        .bind(shipments)
        .execute(&mut *tx)
        .await?;
    let of = |state: &str| Json(found.iter().filter(|row| row.state == state).collect::<Vec<_>>());
    sqlx::query(
        "insert into order_shipment_links (order_id, shipment_id, state, rule, score)
         select order_id, shipment_id, 'LINKED', rule, score
         from jsonb_to_recordset($1) as r (order_id uuid, shipment_id uuid, rule text, score integer)
         on conflict (tenant_id, order_id, shipment_id) do nothing",
    )
    .bind(of("LINKED"))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into order_link_candidates (order_id, shipment_id, rule, score)
         select order_id, shipment_id, rule, score
         from jsonb_to_recordset($1) as r (order_id uuid, shipment_id uuid, rule text, score integer)",
    )
    .bind(of("AMBIGUOUS"))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "update shipments s set link_state = case
             when exists (select from order_shipment_links k where k.tenant_id = s.tenant_id and k.shipment_id = s.id
                 and k.state <> 'REJECTED') then 'LINKED'
             when exists (select from order_link_candidates c where c.tenant_id = s.tenant_id and c.shipment_id = s.id)
                 then 'AMBIGUOUS'
             else 'UNMATCHED' end
         where s.id = any (array(select unnest($1::uuid[])))",
    )
    .bind(shipments)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// An order is linked when all shipments that it names are, and at least one is.
async fn settle_orders(tx: &mut TenantTx, orders: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query(
        "with counted as (
             select o.id, case
                 when k.linked > 0 and k.linked_as_named >= cardinality(o.tracking_numbers) then 'LINKED'
                 when k.linked > 0 then 'PARTIAL'
                 when exists (select from order_link_candidates c where c.order_id = o.id) then 'AMBIGUOUS'
                 else 'UNMATCHED' end as link_state
             from unnest($1::uuid[]) as wanted (id),
                 lateral (select id, tracking_numbers, link_state from orders o where o.id = wanted.id offset 0) o,
                 lateral (
                     select count(*) as linked, count(*) filter (where s.tracking_norm = any (o.tracking_numbers)) as linked_as_named
                     from (select shipment_id from order_shipment_links k
                         where k.order_id = o.id and k.state <> 'REJECTED' offset 0) k,
                         lateral (select tracking_norm from shipments s where s.id = k.shipment_id offset 0) s
                 ) k
         )
         update orders o set link_state = c.link_state
         from counted c where o.id = c.id and o.id = any (array(select unnest($1::uuid[]))) and o.link_state <> c.link_state",
    )
    .bind(orders)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn since(today: NaiveDate) -> NaiveDate {
    today.checked_sub_days(WINDOW).unwrap_or(NaiveDate::MIN)
}
