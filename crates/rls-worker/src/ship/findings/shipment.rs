//! All charges of a shipment in, what is known of the shipment as a whole out.

use chrono::{Days, NaiveDate, NaiveTime};
use rust_decimal::Decimal;

use super::case::Case;
use super::{Finding, OrderFacts};

/// How old a label must be that never moved, in days, before nobody waits for it any more.
pub(in crate::ship) const LABEL: Days = Days::new(10);

/// A day, and the time of it where that is known.
pub(super) type Moment = (NaiveDate, Option<NaiveTime>);

/// What the rows of a shipment say of it, whichever of them says it.
pub(super) struct Shipment<'a> {
    pub(super) order: Option<&'a OrderFacts>,
    pub(super) delivered: Option<Moment>,
    committed: Option<Moment>,
    /// A row says that no scan was made, and none says otherwise.
    never_moved: bool,
    today: NaiveDate,
}

impl<'a> Shipment<'a> {
    pub(super) fn of(cases: &[Case<'_>], order: Option<&'a OrderFacts>, today: NaiveDate) -> Shipment<'a> {
        let charges = || cases.iter().map(|case| case.charge);
        let delivered = charges().find_map(|of| Some((of.delivered_on?, of.delivered_time)));
        let committed = charges().find_map(|of| Some((of.committed_on?, of.committed_time)));
        let scans = || charges().filter_map(|of| of.scanned);
        let never_moved = delivered.is_none() && scans().any(|scanned| !scanned) && !scans().any(|scanned| scanned);
        Shipment { order, delivered, committed, never_moved, today }
    }

    /// Nothing is due for a label that never moved, and that nobody will use any more.
    pub(super) fn void(&self, case: &Case<'_>) -> Option<Finding> {
        let made = case.charge.ship_date?;
        let is_old = made.checked_add_days(LABEL).is_some_and(|last| self.today > last);
        let is_fee = !["ADJ", "CREDIT"].contains(&case.charge.code.as_str());
        let evidence = || format!("the label of {made} was never scanned");
        (self.never_moved && is_old && is_fee).then(|| case.finding("VOID_BILLED", Decimal::ZERO, evidence())).flatten()
    }

    /// Nothing is due for a guaranteed service that came too late.
    pub(super) fn late(&self, freight: &Case<'_>) -> Option<Finding> {
        let (delivered, committed) = self.delivered.zip(self.committed)?;
        let is_guaranteed = freight.agreement?.guarantees(&freight.charge.service, freight.day);
        if !is_guaranteed || freight.settings.guarantee_suspended || !is_after(delivered, committed) {
            return None;
        }
        let evidence = format!("delivered {}, committed to {}", shown(delivered), shown(committed));
        freight.finding("LATE_DELIVERY", Decimal::ZERO, evidence)
    }
}

/// By the day; by the time of the same day only where both are known.
fn is_after(delivered: Moment, committed: Moment) -> bool {
    let same_day_later = delivered.0 == committed.0 && delivered.1.zip(committed.1).is_some_and(|(is, due)| is > due);
    delivered.0 > committed.0 || same_day_later
}

fn shown((day, time): Moment) -> String {
    time.map_or_else(|| day.to_string(), |time| format!("{day} {}", time.format("%H:%M")))
}
