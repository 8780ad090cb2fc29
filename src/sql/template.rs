//! A template of `format!` in, its texts and holes out: most texts of statements that are put together are such templates.

/// A piece of a template of `format!`.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text as it is.
    Text(&'t str),
    /// What is between braces, without how it is written: nothing, a number or a name.
    Hole(&'t str),
}

/// The pieces of a template, in order; some texts are empty.
#[must_use]
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        rest = if from.starts_with("{{") || from.starts_with("}}") {
            pieces.push(Piece::Text(&from[..1]));
            &from[2..]
        } else if let Some((inside, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
            pieces.push(Piece::Hole(inside.split(':').next().unwrap_or_default().trim()));
            after
        } else {
            pieces.push(Piece::Text(&from[..1]));
            &from[1..]
        };
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn doubled_braces_are_text() {
        let found = pieces("a {{}} {} {0:>4} {name:?} { } }");
        let holes: Vec<&str> = found
            .iter()
            .filter_map(|piece| match piece {
                Piece::Hole(hole) => Some(*hole),
                Piece::Text(_) => None,
            })
            .collect();
        assert_eq!(holes, ["", "0", "name", ""]);
        let texts = found.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(*text),
            Piece::Hole(_) => None,
        });
        assert_eq!(texts.collect::<String>(), "a {}     }");
    }
}
