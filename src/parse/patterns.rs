//! Patterns.

use super::compact::at_most;
use super::lower::{Lower, name};
use super::types;
use crate::facts::{Name, Pat, Path, Segment};

impl Lower<'_> {
    /// Lowers a pattern. Guards inside go to `guards`.
    pub(super) fn pat(&mut self, pat: &syn::Pat) -> Pat {
        match pat {
            syn::Pat::Guard(guarded) => {
                let lowered = self.pat(&guarded.pat);
                let guard = self.expr(&guarded.guard);
                self.guards.push(guard);
                lowered
            }
            syn::Pat::Ident(ident) => self.ident_pat(ident),
            syn::Pat::Or(or) => Pat::Or(or.cases.iter().map(|case| self.pat(case)).collect()),
            syn::Pat::Paren(paren) => self.pat(&paren.pat),
            syn::Pat::Path(path) => Pat::TupleStruct(types::path(path.qself.as_ref(), &path.path), Vec::new()),
            syn::Pat::Reference(reference) => Pat::Ref(Box::new(self.pat(&reference.pat))),
            syn::Pat::Slice(slice) => Pat::Slice(slice.elems.iter().map(|elem| self.pat(elem)).collect()),
            syn::Pat::Struct(pat) => {
                let fields = pat.fields.iter().map(|field| (member(&field.member), self.pat(&field.pat)));
                let fields = at_most(pat.fields.len(), fields);
                Pat::Struct(types::path(pat.qself.as_ref(), &pat.path), fields)
            }
            syn::Pat::Tuple(tuple) => {
                Pat::Tuple(at_most(tuple.elems.len(), tuple.elems.iter().map(|elem| self.pat(elem))))
            }
            syn::Pat::TupleStruct(pat) => {
                let elements = at_most(pat.elems.len(), pat.elems.iter().map(|elem| self.pat(elem)));
                Pat::TupleStruct(types::path(pat.qself.as_ref(), &pat.path), elements)
            }
            syn::Pat::Type(typed) => Pat::Typed(Box::new(self.pat(&typed.pat)), types::ty(&typed.ty)),
            _ => Pat::Wild,
        }
    }

    fn ident_pat(&mut self, pat: &syn::PatIdent) -> Pat {
        let name = name(&pat.ident);
        let binds = pat.by_ref.is_some() || pat.mutability.is_some() || pat.subpat.is_some();
        if !binds && is_constant(&name) {
            return Pat::TupleStruct(ident_path(name), Vec::new());
        }
        Pat::Ident(name, pat.subpat.as_ref().map(|(_, inner)| Box::new(self.pat(inner))))
    }
}

/// The name of a field.
pub(super) fn member(member: &syn::Member) -> Name {
    match member {
        syn::Member::Named(ident) => name(ident),
        syn::Member::Unnamed(index) => smol_str::format_smolstr!("{}", index.index),
    }
}

/// The path of one identifier.
pub(super) fn ident_path(name: Name) -> Path {
    Path { self_type: None, segments: vec![Segment { name, ..Segment::default() }] }
}

/// `None`, `LIMIT`: names that no Rust programmer gives to a variable.
fn is_constant(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}
