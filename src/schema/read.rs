//! Every file of a run in, the schema that its migrations leave behind out.

use super::{Migration, Schema, order, replay, rust};
use crate::facts::FileFacts;
use crate::rules::TableRules;
use crate::source::{SourceFile, to_u32};

use super::replay::Origin;

impl Schema {
    /// The schema of the SQL files among `files`, then of the migrations in the Rust files, of which the first files have these facts.
    #[must_use]
    pub fn read(files: &[SourceFile], rust_facts: &[FileFacts], rules: &TableRules) -> Self {
        let sql: Vec<usize> = (0..files.len()).filter(|index| files[*index].path.ends_with(".sql")).collect();
        let paths: Vec<&str> = sql.iter().map(|index| files[*index].path.as_str()).collect();
        let mut ordered = order::migrations(&paths, &rules.migrations);
        if ordered.is_empty() {
            ordered = (0..sql.len()).filter(|index| makes_tables(&files[sql[*index]].text)).collect();
        }
        let mut texts: Vec<Migration<'_>> = ordered
            .into_iter()
            .map(|index| sql[index])
            .map(|id| Migration { text: &files[id].text, origin: Origin::file(to_u32(id)) })
            .collect();
        let mut rust_texts = Vec::new();
        for (id, (file, facts)) in files.iter().zip(rust_facts).enumerate() {
            rust_texts.extend(rust::texts(to_u32(id), file, facts).into_iter().map(|text| (file.path.as_str(), text)));
        }
        rust_texts.sort_by_key(|(path, _)| *path);
        texts.extend(rust_texts.iter().map(|(_, found)| Migration { text: &found.text, origin: found.origin }));
        let places = rust_facts.iter().enumerate().flat_map(|(id, facts)| rust::places(to_u32(id), facts));
        let mut migrations: Vec<_> = places.collect();
        migrations.sort_unstable();
        Self { migrations, ..replay(&texts) }
    }
}

/// Without folders of migrations, every SQL file that makes tables is taken.
fn makes_tables(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("create table") || text.contains("create unlogged table")
}
