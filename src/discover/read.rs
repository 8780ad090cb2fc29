//! Paths in, texts out. Offsets are those of the file, whatever is in it.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::shown;
use super::walk::reason;
use crate::finding::BlindSpot;
use crate::source::{SourceFile, Target};

/// Reads files in parallel, in the order given. What cannot be read is a blind spot.
pub fn read(paths: &[PathBuf], root: &Path) -> (Vec<(PathBuf, SourceFile)>, Vec<BlindSpot>) {
    let results: Vec<_> = paths.par_iter().map(|path| (path, read_one(path))).collect();
    let (mut files, mut blind_spots) = (Vec::new(), Vec::new());
    for (path, result) in results {
        let file = shown(path, root);
        match result {
            Ok(bytes) => {
                let (text, first_invalid) = text(bytes);
                let source = SourceFile::new(file, text, Target::default());
                if let Some(offset) = first_invalid {
                    let at = source.position(crate::source::to_u32(offset));
                    let reason = "bytes that are not UTF-8, read as `?`".to_owned();
                    blind_spots.push(BlindSpot { file: source.path.clone(), line: at.line, column: at.column, reason });
                }
                files.push((path.clone(), source));
            }
            Err(reason) => blind_spots.push(BlindSpot { file, line: 1, column: 1, reason }),
        }
    }
    (files, blind_spots)
}

fn read_one(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {}", reason(&error)))?;
    let has_offsets = u32::try_from(bytes.len()).is_ok();
    if has_offsets { Ok(bytes) } else { Err("larger than 4 GiB".to_owned()) }
}

/// The text, and the offset of the first byte that is not UTF-8. Each such byte becomes one `?`, so that offsets stay.
pub fn text(bytes: Vec<u8>) -> (String, Option<usize>) {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return (text, None),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len());
    let mut first = None;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            first.get_or_insert(text.len());
            text.extend(chunk.invalid().iter().map(|_| '?'));
        }
    }
    (text, first)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn invalid_bytes_keep_every_offset() {
        let (fixed, first) = text(b"ab\xFF\xFEc\xE2\x82".to_vec());
        assert_eq!(fixed, "ab??c??");
        assert_eq!(first, Some(2));
    }

    #[test]
    fn valid_text_is_untouched() {
        assert_eq!(text("ä".as_bytes().to_vec()), ("ä".to_owned(), None));
    }
}
