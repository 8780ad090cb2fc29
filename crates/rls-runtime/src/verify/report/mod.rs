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
