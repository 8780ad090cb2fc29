//! Blocks of PL/pgSQL: what they do to the schema, with loops over known tables unrolled and the texts of `EXECUTE` put together.
//!
//! Conditions are taken as fulfilled: migrations ask whether something is there already.

use std::ops::Range;

use super::replay::{Origin, Replayer, Statement};
use super::{Function, Schema};
use crate::sql::TableName;
use crate::sql::token::Kind;
use crate::sql::tokens::Tokens;

/// Variables with what they hold, the innermost last.
type Variables = Vec<(String, Value)>;

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
}

/// `DO $$ .. $$`.
pub(super) fn anonymous(replayer: &mut Replayer, statement: &Statement<'_>) {
    let tokens = statement.tokens;
    let Some(at) = statement.range.clone().find(|at| tokens.kind(*at) == Some(Kind::Text)) else { return };
    let Some(body) = tokens.string(at) else { return };
    let quotes = tokens.text(at).find(&body).filter(|_| tokens.text(at).starts_with('$'));
    let origin = match quotes {
        Some(len) if statement.origin.whole.is_none() => Origin {
            base: statement.place(tokens.span(at)).span.start + crate::source::to_u32(len),
            ..statement.origin
        },
        _ => Origin { whole: Some(statement.place(tokens.span(at)).span), ..statement.origin },
    };
    enter(replayer, &body, origin, Variables::new());
}

/// `SELECT f('orders')` where `f` is a function of the migrations that changes the schema.
pub(super) fn called(replayer: &mut Replayer, statement: &Statement<'_>) {
    call(replayer, statement, &Variables::new());
}

fn call(replayer: &mut Replayer, statement: &Statement<'_>, variables: &Variables) {
    let tokens = statement.tokens;
    let end = statement.range.end;
    let Some(name) = tokens.name(statement.range.start + 1).filter(|name| tokens.is(name.next, "(")) else { return };
    let Some(function) = replayer.schema.functions.get(&name.table().canonical()) else { return };
    if !changes_security(function) {
        return;
    }
    let function = function.clone();
    let close = tokens.closing(name.next, end).unwrap_or(end);
    let arguments = tokens.split_commas(name.next + 1..close);
    let scope = Scope { tokens, variables };
    let rows = scope.rows(close + 1..end, &replayer.schema).unwrap_or_else(|| vec![String::new()]);
    for row in rows {
        let values = arguments.iter().map(|part| {
            let is_column = part.len() == 1 && !variables.iter().any(|(name, _)| tokens.is(part.start, name));
            let column = (is_column && tokens.kind(part.start) == Some(Kind::Word)).then(|| row.clone());
            Value::Text(column.unwrap_or_else(|| scope.text(part.clone())))
        });
        let bound: Variables = function.parameters.iter().cloned().zip(values).collect();
        let origin = Origin { whole: Some(statement.first_line().span), ..statement.origin };
        enter(replayer, &function.body, origin, bound);
    }
}

fn changes_security(function: &Function) -> bool {
    let body = function.body.to_lowercase();
    function.language == "plpgsql" && (body.contains("row level security") || body.contains("policy"))
}

fn enter(replayer: &mut Replayer, body: &str, origin: Origin, variables: Variables) {
    if !replayer.may_descend() {
        return;
    }
    let tokens = Tokens::new(body);
    let mut block = Block { replayer, tokens: &tokens, origin, variables };
    block.run(0..tokens.len());
}

struct Block<'a, 'b> {
    replayer: &'a mut Replayer,
    tokens: &'b Tokens<'b>,
    origin: Origin,
    variables: Variables,
}

impl Block<'_, '_> {
    fn run(&mut self, range: Range<usize>) {
        self.replayer.depth += 1;
        let mut at = range.start;
        while at < range.end && self.replayer.may_descend() {
            at = self.step(at, range.end).max(at + 1);
        }
        self.replayer.depth -= 1;
    }

    /// Runs what starts here and says where the next thing starts.
    fn step(&mut self, at: usize, end: usize) -> usize {
        let tokens = self.tokens;
        let until = |word: &str| tokens.find(at..end, word).map_or(end, |at| at + 1);
        let stop = tokens.find(at..end, ";").unwrap_or(end);
        match tokens.text(at).to_ascii_lowercase().as_str() {
            "begin" | "then" | "else" | "exception" | "declare" | "loop" | "case" => at + 1,
            "if" | "elsif" | "elseif" | "when" => until("then"),
            "while" => until("loop"),
            "end" => stop + 1,
            "for" | "foreach" => self.repeat(at, end),
            "execute" => {
                self.execute(at + 1..stop);
                stop + 1
            }
            "perform" | "select" | "call" => {
                let statement = Statement { tokens, range: at..stop, origin: self.origin };
                let variables = self.variables.clone();
                call(self.replayer, &statement, &variables);
                stop + 1
            }
            "create" | "alter" | "drop" | "do" => {
                self.replayer.statement(&Statement { tokens, range: at..stop, origin: self.origin });
                stop + 1
            }
            _ => {
                self.assign(at..stop);
                stop + 1
            }
        }
    }

    /// `name := value` and `name type := value` of a declaration.
    fn assign(&mut self, range: Range<usize>) {
        let tokens = self.tokens;
        let is_sign = |at: &usize| tokens.is(*at, ":=") || tokens.is(*at, "=") || tokens.is(*at, "default");
        let (Some(name), Some(sign)) = (tokens.name(range.start), range.clone().find(is_sign)) else { return };
        let scope = Scope { tokens, variables: &self.variables };
        let value = match scope.list(sign + 1..range.end) {
            Some(list) => Value::List(list),
            None => Value::Text(scope.text(sign + 1..range.end)),
        };
        self.variables.push((name.dotted(), value));
    }

    /// `FOREACH x IN ARRAY .. LOOP` and `FOR x IN .. LOOP`.
    fn repeat(&mut self, at: usize, end: usize) -> usize {
        let tokens = self.tokens;
        let Some(open) = tokens.find(at..end, "loop") else { return end };
        let (mut close, mut depth) = (open + 1, 1_usize);
        while close < end && depth > 0 {
            if tokens.is(close, "loop") {
                depth = if tokens.is(close - 1, "end") { depth - 1 } else { depth + 1 };
            }
            close += 1;
        }
        let body = open + 1..close.saturating_sub(2).max(open + 1);
        let source = tokens.find(at..open, "in").map_or(open, |at| at + 1);
        let scope = Scope { tokens, variables: &self.variables };
        let rows = match scope.list(tokens.skip(source, &["array"])..open) {
            Some(list) => Some(list),
            None => scope.list(source..open).or_else(|| scope.rows(source..open, &self.replayer.schema)),
        };
        let changes_schema = ["execute", "policy", "security", "perform"];
        match (tokens.name(at + 1), rows) {
            (Some(name), Some(rows)) => {
                let before = self.variables.len();
                for row in rows {
                    self.variables.truncate(before);
                    self.variables.push((name.dotted(), Value::Text(row)));
                    self.run(body.clone());
                }
                self.variables.truncate(before);
            }
            _ if changes_schema.iter().any(|word| tokens.find(body.clone(), word).is_some()) => {
                let place = self.origin.place(tokens.span(at).to(tokens.span(open)));
                self.replayer.blind(place, "a loop over tables that only the database knows");
            }
            _ => {}
        }
        close
    }

    /// `EXECUTE text`.
    fn execute(&mut self, range: Range<usize>) {
        let tokens = self.tokens;
        let end = ["using", "into"].iter().filter_map(|word| tokens.find(range.clone(), word)).min();
        let text = Scope { tokens, variables: &self.variables }.text(range.start..end.unwrap_or(range.end));
        let span = tokens.span(range.start.saturating_sub(1)).to(tokens.span(range.end.saturating_sub(1)));
        let origin = Origin { whole: Some(self.origin.place(span).span), ..self.origin };
        self.replayer.text(&text, origin);
    }
}

/// Expressions in the sight of variables.
struct Scope<'a> {
    tokens: &'a Tokens<'a>,
    variables: &'a Variables,
}

impl Scope<'_> {
    /// The text that an expression gives; what is not known is `{}`.
    fn text(&self, range: Range<usize>) -> String {
        let mut text = String::new();
        let mut start = range.start;
        let joins = |at: usize| self.tokens.are(at, &["|", "|"]);
        let mut depth = 0_usize;
        for at in range.clone() {
            match self.tokens.text(at) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "|" if depth == 0 && at >= start && joins(at) => {
                    text.push_str(&self.operand(start..at));
                    start = at + 2;
                }
                _ => {}
            }
        }
        text.push_str(&self.operand(start..range.end));
        text
    }

    fn operand(&self, range: Range<usize>) -> String {
        let tokens = self.tokens;
        let unknown = || "{}".to_owned();
        if let Some(text) = tokens.string(range.start) {
            return text;
        }
        let Some(name) = tokens.name(range.start) else { return unknown() };
        if !tokens.is(name.next, "(") {
            let variable = name.parts.first().and_then(|first| self.variable(first));
            return variable.map_or_else(unknown, |value| match value {
                Value::Text(text) => text.clone(),
                Value::List(_) => unknown(),
            });
        }
        let close = tokens.closing(name.next, range.end).unwrap_or(range.end);
        let arguments: Vec<String> =
            tokens.split_commas(name.next + 1..close).into_iter().map(|part| self.text(part)).collect();
        let first = arguments.first().cloned().unwrap_or_default();
        match name.parts.last().map(String::as_str) {
            Some("format") => format_text(&arguments),
            Some("quote_ident") => quote_identifier(&first),
            Some("quote_literal") => format!("'{}'", first.replace('\'', "''")),
            Some("lower" | "trim") => first.to_lowercase(),
            _ => unknown(),
        }
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.iter().rev().find(|(variable, _)| variable == name).map(|(_, value)| value)
    }

    /// The list that an expression gives: `ARRAY['a', 'b']`, `'{a,b}'::text[]`, a variable.
    fn list(&self, range: Range<usize>) -> Option<Vec<String>> {
        let tokens = self.tokens;
        let at = range.start;
        if tokens.are(at, &["array", "["]) || tokens.is(at, "[") {
            let open = tokens.skip(at, &["array"]);
            return Some(self.strings(open..tokens.closing(open, range.end)?));
        }
        if let Some(text) = tokens.string(at) {
            let inner = text.strip_prefix('{')?.strip_suffix('}')?;
            return Some(inner.split(',').map(|part| part.trim().trim_matches('"').to_owned()).collect());
        }
        match self.variable(&tokens.name(at)?.dotted())? {
            Value::List(list) => Some(list.clone()),
            Value::Text(_) => None,
        }
    }

    fn strings(&self, range: Range<usize>) -> Vec<String> {
        range.filter_map(|at| self.tokens.string(at)).collect()
    }

    /// The first column of a query: literals in the query itself, or names of tables from the catalog.
    fn rows(&self, query: Range<usize>, schema: &Schema) -> Option<Vec<String>> {
        let tokens = self.tokens;
        let (mut only, mut without) = (Vec::new(), Vec::new());
        for at in query.clone() {
            let opens_list =
                ["in", "any", "all", "unnest"].iter().any(|word| tokens.is(at, word)) && tokens.is(at + 1, "(");
            if opens_list {
                let close = tokens.closing(at + 1, query.end)?;
                let listed = self.list(at + 2..close).unwrap_or_else(|| self.strings(at + 2..close));
                let excludes = tokens.is(at, "all") || tokens.is(at - 1, "not");
                let is_schema_name = at > 0 && tokens.text(at - 1).to_lowercase().contains("schema");
                match () {
                    () if is_schema_name => {}
                    () if excludes => without.extend(listed),
                    () => only.extend(listed),
                }
            } else if (tokens.is(at, ">") || tokens.is(at, "=")) && (tokens.is(at - 1, "<") || tokens.is(at - 1, "!")) {
                without.extend(tokens.string(at + 1));
            }
        }
        if let Some(values) = tokens.find(query.clone(), "values") {
            let first_of_row = |at: &usize| tokens.is(at - 1, "(");
            only.extend((values + 2..query.end).filter(first_of_row).filter_map(|at| tokens.string(at)));
        }
        let rows = if only.is_empty() { self.catalog(&query, schema)? } else { only };
        Some(rows.into_iter().filter(|row| !without.contains(row)).collect())
    }

    /// Names of the tables there are, for a query on the catalog without conditions that only the database can judge.
    fn catalog(&self, query: &Range<usize>, schema: &Schema) -> Option<Vec<String>> {
        let tokens = self.tokens;
        let has = |word: &str| tokens.find(query.clone(), word);
        if has("like").is_some() || has("~").is_some() {
            return None;
        }
        let asks_catalog = ["pg_tables", "pg_class", "tables", "columns"].iter().any(|word| has(word).is_some());
        let column = has("column_name").or_else(|| has("attname")).filter(|at| tokens.is(at + 1, "="));
        let column = column.and_then(|at| tokens.string(at + 2));
        let fits =
            |name: &&TableName| column.as_ref().is_none_or(|column| schema.tables[*name].column(column).is_some());
        let names = schema.tables.keys().filter(|name| name.schema.is_none()).filter(fits);
        asks_catalog.then(|| names.map(|name| name.name.clone()).collect())
    }
}

/// `format('.. %I .. %1$s .. %L', ..)`.
fn format_text(arguments: &[String]) -> String {
    let Some((pattern, values)) = arguments.split_first() else { return String::new() };
    let (mut text, mut next, mut rest) = (String::new(), 0, pattern.as_str());
    while let Some(percent) = rest.find('%') {
        text.push_str(&rest[..percent]);
        rest = &rest[percent + 1..];
        let digits = rest.len() - rest.trim_start_matches(|byte: char| byte.is_ascii_digit()).len();
        if rest[digits..].starts_with('$') && digits > 0 {
            next = rest[..digits].parse::<usize>().map_or(next, |position| position.saturating_sub(1));
            rest = &rest[digits + 1..];
        }
        let Some(kind) = rest.chars().next() else { break };
        rest = &rest[kind.len_utf8()..];
        if kind == '%' {
            text.push('%');
            continue;
        }
        let value = values.get(next).map_or("{}", String::as_str);
        next += 1;
        match kind {
            'I' => text.push_str(&quote_identifier(value)),
            'L' => text.push_str(&format!("'{}'", value.replace('\'', "''"))),
            _ => text.push_str(value),
        }
    }
    text + rest
}

/// Quotes what would not stay itself without quotes. Holes stay holes.
fn quote_identifier(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_{}".contains(&byte);
    if name.bytes().all(plain) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
