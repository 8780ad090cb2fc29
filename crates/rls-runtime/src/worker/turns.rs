//! The tenants with something due in, how many jobs each may claim in its turn out: deficit round robin.
//!
//! In a round every tenant may claim its quantum, which is the lane's share times its weight.
//! Whose turn ends for want of room goes on with it next; what a tenant has no jobs for is forfeit, so that nobody saves up for a flood.

use std::fmt;
use std::sync::Arc;

use crate::queue::Due;
use crate::tenant::TenantId;

/// How many turns of others one turn of a tenant is worth.
#[derive(Clone, Default)]
pub(crate) struct Weights(Option<Arc<dyn Fn(TenantId) -> u32 + Send + Sync>>);

impl Weights {
    pub(crate) fn new(of: impl Fn(TenantId) -> u32 + Send + Sync + 'static) -> Weights {
        Weights(Some(Arc::new(of)))
    }

    pub(crate) fn of(&self, tenant: TenantId) -> usize {
        self.0.as_ref().map_or(1, |of| of(tenant).clamp(1, 1000) as usize)
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "weighed" } else { "equal" })
    }
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Who had the last turn that is over.
    last: Option<Due>,
    /// Whose turn is not over, and how many jobs it still may claim.
    open: Option<(Due, usize)>,
}

impl Turns {
    /// Those after this one come first.
    pub(crate) fn last(&self) -> Option<&Due> {
        self.last.as_ref()
    }

    /// How many jobs may be claimed in this turn, which is a new one or goes on.
    pub(crate) fn allowance(&mut self, due: &Due, quantum: usize) -> usize {
        match self.open.take() {
            Some((open, left)) if open == *due => left,
            _ => quantum,
        }
    }

    /// So many were allowed, asked for and claimed. Says whether the turn was cut short, and goes on.
    pub(crate) fn note(&mut self, due: &Due, allowed: usize, asked: usize, claimed: usize) -> bool {
        let was_cut_short = asked < allowed && claimed == asked;
        if was_cut_short {
            self.open = Some((due.clone(), allowed - claimed));
        } else {
            self.last = Some(due.clone());
        }
        was_cut_short
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn due(tenant: u128) -> Due {
        Due { tenant: TenantId::new(uuid::Uuid::from_u128(tenant)), lane: "a".to_owned() }
    }

    /// What is claimed, one job after the other, while `rooms` slots become free at a time.
    fn serve(weights: &[usize], jobs: &[usize], rooms: impl Iterator<Item = usize>) -> Vec<usize> {
        let (mut turns, mut left, mut order) = (Turns::default(), jobs.to_vec(), Vec::new());
        for mut room in rooms {
            let mut line: Vec<usize> = (0..jobs.len()).filter(|tenant| left[*tenant] > 0).collect();
            line.sort_by_key(|tenant| (Some(&due(*tenant as u128)) <= turns.last(), *tenant));
            for tenant in line {
                if room == 0 {
                    break;
                }
                let allowed = turns.allowance(&due(tenant as u128), weights[tenant]);
                let asked = allowed.min(room);
                let claimed = asked.min(left[tenant]);
                turns.note(&due(tenant as u128), allowed, asked, claimed);
                left[tenant] -= claimed;
                room -= claimed;
                order.extend(std::iter::repeat_n(tenant, claimed));
            }
        }
        order
    }

    #[test]
    fn a_turn_that_is_cut_short_goes_on() {
        assert_eq!(serve(&[3, 1], &[9, 9], std::iter::repeat_n(1, 8)), [0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(serve(&[2, 2, 2], &[9, 9, 9], [3, 3, 3].into_iter()), [0, 0, 1, 1, 2, 2, 0, 0, 1]);
    }

    #[test]
    fn what_is_not_used_is_not_saved() {
        assert_eq!(serve(&[5, 1], &[2, 9], std::iter::repeat_n(1, 6)), [0, 0, 1, 1, 1, 1]);
    }

    proptest! {
        /// Between two of its own turns a tenant waits for one turn of every other, whatever room there is and however many jobs they have.
        #[test]
        fn nobody_waits_longer_than_one_round(
            weights in prop::collection::vec(1..5_usize, 2..6),
            rooms in prop::collection::vec(1..7_usize, 400),
        ) {
            let jobs = vec![usize::MAX / 2; weights.len()];
            let order = serve(&weights, &jobs, rooms.into_iter());
            let round: usize = weights.iter().sum();
            for window in order.chunks_exact(round) {
                let mut counted: BTreeMap<usize, usize> = BTreeMap::new();
                window.iter().for_each(|tenant| *counted.entry(*tenant).or_default() += 1);
                prop_assert_eq!(counted.into_values().collect::<Vec<_>>(), weights.clone());
            }
        }
    }
}
