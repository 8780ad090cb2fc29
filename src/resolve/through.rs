//! Statements through functions of the run: one that sends a text that it is given is a query method like the library's own.

use std::rc::Rc;

use super::Reader;
use super::dispatch::Reached;
use super::statement::{Candidate, Evidence, Spot};
use super::value::{Bind, Query, Ret, Sends, Val};
use crate::index::Ty;
use crate::program::{Place, SqlText};
use crate::source::Span;

impl<'a> Reader<'_, 'a> {
    /// A parameter that is text: what it says, the caller knows.
    pub(super) fn text_param(&self, ty: &Ty, at: usize) -> Option<Val<'a>> {
        let Ty::Ext(name, _) = ty else { return None };
        let is_text = matches!(name.as_str(), "str" | "String") || self.all.index.book.texts.contains(name.as_str());
        is_text.then(|| Val::Text(Rc::new(SqlText::Param(at))))
    }

    /// The text of a value in the place of SQL; there, a parameter of a type that is not known is text too.
    pub(super) fn sql_of(&self, value: Option<&Val<'a>>) -> SqlText {
        match value {
            Some(Val::Opaque(Bind::Param(at))) => SqlText::Param(*at),
            other => self.text_of(other),
        }
    }

    /// `client.prepare(sql)`: a query, to be sent by its handle or on another one.
    pub(super) fn prepared(&mut self, receiver: &Val<'a>, name: &str, values: &[Val<'a>]) -> Option<Val<'a>> {
        let index = self.all.index;
        let rows = index.book.prepares.get(name)?;
        let id = self.as_handle(receiver)?;
        let of = self.f.handles[id].pack?;
        let (pack, row) = rows.iter().find(|(pack, _)| index.book.is_family(of, *pack))?;
        let crate::rules::Place::Arg(at) = row.sql else { return None };
        let sql = self.sql_of(values.get(at));
        Some(Val::Query(Rc::new(Query { pack: *pack, sql, ..Query::default() })))
    }

    /// Remembers that this function sends what it is given.
    pub(super) fn note_sends(&mut self, text: usize, place: Place, candidate: &Candidate<'a>) {
        let is_known = matches!(candidate.handle, Val::Handle(_) | Val::Obj(_) | Val::Opaque(Bind::Param(_)));
        let is_noted = self.f.sends.iter().any(|known| (known.place, known.text) == (place, text));
        if !is_known || is_noted || self.all.quiet > 0 {
            return;
        }
        let Candidate { pack, operation, .. } = candidate;
        let handle = match self.as_handle(&candidate.handle) {
            Some(id) => self.detach(&Val::Handle(id), 1),
            None => self.detach(&candidate.handle, 1),
        };
        self.f.sends.push(Sends { place, pack: *pack, text, handle, operation: operation.clone() });
    }

    /// The statements that a call of functions of the run is, if they send what they are given.
    pub(super) fn sent_through(
        &mut self,
        spot: Spot,
        name: &str,
        reached: Reached,
        values: &[Val<'a>],
        spans: &[Span],
        receiver: Option<Span>,
    ) {
        let summary = self.all.effects(reached);
        for sends in &summary.sends {
            let handle = self.instantiate(&sends.handle, values);
            if self.is_other_database(&handle) {
                continue;
            }
            let handle_span = match &sends.handle {
                Ret::Arg(at, _) => spans.get(*at).copied(),
                _ => receiver,
            };
            let text = values.get(sends.text);
            let tables = match text {
                Some(Val::Query(query)) => query.tables.clone(),
                _ => Vec::new(),
            };
            let candidate = Candidate {
                pack: sends.pack,
                operation: sends.operation.clone(),
                evidence: Evidence::Argument,
                handle,
                handle_span,
                sql: self.sql_of(text),
                tables,
                is_open: false,
                migrates: false,
                through: Some(sends.place),
            };
            match candidate.sql {
                // Handed on: whoever calls this function sends it.
                SqlText::Param(at) => self.note_sends(at, sends.place, &candidate),
                _ => self.record(spot, name, candidate),
            }
        }
    }

    /// A text of a callee in terms of a call's arguments.
    pub(super) fn given_text(&self, text: &Rc<SqlText>, args: &[Val<'a>]) -> Val<'a> {
        match **text {
            SqlText::Param(at) => match args.get(at) {
                Some(known @ (Val::Text(_) | Val::Query(_) | Val::Opaque(Bind::Param(_)))) => known.clone(),
                _ => Val::Unknown,
            },
            _ => Val::Text(Rc::clone(text)),
        }
    }

    /// A query of a callee in terms of a call's arguments.
    pub(super) fn given_query(&self, query: &Rc<Query>, args: &[Val<'a>]) -> Val<'a> {
        match query.sql {
            SqlText::Param(at) => Val::Query(Rc::new(Query { sql: self.sql_of(args.get(at)), ..(**query).clone() })),
            _ => Val::Query(Rc::clone(query)),
        }
    }
}
