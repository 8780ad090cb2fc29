//! The tables of builders, which generated names stand for: an entity's module, a table's `dsl`.

use crate::facts::{Name, Path};

use super::Reader;
use super::value::{Query, Val};
use crate::program::SqlText;
use std::rc::Rc;

/// An import of an import of an import: nobody goes further.
const MAX_IMPORTS: usize = 4;
/// Words in the names of calls that bring more tables into a builder's query.
const BRINGS_IN: [&str; 8] = ["join", "related", "linked", "select_from", "union", "exists", "in_subquery", "eq_any"];

impl<'a> Reader<'_, 'a> {
    /// The module of the entity that a path is about: `users` in `users::Entity::find` and `users::ActiveModel`.
    ///
    /// Entities come out of a macro, so they are followed by what the imports say, not by definitions.
    pub(super) fn entity_of(&self, written: &[Name]) -> Option<String> {
        let mut module = self.f.context.module;
        let mut path = written.to_vec();
        for _ in 0..MAX_IMPORTS {
            if let Some(entity) = entity_module(&path) {
                return Some(entity);
            }
            path = self.one_import(&mut module, &path)?;
        }
        None
    }

    /// The path with the name that an import brings in replaced by what it stands for.
    fn one_import(&self, module: &mut u32, path: &[Name]) -> Option<Vec<Name>> {
        let index = self.all.index;
        // A type's name ends the part that can be an import: `entities::Users` of `entities::Users::find`.
        let at = path.iter().position(|name| name.starts_with(|first: char| first.is_uppercase())).unwrap_or(0);
        let (from, rest) = (&path[..at], &path[at..]);
        let home = if from.is_empty() { *module } else { index.module_at(*module, from)? };
        let (found, target) = index.imported(home, rest.first()?)?;
        if target == path {
            return None;
        }
        *module = found;
        Some(target.iter().chain(&rest[1..]).cloned().collect())
    }

    /// `users::ActiveModel { .. }` and a variable of that type: a query that is sent by its own methods.
    pub(super) fn built_by_name(&self, path: &Path) -> Option<Val<'a>> {
        let written: Vec<Name> = path.names().cloned().collect();
        let direct = self.bare_query(written.last()?);
        let last = self.all.index.imported(self.f.context.module, written.last()?);
        let imported = || last.and_then(|(_, target)| self.bare_query(target.last()?));
        let pack = direct.or_else(imported)?;
        let tables = vec![self.entity_of(&written)?];
        Some(Val::Query(Rc::new(Query { pack, tables, ..Query::default() })))
    }

    /// `users::ActiveModel::from(form)`: a query, whatever it was made of.
    pub(super) fn made_by_builder(&self, path: &Path) -> Option<Val<'a>> {
        let (_, owner) = path.segments.split_last()?;
        owner.last()?;
        self.built_by_name(&Path { segments: owner.to_vec(), ..path.clone() })
    }

    /// `orders`, brought in by `use schema::orders::dsl::*` or by name, and `dsl::orders`.
    pub(super) fn dsl_table(&self, names: &[Name]) -> Option<Val<'a>> {
        let index = self.all.index;
        let pack = self.bare_query("dsl")?;
        let (first, rest) = names.split_first()?;
        let is_dsl_of = |path: &[Name], table: &Name| matches!(path, [.., of, dsl] if dsl == "dsl" && of == table);
        let table = match rest {
            [] => {
                let by_glob = index.globs(self.f.context.module).iter().any(|glob| is_dsl_of(glob, first));
                let by_name = || {
                    let (_, target) = index.imported(self.f.context.module, first)?;
                    let (table, owner) = target.split_last()?;
                    is_dsl_of(owner, table).then(|| table.clone())
                };
                if by_glob { Some(first.clone()) } else { by_name() }
            }
            // `use schema::orders::dsl;`, and `use schema::orders::dsl as o;` in each function for its own table.
            [table] => {
                let mut targets = index.imports(self.f.context.module, first);
                targets.any(|target| is_dsl_of(target, table)).then(|| table.clone())
            }
            [.., _] => {
                let (table, owner) = names.split_last()?;
                is_dsl_of(owner, table).then(|| table.clone())
            }
        }?;
        Some(Val::Query(Rc::new(Query { pack, tables: vec![table.to_string()], ..Query::default() })))
    }

    /// Notes the tables of a query that is part of another expression.
    pub(super) fn name_tables_of(&mut self, value: &Val<'a>) {
        if let Val::Query(query) = value {
            self.f.named.extend(query.tables.iter().cloned().map(Some));
            self.f.named.extend(query.is_open.then_some(None));
        }
    }

    /// Notes the table of `orders::Entity`.
    pub(super) fn name_entity(&mut self, names: &[Name]) {
        if names.last().is_some_and(|last| last.ends_with("Entity"))
            && let Some(table) = self.entity_of(names)
        {
            self.f.named.push(Some(table));
        }
    }

    /// Notes that a call brings in a table where its arguments named none.
    pub(super) fn name_unknown(&mut self, call: &str, before: usize) {
        if self.f.named.len() == before && BRINGS_IN.iter().any(|word| call.contains(word)) {
            self.f.named.push(None);
        }
    }

    /// A builder with the tables that its arguments named: what it joins, what its subqueries ask, what it copies.
    pub(super) fn with_named(&mut self, value: Val<'a>, before: usize) -> Val<'a> {
        let named = &self.f.named[before.min(self.f.named.len())..];
        match value {
            Val::Query(query) if query.sql == SqlText::Unknown && !named.is_empty() => {
                let mut query = Query::clone(&query);
                query.is_open |= named.contains(&None);
                for table in named.iter().flatten().filter(|table| !query.tables.contains(table)).collect::<Vec<_>>() {
                    query.tables.push(table.clone());
                }
                Val::Query(Rc::new(query))
            }
            other => other,
        }
    }

    /// The pack with a query row of just this name.
    fn bare_query(&self, name: &str) -> Option<u8> {
        let rows = self.all.index.book.queries.get(name)?;
        rows.iter().find(|(_, pattern, _)| pattern.is_bare()).map(|(pack, ..)| *pack)
    }
}

fn entity_module(path: &[Name]) -> Option<String> {
    let at = path.iter().rposition(|name| matches!(name.as_str(), "Entity" | "ActiveModel"))?;
    let module = path.get(at.checked_sub(1)?)?;
    let is_entity = !matches!(module.as_str(), "prelude" | "self" | "super" | "crate" | "entity");
    is_entity.then(|| module.to_string())
}
