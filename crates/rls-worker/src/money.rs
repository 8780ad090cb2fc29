//! A text in, an exact decimal out. Money is never a float.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serializer;

/// What no single figure of a file may reach; products of three figures below it cannot overflow.
const LIMIT: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// The decimals that the database keeps.
const SCALE: u32 = 6;

/// Rounds half up to cents.
#[must_use]
pub fn cents(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

/// The same figure, written with cents and with no zeros behind them: what the database keeps has six decimals.
///
/// ```
/// use rls_worker::money::plain;
///
/// assert_eq!(plain("17.500000".parse().unwrap()).to_string(), "17.50");
/// assert_eq!(plain("0.125000".parse().unwrap()).to_string(), "0.125");
/// ```
#[must_use]
pub fn plain(value: Decimal) -> Decimal {
    let mut plain = value.normalize();
    if plain.scale() < 2 {
        plain.rescale(2);
    }
    plain
}

/// Writes an amount for programs, as text that is exact.
pub(crate) fn amount<S: Serializer>(value: &Decimal, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&plain(*value))
}

/// The same where there may be none.
pub(crate) fn amount_if_any<S: Serializer>(value: &Option<Decimal>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => amount(value, out),
        None => out.serialize_none(),
    }
}

/// A figure as people read it: `1,234.50`.
///
/// ```
/// assert_eq!(rls_worker::money::shown("-1234567.005".parse().unwrap()), "-1,234,567.01");
/// ```
#[must_use]
pub fn shown(value: Decimal) -> String {
    let text = format!("{:.2}", cents(value).abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    let groups: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    let sign = if cents(value).is_sign_negative() { "-" } else { "" };
    format!("{sign}{}.{fraction}", groups.join(","))
}

/// Reads a figure as people and spreadsheets write it: `1,234.50`, `$12`, `1.2E3`, `-4`.
///
/// Nothing for what is no number, and for what is too large to be one of ours.
///
/// ```
/// use rls_worker::money::parse;
///
/// assert_eq!(parse("$1,234.50").unwrap().to_string(), "1234.50");
/// assert_eq!(parse("1e400"), None);
/// assert_eq!(parse("12,34"), None);
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let digits = digits.strip_prefix('$').unwrap_or(digits);
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && digits.len() <= 40;
    if !is_number {
        return None;
    }
    let plain = format!("{sign}{}", without_thousands(digits)?);
    let value = match plain.contains(['e', 'E']) {
        true => Decimal::from_scientific(&plain).ok()?,
        false => plain.parse().ok()?,
    };
    let rounded = value.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointAwayFromZero);
    (rounded.abs() < LIMIT).then_some(rounded)
}

/// `1,234,567.8` without its commas; nothing where a comma is not in front of three digits.
fn without_thousands(text: &str) -> Option<String> {
    if !text.contains(',') {
        return Some(text.to_owned());
    }
    let whole = text.split('.').next().unwrap_or(text);
    let mut groups = whole.split(',');
    let starts = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
    let goes_on = groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    (starts && goes_on && !text[whole.len()..].contains(',')).then(|| text.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn cents_round_half_up() {
        assert_eq!(cents(dec("264.2235")), dec("264.22"));
        assert_eq!(cents(dec("0.855")), dec("0.86"));
        assert_eq!(cents(dec("-0.855")), dec("-0.86"));
    }

    #[test]
    fn figures_as_people_write_them() {
        for (text, value) in
            [("320.00", "320"), (" -6.40 ", "-6.4"), ("1,234,567.8", "1234567.8"), ("1.5E2", "150"), (".5", "0.5")]
        {
            assert_eq!(parse(text), Some(dec(value)), "{text}");
        }
    }

    #[test]
    fn what_is_no_figure_of_ours() {
        for text in ["", "abc", "1,23", "1,2345", "--1", "1e400", "1e10", "9999999999", "NaN", "inf", "1.2.3", "=1+1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"9".repeat(4000)), None);
    }

    #[test]
    fn the_largest_figures_multiply_without_overflow() {
        let largest = parse("999999999.999999").unwrap();
        assert!(largest.checked_mul(largest).and_then(|value| value.checked_mul(dec("1000000000"))).is_some());
    }
}
