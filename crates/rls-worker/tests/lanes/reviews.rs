//! What somebody decides about caught orders and products goes before what the machine says.

use rls_runtime::queue::Queue;
use rls_runtime::testing::{TENANT_A, TENANT_B};
use rls_runtime::{RlsPool, TenantId, with_tenant};
use rls_worker::desk::{By, DeskError};
use rls_worker::notifications::catching::Catch;
use rls_worker::reviews::{self, CaughtAction, Decision};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::*;

fn ann() -> By<'static> {
    By { actor: "ann", note: Some("seen"), at: now() }
}

async fn act(pool: &RlsPool, tenant: TenantId, id: Uuid, action: CaughtAction) -> Result<&'static str, String> {
    let done = with_tenant(pool, tenant, async |mut tx| reviews::act(&mut tx, id, action, &ann()).await).await;
    done.map_err(code)
}

async fn decide(pool: &RlsPool, sku: &str, decision: Decision, by: &By<'_>) -> Result<Catch, String> {
    let queue = Queue::new();
    let decided =
        with_tenant(pool, TENANT_A, async |mut tx| reviews::decide(&mut tx, &queue, sku, decision, None, by).await)
            .await;
    decided.map_err(code)
}

fn code(error: DeskError) -> String {
    match error {
        DeskError::Refused(refused) => refused.code.to_owned(),
        other => panic!("{other}"),
    }
}

async fn states(pool: &RlsPool) -> Value {
    select(pool, TENANT_A, "select state, decided_by, state_since from trade_caught_orders").await
}

async fn caught_id(pool: &RlsPool) -> Uuid {
    with_tenant(pool, TENANT_A, async |mut tx| reviews::caught(&mut tx).await).await.unwrap()[0].id
}

/// The sample orders once more, with another quantity of the product that is caught.
async fn order_again(pool: &RlsPool, quantity: &str) {
    let file = ORDERS.replace("REC-LTH-01,2,", &format!("REC-LTH-01,{quantity},"));
    done(pool, TENANT_A, "order_upload", &file).await;
}

#[tokio::test]
async fn an_order_moves_as_the_table_of_its_states_says() {
    use CaughtAction::{Acknowledge, Clear, Hold};
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let id = caught_id(&pool).await;
    for (from, action, expected) in [
        ("OPEN", Acknowledge, Some("ACKNOWLEDGED")),
        ("OPEN", Hold, Some("HELD")),
        ("OPEN", Clear, Some("CLEARED")),
        ("ACKNOWLEDGED", Acknowledge, None),
        ("ACKNOWLEDGED", Hold, Some("HELD")),
        ("ACKNOWLEDGED", Clear, Some("CLEARED")),
        ("HELD", Acknowledge, None),
        ("HELD", Hold, None),
        ("HELD", Clear, Some("CLEARED")),
        ("CLEARED", Acknowledge, None),
        ("CLEARED", Hold, None),
        ("CLEARED", Clear, None),
        ("MISSED", Acknowledge, None),
        ("MISSED", Hold, None),
        ("MISSED", Clear, None),
    ] {
        let set = format!("update trade_caught_orders set (state, decided_by, state_since) = ('{from}', null, null)");
        change(&pool, TENANT_A, &set).await;
        let moved = act(&pool, TENANT_A, id, action).await;
        match expected {
            Some(state) => {
                assert_eq!(moved, Ok(state), "{from} {action:?}");
                let row = json!([{"state": state, "decided_by": "ann", "state_since": "2026-02-17"}]);
                assert_eq!(states(&pool).await, row);
            }
            None => assert_eq!(moved, Err("TRANSITION_NOT_ALLOWED".to_owned()), "{from} {action:?}"),
        }
    }
    assert_eq!(act(&pool, TENANT_B, id, Hold).await, Err("CAUGHT_NOT_FOUND".to_owned()), "it is another tenant's");
}

#[tokio::test]
async fn what_somebody_let_go_stays_so_until_it_has_risen_by_a_fifth() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let told = "select count(*) from notification_events where type = 'trade.order.caught'";
    let id = caught_id(&pool).await;
    act(&pool, TENANT_A, id, CaughtAction::Clear).await.unwrap();
    let let_go = json!([{"state": "CLEARED", "decided_by": "ann", "state_since": "2026-02-17"}]);
    for quantity in ["2", "2.2"] {
        order_again(&pool, quantity).await;
        assert_eq!(states(&pool).await, let_go, "{quantity}");
    }
    assert_eq!(select(&pool, TENANT_A, told).await, json!([{"count": 1}]));
    order_again(&pool, "3").await;
    assert_eq!(states(&pool).await, json!([{"state": "OPEN", "decided_by": null, "state_since": "2026-02-17"}]));
    assert_eq!(select(&pool, TENANT_A, told).await, json!([{"count": 2}]), "it is told anew");
}

#[tokio::test]
async fn an_order_that_is_held_is_let_go_when_its_products_are_not_subject_any_more() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let id = caught_id(&pool).await;
    act(&pool, TENANT_A, id, CaughtAction::Hold).await.unwrap();
    order_again(&pool, "2").await;
    assert_eq!(states(&pool).await[0]["state"], "HELD", "nothing has changed");
    let weighed = decide(&pool, "rec-lth-01", Decision::NotSubject, &ann()).await;
    assert_eq!(weighed.map(|weighed| (weighed.caught, weighed.cleared)), Ok((0, 1)));
    assert_eq!(states(&pool).await[0]["state"], "CLEARED");
    done(&pool, TENANT_A, "sima_validation", SCREEN).await;
    assert_eq!(states(&pool).await[0]["state"], "CLEARED", "the machine says what it said, and is not asked");
}

#[tokio::test]
async fn a_product_that_is_decided_to_be_subject_catches_its_orders_and_tells() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_A).await;
    let list = async || with_tenant(&pool, TENANT_A, async |mut tx| reviews::waiting(&mut tx).await).await.unwrap();
    let waiting: Vec<String> = list().await.into_iter().map(|product| product.sku).collect();
    assert_eq!(waiting, ["MAT-Q10-F", "SNK-3318"]);
    change(
        &pool,
        TENANT_A,
        "update order_lines set status = 'OPEN', requested_ship_date = '2026-02-20' where sku = 'mat-q10-f'",
    )
    .await;
    change(&pool, TENANT_A, "delete from notification_events").await;
    let weighed = decide(&pool, "MAT-Q10-F", Decision::Subject, &ann()).await.unwrap();
    assert_eq!(weighed.caught, 1);
    let kind = "select exposure_kind from trade_caught_orders c join orders o on o.id = c.order_id where order_number = 'SO-70012'";
    assert_eq!(select(&pool, TENANT_A, kind).await, json!([{"exposure_kind": "CONFIRMED"}]));
    let jobs = "select payload->>'order' as order from rls_jobs where lane = 'notification_event'";
    assert_eq!(select(&pool, TENANT_A, jobs).await, json!([{"order": "SO-70012"}]));
    change(
        &pool,
        TENANT_A,
        "insert into notification_preferences (user_id, template, channel) values ('bob', 'trade-caught', 'IN_APP')",
    )
    .await;
    processor(&pool, mail.path()).drain(TENANT_A).await.unwrap();
    let told = select(&pool, TENANT_A, "select body_text from notification_deliveries").await;
    let text = told[0]["body_text"].as_str().unwrap();
    assert!(
        text.contains("- mat-q10-f x 1: ") && text.contains("; subject: "),
        "what was decided is what is told: {text}"
    );
    assert_eq!(list().await.len(), 1, "it waits no more");
    let nobody_says_why = By { note: None, ..ann() };
    assert_eq!(decide(&pool, "SNK-3318", Decision::Subject, &nobody_says_why).await, Err("NOTE_REQUIRED".to_owned()));
    assert_eq!(decide(&pool, "NO-SUCH", Decision::Subject, &ann()).await, Err("VERDICT_NOT_FOUND".to_owned()));
}
