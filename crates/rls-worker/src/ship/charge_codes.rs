//! A tenant's settings in, what the tenant calls a carrier's charges out.

use std::collections::HashMap;

use super::charge::{CODES, Charge};
use super::tenant_carrier_overrides::Override;

/// The setting that holds the map.
pub const KEY: &str = "charge_code_map";

/// The tenant's own map from carriers' codes and descriptions to ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChargeCodes {
    by_name: HashMap<String, Vec<Entry>>,
}

/// What one name means, to whom and when; the later ones of a name go before the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    of: Override,
    code: &'static str,
}

impl ChargeCodes {
    /// The maps of all accounts. What is said for an account goes before what is said for its carrier.
    #[must_use]
    pub fn of(overrides: &[Override]) -> ChargeCodes {
        let mut maps: Vec<&Override> = overrides.iter().filter(|of| of.key == KEY).collect();
        maps.sort_by_key(|of| (of.account.is_some(), of.valid_from));
        let mut by_name: HashMap<String, Vec<Entry>> = HashMap::new();
        for of in maps {
            for (name, code) in pairs(&of.value).into_iter().flatten() {
                by_name.entry(name).or_default().push(Entry { of: of.clone(), code });
            }
        }
        ChargeCodes { by_name }
    }

    /// Gives a charge the code that the tenant has for it on the day of its invoice, and says whether there is one.
    pub fn apply(&self, charge: &mut Charge) -> bool {
        let names = [charge.carrier_code.as_deref(), charge.description.as_deref()];
        let code = names.into_iter().flatten().find_map(|name| {
            let entries = self.by_name.get(&normalised(name))?;
            let day = charge.invoice_date;
            entries.iter().rev().find(|entry| entry.of.holds(&charge.carrier, &charge.account, day))
        });
        let Some(Entry { code, .. }) = code else { return false };
        if charge.code != *code {
            charge.mapped_from = Some(std::mem::replace(&mut charge.code, (*code).to_owned()));
        }
        true
    }
}

/// `XYZ=ADC|Odd Fee=OTHER`; nothing where it cannot be read.
pub(super) fn pairs(value: &str) -> Option<Vec<(String, &'static str)>> {
    let pair = |text: &str| {
        let (name, code) = text.split_once('=')?;
        let code = code.trim().to_uppercase();
        let name = Some(normalised(name)).filter(|name| !name.is_empty())?;
        Some((name, *CODES.iter().find(|known| **known == code)?))
    };
    value.split('|').filter(|text| !text.trim().is_empty()).map(pair).collect()
}

/// Names are the same however they are spaced and in whatever case.
fn normalised(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()
}
