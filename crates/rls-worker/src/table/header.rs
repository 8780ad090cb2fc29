//! The first row in, the places of the columns we know out.

use super::{FileError, Row};

/// A column of a format.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name in our formats.
    pub name: &'static str,
    /// Other names that it goes by.
    pub aliases: &'static [&'static str],
    /// Whether a file without it is refused.
    pub required: bool,
}

impl Column {
    /// A column that a file may lack.
    #[must_use]
    pub const fn optional(name: &'static str) -> Column {
        Column { name, aliases: &[], required: false }
    }

    /// A column that every file has.
    #[must_use]
    pub const fn required(name: &'static str) -> Column {
        Column { name, aliases: &[], required: true }
    }

    /// The same column under more names.
    #[must_use]
    pub const fn or(self, aliases: &'static [&'static str]) -> Column {
        Column { aliases, ..self }
    }
}

/// Where each known column is.
#[derive(Debug, Clone)]
pub struct Header {
    places: Vec<(&'static str, usize)>,
    titles: Vec<String>,
}

impl Header {
    /// Finds the columns of a format in a file's first row; columns that are not known are left alone.
    ///
    /// # Errors
    /// When a required column is missing, or a known one is there twice.
    pub fn find(row: &Row, columns: &[Column]) -> Result<Header, FileError> {
        let titles: Vec<String> = row.cells().map(normalised).collect();
        let mut places = Vec::new();
        for column in columns {
            let is_it =
                |title: &str| title == column.name || column.aliases.iter().any(|alias| normalised(alias) == title);
            let mut found = (0..titles.len()).filter(|at| is_it(&titles[*at]));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => {
                    let message = format!("the column `{}` is there twice", column.name);
                    return Err(FileError::new(format!("HEADER_DUPLICATE:{}", column.name), message));
                }
                (Some(at), None) => places.push((column.name, at)),
                (None, _) if column.required => {
                    let message = format!("the column `{}` is missing; the file has: {}", column.name, shown(&titles));
                    return Err(FileError::new(format!("HEADER_MISSING:{}", column.name), message));
                }
                (None, _) => {}
            }
        }
        Ok(Header { places, titles })
    }

    /// Whether the file calls a column so.
    #[must_use]
    pub fn has_title(&self, column: &str, title: &str) -> bool {
        self.place(column).and_then(|at| self.titles.get(at)).is_some_and(|own| *own == normalised(title))
    }

    /// Where a column is.
    #[must_use]
    pub fn place(&self, column: &str) -> Option<usize> {
        self.places.iter().find(|(name, _)| *name == column).map(|(_, at)| *at)
    }
}

/// `Supplier Part Number *` is `supplier_part_number`.
pub(super) fn normalised(title: &str) -> String {
    let title = title.trim().trim_matches(['\u{feff}', '*']).trim().to_lowercase();
    title.split([' ', '-', '_']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

/// Some of the titles, cut, for a message.
fn shown(titles: &[String]) -> String {
    let cut =
        titles.iter().take(20).map(|title| title.chars().filter(|c| !c.is_control()).take(30).collect::<String>());
    cut.collect::<Vec<_>>().join(", ")
}
