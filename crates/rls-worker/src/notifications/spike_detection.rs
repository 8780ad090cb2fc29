//! The exposure of each day in, whether the last day stands out of them out.
//!
//! The measure is the modified z-score, which a few large days cannot hide from.

use rust_decimal::Decimal;
use serde::Serialize;

use crate::trade::detection::Config;

/// What was caught first on one day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Day {
    /// The exposure, in Canadian dollars.
    pub exposure_cad: Decimal,
    /// The orders.
    pub orders: i32,
}

/// A day that stands out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spike {
    /// Its exposure.
    pub value_cad: Decimal,
    /// What is usual.
    pub median_cad: Decimal,
    /// How far it stands out; nothing where all other days were the same.
    pub z: Option<Decimal>,
}

/// The fewest days with data that say what is usual.
const FEWEST_DAYS: usize = 7;

/// Compares a day with the complete days before it, zero-filled.
#[must_use]
pub fn spike(before: &[Day], today: &Day, config: &Config) -> Option<Spike> {
    let with_data = before.iter().filter(|day| day.orders > 0).count();
    let is_large = today.exposure_cad >= config.spike_floor_cad && today.orders >= config.spike_min_orders;
    if with_data < FEWEST_DAYS || !is_large {
        return None;
    }
    let values: Vec<Decimal> = before.iter().map(|day| day.exposure_cad).collect();
    let usual = median(values.clone())?;
    let spread = median(values.iter().map(|value| (*value - usual).abs()).collect())?;
    let value = today.exposure_cad;
    let z = (Decimal::new(6745, 4) * (value - usual)).checked_div(spread).map(|z| z.round_dp(2));
    let stands_out = match z {
        Some(z) => z >= config.spike_z && value >= usual * config.spike_ratio,
        None => value >= usual * Decimal::from(3),
    };
    stands_out.then_some(Spike { value_cad: value, median_cad: usual, z })
}

fn median(mut values: Vec<Decimal>) -> Option<Decimal> {
    values.sort();
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values.get(middle).copied(),
        _ => Some((*values.get(middle.checked_sub(1)?)? + *values.get(middle)?) / Decimal::TWO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(exposure: i64, orders: i32) -> Day {
        Day { exposure_cad: exposure.into(), orders }
    }

    /// Twenty-eight days around 300.
    fn usual() -> Vec<Day> {
        (0..28).map(|at| day(200 + at % 5 * 50, 3)).collect()
    }

    fn z(before: &[Day], today: Day) -> Option<Option<String>> {
        spike(before, &today, &Config::default()).map(|spike| spike.z.map(|z| z.to_string()))
    }

    #[test]
    fn a_day_that_stands_out() {
        let found = spike(&usual(), &day(14_210, 6), &Config::default()).unwrap();
        assert_eq!((found.value_cad, found.median_cad), (14_210.into(), 300.into()));
        assert_eq!(found.z, "187.65".parse().ok());
    }

    #[test]
    fn days_that_do_not() {
        assert_eq!(z(&usual(), day(999, 6)), None, "below the floor");
        assert_eq!(z(&usual(), day(14_210, 4)), None, "too few orders");
        let short: Vec<Day> = usual().into_iter().take(6).collect();
        assert_eq!(z(&short, day(14_210, 6)), None, "no history");
        let wild: Vec<Day> = (0..28).map(|at| day(at % 2 * 4000, 3)).collect();
        assert_eq!(z(&wild, day(5_000, 6)), None, "nothing is usual");
    }

    #[test]
    fn days_that_are_all_the_same_have_no_spread() {
        let same: Vec<Day> = (0..28).map(|_| day(500, 3)).collect();
        assert_eq!(z(&same, day(1_400, 6)), None);
        assert_eq!(z(&same, day(1_500, 6)), Some(None));
        let mostly_none: Vec<Day> = (0..28).map(|at| if at < 8 { day(500, 3) } else { day(0, 0) }).collect();
        assert_eq!(z(&mostly_none, day(1_500, 6)), Some(None));
    }
}
