//! Which calls send SQL, on which handle, and what covers that handle here.

use super::chain::Site;
use super::value::Val;
use super::{Draft, Reader};
use crate::facts::{Expr, ExprKind, LinkKind, Name, Path};
use crate::index::TypeId;
use crate::program::{Cover, Place, Scope, ScopeKind, SqlText, Statement};
use crate::rules::{ExecuteCall, HandleKind, Place as Slot};
use crate::source::Span;

/// Parts of names that people give to handles; used only where no type is known.
const HANDLE_NAMES: [&str; 12] =
    ["pool", "conn", "db", "tx", "txn", "trx", "client", "executor", "exec", "transaction", "database", "pg"];

/// Names that nobody gives to anything but a connection or transaction.
const CONNECTION_NAMES: [&str; 4] = ["conn", "connection", "tx", "txn"];

/// What things are put into, handles too: `extensions_mut().insert(pool)` sends nothing.
const CONTAINERS: [&str; 6] = ["extensions", "extensions_mut", "headers_mut", "data_mut", "entry", "state_mut"];

/// How sure we are that a call sends SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// The name, the imports and the handle's name say so; no type is known.
    Name,
    /// The method's name is used by nothing else, in a file that uses the library.
    Distinct,
    /// The handle is one, of a kind that every library's queries run on.
    AnyHandle,
    /// The handle's type.
    Handle,
    /// The chain's query.
    Query,
    /// A function of the run that sends what it is given.
    Argument,
}

impl Evidence {
    fn words(self) -> &'static str {
        match self {
            Self::Name => "the names of method and handle, in a file that uses the library",
            Self::Distinct => "the method's name, in a file that uses the library",
            Self::AnyHandle => "a handle of a scope",
            Self::Handle => "the handle's type",
            Self::Query => "the query it is called on",
            Self::Argument => "the argument that the function sends",
        }
    }
}

/// A call that may send SQL.
pub(super) struct Candidate<'a> {
    pub pack: u8,
    pub operation: Option<String>,
    pub evidence: Evidence,
    pub handle: Val<'a>,
    pub handle_span: Option<Span>,
    pub sql: SqlText,
    pub tables: Vec<String>,
    /// The builder joins or asks more than these.
    pub is_open: bool,
    pub migrates: bool,
    pub through: Option<Place>,
}

/// Where a statement is.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub span: Span,
    pub exec: Span,
}

impl<'a> Reader<'_, 'a> {
    /// `receiver.name(args)`, if it sends SQL.
    pub(super) fn method_statement(
        &mut self,
        site: Site<'_, 'a>,
        receiver: &Val<'a>,
        name: &'a Name,
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> bool {
        let index = self.all.index;
        let Some(rows) = index.book.executes.get(name.as_str()) else { return false };
        let mut best: Option<Candidate<'a>> = None;
        for (pack, row) in rows {
            if args.len() < row.min_args || (row.awaited && !is_awaited(site)) {
                continue;
            }
            let Some((handle, handle_span)) = self.slot(site, &row.handle, receiver, args, values) else { continue };
            if self.is_other_database(&handle) {
                return false;
            }
            let Some(evidence) = self.evidence(*pack, row, site, receiver, &handle, args, values) else { continue };
            let better =
                best.as_ref().is_none_or(|best| self.rank(*pack, evidence) > self.rank(best.pack, best.evidence));
            if better {
                best = Some(self.candidate((*pack, row), evidence, (handle, handle_span), receiver, values));
            }
        }
        let Some(candidate) = best else { return false };
        let link = &site.links[site.at];
        let span = Span { start: site.expr.span.start, end: link.end };
        self.record(Spot { span, exec: link.span }, name, candidate);
        true
    }

    /// `Trait::name(receiver, args)` and `Type::name(args)`, if it sends SQL.
    pub(super) fn path_statement(
        &mut self,
        expr: &'a Expr,
        path: &'a Path,
        full: &[Name],
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> Option<Val<'a>> {
        let index = self.all.index;
        let name = &path.segments.last()?.name;
        let rows = index.book.executes.get(name.as_str())?;
        if path.segments.len() < 2 && path.self_type.is_none() {
            return None;
        }
        let of_crate = full.iter().find_map(|part| index.book.pack_of_crate(part));
        let mut by_crate = None;
        for (pack, row) in rows {
            // With the receiver as first argument, and without one (`Migrator::up(db, None)`).
            let places = match &row.handle {
                Slot::Receiver => vec![0],
                Slot::Arg(at) => vec![at + 1, *at],
                _ => continue,
            };
            for at in places {
                let Some(handle) = values.get(at).cloned() else { continue };
                if self.is_other_database(&handle) {
                    return Some(Val::Unknown);
                }
                let receiver = if at == 0 { Val::Unknown } else { values[0].clone() };
                let of_handle = self.handle_pack(&handle);
                let is_handle = of_handle.is_some_and(|of| of.is_none_or(|of| index.book.is_family(of, *pack)));
                let is_query = matches!(&receiver, Val::Query(query) if index.book.is_family(query.pack, *pack));
                let shift = usize::from(row.handle == Slot::Receiver || at > 0);
                let handle_span = args.get(at).map(|arg| arg.span);
                let is_free = matches!(handle, Val::Unknown | Val::Opaque(_));
                let evidence = if is_query { Evidence::Query } else { Evidence::Handle };
                let given = values.get(shift..).unwrap_or_default();
                let candidate = self.candidate((*pack, row), evidence, (handle, handle_span), &receiver, given);
                if is_handle || is_query {
                    return self.record_path(expr, name, candidate, values);
                }
                if is_free && of_crate.is_some_and(|of| index.book.is_family(of, *pack)) {
                    by_crate.get_or_insert(candidate);
                }
            }
        }
        self.record_path(expr, name, by_crate?, values)
    }

    fn record_path(
        &mut self,
        expr: &'a Expr,
        name: &str,
        candidate: Candidate<'a>,
        values: &[Val<'a>],
    ) -> Option<Val<'a>> {
        let ExprKind::Call(callee, _) = &expr.kind else { return None };
        self.record(Spot { span: expr.span, exec: callee.span }, name, candidate);
        self.run_unused(values);
        Some(Val::Unknown)
    }

    /// The value at a place of a call, with its span.
    fn slot(
        &self,
        site: Site<'_, 'a>,
        slot: &Slot,
        receiver: &Val<'a>,
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> Option<(Val<'a>, Option<Span>)> {
        match slot {
            Slot::Receiver => Some((receiver.clone(), Some(site.receiver_span()))),
            Slot::Root => Some((site.root_value.clone(), Some(site.root.span))),
            Slot::Arg(at) => Some((values.get(*at)?.clone(), Some(args.get(*at)?.span))),
            Slot::Link(method, at) => {
                let (_, args, values) = site.earlier.iter().rev().find(|(name, ..)| *name == method)?;
                Some((values.get(*at)?.clone(), Some(args.get(*at)?.span)))
            }
            _ => None,
        }
    }

    fn rank(&self, pack: u8, evidence: Evidence) -> (Evidence, bool) {
        (evidence, self.uses_pack(pack))
    }

    /// Why a call sends SQL, if it does.
    #[expect(clippy::too_many_arguments, reason = "one question about one call, asked in one place")]
    fn evidence(
        &mut self,
        pack: u8,
        row: &ExecuteCall,
        site: Site<'_, 'a>,
        receiver: &Val<'a>,
        handle: &Val<'a>,
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> Option<Evidence> {
        let book = &self.all.index.book;
        let takes_query = matches!(row.handle, Slot::Arg(_) | Slot::Link(..));
        if takes_query && let Val::Query(query) = receiver {
            return book.is_family(query.pack, pack).then_some(Evidence::Query);
        }
        let before = if site.at == 0 { None } else { link_name(&site.links[site.at - 1].kind) };
        let is_container = before.is_some_and(|name| CONTAINERS.contains(&name));
        let owns_method = is_container || matches!(receiver, Val::Text(_) | Val::Closure(_));
        if owns_method {
            return None;
        }
        match self.handle_pack(handle) {
            Some(Some(of)) => return self.all.index.book.is_family(of, pack).then_some(Evidence::Handle),
            Some(None) => {
                let sends_text = row.handle != Slot::Receiver || looks_like_sql(values.first(), args.first());
                return (sends_text && row.handle != Slot::Root).then_some(Evidence::AnyHandle);
            }
            None => {}
        }
        if matches!(handle, Val::Query(_) | Val::Text(_) | Val::Closure(_) | Val::Tuple(_) | Val::Func(_))
            || row.handle == Slot::Root
        {
            return None;
        }
        let unknown_owner = matches!(receiver, Val::Unknown | Val::Opaque(_) | Val::Typed(_));
        if !self.uses_pack(pack) || (takes_query && !unknown_owner && !matches!(receiver, Val::Obj(_))) {
            return None;
        }
        // `self.conn.fetch_all(query)`: the argument is the query, so the receiver is the handle.
        let takes_a_query = takes_query && args.first().and_then(last_name).is_some_and(is_query_name);
        if takes_a_query {
            return None;
        }
        if row.distinct {
            return Some(Evidence::Distinct);
        }
        self.looks_like_one(row, site, handle, args, values).then_some(Evidence::Name)
    }

    /// Nothing has a type: the handle's name, the result's use and the text must do.
    fn looks_like_one(
        &self,
        row: &ExecuteCall,
        site: Site<'_, 'a>,
        handle: &Val<'a>,
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> bool {
        if !matches!(handle, Val::Unknown | Val::Opaque(_)) || !is_used(site) {
            return false;
        }
        match row.handle {
            Slot::Receiver => {
                let before = if site.at == 0 { last_name(site.root) } else { link_name(&site.links[site.at - 1].kind) };
                let is_connection = before.is_some_and(|name| CONNECTION_NAMES.contains(&name)) && is_awaited(site);
                let is_text = looks_like_sql(values.first(), args.first());
                is_connection || (is_text && before.is_some_and(is_handle_name))
            }
            Slot::Arg(at) => args.get(at).and_then(last_name).is_some_and(is_handle_name),
            _ => false,
        }
    }

    /// The pack of a handle: `None` for what is none, `Some(None)` for one of any pack.
    fn handle_pack(&mut self, value: &Val<'a>) -> Option<Option<u8>> {
        if let Some(id) = self.as_handle(value) {
            return Some(self.f.handles[id].pack);
        }
        let Val::Obj(id) = value else { return None };
        self.executor_pack(self.f.objs[*id].ty).map(Some)
    }

    /// The pack whose executor trait a type of the run implements.
    pub(super) fn executor_pack(&self, ty: TypeId) -> Option<u8> {
        let book = &self.all.index.book;
        let generic = |name: &str| {
            book.handles
                .get(name)
                .and_then(|rows| rows.iter().find(|(_, _, row)| row.kind == HandleKind::Generic))
                .map(|(pack, ..)| *pack)
        };
        self.all.index.traits_of(ty).find_map(generic)
    }

    /// Whether a handle's statements do not go to PostgreSQL.
    pub(super) fn is_other_database(&mut self, value: &Val<'a>) -> bool {
        self.as_handle(value).is_some_and(|id| self.f.handles[id].kind == HandleKind::OtherDatabase)
    }

    /// Whether the file mentions a crate of the pack.
    fn uses_pack(&self, pack: u8) -> bool {
        self.all.index.uses_pack(self.f.file, pack)
    }

    /// The statement that a call is by a row: what is sent, and on which handle.
    fn candidate(
        &self,
        (pack, row): (u8, &ExecuteCall),
        evidence: Evidence,
        (handle, handle_span): (Val<'a>, Option<Span>),
        receiver: &Val<'a>,
        values: &[Val<'a>],
    ) -> Candidate<'a> {
        let query = match (receiver, &row.sql) {
            (_, Some(Slot::Arg(at))) => values.get(*at),
            (query @ Val::Query(_), _) => Some(query),
            _ => None,
        };
        let (sql, tables, is_open, migrates) = match query {
            Some(Val::Query(query)) => (query.sql.clone(), query.tables.clone(), query.is_open, query.migrates),
            other => (self.sql_of(other), Vec::new(), false, false),
        };
        let operation = row.operation.clone();
        Candidate { pack, operation, evidence, handle, handle_span, sql, tables, is_open, migrates, through: None }
    }

    pub(super) fn record(&mut self, spot: Spot, method: &str, candidate: Candidate<'a>) {
        let index = self.all.index;
        if let SqlText::Param(at) = candidate.sql {
            self.note_sends(at, self.f.place(spot.span), &candidate);
        }
        let Candidate {
            pack,
            operation: of_row,
            evidence,
            handle,
            handle_span,
            sql,
            tables,
            is_open,
            migrates,
            through,
        } = candidate;
        let handle_id = self.as_handle(&handle);
        let facts = sql.text().map(|text| self.facts_of(text));
        let of_rule = of_row.as_deref() == Some("migrate");
        let operation = of_row.or_else(|| facts.as_ref()?.operation.map(str::to_owned));
        let in_migration = handle_id.is_some_and(|id| self.f.handles[id].kind == HandleKind::Migration);
        let migrates = migrates || in_migration || of_rule;
        let mut trace =
            vec![format!("matched: `{method}` of pack {}, by {}", index.book.packs[pack as usize], evidence.words())];
        if let Some(facts) = &facts {
            self.note_sql(&spot.span, facts, handle_id);
        }
        let (cover, waits_for) = if migrates {
            (Cover::Exempt("runs migrations".into()), None)
        } else if let Some(what) = facts.as_ref().and_then(|facts| self.bypass_in(facts)) {
            (Cover::Bypass(what), None)
        } else if facts.as_ref().is_some_and(|facts| self.binds_itself(facts)) {
            let place = Some(self.f.place(spot.span));
            (Cover::Scoped(Scope { kind: ScopeKind::Setting, place, name: "BEGIN; SET LOCAL".into() }), None)
        } else {
            self.cover(&handle, facts.as_ref())
        };
        let known = facts.as_ref().is_some_and(|facts| facts.complete);
        let mut all_tables: Vec<String> = tables;
        all_tables.extend(facts.iter().flat_map(|facts| &facts.tables).map(|table| table.table().to_string()));
        all_tables.sort();
        all_tables.dedup();
        trace.push(self.describe(&handle, handle_id));
        let text = handle_span.map_or("", |span| index.files[self.f.file as usize].slice(span));
        let statement = Statement {
            place: self.f.place(spot.span),
            exec: spot.exec,
            api: index.book.packs[pack as usize].to_owned(),
            method: method.to_owned(),
            handle: one_line(text),
            handle_span,
            handle_kind: handle_id.map(|id| self.f.handles[id].kind),
            cover,
            in_scope_closure: self.f.active().and_then(|active| active.scope.place),
            through,
            function: index.function_path(self.f.id),
            tables_known: known || (!all_tables.is_empty() && facts.is_none() && !is_open),
            sql: if matches!(sql, SqlText::Param(_)) { SqlText::Unknown } else { sql },
            operation,
            tables: all_tables,
            in_macro: self.f.macros > 0 || index.owner(self.f.id) == crate::index::OwnerInfo::Macro,
            in_test: self.all.is_test(self.f.id),
            trace,
        };
        let draft = Draft { statement, waits_for };
        self.all.add_draft(draft);
    }
}

fn is_awaited(site: Site<'_, '_>) -> bool {
    matches!(site.links.get(site.at + 1).map(|link| &link.kind), Some(LinkKind::Await))
}

/// Awaited or checked, at once or after adapters: what becomes of the result of a query.
fn is_used(site: Site<'_, '_>) -> bool {
    site.links[site.at + 1..].iter().any(|link| matches!(link.kind, LinkKind::Await | LinkKind::Try))
}

fn is_handle_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split('_').any(|part| HANDLE_NAMES.contains(&part))
}

/// The name that an expression ends in: `db` of `&state.db`, `conn` of `&mut *conn`, `pool` of `self.pool()`.
fn last_name(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Path(path) => Some(path.last()),
        ExprKind::Ref(inner) | ExprKind::Deref(inner) => last_name(inner),
        ExprKind::Chain(root, links) => {
            links.iter().rev().find_map(|link| link_name(&link.kind)).or_else(|| last_name(root))
        }
        ExprKind::Call(callee, _) => last_name(callee),
        _ => None,
    }
}

fn link_name(link: &LinkKind) -> Option<&str> {
    match link {
        LinkKind::Field(name) => Some(name.as_str()),
        LinkKind::Method(name, ..)
            if !matches!(
                name.as_str(),
                "clone" | "as_ref" | "as_mut" | "deref" | "deref_mut" | "unwrap" | "borrow_mut"
            ) =>
        {
            Some(name.as_str())
        }
        _ => None,
    }
}

/// Text that starts as SQL does, or something that is built like a statement.
fn looks_like_sql(value: Option<&Val<'_>>, arg: Option<&Expr>) -> bool {
    const STARTS: [&str; 24] = [
        "select", "insert", "update", "delete", "with", "merge", "copy", "create", "alter", "drop", "truncate", "set",
        "reset", "begin", "commit", "rollback", "listen", "notify", "lock", "grant", "revoke", "call", "do", "explain",
    ];
    match value {
        Some(Val::Query(_)) => true,
        Some(Val::Text(text)) if !matches!(**text, SqlText::Param(_)) => {
            let text = text.text().unwrap_or_default().trim_start().to_ascii_lowercase();
            text.split(|letter: char| !letter.is_ascii_alphabetic()).next().is_some_and(|first| STARTS.contains(&first))
        }
        _ => arg.and_then(last_name).is_some_and(is_query_name),
    }
}

fn is_query_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["sql", "stmt", "statement", "query"].iter().any(|part| name.contains(part))
}

/// Source text on one line, for reports.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
