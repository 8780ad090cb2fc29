//! `inventory`: print the gap inventory, or keep it up to date in a document.

use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Outcome;
use super::args::Inventory as Args;
use super::levels::Levels;
use super::output::{to_file, to_stdout};
use super::run::Run;
use crate::inventory::Inventory;
use crate::ledger::Ledger;
use crate::remediation::{Buckets, sequence};
use crate::report::markdown;
use crate::user_error::UserError;

/// Runs the command.
///
/// # Errors
/// With the user's first mistake, before anything is written.
pub fn inventory(args: &Args, levels: &Levels) -> Result<Outcome, UserError> {
    let run = Run::prepare(&args.sources, &args.paths, levels)?;
    let document = args.update.as_deref().map(read).transpose()?;
    let ledger = args.ledger.as_deref().map(read_ledger).transpose()?;
    let coverage = run.sources.coverage;
    let (verdict, rules, _) = run.audit(&args.sources);
    let mut inventory = Inventory::of(&verdict, &rules.rules.areas);
    super::say_blind_spots(&verdict);
    if let (Some(path), Some(old)) = (&args.ledger, ledger) {
        let new = old.updated(&verdict, coverage, &rules.rules.areas, &today());
        inventory.resolved = new.resolved(&rules.rules.areas);
        if new != old {
            to_file(path, |out| out.write_all(new.to_json().as_bytes()))?;
        }
    }
    let print = |out: &mut dyn Write| {
        markdown::render(&inventory, out)?;
        markdown::remediation(&Buckets::of(&verdict), &sequence(&inventory, &verdict, &rules.rules.areas), out)
    };
    match (&args.update, document) {
        (Some(path), Some(document)) => {
            let mut text = Vec::new();
            print(&mut text).map_err(|error| UserError::new(format!("the inventory cannot be printed: {error}")))?;
            let updated = markdown::update(&document, &String::from_utf8_lossy(&text));
            if updated != document {
                to_file(path, |out| out.write_all(updated.as_bytes()))?;
            }
        }
        _ => to_stdout(print)?,
    }
    Ok(Outcome::Clean)
}

fn read_ledger(path: &Path) -> Result<Ledger, UserError> {
    Ledger::parse(&read(path)?).map_err(|error| {
        UserError::new(format!("ledger `{}`: {error}", path.display()))
            .help("name a file that `inventory --ledger` wrote, or one that is not there yet")
    })
}

/// Today in UTC, or the day of `SOURCE_DATE_EPOCH`, which is how builds ask for the same output every day.
fn today() -> String {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse::<u64>().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    day(given.unwrap_or_else(now) / 86_400)
}

/// The date of a day since 1970, in the Gregorian calendar.
fn day(since_epoch: u64) -> String {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    // Years start in March, so that the leap day is their last.
    let days = since_epoch + 719_468;
    let (era, of_era) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn read(path: &Path) -> Result<String, UserError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(UserError::new(format!("`{}` cannot be read: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn days_have_dates() {
        for (since_epoch, date) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (20_501, "2026-02-17"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(day(since_epoch), date);
        }
    }
}
