//! Text that ends up as SQL: literals, constants, `concat!`, `format!`, included files, builders.

use std::rc::Rc;

use super::Reader;
use super::value::{Query, Val};
use crate::facts::{Expr, ExprKind, MacroCall, Name, Path};
use crate::program::SqlText;
use crate::sql::template::{Piece, pieces};

/// Constants that refer to each other deeper than this are cycles.
const MAX_DEPTH: usize = 8;
/// A constant of more parts than this, those of its parts included, says nothing: each of them may name the same others again.
const MAX_PARTS: usize = 1000;

/// Between the texts that one value may have.
const EITHER: &str = ";\n";
/// A longer text is not followed further.
const MAX_TEXT: usize = 10_000;

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
                self.constant_at(&names, module, depth - 1, parts)
            }
            ExprKind::Macro(call) => {
                let texts = call.args.iter().map(|arg| self.constant(arg, module, depth - 1, parts)).collect();
                let left = std::cell::Cell::new(*parts);
                let captured = |name: &str| {
                    let mut parts = left.get();
                    let text = self.constant_named(name, module, depth - 1, &mut parts);
                    left.set(parts);
                    text
                };
                let text = self.macro_value(call.path.last(), texts, &call.names, captured);
                *parts = left.get();
                text
            }
            _ => SqlText::Unknown,
        }
    }

    fn constant_named(&self, name: &str, module: u32, depth: usize, parts: &mut usize) -> SqlText {
        if name.chars().any(char::is_lowercase) {
            return SqlText::Unknown;
        }
        self.constant_at(&[Name::new(name)], module, depth, parts)
    }

    fn constant_at(&self, names: &[Name], module: u32, depth: usize, parts: &mut usize) -> SqlText {
        let Some(id) = self.all.index.find_const(module, names) else { return SqlText::Unknown };
        let home = self.all.index.consts[id as usize].module;
        let value = self.all.index.const_def(id).value.as_ref();
        value.map_or(SqlText::Unknown, |value| self.constant(value, home, depth, parts))
    }

    /// The text that a macro makes.
    pub(super) fn macro_text(&mut self, call: &MacroCall, values: &[Val<'a>]) -> Option<Val<'a>> {
        let parts: Vec<SqlText> = values.iter().map(|value| self.text_of(Some(value))).collect();
        let name = call.path.last();
        let captured = |name: &str| match self.f.lookup(name) {
            Some(value) => self.text_of(Some(value)),
            None => self.constant_named(name, self.f.context.module, MAX_DEPTH, &mut 0),
        };
        if let ("write" | "writeln", Some((to, parts))) = (name, parts.split_first()) {
            let (variable, known) = (variable(call.args.first()?)?, to);
            if *known != SqlText::Unknown {
                let names = call.names.get(1..).unwrap_or_default();
                let text = joined(vec![known.clone(), formatted(parts, names, captured)]);
                self.f.assign(variable, Val::Text(Rc::new(text)));
            }
            return None;
        }
        match self.macro_value(name, parts, &call.names, captured) {
            SqlText::Unknown => None,
            text => Some(Val::Text(Rc::new(text))),
        }
    }

    fn macro_value(
        &self,
        name: &str,
        parts: Vec<SqlText>,
        names: &[Name],
        captured: impl Fn(&str) -> SqlText,
    ) -> SqlText {
        match name {
            "format" | "format_args" | "formatcp" | "formatdoc" => formatted(&parts, names, captured),
            "concat" | "concatcp" | "const_format" => joined(parts),
            "include_str" | "include_bytes" => match parts.as_slice() {
                [SqlText::Whole(path)] => self.include(path),
                _ => SqlText::Unknown,
            },
            "indoc" | "trim_margin" | "sql" => parts.into_iter().next().unwrap_or_default(),
            _ => SqlText::Unknown,
        }
    }

    /// What a method does to the text or query that a variable holds, in place: `text.push_str(..)`, `text += ..`.
    pub(super) fn change_in_place(&mut self, root: &Expr, method: &str, args: &[Expr], values: &[Val<'a>]) {
        let Some(name) = variable(root) else { return };
        let changed = match self.f.lookup(name) {
            Some(Val::Text(text)) => {
                let added = values.last().map(|value| self.text_of(Some(value))).unwrap_or_default();
                // What is pushed and is no letter is one more of a list of texts.
                let is_letter = matches!(args, [Expr { kind: ExprKind::Lit(_), .. }]);
                let is_element = method == "push" && !is_letter;
                let changed = if is_element { Some(either(text, &added)) } else { changed(text, method, added) };
                changed.map(|text| Val::Text(Rc::new(text)))
            }
            Some(Val::Query(query)) if is_added(method) => Some(Val::Query(extended(Rc::clone(query), method, values))),
            _ => None,
        };
        if let Some(changed) = changed {
            self.f.assign(name, changed);
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

/// `format!`: known texts are put in where the template says, so that a constant name of a setting is seen;
/// other placeholders become holes.
fn formatted(parts: &[SqlText], names: &[Name], captured: impl Fn(&str) -> SqlText) -> SqlText {
    let Some((SqlText::Whole(template) | SqlText::Partial(template), args)) = parts.split_first() else {
        return SqlText::Unknown;
    };
    let pieces = pieces(template);
    let mut next = args.iter();
    let mut text = String::with_capacity(template.len());
    let mut has_holes = matches!(parts[0], SqlText::Partial(_));
    for piece in pieces {
        let put_in = match piece {
            Piece::Text(literal) => {
                text.push_str(literal);
                continue;
            }
            Piece::Hole("") => next.next().cloned().unwrap_or_default(),
            Piece::Hole(name) => {
                let by_name = || names.iter().position(|of| of == name).and_then(|at| at.checked_sub(1));
                match name.parse::<usize>().ok().or_else(by_name) {
                    Some(at) => args.get(at).cloned().unwrap_or_default(),
                    None => captured(name),
                }
            }
        };
        has_holes |= !matches!(put_in, SqlText::Whole(_));
        text.push_str(part(&put_in));
    }
    if has_holes { SqlText::Partial(text) } else { SqlText::Whole(text) }
}

/// One of two texts: what each of them does may happen, so both count, one after the other.
pub(super) fn either(left: &SqlText, right: &SqlText) -> SqlText {
    if left == right {
        return left.clone();
    }
    let [one, other] = [left, right].map(|text| text.text().unwrap_or("{}"));
    // What was only added to says all that it said before.
    if goes_on(one, other) || one.split(EITHER).any(|known| known == other) {
        return left.clone();
    }
    if goes_on(other, one) {
        return right.clone();
    }
    if one.len() + other.len() > MAX_TEXT {
        return cut(one);
    }
    let text = format!("{one}{EITHER}{other}");
    match (left, right) {
        (SqlText::Whole(_), SqlText::Whole(_)) => SqlText::Whole(text),
        _ => SqlText::Partial(text),
    }
}

/// Whether a text starts with all words of another one.
fn goes_on(text: &str, from: &str) -> bool {
    let rest = text.strip_prefix(from);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || matches!(next, '_' | '.')))
}

/// `left + right + ..`, where the first is a text: whatever is added to it, the sum is one too.
pub(super) fn sum<'a>(values: &[Val<'a>]) -> Val<'a> {
    match values {
        [Val::Text(_), ..] => Val::Text(Rc::new(joined(values.iter().map(only_text).collect()))),
        _ => Val::Unknown,
    }
}

/// One of several values, where any of them is a text; else the first that is known.
pub(super) fn one_of<'a>(values: Vec<Val<'a>>) -> Val<'a> {
    if !values.iter().any(|value| matches!(value, Val::Text(_))) {
        return values.into_iter().find(|value| !value.is_unknown()).unwrap_or_default();
    }
    let all = values.iter().map(only_text).reduce(|all, text| either(&all, &text));
    Val::Text(Rc::new(all.unwrap_or_default()))
}

/// The text that a value is; of a query, which only sends one, nothing.
fn only_text(value: &Val<'_>) -> SqlText {
    match value {
        Val::Text(text) => SqlText::clone(text),
        _ => SqlText::Unknown,
    }
}

/// One of two queries.
pub(super) fn either_query(left: &Query, right: &Query) -> Query {
    let mut tables = left.tables.clone();
    tables.extend(right.tables.iter().filter(|table| !left.tables.contains(table)).cloned());
    Query {
        sql: either(&left.sql, &right.sql),
        tables,
        is_open: left.is_open || right.is_open,
        migrates: left.migrates && right.migrates,
        pack: left.pack,
    }
}

/// What a method makes of a text in place; nothing where it leaves it alone.
fn changed(text: &SqlText, method: &str, added: SqlText) -> Option<SqlText> {
    let known = text.text().unwrap_or_default();
    Some(match method {
        "push_str" | "add_assign" | "write_str" | "insert_str" if known.len() > MAX_TEXT => cut(known),
        "push_str" | "add_assign" | "write_str" => joined(vec![text.clone(), added]),
        "insert_str" => joined(vec![added, text.clone()]),
        // A letter alone is no table.
        "push" => joined(vec![text.clone(), SqlText::Whole(" ".to_owned())]),
        "extend" | "write_fmt" | "replace_range" | "truncate" | "clear" => cut(known),
        _ => return None,
    })
}

/// A text that goes on as nobody knows.
fn cut(text: &str) -> SqlText {
    let unknown = format!("{EITHER}{{}}");
    SqlText::Partial(if text.ends_with(&unknown) { text.to_owned() } else { format!("{text}{unknown}") })
}

/// The variable that is meant, borrowed or not.
fn variable(expr: &Expr) -> Option<&Name> {
    match &expr.kind {
        ExprKind::Path(path) => path.ident(),
        ExprKind::Ref(inner) | ExprKind::Deref(inner) => variable(inner),
        _ => None,
    }
}

/// A text as a part of another one. One of several is a hole there.
fn part(text: &SqlText) -> &str {
    text.text().filter(|text| !text.contains(EITHER)).unwrap_or("{}")
}

/// `concat!`: unknown parts become holes.
fn joined(parts: Vec<SqlText>) -> SqlText {
    let is_whole = parts.iter().all(|part| matches!(part, SqlText::Whole(_)));
    let (first, rest) = parts.split_first().map_or(("", &[][..]), |(first, rest)| (first.text().unwrap_or("{}"), rest));
    let text: String = std::iter::once(first).chain(rest.iter().map(part)).collect();
    match (is_whole, text.is_empty()) {
        (_, true) => SqlText::Unknown,
        (true, _) => SqlText::Whole(text),
        (false, _) => SqlText::Partial(text),
    }
}

/// Whether a method of a query builder adds to its text.
fn is_added(method: &str) -> bool {
    matches!(method, "push" | "push_str" | "sql" | "append" | "push_bind" | "push_values" | "push_tuples" | "separated")
}

/// What a method of a query builder adds to its text.
pub(super) fn extended<'a>(query: Rc<Query>, name: &str, values: &[Val<'a>]) -> Rc<Query> {
    let adds = matches!(name, "push" | "push_str" | "sql" | "append");
    if !is_added(name) {
        return query;
    }
    let before = query.sql.text().unwrap_or_default();
    let added = match values.first() {
        Some(Val::Text(text)) if adds => text.text().unwrap_or("{}"),
        _ => "{}",
    };
    Rc::new(Query { sql: SqlText::Partial(format!("{before}{added}")), ..(*query).clone() })
}

fn with_text(text: &SqlText, change: impl Fn(&str) -> String) -> SqlText {
    match text {
        SqlText::Whole(known) => SqlText::Whole(change(known)),
        SqlText::Partial(known) => SqlText::Partial(change(known)),
        other => other.clone(),
    }
}

/// What a method of text gives.
pub(super) fn of_method<'a>(text: Rc<SqlText>, name: &str, values: &[Val<'a>]) -> Val<'a> {
    if SAME.contains(&name) {
        return Val::Text(text);
    }
    // Of a list of texts, whose elements are one of several.
    let between = match (name, values) {
        ("concat", []) => Some(""),
        ("join", [Val::Text(between)]) => between.text(),
        _ => None,
    };
    if let Some(between) = between {
        return Val::Text(Rc::new(with_text(&text, |known| known.replace(EITHER, between))));
    }
    match (&*text, name) {
        (SqlText::Whole(known) | SqlText::Partial(known), "replace" | "replacen") => {
            // What is put in for what is not known.
            Val::Text(Rc::new(cut(known)))
        }
        _ => Val::Unknown,
    }
}
