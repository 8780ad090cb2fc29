//! A name and a number in, the exporter of a measure out.

use serde::Serialize;

use super::measure::Measure;

/// What companies end with and what tells none apart.
const NOISE: &[&str] = &["co", "company", "corp", "corporation", "gmbh", "inc", "jsc", "limited", "llc", "ltd", "the"];

/// How surely two names must be alike to be worth a look.
const ALIKE: usize = 90;

/// Which exporter of a measure somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "match", content = "exporter", rename_all = "snake_case")]
pub enum Exporter {
    /// The number says so.
    ById(String),
    /// The name is the same.
    ByName(String),
    /// The name is nearly the same: somebody has to look.
    Ambiguous(String),
    /// None of the named ones.
    Unlisted,
}

impl Exporter {
    /// The normalised name to look rates up by; an unclear one has the rates of all others.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Exporter::ById(name) | Exporter::ByName(name) => Some(name),
            Exporter::Ambiguous(_) | Exporter::Unlisted => None,
        }
    }
}

/// Finds an exporter among those that a measure names for a country.
#[must_use]
pub fn find(measure: &Measure, country: &str, name: Option<&str>, id: Option<&str>) -> Exporter {
    let named = measure.rates.iter().filter(|rate| rate.country == country);
    let named: Vec<(&str, Option<&str>)> =
        named.filter_map(|rate| Some((rate.exporter.as_deref()?, rate.exporter_id.as_deref()))).collect();
    if let Some(known) = id.and_then(|id| named.iter().find(|(_, known)| *known == Some(id))) {
        return Exporter::ById(known.0.to_owned());
    }
    let Some(name) = name.map(normalised).filter(|name| !name.is_empty()) else {
        return Exporter::Unlisted;
    };
    if named.iter().any(|(known, _)| *known == name) {
        return Exporter::ByName(name);
    }
    let alike = named.iter().find(|(known, _)| likeness(known, &name) >= ALIKE);
    alike.map_or(Exporter::Unlisted, |(known, _)| Exporter::Ambiguous((*known).to_owned()))
}

/// `Healthcare Co., Ltd.` is `healthcare`.
#[must_use]
pub fn normalised(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !NOISE.contains(word));
    words.collect::<Vec<_>>().join(" ")
}

/// How much of two names is the same, in percent of the longer one.
fn likeness(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(200).collect(), b.chars().take(200).collect());
    let longer = a.len().max(b.len()).max(1);
    100 - distance(&a, &b) * 100 / longer
}

/// The changes of one letter that make one text of the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_what_tells_none_apart() {
        assert_eq!(normalised("Healthcare Co., Ltd."), "healthcare");
        assert_eq!(
            normalised("Sinomax (Zhejiang) Polyurethane Technology Ltd."),
            "sinomax zhejiang polyurethane technology"
        );
    }

    #[test]
    fn likeness_is_a_share_of_the_longer_name() {
        assert_eq!(likeness("anji cozy home", "anji cozy home"), 100);
        assert_eq!(likeness("anji cosy home", "anji cozy home"), 93);
        assert_eq!(likeness("", "abc"), 0);
        assert!(likeness("healthcare", "haitong home") < 50);
    }
}
