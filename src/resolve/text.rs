//! Text that ends up as SQL: literals, constants, `concat!`, `format!`, included files, builders.

use std::rc::Rc;

use super::Reader;
use super::value::{Query, Val};
use crate::facts::{Expr, ExprKind, MacroCall, Name, Path};
use crate::program::SqlText;

/// Constants that refer to each other deeper than this are cycles.
const MAX_DEPTH: usize = 8;
/// A constant of more parts than this, those of its parts included, says nothing: each of them may name the same others again.
const MAX_PARTS: usize = 1000;

/// Methods of text that leave it as it is.
const SAME: [&str; 12] = [
    "to_string",
    "to_owned",
    "as_str",
    "into",
    "clone",
    "as_ref",
    "trim",
    "into_boxed_str",
    "borrow",
    "into_string",
    "into_owned",
    "as_bytes",
];

impl<'a> Reader<'_, 'a> {
    /// The text of a constant, if that is what a path names.
    pub(super) fn const_value(&mut self, path: &Path) -> Option<Val<'a>> {
        let names: Vec<Name> = path.names().cloned().collect();
        // Constants are written in capitals; anything else would be looked up for nothing.
        if path.last().chars().any(char::is_lowercase) {
            return None;
        }
        let id = self.all.index.find_const(self.f.context.module, &names)?;
        let value = self.all.index.const_def(id).value.as_ref()?;
        match self.constant(value, self.all.index.consts[id as usize].module, MAX_DEPTH, &mut 0) {
            SqlText::Unknown => None,
            text => Some(Val::Text(Rc::new(text))),
        }
    }

    fn constant(&self, value: &Expr, module: u32, depth: usize, parts: &mut usize) -> SqlText {
        *parts += 1;
        if depth == 0 || *parts > MAX_PARTS {
            return SqlText::Unknown;
        }
        match &value.kind {
            ExprKind::Str(text) => SqlText::Whole(text.clone()),
            ExprKind::Ref(inner) | ExprKind::Deref(inner) => self.constant(inner, module, depth - 1, parts),
            ExprKind::Path(path) => {
                let names: Vec<Name> = path.names().cloned().collect();
                let Some(id) = self.all.index.find_const(module, &names) else { return SqlText::Unknown };
                let home = self.all.index.consts[id as usize].module;
                let value = self.all.index.const_def(id).value.as_ref();
                value.map_or(SqlText::Unknown, |value| self.constant(value, home, depth - 1, parts))
            }
            ExprKind::Macro(call) => {
                let texts = call.args.iter().map(|arg| self.constant(arg, module, depth - 1, parts)).collect();
                self.macro_value(call.path.last(), texts)
            }
            _ => SqlText::Unknown,
        }
    }

    /// The text that a macro makes.
    pub(super) fn macro_text(&mut self, call: &MacroCall, values: &[Val<'a>]) -> Option<Val<'a>> {
        let parts = values.iter().map(|value| self.text_of(Some(value))).collect();
        match self.macro_value(call.path.last(), parts) {
            SqlText::Unknown => None,
            text => Some(Val::Text(Rc::new(text))),
        }
    }

    fn macro_value(&self, name: &str, parts: Vec<SqlText>) -> SqlText {
        match name {
            "format" | "format_args" | "write" | "writeln" => formatted(parts),
            "concat" | "concatcp" | "formatcp" | "const_format" => joined(parts),
            "include_str" | "include_bytes" => match parts.as_slice() {
                [SqlText::Whole(path)] => self.include(path),
                _ => SqlText::Unknown,
            },
            "indoc" | "formatdoc" | "trim_margin" | "sql" => parts.into_iter().next().unwrap_or_default(),
            _ => SqlText::Unknown,
        }
    }

    /// The text of a `query_file!`'s file.
    pub(super) fn included(&self, values: &[Val<'a>]) -> Option<SqlText> {
        values.iter().find_map(|value| match self.text_of(Some(value)) {
            SqlText::Whole(path) if path.ends_with(".sql") => Some(self.include(&path)),
            _ => None,
        })
    }

    /// A file relative to this one, or to a folder above it (the package's, for `query_file!`).
    fn include(&self, path: &str) -> SqlText {
        let here = self.all.index.files[self.f.file as usize].path.as_str();
        let mut folder = here.rsplit_once('/').map_or("", |(folder, _)| folder);
        loop {
            let joined = normalised(folder, path);
            if let Some(text) = self.all.options.includes.get(&joined) {
                return SqlText::Whole(text.clone());
            }
            match folder.rsplit_once('/') {
                Some((parent, _)) => folder = parent,
                None if folder.is_empty() => return SqlText::Unknown,
                None => folder = "",
            }
        }
    }
}

/// `folder/path` with `.` and `..` worked out.
fn normalised(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// `format!`: the placeholders become holes, whatever is put in.
fn formatted(parts: Vec<SqlText>) -> SqlText {
    let mut parts = parts.into_iter();
    let Some(SqlText::Whole(template) | SqlText::Partial(template)) = parts.find(|part| *part != SqlText::Unknown)
    else {
        return SqlText::Unknown;
    };
    // A known text in the only hole is put in, so that a constant name of a setting is seen.
    let known: Vec<String> =
        parts.filter_map(|part| if let SqlText::Whole(text) = part { Some(text) } else { None }).collect();
    let mut known = known.into_iter();
    let mut text = String::with_capacity(template.len());
    let mut letters = template.chars().peekable();
    let mut has_holes = false;
    while let Some(letter) = letters.next() {
        match letter {
            '{' if letters.peek() == Some(&'{') => {
                letters.next();
                text.push('{');
            }
            '}' if letters.peek() == Some(&'}') => {
                letters.next();
                text.push('}');
            }
            '{' => {
                while letters.next_if(|next| *next != '}').is_some() {}
                letters.next();
                match known.next() {
                    Some(value) => text.push_str(&value),
                    None => {
                        has_holes = true;
                        text.push_str("{}");
                    }
                }
            }
            other => text.push(other),
        }
    }
    if has_holes { SqlText::Partial(text) } else { SqlText::Whole(text) }
}

/// `concat!`: unknown parts become holes.
fn joined(parts: Vec<SqlText>) -> SqlText {
    let is_whole = parts.iter().all(|part| matches!(part, SqlText::Whole(_)));
    let text: String = parts.iter().map(|part| part.text().unwrap_or("{}")).collect();
    match (is_whole, text.is_empty()) {
        (_, true) => SqlText::Unknown,
        (true, _) => SqlText::Whole(text),
        (false, _) => SqlText::Partial(text),
    }
}

/// What a method of a query builder adds to its text.
pub(super) fn extended<'a>(query: Rc<Query>, name: &str, values: &[Val<'a>]) -> Rc<Query> {
    let adds = matches!(name, "push" | "push_str" | "sql" | "append");
    let binds = matches!(name, "push_bind" | "push_values" | "push_tuples" | "separated");
    if !adds && !binds {
        return query;
    }
    let before = query.sql.text().unwrap_or_default();
    let added = match values.first() {
        Some(Val::Text(text)) if adds => text.text().unwrap_or("{}"),
        _ => "{}",
    };
    Rc::new(Query { sql: SqlText::Partial(format!("{before}{added}")), ..(*query).clone() })
}

/// What a method of text gives.
pub(super) fn of_method<'a>(text: Rc<SqlText>, name: &str) -> Val<'a> {
    if SAME.contains(&name) {
        return Val::Text(text);
    }
    match (&*text, name) {
        (SqlText::Whole(known) | SqlText::Partial(known), "replace" | "replacen") => {
            Val::Text(Rc::new(SqlText::Partial(known.clone())))
        }
        _ => Val::Unknown,
    }
}
