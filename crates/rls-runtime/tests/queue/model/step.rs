//! What may happen in a story: one small thing after the other, by two workers, two tenants and a clock.

use proptest::prelude::*;
use rls_runtime::queue::OnConflict;

#[derive(Debug, Clone)]
pub struct New {
    pub priority: i16,
    pub delay: u64,
    pub max_attempts: u16,
    pub key: Option<(u8, OnConflict)>,
}

/// A lane of a tenant.
pub type Place = (usize, usize);

/// Something in a scope that is left open for a while.
#[derive(Debug, Clone)]
pub enum Opened {
    Enqueue { at: Place, new: Vec<New> },
    Claim { worker: usize, at: Place, limit: u32 },
}

#[derive(Debug, Clone)]
pub enum Step {
    Enqueue {
        at: Place,
        new: Vec<New>,
    },
    Claim {
        worker: usize,
        at: Place,
        limit: u32,
        at_once: Option<u32>,
    },
    Settle {
        worker: usize,
        which: usize,
        hows: Vec<usize>,
    },
    Beat {
        worker: usize,
    },
    Progress {
        worker: usize,
        which: usize,
        percent: u8,
    },
    /// Killed; another one takes its place.
    Die {
        worker: usize,
    },
    Advance {
        by: u64,
    },
    Cancel {
        which: usize,
    },
    Requeue {
        which: usize,
    },
    Prune {
        tenant: usize,
        age: u64,
    },
    Heal {
        tenant: usize,
    },
    Put {
        tenant: usize,
        name: usize,
        minutes: i64,
    },
    Pause {
        tenant: usize,
        name: usize,
    },
    Resume {
        tenant: usize,
        name: usize,
    },
    Remove {
        tenant: usize,
        name: usize,
    },
    Tick {
        tenant: usize,
    },
    Open(Opened),
    Close {
        commit: bool,
    },
}

fn new(keyed: bool) -> impl Strategy<Value = New> {
    let on_conflict = prop_oneof![Just(OnConflict::Keep), Just(OnConflict::Replace)];
    let key = prop::option::of((0..2_u8, on_conflict)).prop_map(move |key| key.filter(|_| keyed));
    let delay = prop_oneof![3 => Just(0_u64), 1 => 1..60_u64];
    (-2..=2_i16, delay, 1..=3_u16, key).prop_map(|(priority, delay, max_attempts, key)| New {
        priority,
        delay,
        max_attempts,
        key,
    })
}

pub fn step() -> impl Strategy<Value = Step> {
    let at = || (0..2_usize, 0..2_usize);
    let (worker, tenant, name) = (|| 0..2_usize, || 0..2_usize, || 0..2_usize);
    let which = any::<usize>;
    let several = |keyed| prop::collection::vec(new(keyed), 1..4);
    let by = prop_oneof![5 => 1..45_u64, 1 => Just(30_u64), 1 => 600..7200_u64];
    let opened = prop_oneof![
        (at(), several(false)).prop_map(|(at, new)| Opened::Enqueue { at, new }),
        (worker(), at(), 1..=3_u32).prop_map(|(worker, at, limit)| Opened::Claim { worker, at, limit }),
    ];
    prop_oneof![
        6 => (at(), several(true)).prop_map(|(at, new)| Step::Enqueue { at, new }),
        8 => (worker(), at(), 1..=3_u32, prop::option::of(1..=2_u32))
            .prop_map(|(worker, at, limit, at_once)| Step::Claim { worker, at, limit, at_once }),
        8 => (worker(), which(), prop::collection::vec(0..6_usize, 1..4))
            .prop_map(|(worker, which, hows)| Step::Settle { worker, which, hows }),
        2 => worker().prop_map(|worker| Step::Beat { worker }),
        1 => (worker(), which(), 0..=100_u8)
            .prop_map(|(worker, which, percent)| Step::Progress { worker, which, percent }),
        1 => worker().prop_map(|worker| Step::Die { worker }),
        6 => by.prop_map(|by| Step::Advance { by }),
        2 => which().prop_map(|which| Step::Cancel { which }),
        2 => which().prop_map(|which| Step::Requeue { which }),
        1 => (tenant(), 0..300_u64).prop_map(|(tenant, age)| Step::Prune { tenant, age }),
        1 => tenant().prop_map(|tenant| Step::Heal { tenant }),
        2 => (tenant(), name(), prop_oneof![Just(1_i64), Just(5)])
            .prop_map(|(tenant, name, minutes)| Step::Put { tenant, name, minutes }),
        1 => (tenant(), name()).prop_map(|(tenant, name)| Step::Pause { tenant, name }),
        1 => (tenant(), name()).prop_map(|(tenant, name)| Step::Resume { tenant, name }),
        1 => (tenant(), name()).prop_map(|(tenant, name)| Step::Remove { tenant, name }),
        3 => tenant().prop_map(|tenant| Step::Tick { tenant }),
        2 => opened.prop_map(Step::Open),
        3 => any::<bool>().prop_map(|commit| Step::Close { commit }),
    ]
}
