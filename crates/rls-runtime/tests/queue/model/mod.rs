//! Two workers, two tenants and a clock that jumps against a model of the queue: every operation must answer what the model answers, and after every step the tables must say what it says.
//!
//! A few stories are told, always the same; `PROPTEST_CASES=2000` tells so many new ones.

mod oracle;
mod step;
mod story;
mod tables;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::Site;
use step::step;
use story::Story;
use tables::Tables;

#[test]
fn the_tables_say_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let site = runtime.block_on(Site::new());
    let tables = runtime.block_on(Tables::of(&site));
    let searches = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config { failure_persistence: None, max_shrink_iters: 1000, ..Config::default() };
    let mut runner = if searches {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(Config { cases: 32, ..config }, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let told = runner.run(&(any::<bool>(), vec(step(), 1..60)), |(forgets, steps)| {
        runtime.block_on(async {
            let mut story = Story::begin(&site, &tables, forgets);
            for step in &steps {
                story.tell(step).await?;
            }
            story.end().await
        })
    });
    if let Err(error) = told {
        panic!("{error}");
    }
}
