//! Touched orders and shipments in, their links in the database out.
//!
//! What somebody has decided, MANUAL and REJECTED, a run never changes.

use std::collections::{BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use rls_runtime::TenantTx;
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use super::linkage::{Candidate, Link, OrderKey, ShipmentKey, link, normalised};

/// How far back orders and shipments are looked at.
const WINDOW: Days = Days::new(90);

/// Shipments that are linked at once.
const CHUNK: usize = 500;

/// What became of the shipments.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Shipments that got an order.
    pub linked: Vec<Uuid>,
    /// Shipments that somebody has to choose for.
    pub ambiguous: usize,
}

/// Shipments without an order that may belong to one of these.
///
/// # Errors
/// When the database says no.
pub async fn shipments_of(tx: &mut TenantTx, orders: &[Uuid], today: NaiveDate) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "with near as (
             select s.id from order_trackings t
             join shipments s on s.tenant_id = t.tenant_id and s.tracking_norm = t.tracking_norm where t.order_id = any ($1)
             union
             select r.shipment_id from orders o
             join shipment_references r on r.tenant_id = o.tenant_id and r.reference_norm = o.number_norm where o.id = any ($1)
             union
             select r.shipment_id from orders o
             join shipment_references r on r.tenant_id = o.tenant_id and r.reference_norm = o.po_norm where o.id = any ($1)
             union
             select s.id from orders o
             join shipments s on s.tenant_id = o.tenant_id and s.postal_norm = o.postal_norm where o.id = any ($1)
         )
         select s.id from shipments s join near using (id)
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
pub async fn relink(tx: &mut TenantTx, shipments: &[Uuid], today: NaiveDate) -> sqlx::Result<Linked> {
    let mut all = Linked::default();
    for chunk in shipments.chunks(CHUNK) {
        let keys = shipment_keys(tx, chunk).await?;
        let mut orders = candidates(tx, &keys, today).await?;
        let index = Index::of(&orders);
        let without: Vec<&ShipmentKey> = keys.iter().filter(|shipment| index.near(shipment).next().is_none()).collect();
        orders.extend(neighbours(tx, &without).await?);
        let index = Index::of(&orders);
        let mut found = Vec::new();
        for shipment in &keys {
            let near: Vec<OrderKey> = index.near(shipment).map(|at| orders[at].clone()).collect();
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
struct Index {
    places: HashMap<String, BTreeSet<usize>>,
}

impl Index {
    fn of(orders: &[OrderKey]) -> Index {
        let mut places: HashMap<String, BTreeSet<usize>> = HashMap::new();
        for (at, order) in orders.iter().enumerate() {
            let numbers =
                [Some(order.order_number.as_str()), order.po_number.as_deref(), order.ship_to_postal.as_deref()];
            let numbers = numbers.into_iter().flatten().map(normalised);
            for key in numbers.chain(order.tracking_numbers.iter().cloned()) {
                places.entry(key).or_default().insert(at);
            }
        }
        Index { places }
    }

    fn near(&self, shipment: &ShipmentKey) -> impl Iterator<Item = usize> {
        let written = shipment.references.iter().chain(&shipment.dest_postal).map(|text| normalised(text));
        let keys = written.chain([shipment.tracking_norm.clone()]);
        let places: BTreeSet<usize> = keys.filter_map(|key| self.places.get(&key)).flatten().copied().collect();
        places.into_iter()
    }
}

async fn shipment_keys(tx: &mut TenantTx, shipments: &[Uuid]) -> sqlx::Result<Vec<ShipmentKey>> {
    sqlx::query_as(
        "select id, carrier, tracking_norm, ship_date, reference_norms as references, dest_postal, actual_weight_lb
         from shipments where id = any ($1) order by id",
    )
    .bind(shipments)
    .fetch_all(&mut *tx)
    .await
}

async fn candidates(tx: &mut TenantTx, shipments: &[ShipmentKey], today: NaiveDate) -> sqlx::Result<Vec<OrderKey>> {
    let trackings: Vec<&str> = shipments.iter().map(|shipment| shipment.tracking_norm.as_str()).collect();
    let references: Vec<&str> =
        shipments.iter().flat_map(|shipment| &shipment.references).map(String::as_str).collect();
    sqlx::query_as(
        "select o.id, o.order_number, o.po_number, o.order_date, o.carrier, o.tracking_numbers, o.ship_to_postal,
             (select round(sum(p.net_weight_kg * l.quantity) / 0.45359237, 6) from order_lines l
              join order_line_products m on m.tenant_id = l.tenant_id and m.line_id = l.id
              join catalog_products p on p.tenant_id = m.tenant_id and p.id = m.product_id
              where l.tenant_id = o.tenant_id and l.order_id = o.id having bool_and(p.net_weight_kg is not null)) as weight_lb
         from orders o
         where o.order_date >= $1 and o.id in (
             select order_id from order_trackings where tracking_norm = any ($2)
             union select id from orders where number_norm = any ($3)
             union select id from orders where po_norm = any ($3))
         order by o.id",
    )
    .bind(since(today))
    .bind(&trackings)
    .bind(&references)
    .fetch_all(&mut *tx)
    .await
}

/// Orders of the same address around the same day, for shipments that nothing else is known of.
async fn neighbours(tx: &mut TenantTx, shipments: &[&ShipmentKey]) -> sqlx::Result<Vec<OrderKey>> {
    let dated = shipments
        .iter()
        .filter_map(|shipment| Some((normalised(shipment.dest_postal.as_deref()?), shipment.ship_date?)));
    let (postals, days): (Vec<String>, Vec<NaiveDate>) = dated.unzip();
    sqlx::query_as(
        "select o.id, o.order_number, o.po_number, o.order_date, o.carrier, o.tracking_numbers, o.ship_to_postal,
             (select round(sum(p.net_weight_kg * l.quantity) / 0.45359237, 6) from order_lines l
              join order_line_products m on m.tenant_id = l.tenant_id and m.line_id = l.id
              join catalog_products p on p.tenant_id = m.tenant_id and p.id = m.product_id
              where l.tenant_id = o.tenant_id and l.order_id = o.id having bool_and(p.net_weight_kg is not null)) as weight_lb
         from orders o
         where o.id in (
             select n.id from unnest($1::text[], $2::date[]) as wanted (postal_norm, day), lateral (
                 select id from orders where postal_norm = wanted.postal_norm
                     and order_date between wanted.day - 3 and wanted.day + 3 order by order_date, id limit 50) n)
         order by o.id",
    )
    .bind(&postals)
    .bind(&days)
    .fetch_all(&mut *tx)
    .await
}

/// Replaces what an earlier run found for these shipments, but not what somebody decided.
async fn store(tx: &mut TenantTx, shipments: &[Uuid], found: &[Row]) -> sqlx::Result<()> {
    sqlx::query("delete from order_link_candidates where shipment_id = any ($1)")
        .bind(shipments)
        .execute(&mut *tx)
        .await?;
    sqlx::query("delete from order_shipment_links where shipment_id = any ($1) and state = 'LINKED'")
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
         where s.id = any ($1)",
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
             select o.id, cardinality(o.tracking_numbers) as named,
                 count(k.shipment_id) as linked,
                 count(k.shipment_id) filter (where s.tracking_norm = any (o.tracking_numbers)) as linked_as_named,
                 exists (select from order_link_candidates c where c.tenant_id = o.tenant_id and c.order_id = o.id) as open
             from orders o
             left join order_shipment_links k on k.tenant_id = o.tenant_id and k.order_id = o.id and k.state <> 'REJECTED'
             left join shipments s on s.tenant_id = k.tenant_id and s.id = k.shipment_id
             where o.id = any ($1) group by o.tenant_id, o.id
         )
         update orders o set link_state = case
             when linked > 0 and linked_as_named >= named then 'LINKED'
             when linked > 0 then 'PARTIAL'
             when open then 'AMBIGUOUS'
             else 'UNMATCHED' end
         from counted c where c.id = o.id",
    )
    .bind(orders)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn since(today: NaiveDate) -> NaiveDate {
    today.checked_sub_days(WINDOW).unwrap_or(NaiveDate::MIN)
}
