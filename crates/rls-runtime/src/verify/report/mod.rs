//! A report in, text out: one function per format.

mod human;
mod json;
mod sarif;

pub use human::human;
pub use json::json;
pub use sarif::sarif;

/// A short, stable name of a finding, the same in every run.
fn fingerprint(check: &str, object: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let bytes = check.bytes().chain([0]).chain(object.bytes());
    format!("{:016x}", bytes.fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Finding, Report, Severity, Status};

    fn report() -> Report {
        let finding = |check, name, severity, status| Finding {
            check,
            name,
            severity,
            object: "public.orders".into(),
            message: "what can happen".into(),
            fix: "alter table orders x;\nalter table orders y;\n".into(),
            status,
        };
        Report {
            findings: vec![
                finding("V01", "rls-not-enabled", Severity::Error, Status::Open),
                finding("V02", "rls-not-forced", Severity::Error, Status::Allowed("being migrated".into())),
                finding("V52", "slow-policy", Severity::Warning, Status::Advice),
            ],
            notes: vec!["no role was named".into()],
            database: "shop \"eu\"".into(),
            roles: vec!["app".into()],
            tables: vec!["public.orders".into()],
            elapsed: Duration::from_millis(42),
        }
    }

    #[test]
    fn human_text() {
        assert_eq!(super::human(&report()), include_str!("../../../tests/snapshots/verify.txt"));
    }

    #[test]
    fn json_document() {
        let text = super::json(&report()).replace(env!("CARGO_PKG_VERSION"), "0.0.0");
        assert_eq!(text, include_str!("../../../tests/snapshots/verify.json"));
    }

    /// The rules are those of the documentation; the rest is a snapshot.
    #[test]
    fn sarif_document() {
        let mut document: serde_json::Value = serde_json::from_str(&super::sarif(&report())).unwrap();
        document["runs"][0]["tool"]["driver"]["semanticVersion"] = "0.0.0".into();
        let rules = document["runs"][0]["tool"]["driver"]["rules"].take();
        assert_eq!(rules.as_array().map(Vec::len), Some(super::super::CHECKS.len()));
        let expected: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/snapshots/verify.sarif")).unwrap();
        assert_eq!(document, expected, "{document:#}");
    }
}
