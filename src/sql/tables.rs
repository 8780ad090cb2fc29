//! The tables of one statement: a machine with one frame for each open parenthesis, one step for each token.

use std::collections::BTreeMap;
use std::ops::Range;

use super::token::Kind;
use super::tokens::{Name, Tokens};
use super::{SqlFacts, TableRef};

/// Add the tables that a statement touches.
pub(super) fn collect(tokens: &Tokens<'_>, statement: &Range<usize>, operation: Option<&str>, facts: &mut SqlFacts) {
    match operation {
        Some("ddl" | "refresh") => ddl(tokens, statement, facts),
        None | Some("select" | "insert" | "update" | "delete" | "merge" | "copy" | "truncate" | "lock") => {
            Machine::new(tokens, facts).run(statement.clone());
        }
        Some(_) => {}
    }
}

/// What a frame waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    /// A statement's or sub-select's first word.
    Verb,
    /// A table, to which this is done.
    Table(&'static str),
    /// A name in a `WITH` list.
    CteName,
    /// The parenthesis with its query.
    CteBody,
    /// A comma and a further name, or the verb.
    CteEnd,
    /// Nothing: expressions.
    Nothing,
}

#[derive(Clone, Debug)]
struct Frame {
    expects: Expects,
    /// The statement's first word.
    verb: &'static str,
    /// A comma leads to a further table, to which this is done.
    list: Option<&'static str>,
    /// Names that the frame's `WITH` has defined.
    ctes: Vec<String>,
    /// The name whose query is being read.
    pending: Option<String>,
    recursive: bool,
    /// This frame is the query of a `WITH` name of its parent.
    is_cte: bool,
    /// What stands here may be a query: then a hole may hold tables.
    may_be_query: bool,
}

impl Frame {
    fn new(expects: Expects) -> Self {
        Self {
            expects,
            verb: "",
            list: None,
            ctes: Vec::new(),
            pending: None,
            recursive: false,
            is_cte: false,
            may_be_query: true,
        }
    }
}

struct Machine<'a, 'b> {
    tokens: &'a Tokens<'a>,
    facts: &'b mut SqlFacts,
    frames: Vec<Frame>,
    /// How often each `WITH` name is visible.
    visible: BTreeMap<String, u32>,
}

impl<'a, 'b> Machine<'a, 'b> {
    fn new(tokens: &'a Tokens<'a>, facts: &'b mut SqlFacts) -> Self {
        Self { tokens, facts, frames: vec![Frame::new(Expects::Verb)], visible: BTreeMap::new() }
    }

    fn run(mut self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            at = self.step(at).max(at + 1);
        }
        let cut = self.frames.len() > 1 || matches!(self.top().expects, Expects::Table(_));
        self.facts.complete &= !cut;
    }

    fn top(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Expects::Nothing));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Handles the token and says which comes next.
    fn step(&mut self, at: usize) -> usize {
        match self.tokens.kind(at) {
            Some(Kind::Symbol) => self.symbol(at),
            Some(Kind::Word | Kind::Quoted) => return self.word(at),
            Some(Kind::Hole) => return self.hole(at),
            Some(Kind::Placeholder | Kind::Text | Kind::Number) => {
                let a_table_is_missing = matches!(self.top().expects, Expects::Table(_));
                self.facts.complete &= !a_table_is_missing;
                self.top().expects = Expects::Nothing;
            }
            Some(Kind::Unterminated) | None => self.facts.complete = false,
        }
        at + 1
    }

    fn symbol(&mut self, at: usize) {
        match self.tokens.text(at) {
            "(" => self.open(at),
            ")" => self.close(),
            "," => {
                let top = self.top();
                match (top.expects, top.list) {
                    (Expects::CteEnd, _) => top.expects = Expects::CteName,
                    (_, Some(operation)) => top.expects = Expects::Table(operation),
                    _ => {}
                }
            }
            // `TRUNCATE t *` and the like.
            _ => {}
        }
    }

    fn open(&mut self, at: usize) {
        let follows = |words: &[&str]| at > 0 && is_any(self.tokens, at - 1, words);
        let (follows_exists, follows_as) = (follows(&["exists", "lateral"]), follows(&["as", "materialized"]));
        let top = self.top();
        let mut child = Frame::new(Expects::Verb);
        child.may_be_query = follows_exists || top.expects != Expects::Nothing;
        match top.expects {
            Expects::Table(operation) => {
                top.expects = Expects::Nothing;
                child.expects = Expects::Table(operation);
                child.list = None;
            }
            Expects::CteBody if follows_as => {
                top.expects = Expects::CteEnd;
                child.is_cte = true;
            }
            // The columns of a `WITH` name: its query is still to come.
            Expects::CteBody | Expects::CteName => child.expects = Expects::Nothing,
            // `WITH .. (SELECT ..)`.
            Expects::CteEnd => top.expects = Expects::Verb,
            Expects::Verb | Expects::Nothing => {}
        }
        self.frames.push(child);
    }

    fn close(&mut self) {
        let Some(closed) = self.frames.pop() else { return };
        let cut = self.frames.is_empty() || matches!(closed.expects, Expects::Table(_));
        self.facts.complete &= !cut;
        for name in closed.ctes {
            if let Some(count) = self.visible.get_mut(&name) {
                *count -= 1;
            }
        }
        if closed.is_cte
            && let Some(name) = self.top().pending.take()
        {
            self.define(name);
        }
    }

    fn define(&mut self, name: String) {
        *self.visible.entry(name.clone()).or_default() += 1;
        self.top().ctes.push(name);
    }

    fn word(&mut self, at: usize) -> usize {
        match self.top().expects {
            Expects::Verb => self.verb(at),
            Expects::Table(operation) => return self.table(at, operation),
            Expects::CteName => self.cte_name(at),
            Expects::CteBody => {}
            Expects::CteEnd => {
                // `SEARCH ..` and `CYCLE ..` may stand between the list and the verb.
                if is_any(self.tokens, at, &["select", "insert", "update", "delete", "merge", "values", "table"]) {
                    self.verb(at);
                }
            }
            Expects::Nothing => return self.keyword(at),
        }
        at + 1
    }

    fn cte_name(&mut self, at: usize) {
        if self.tokens.is(at, "recursive") && !self.tokens.is(at + 1, "as") {
            self.top().recursive = true;
            return;
        }
        let Some(name) = self.tokens.name(at) else { return };
        if self.top().recursive {
            self.define(name.dotted());
        } else {
            self.top().pending = Some(name.dotted());
        }
        self.top().expects = Expects::CteBody;
    }

    fn verb(&mut self, at: usize) {
        let modifying_allowed = self.frames.len() == 1 || self.top().is_cte || self.top().verb == "with";
        let word = self.tokens.text(at).to_ascii_lowercase();
        let (verb, expects, list) = match word.as_str() {
            "with" => ("with", Expects::CteName, None),
            "select" | "perform" | "values" => ("select", Expects::Nothing, None),
            "table" if self.top().may_be_query => ("select", Expects::Table("select"), None),
            "insert" if modifying_allowed => ("insert", Expects::Nothing, None),
            "update" if modifying_allowed => ("update", Expects::Table("update"), None),
            "delete" if modifying_allowed => ("delete", Expects::Nothing, None),
            "merge" if modifying_allowed => ("merge", Expects::Nothing, None),
            "copy" if modifying_allowed => ("copy", Expects::Table("copy"), None),
            "truncate" if modifying_allowed => ("truncate", Expects::Table("truncate"), Some("truncate")),
            "lock" if modifying_allowed => ("lock", Expects::Table("lock"), Some("lock")),
            _ => ("", Expects::Nothing, None),
        };
        let top = self.top();
        (top.verb, top.expects, top.list) = (verb, expects, list);
    }

    /// A word where a table is due.
    fn table(&mut self, at: usize, operation: &'static str) -> usize {
        let tokens = self.tokens;
        if is_any(tokens, at, &["select", "with", "values"]) {
            self.verb(at);
            return at + 1;
        }
        if tokens.are(at, &["rows", "from"]) {
            self.top().expects = Expects::Nothing;
            return at + 2;
        }
        let is_filler = is_any(tokens, at, &["only", "lateral", "table", "if", "exists", "not", "concurrently"]);
        if is_filler && !tokens.is(at + 1, ".") && !tokens.is(at + 1, ",") {
            return at + 1;
        }
        let Some(name) = tokens.name(at) else { return at + 1 };
        self.top().expects = Expects::Nothing;
        let is_function = operation == "select" && tokens.is(name.next, "(");
        if !is_function {
            self.record(&name, operation);
        }
        // A parenthesis in a list of tables holds a join, of which this was the first table.
        let top = self.top();
        if top.verb.is_empty() && operation == "select" {
            top.verb = "from";
            top.list = Some("select");
        }
        name.next
    }

    fn record(&mut self, name: &Name, operation: &'static str) {
        if name.has_hole {
            self.facts.complete = false;
            return;
        }
        let table = name.table();
        let is_cte = operation == "select"
            && table.schema.is_none()
            && self.visible.get(&table.name).is_some_and(|count| *count > 0);
        if !is_cte {
            self.facts.tables.push(TableRef { schema: table.schema, name: table.name, operation });
        }
    }

    /// A word among expressions: some lead to tables, some end a list of tables.
    fn keyword(&mut self, at: usize) -> usize {
        let tokens = self.tokens;
        if tokens.kind(at) == Some(Kind::Quoted) || at > 0 && tokens.is(at - 1, ".") {
            return at + 1;
        }
        let verb = self.top().verb;
        let word = tokens.text(at);
        if word.len() > 9 {
            return at + 1;
        }
        match word.to_ascii_lowercase().as_str() {
            "select" => {
                let top = self.top();
                (top.verb, top.list, top.expects) = ("select", None, Expects::Nothing);
            }
            "from" if verb == "delete" => self.expect("delete", None),
            "from" if matches!(verb, "select" | "update") && !is_distinct_from(tokens, at) => {
                self.expect("select", Some("select"));
            }
            "join" if self.top().list.is_some() => self.expect("select", Some("select")),
            "using" if matches!(verb, "delete" | "merge") && self.top().list.is_none() => {
                self.expect("select", Some("select"));
            }
            "into" if verb == "insert" => self.expect("insert", None),
            "into" if verb == "merge" => self.expect("merge", None),
            "when" if verb == "merge" => self.top().list = None,
            "where" | "group" | "having" | "order" | "limit" | "offset" | "fetch" | "for" | "window" | "returning"
            | "set" | "union" | "intersect" | "except" | "in" | "cascade" => self.top().list = None,
            _ => {}
        }
        at + 1
    }

    fn expect(&mut self, operation: &'static str, list: Option<&'static str>) {
        let top = self.top();
        (top.expects, top.list) = (Expects::Table(operation), list);
    }

    /// A hole is harmless where only a value or a column fits.
    fn hole(&mut self, at: usize) -> usize {
        let tokens = self.tokens;
        let next = tokens.name(at).map_or(at + 1, |name| name.next);
        let first_in_parenthesis = at > 0 && tokens.is(at - 1, "(");
        let top = self.top();
        let is_value = match top.expects {
            Expects::Nothing | Expects::Verb if first_in_parenthesis => !top.may_be_query,
            Expects::Nothing => at > 0 && follows_operator(tokens, at),
            _ => false,
        };
        if matches!(top.expects, Expects::Verb | Expects::Table(_)) {
            top.expects = Expects::Nothing;
        }
        self.facts.complete &= is_value;
        next
    }
}

fn is_any(tokens: &Tokens<'_>, at: usize, words: &[&str]) -> bool {
    words.iter().any(|word| tokens.is(at, word))
}

/// `IS [NOT] DISTINCT FROM`, which names no table.
fn is_distinct_from(tokens: &Tokens<'_>, at: usize) -> bool {
    at >= 2 && tokens.is(at - 1, "distinct") && is_any(tokens, at - 2, &["is", "not"])
}

/// Whether the token before leads to a value: an operator, a comma, `LIMIT` and the like.
fn follows_operator(tokens: &Tokens<'_>, at: usize) -> bool {
    let value_words = [
        "limit",
        "offset",
        "by",
        "select",
        "in",
        "between",
        "like",
        "ilike",
        "returning",
        "then",
        "else",
        "set",
        "interval",
        "distinct",
        "all",
        "values",
        "timestamp",
        "is",
        "as",
    ];
    match tokens.kind(at - 1) {
        Some(Kind::Symbol) => !matches!(tokens.text(at - 1), ")" | "]" | ";"),
        Some(Kind::Word) => is_any(tokens, at - 1, &value_words),
        // A second hole glued to the first by a dot, or `'{}'`: judged with the first.
        _ => false,
    }
}

/// The table that a change of the schema is about, and those that a view or a new table reads.
fn ddl(tokens: &Tokens<'_>, statement: &Range<usize>, facts: &mut SqlFacts) {
    let mut at = statement.start + 1;
    let modifiers = ["or", "replace", "temp", "temporary", "unlogged", "global", "local", "unique", "recursive"];
    while at < statement.end && is_any(tokens, at, &modifiers) {
        at += 1;
    }
    let is_list = tokens.is(statement.start, "drop");
    let (about, is_relation) = match () {
        () if is_any(tokens, at, &["table", "view"]) => (Some(at + 1), true),
        () if tokens.are(at, &["materialized", "view"]) || tokens.are(at, &["foreign", "table"]) => {
            (Some(at + 2), true)
        }
        () if is_any(tokens, at, &["index", "policy", "trigger", "rule"]) && !is_list => {
            (tokens.find(at..statement.end, "on").map(|on| on + 1), false)
        }
        () => (None, false),
    };
    let Some(mut at) = about else { return };
    loop {
        while is_any(tokens, at, &["if", "not", "exists", "only", "concurrently", "all"]) {
            at += 1;
        }
        let Some(name) = tokens.name(at).filter(|name| name.next <= statement.end) else {
            facts.complete = false;
            return;
        };
        facts.complete &= !name.has_hole;
        if !name.has_hole {
            let table = name.table();
            facts.tables.push(TableRef { schema: table.schema, name: table.name, operation: "ddl" });
        }
        at = name.next;
        if !(is_list && tokens.is(at, ",")) {
            break;
        }
        at += 1;
    }
    let reads =
        |as_at: &usize| tokens.is(*as_at, "as") && is_any(tokens, as_at + 1, &["select", "with", "(", "values"]);
    let body = (at..statement.end).find(reads).filter(|_| is_relation && tokens.is(statement.start, "create"));
    if let Some(as_at) = body {
        Machine::new(tokens, facts).run(as_at + 1..statement.end);
    }
}
