//! Statements in order, applied to the schema one by one.

use std::ops::Range;

use super::{Schema, block, object, policy, table};
use crate::program::{FileId, Place};
use crate::source::{Span, to_u32};
use crate::sql::tokens::{Name, Tokens};

/// One text of a migration, in the order in which they run.
#[derive(Clone, Debug)]
pub struct Migration<'a> {
    /// The SQL.
    pub text: &'a str,
    /// Where it stands.
    pub origin: Origin,
}

/// How places in a text are places in a file.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The file.
    pub file: FileId,
    /// Where the text starts in the file.
    pub base: u32,
    /// The span that stands for every place, for texts that are put together or escaped.
    pub whole: Option<Span>,
}

impl Origin {
    /// The text is the file.
    #[must_use]
    pub fn file(file: FileId) -> Self {
        Self { file, base: 0, whole: None }
    }

    /// The place of a span of the text.
    #[must_use]
    pub fn place(self, span: Span) -> Place {
        let here = || Span { start: self.base.saturating_add(span.start), end: self.base.saturating_add(span.end) };
        Place { file: self.file, span: self.whole.unwrap_or_else(here) }
    }
}

/// Replay all texts in order.
#[must_use]
pub fn replay(migrations: &[Migration<'_>]) -> Schema {
    let mut replayer = Replayer::default();
    for migration in migrations {
        replayer.text(migration.text, migration.origin);
    }
    let mut schema = replayer.schema;
    schema.collect_tenant_settings();
    schema.collect_unread_conditions();
    schema.blind_spots.sort();
    schema.blind_spots.dedup();
    schema
}

/// Loops in blocks may repeat statements; this many are enough for every schema and bound a hostile one.
const MOST_STATEMENTS: usize = 200_000;

/// Blocks may call functions whose bodies are blocks.
const DEEPEST: usize = 6;

#[derive(Default)]
pub(super) struct Replayer {
    pub(super) schema: Schema,
    statements: usize,
    pub(super) depth: usize,
}

impl Replayer {
    /// Replay every statement of a text.
    pub(super) fn text(&mut self, text: &str, origin: Origin) {
        let tokens = Tokens::new(text);
        for range in tokens.statements() {
            self.statement(&Statement { tokens: &tokens, range, origin });
        }
    }

    /// Whether a block may be entered.
    pub(super) fn may_descend(&self) -> bool {
        self.depth < DEEPEST && self.statements < MOST_STATEMENTS
    }

    /// Replay one statement.
    pub(super) fn statement(&mut self, statement: &Statement<'_>) {
        self.statements += 1;
        if self.statements > MOST_STATEMENTS {
            return;
        }
        let tokens = statement.tokens;
        let at = statement.range.start;
        match tokens.text(at).to_ascii_lowercase().as_str() {
            "create" => self.create(statement),
            "alter" => self.alter(statement),
            "drop" => self.drop(statement),
            "do" => block::anonymous(self, statement),
            "select" | "perform" | "call" => block::called(self, statement),
            _ => {}
        }
    }

    fn create(&mut self, statement: &Statement<'_>) {
        let tokens = statement.tokens;
        let mut at = statement.range.start + 1;
        let modifiers = [
            "or",
            "replace",
            "temp",
            "temporary",
            "unlogged",
            "global",
            "local",
            "recursive",
            "materialized",
            "foreign",
        ];
        let modified = at;
        while modifiers.iter().any(|word| tokens.is(at, word)) {
            at += 1;
        }
        let has = |word: &str| tokens.find(modified..at, word).is_some();
        match tokens.text(at).to_ascii_lowercase().as_str() {
            // Temporary tables belong to one session.
            "table" if !has("temp") && !has("temporary") => table::create(self, statement, at + 1),
            "view" => object::create_view(self, statement, at + 1, has("materialized")),
            "function" | "procedure" => object::create_function(self, statement, at + 1),
            "policy" => policy::create(self, statement, at + 1),
            "role" | "user" => object::role(self, statement, at + 1),
            _ => {}
        }
    }

    fn alter(&mut self, statement: &Statement<'_>) {
        let tokens = statement.tokens;
        let at = statement.range.start + 1;
        match tokens.text(at).to_ascii_lowercase().as_str() {
            "table" => table::alter(self, statement, at + 1),
            "foreign" if tokens.is(at + 1, "table") => table::alter(self, statement, at + 2),
            "view" => object::alter_view(self, statement, at + 1),
            "materialized" if tokens.is(at + 1, "view") => object::alter_view(self, statement, at + 2),
            "function" | "procedure" => object::alter_function(self, statement, at + 1),
            "policy" => policy::alter(self, statement, at + 1),
            "role" | "user" => object::role(self, statement, at + 1),
            _ => {}
        }
    }

    fn drop(&mut self, statement: &Statement<'_>) {
        let tokens = statement.tokens;
        let at = statement.range.start + 1;
        match tokens.text(at).to_ascii_lowercase().as_str() {
            "policy" => policy::drop(self, statement, at + 1),
            "table" => self.drop_each(statement, at + 1, |schema, name| {
                schema.tables.remove(name);
            }),
            "view" => self.drop_each(statement, at + 1, |schema, name| {
                schema.views.remove(name);
            }),
            "materialized" if tokens.is(at + 1, "view") => self.drop_each(statement, at + 2, |schema, name| {
                schema.views.remove(name);
            }),
            "function" | "procedure" => self.drop_each(statement, at + 1, |schema, name| {
                schema.functions.remove(name);
            }),
            "role" | "user" => self.drop_each(statement, at + 1, |schema, name| {
                schema.bypass_roles.remove(&name.name);
            }),
            "schema" => self.drop_each(statement, at + 1, |schema, name| {
                schema.tables.retain(|table, _| table.schema.as_ref() != Some(&name.name));
                schema.views.retain(|view, _| view.schema.as_ref() != Some(&name.name));
            }),
            _ => {}
        }
    }

    fn drop_each(&mut self, statement: &Statement<'_>, at: usize, drop: impl Fn(&mut Schema, &crate::sql::TableName)) {
        let at = statement.tokens.skip(at, &["if", "exists"]);
        for part in statement.tokens.split_commas(at..statement.range.end) {
            if let Some(name) = statement.name(part.start, "what is dropped", self) {
                drop(&mut self.schema, &name.table().canonical());
            }
        }
    }

    /// A statement that could not be read.
    pub(super) fn blind(&mut self, place: Place, reason: impl Into<String>) {
        self.schema.blind_spots.push((place, reason.into()));
    }
}

/// One statement of a text.
#[derive(Clone, Debug)]
pub(super) struct Statement<'a> {
    pub(super) tokens: &'a Tokens<'a>,
    pub(super) range: Range<usize>,
    pub(super) origin: Origin,
}

impl Statement<'_> {
    /// The place of a span of the text.
    pub(super) fn place(&self, span: Span) -> Place {
        self.origin.place(span)
    }

    /// The first tokens of the statement that stand on its first line.
    pub(super) fn first_line(&self) -> Place {
        let start = self.tokens.span(self.range.start);
        let whole = start.to(self.tokens.span(self.range.end.saturating_sub(1)));
        let text = self.tokens.slice(whole);
        let end = text.find(['\n', '\r']).map_or(whole.end, |len| start.start + to_u32(len));
        self.place(Span { start: start.start, end })
    }

    /// The name here; one that is put in at run time is a blind spot.
    pub(super) fn name(&self, at: usize, what: &str, replayer: &mut Replayer) -> Option<Name> {
        let name = self.tokens.name(at).filter(|name| name.next <= self.range.end);
        match name {
            Some(name) if !name.has_hole => Some(name),
            Some(_) => {
                replayer.blind(self.first_line(), format!("the name of {what} is put in at run time"));
                None
            }
            None => {
                replayer.blind(self.first_line(), format!("the name of {what} was not found"));
                None
            }
        }
    }
}
