//! Days begin and end by the clock on the tenant's wall.

use rls_runtime::queue::Queue;
use rls_runtime::testing::TENANT_A;
use rls_runtime::{RlsPool, with_tenant};
use rls_worker::notifications::calendar::{Cadence, Calendar};
use rls_worker::notifications::scheduler;
use rls_worker::notifications::templates::Template;
use serde_json::{Value, json};

use crate::support::*;

/// An order that duties would be due on, taken in at a time.
async fn catch_at(pool: &RlsPool, mail: &std::path::Path, order: &str, time: &str) {
    let file = format!(
        "order_number,order_date,line_number,sku,quantity,ship_to_country,status\n{order},{},1,REC-LTH-01,2,CA,OPEN\n",
        &time[..10]
    );
    hand_in(pool, TENANT_A, "order_upload", &file).await;
    processor_at(pool, mail, time.parse().unwrap()).drain(TENANT_A).await.unwrap();
}

#[tokio::test]
async fn an_order_is_caught_on_the_tenants_day_also_when_the_clock_is_changed() {
    let db = database().await;
    let pool = db.pool().await;
    let mail = tempfile::tempdir().unwrap();
    everything(&pool, TENANT_A).await;
    change(&pool, TENANT_A, "delete from trade_caught_orders").await;
    for (order, time) in [
        ("SO-1", "2026-03-08T04:59:00Z"),
        ("SO-2", "2026-03-08T05:01:00Z"),
        ("SO-3", "2026-03-09T03:59:00Z"),
        ("SO-4", "2026-03-09T04:01:00Z"),
    ] {
        catch_at(&pool, mail.path(), order, time).await;
    }
    let days = "select o.order_number as order, c.first_caught_on as day from trade_caught_orders c
        join orders o on o.id = c.order_id order by 1";
    let expected = |days: [&str; 4]| {
        let rows = ["SO-1", "SO-2", "SO-3", "SO-4"].into_iter().zip(days);
        Value::from_iter(rows.map(|(order, day)| json!({"order": order, "day": day})))
    };
    let toronto = ["2026-03-07", "2026-03-08", "2026-03-08", "2026-03-09"];
    assert_eq!(select(&pool, TENANT_A, days).await, expected(toronto), "a day in March has 23 hours");

    let calendar = Calendar { cadence: Cadence::Daily, hour: 8, zone: chrono_tz::Asia::Tokyo };
    with_tenant(&pool, TENANT_A, async |mut tx| {
        scheduler::schedule(&mut tx, Template::TradeDigest, &calendar, now()).await
    })
    .await
    .unwrap_or_else(|error: sqlx::Error| panic!("{error}"));
    catch_at(&pool, mail.path(), "SO-5", "2026-03-09T15:01:00Z").await;
    let last = format!("select * from ({days}) d where d.order = 'SO-5'");
    assert_eq!(select(&pool, TENANT_A, &last).await, json!([{"order": "SO-5", "day": "2026-03-10"}]), "there it is");
}

#[tokio::test]
async fn a_day_stands_out_when_it_is_over_where_the_tenant_is() {
    let db = database().await;
    let pool = db.pool().await;
    everything(&pool, TENANT_A).await;
    let history = "with day as (select generate_series('2026-10-03'::date, '2026-11-01', '1 day')::date as day), made as (
            insert into orders (source, order_number, number_norm, order_date, ship_to_country)
            select 'test', 'D' || day || '-' || n, 'D' || day || '-' || n, day, 'CA' from day, generate_series(1, 6) n
            returning id, order_date)
        insert into trade_caught_orders (order_id, ruleset_hash, line_numbers, measure_codes, exposure_cad, exposure_kind, first_caught_on)
        select id, 'r', '{1}', '{UDS}', case when order_date = '2026-11-01' then 3000 else 100 end, 'CONFIRMED', order_date from made";
    assert_eq!(change(&pool, TENANT_A, history).await, 180);
    let queue = Queue::new();
    let tick = async |time: &str| {
        let time = time.parse().unwrap();
        with_tenant(&pool, TENANT_A, async |mut tx| scheduler::tick_tenant(&mut tx, &queue, time).await).await.unwrap();
        select(&pool, TENANT_A, "select distinct window_start as day from trade_spikes").await
    };
    assert_eq!(tick("2026-11-02T04:59:00Z").await, json!([]), "the day with 25 hours is not over");
    assert_eq!(tick("2026-11-02T05:01:00Z").await, json!([{"day": "2026-11-01"}]));
}
