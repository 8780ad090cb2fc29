//! What a scope says about itself.
//!
//! A program of its own: `tracing` remembers of each place in the code whether anybody listens, and a scope that another
//! test opens at the wrong moment would make it remember that nobody does.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use rls_runtime::testing::{TENANT_A, TestDb};
use rls_runtime::{ScopeOptions, with_tenant_opts};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down the spans of scopes.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "tenant_scope"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.0.lock().expect("no panic holds it").push(fields.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

#[tokio::test]
async fn a_scope_is_a_span_with_its_tenant_and_its_label() {
    let db = TestDb::new().await;
    let pool = db.pool().await;
    let spans = Spans::default();
    let recording = tracing::subscriber::set_default(spans.clone());
    with_tenant_opts(&pool, TENANT_A, &ScopeOptions::new().label("digest"), async |_tx| Ok::<_, sqlx::Error>(()))
        .await
        .expect("commits");
    drop(recording);
    let expected = format!("tenant_scope tenant={TENANT_A} label=\"digest\"");
    assert_eq!(*spans.0.lock().expect("no panic holds it"), [expected]);
}
