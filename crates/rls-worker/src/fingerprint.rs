//! Values in, one hash out that is the same on every machine.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of the parts, in hexadecimal; each part is framed, so that `["ab", "c"]` and `["a", "bc"]` differ.
///
/// ```
/// use rls_worker::fingerprint::of;
///
/// assert_ne!(of([b"ab".as_slice(), b"c"]), of([b"a".as_slice(), b"bc"]));
/// ```
#[must_use]
pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// [`of`] texts.
#[must_use]
pub fn of_texts<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    of(parts.into_iter().map(str::as_bytes))
}
