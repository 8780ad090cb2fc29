//! Builders name an entity, the database knows a table: a program and the files in, the tables' own names in the program.

use std::collections::BTreeMap;

use crate::program::{Program, SqlText};
use crate::source::SourceFile;

/// What starts the attribute that says which table an entity is.
const ATTRIBUTE: &str = "#[sea_orm(";

/// Gives the statements of sea-orm's builders the names of the tables that their entities stand for.
pub fn name_tables(program: &mut Program, files: &[SourceFile]) {
    let is_builder = |api: &str, sql: &SqlText| api == "sea-orm" && *sql == SqlText::Unknown;
    if !program.statements.iter().any(|statement| is_builder(&statement.api, &statement.sql)) {
        return;
    }
    let entities = entities(files);
    for statement in program.statements.iter_mut().filter(|statement| is_builder(&statement.api, &statement.sql)) {
        for table in &mut statement.tables {
            if let Some(name) = entities.get(table.as_str()) {
                table.clone_from(name);
            }
        }
        statement.tables.sort();
        statement.tables.dedup();
    }
}

/// The table of each module that holds an entity. Modules of one name with different tables are left out.
fn entities(files: &[SourceFile]) -> BTreeMap<&str, String> {
    let mut found: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let tables =
            memchr::memmem::find_iter(file.text.as_bytes(), ATTRIBUTE).filter_map(|at| table_name(&file.text, at));
        for table in tables {
            let entry = found.entry(module(&file.path)).or_insert_with(|| Some(table.clone()));
            if entry.as_ref().is_some_and(|known| *known != table) {
                *entry = None;
            }
        }
    }
    found.into_iter().filter_map(|(module, table)| Some((module, table?))).collect()
}

/// The module that a file is: its name, or for `mod.rs` its folder's.
fn module(path: &str) -> &str {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// `table_name = ".."` of the attribute that starts here, with its `schema_name`.
fn table_name(text: &str, at: usize) -> Option<String> {
    let end = at + text[at..].find(")]")?;
    let value = |key: &str| {
        let attribute = &text[at..end];
        let after = &attribute[attribute.find(key)? + key.len()..];
        let after = after.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        after.split('"').next().map(str::to_owned)
    };
    let table = value("table_name")?;
    Some(match value("schema_name") {
        Some(schema) => format!("{schema}.{table}"),
        None => table,
    })
}

#[cfg(test)]
mod tests {
    use super::entities;
    use crate::source::{SourceFile, Target};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile::new(path.to_owned(), text.to_owned(), Target::default())
    }

    #[test]
    fn entities_have_tables() {
        let files = [
            file(
                "src/entity/user.rs",
                "#[derive(DeriveEntityModel)]\n#[sea_orm(table_name = \"users\")]\nstruct Model {}",
            ),
            file("src/entity/order/mod.rs", "#[sea_orm(schema_name = \"shop\", table_name=\"orders\")]"),
            file("a/line.rs", "#[sea_orm(table_name = \"lines\")]"),
            file("b/line.rs", "#[sea_orm(table_name = \"queue_lines\")]"),
            file("src/field.rs", "#[sea_orm(column_name = \"x\")]"),
            file("src/cut.rs", "#[sea_orm(table_name = "),
        ];
        let found: Vec<_> = entities(&files).into_iter().collect();
        assert_eq!(found, [("order", "shop.orders".to_owned()), ("user", "users".to_owned())]);
    }
}
