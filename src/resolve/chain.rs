//! Chains, link by link: fields, methods, `.await` and `?`.

use std::rc::Rc;

use super::call::is_spawn;
use super::dispatch::Reached;
use super::frame::Frame;
use super::scope::Callee;
use super::statement::Spot;
use super::value::{Bind, Handle, Query, Val};
use super::{Reader, text};
use crate::facts::{Expr, Link, LinkKind, Name, Path};
use crate::index::Ty;
use crate::program::{Scope, SqlText};
use crate::rules::{HandleKind, OpenCall, Place as Slot};
use crate::source::Span;

/// A method call in its chain.
#[derive(Clone, Copy)]
pub(super) struct Site<'c, 'a> {
    /// The whole chain.
    pub expr: &'a Expr,
    /// Its root.
    pub root: &'a Expr,
    /// Its links.
    pub links: &'a [Link],
    /// Which link is the call.
    pub at: usize,
    /// The value of the root.
    pub root_value: &'c Val<'a>,
    /// The calls before it, with their arguments.
    pub earlier: &'c [(&'a Name, &'a [Expr], Vec<Val<'a>>)],
}

impl Site<'_, '_> {
    /// What the call is a method of.
    pub fn receiver_span(&self) -> Span {
        let end = if self.at == 0 { self.root.span.end } else { self.links[self.at - 1].end };
        Span { start: self.expr.span.start, end }
    }
}

/// Methods that hand their receiver's content to a closure.
const ADAPTERS: [&str; 12] = [
    "map",
    "and_then",
    "then",
    "map_ok",
    "then_some",
    "inspect",
    "for_each",
    "map_or",
    "map_or_else",
    "is_some_and",
    "with",
    "unwrap_or_else",
];

/// Schemes of the URLs of databases that the packs also connect to.
const OTHER_SCHEMES: [&str; 3] = ["sqlite:", "mysql:", "mariadb:"];

impl<'a> Reader<'_, 'a> {
    /// `root.link.link`.
    pub(super) fn chain(&mut self, expr: &'a Expr, root: &'a Expr, links: &'a [Link]) -> Val<'a> {
        let root_value = self.eval(root);
        let mut value = root_value.clone();
        let mut earlier: Vec<(&'a Name, &'a [Expr], Vec<Val<'a>>)> = Vec::new();
        for (at, link) in links.iter().enumerate() {
            value = match &link.kind {
                LinkKind::Field(name) => self.field(&value, name),
                LinkKind::Await | LinkKind::Try => value,
                LinkKind::Index(index) => {
                    self.eval(index);
                    value
                }
                LinkKind::Call(args) => {
                    let values = self.arguments(args);
                    self.call_value(expr, &value, values)
                }
                LinkKind::Method(name, _, args) => {
                    if is_spawn(name) && self.methods(&value, name, args.len()).is_none() {
                        self.spawned(args)
                    } else {
                        let before = self.f.named.len();
                        let values = self.arguments(args);
                        self.name_unknown(name, before);
                        value = self.with_named(value, before);
                        let site = Site { expr, root, links, at, root_value: &root_value, earlier: &earlier };
                        let result = self.method(site, value, name, args, &values);
                        if at == 0 {
                            self.change_in_place(root, name, args, &values);
                        }
                        earlier.push((name, args, values));
                        result
                    }
                }
            };
        }
        value
    }

    fn method(
        &mut self,
        site: Site<'_, 'a>,
        receiver: Val<'a>,
        name: &'a Name,
        args: &'a [Expr],
        values: &[Val<'a>],
    ) -> Val<'a> {
        if let Some(result) = self.scope_call(site.expr, Callee::Method(&receiver, name), args, values) {
            return result;
        }
        self.hand_to_static(site, &receiver, name, values);
        let own = match &receiver {
            Val::Obj(_) => self.methods(&receiver, name, args.len()),
            _ => None,
        };
        if own.is_none() {
            if let Some(built) = self.build(&receiver, name, values) {
                return built;
            }
            if let Some(query) = self.prepared(&receiver, name, values) {
                return query;
            }
            if let Some(result) = self.open(site, &receiver, name, values) {
                return result;
            }
            if self.method_statement(site, &receiver, name, args, values) {
                self.run_unused(values);
                return Val::Unknown;
            }
            if self.close(site, &receiver, name) {
                return Val::Unknown;
            }
        }
        let found = own.or_else(|| self.methods(&receiver, name, args.len()));
        if let Some(found) = found.filter(|_| !matches!(receiver, Val::Query(_))) {
            let all: Vec<Val<'a>> = std::iter::once(receiver).chain(values.iter().cloned()).collect();
            let link = &site.links[site.at];
            let spot = Spot { span: Span { start: site.expr.span.start, end: link.end }, exec: link.span };
            let spans: Vec<Span> =
                std::iter::once(site.receiver_span()).chain(args.iter().map(|arg| arg.span)).collect();
            self.sent_through(spot, name, found, &all, &spans, Some(site.receiver_span()));
            let result = self.call_functions(site.expr, found, all);
            self.move_out(args, values, &result);
            return result;
        }
        self.foreign_method(receiver, name, values)
    }

    /// A method of a foreign type: wrappers are looked through, builders stay what they are.
    fn foreign_method(&mut self, receiver: Val<'a>, name: &str, values: &[Val<'a>]) -> Val<'a> {
        if ADAPTERS.contains(&name) && !matches!(receiver, Val::Query(_)) {
            let mut result = Val::Unknown;
            for value in values {
                if let Val::Closure(closure) = value {
                    let closure = Rc::clone(closure);
                    result = self.call_closure(&closure, vec![receiver.clone()]);
                } else if let Val::Func(function) = value {
                    result = self.call_value_at(*function, &receiver);
                }
            }
            return result;
        }
        self.run_unused(values);
        // `runtime.block_on(pool.begin())`, whatever the runtime is.
        if let ("block_on", [waited_for]) = (name, values) {
            return waited_for.clone();
        }
        match receiver {
            Val::Query(query) => Val::Query(text::extended(query, name, values)),
            Val::Text(known) => text::of_method(known, name, values),
            // `Option::unwrap`, `Arc::clone`, `as_mut`, `lock`, a map's `get`: whatever it is, it gives what is inside.
            Val::Handle(_) | Val::Obj(_) | Val::Tuple(_) => receiver,
            Val::Closure(_) | Val::Func(_) | Val::Callable(..) => receiver,
            Val::Opaque(Bind::Param(_))
                if matches!(name, "clone" | "as_mut" | "as_ref" | "deref" | "deref_mut" | "borrow" | "unwrap") =>
            {
                receiver
            }
            Val::Opaque(_) => Val::Opaque(Bind::Unknown),
            Val::Typed(Ty::Ext(ref ty, _)) if self.all.index.book.is_builder(ty) => receiver,
            _ => Val::Unknown,
        }
    }

    /// What makes a handle of a builder or its options: `PgPoolOptions::new().connect(url)`, `Pool::builder().build(manager)`.
    fn build(&mut self, receiver: &Val<'a>, name: &str, values: &[Val<'a>]) -> Option<Val<'a>> {
        match receiver {
            Val::Typed(Ty::Ext(ty, _)) => {
                let (pack, row) = self.all.index.book.builds(ty, name)?;
                Some(self.made(pack, row, values))
            }
            Val::Unknown if matches!(name, "build" | "build_unchecked") => {
                values.iter().find(|value| matches!(value, Val::Handle(_))).cloned()
            }
            _ => None,
        }
    }

    fn call_value_at(&mut self, function: crate::index::FnId, given: &Val<'a>) -> Val<'a> {
        let summary = self.all.summary(function);
        self.instantiate(&summary.output, std::slice::from_ref(given))
    }

    /// A call that makes one handle out of another: `begin`, `acquire`, `transaction(|tx| ..)`.
    fn open(&mut self, site: Site<'_, 'a>, receiver: &Val<'a>, name: &str, values: &[Val<'a>]) -> Option<Val<'a>> {
        let end = site.links[site.at].end;
        self.open_on(receiver, name, values, Span { start: site.expr.span.start, end })
    }

    /// The same by path: `Acquire::begin(&mut *tx)`.
    pub(super) fn path_open(&mut self, expr: &Expr, full: &[Name], values: &[Val<'a>]) -> Option<Val<'a>> {
        let (name, owner) = full.split_last()?;
        let (receiver, values) = values.split_first()?;
        owner.iter().find_map(|part| self.all.index.book.pack_of_crate(part))?;
        self.open_on(receiver, name, values, expr.span)
    }

    fn open_on(&mut self, receiver: &Val<'a>, name: &str, values: &[Val<'a>], span: Span) -> Option<Val<'a>> {
        let index = self.all.index;
        let rows = index.book.opens.get(name)?;
        let on = rows.iter().find_map(|(_, row)| match row.on {
            Some(Slot::Arg(at)) => values.get(at),
            _ => None,
        });
        let id = self.as_handle(on.unwrap_or(receiver))?;
        let handle = self.f.handles[id].clone();
        let (pack, row) = rows.iter().find(|(pack, row)| {
            let fits = handle.pack.is_none_or(|of| index.book.is_family(of, *pack));
            let has_closure =
                values.iter().any(|value| matches!(value, Val::Closure(_) | Val::Func(_) | Val::Callable(..)));
            let wants_closure = matches!(row.handle, Some(Slot::Closure(_)));
            let gets = row.gives != HandleKind::Connection
                || handle.kind == HandleKind::Pool
                || wants_closure
                || name != "get";
            fits && gets && wants_closure == has_closure
        })?;
        let bind =
            if handle.ended.is_some() || handle.kind == HandleKind::Pool { Bind::None } else { handle.bind.clone() };
        let stays_what_it_is = matches!(handle.kind, HandleKind::OtherDatabase | HandleKind::Migration);
        let gives = if stays_what_it_is { handle.kind } else { row.gives };
        let opened = Handle {
            in_transaction: row.gives == HandleKind::Transaction || handle.in_transaction,
            of_variant: handle.of_variant.clone(),
            ..Frame::new_handle(handle.pack.or(Some(*pack)), gives, bind)
        };
        let opened = self.f.add_handle(opened);
        if let Some(Slot::Arg(at)) = row.sql
            && let Some(text) = self.text_of(values.get(at)).text()
        {
            let facts = self.facts_of(text);
            self.note_sql(&span, &facts, Some(opened));
        }
        Some(self.give(row, opened, values))
    }

    fn give(&mut self, row: &OpenCall, opened: usize, values: &[Val<'a>]) -> Val<'a> {
        match row.handle {
            Some(Slot::Closure(_)) => {
                let given = vec![Val::Handle(opened)];
                let mut result = Val::Unknown;
                for value in values {
                    match value {
                        Val::Closure(closure) => {
                            let closure = Rc::clone(closure);
                            result = self.call_closure(&closure, given.clone());
                        }
                        Val::Func(function) => {
                            let place = self.f.place(crate::source::Span::default());
                            self.hand_to_param(place, Reached::One(*function), 0, &given[0]);
                        }
                        Val::Callable(param, output) => drop(self.call_param(*param, output, &given)),
                        _ => {}
                    }
                }
                result
            }
            Some(Slot::Tuple(at)) => {
                let mut parts = vec![Val::Unknown; at + 1];
                parts[at] = Val::Handle(opened);
                Val::Tuple(parts.into())
            }
            _ => Val::Handle(opened),
        }
    }

    /// A constructor by path: `PgPool::connect(url)`.
    pub(super) fn construct_handle(&mut self, full: &[Name], values: &[Val<'a>]) -> Option<Val<'a>> {
        let index = self.all.index;
        let rows = index.book.constructors.get(full.last()?.as_str())?;
        let (pack, _, row) = rows.iter().find(|(_, pattern, _)| pattern.matches(full))?;
        Some(self.made(*pack, row, values))
    }

    /// A handle that a row makes of no other handle: of PostgreSQL, unless the URL is written there and says otherwise.
    fn made(&mut self, pack: u8, row: &OpenCall, values: &[Val<'a>]) -> Val<'a> {
        let urls: Vec<SqlText> = values.iter().map(|value| self.text_of(Some(value))).collect();
        let is_other =
            urls.iter().filter_map(SqlText::text).any(|url| OTHER_SCHEMES.iter().any(|of| url.starts_with(of)));
        let kind = if is_other { HandleKind::OtherDatabase } else { row.gives };
        let made = self.f.add_handle(Frame::new_handle(Some(pack), kind, Bind::None));
        self.give(row, made, values)
    }

    /// An associated function of a foreign type that no row of the rules names: `SqlitePool::connect(url)`,
    /// `Pool::builder(manager)`, `PgPoolOptions::new()`.
    pub(super) fn of_foreign_type(&mut self, path: &Path, full: &[Name], values: &[Val<'a>]) -> Option<Val<'a>> {
        let index = self.all.index;
        let (_, owner) = full.split_last()?;
        if let Some(builder) = index.book.builder(owner) {
            return Some(Val::Typed(Ty::builder(builder)));
        }
        // `PgConnection::close(conn)` is a method, whatever it is called by.
        if values.iter().any(|value| matches!(value, Val::Handle(_) | Val::Opaque(_))) {
            return None;
        }
        let owner = Path { segments: path.segments.split_last()?.1.to_vec(), ..path.clone() };
        owner.segments.last()?;
        let ty = index.handle_type(&self.f.context, &owner).filter(|ty| ty.tenant.is_none())?;
        let is_made = matches!(ty.kind, HandleKind::Pool | HandleKind::Connection | HandleKind::OtherDatabase);
        is_made.then(|| Val::Handle(self.f.add_handle(Frame::new_handle(ty.pack, ty.kind, Bind::None))))
    }

    fn close(&mut self, site: Site<'_, 'a>, receiver: &Val<'a>, name: &str) -> bool {
        if !self.all.index.book.closes.contains_key(name) {
            return false;
        }
        let Some(id) = self.as_handle(receiver) else { return false };
        let place = self.f.place(site.links[site.at].span);
        let handle = &mut self.f.handles[id];
        let is_transaction = handle.kind == HandleKind::Transaction || matches!(handle.bind, Bind::Scope(_));
        if is_transaction {
            handle.ended = Some(place);
            handle.is_open_guard = false;
        }
        is_transaction
    }

    /// The text of a value.
    pub(super) fn text_of(&self, value: Option<&Val<'a>>) -> SqlText {
        match value {
            Some(Val::Text(text)) => (**text).clone(),
            Some(Val::Query(query)) => query.sql.clone(),
            _ => SqlText::Unknown,
        }
    }

    /// A call or macro that builds a query.
    pub(super) fn query_call(&mut self, full: &[Name], written: &Path, values: &[Val<'a>]) -> Option<Val<'a>> {
        let written: Vec<Name> = written.names().cloned().collect();
        let index = self.all.index;
        let last = full.last()?.as_str();
        let rows = index.book.queries.get(last)?;
        let (pack, _, row) = rows.iter().find(|(_, pattern, _)| pattern.matches(full))?;
        let sql = match row.sql {
            // `query_as!(Type, "select ..")`: the text is the first argument that is text.
            Some(Slot::Arg(at)) => match self.sql_of(values.get(at)) {
                SqlText::Unknown => {
                    values.iter().map(|value| self.text_of(Some(value))).find(|text| *text != SqlText::Unknown)
                }
                known => Some(known),
            },
            _ => self.included(values),
        };
        let of_value = match values.first() {
            Some(Val::Query(query)) if query.sql == SqlText::Unknown => query.tables.clone(),
            _ => Vec::new(),
        };
        let mut tables: Vec<String> = self.entity_of(&written).into_iter().chain(of_value).collect();
        tables.dedup();
        Some(Val::Query(Rc::new(Query {
            pack: *pack,
            sql: sql.unwrap_or_default(),
            migrates: last == "migrate",
            tables,
            is_open: matches!(values.first(), Some(Val::Query(query)) if query.is_open),
        })))
    }

    /// A path that is a query by itself: `users::table`.
    pub(super) fn table_query(&self, names: &[Name]) -> Option<Val<'a>> {
        let (last, owner) = names.split_last()?;
        let table = match owner {
            // `use schema::orders as o;`, in the function or around it.
            [alias] => self.all.index.stands_for(self.f.context.module, alias),
            _ => owner.last(),
        };
        let rows = self.all.index.book.queries.get(last.as_str())?;
        let (pack, ..) = rows.iter().find(|(_, pattern, _)| pattern.is_bare())?;
        let tables = table.map(Name::to_string).into_iter().collect();
        Some(Val::Query(Rc::new(Query { pack: *pack, tables, ..Query::default() })))
    }

    /// The scope that a bound handle is of.
    pub(super) fn scope_of(bind: &Bind) -> Option<&Rc<Scope>> {
        match bind {
            Bind::Scope(scope) => Some(scope),
            _ => None,
        }
    }
}
