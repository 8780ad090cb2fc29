//! The state of reading one file: the facts so far, and where in the file we are.

use proc_macro2::Ident;
use smol_str::ToSmolStr;

use super::places::Places;
use crate::facts::{Blind, Expr, FileFacts, Module, ModuleIndex, Name, Owner, Stmt};
use crate::source::Span;

/// Reads one file. The `impl` blocks are in the files named after what they read.
pub(super) struct Lower<'t> {
    /// The text that was lexed: the file's own, with the same offsets.
    pub(super) text: &'t str,
    pub(super) places: Places,
    pub(super) facts: FileFacts,
    /// The module that is being read.
    pub(super) module: ModuleIndex,
    /// Who owns the functions and constants that are being read.
    pub(super) owner: Owner,
    pub(super) in_test: bool,
    /// Guards of the pattern that is being read, until its arm takes them.
    pub(super) guards: Vec<Expr>,
    /// Where an allow comment can point to; collected only in files with such comments.
    pub(super) anchors: Option<Vec<Anchor>>,
    /// Nothing in what is being read nests too deep for the parser.
    pub(super) is_shallow: bool,
    /// What was read where it has no place, until the block around it takes it.
    pub(super) strays: Vec<Stmt>,
    /// The last place that was looked at while recovering.
    pub(super) seen: u32,
    /// The parser has left something over in a group.
    pub(super) has_left_over: bool,
    /// Everything that parses is looked through for what the parser leaves over.
    pub(super) is_strict: bool,
    /// How many broken items are around.
    pub(super) broken_around: u32,
    /// How much may still be parsed again after a failure. Keeps broken files linear.
    pub(super) fuel: u64,
    /// Inside a macro's definition, where fragments that are no Rust are normal and not worth a blind spot.
    pub(super) quiet: bool,
}

/// A place that an allow comment can cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) span: Span,
    /// A statement, item, arm or field: what encloses a comment in the middle of a chain. Plain expressions do not.
    pub(super) encloses: bool,
}

/// How far the facts had come, to undo an attempt.
pub(super) struct Mark {
    uses: usize,
    types: usize,
    impls: usize,
    functions: usize,
    consts: usize,
    modules: usize,
    blind_spots: usize,
    anchors: usize,
    strays: usize,
}

impl<'t> Lower<'t> {
    pub(super) fn new(text: &'t str, limit: u32, is_test_target: bool) -> Self {
        Self::with_places(text, Places::new(text, limit), is_test_target)
    }

    /// Reads a part of a text whose places are these.
    pub(super) fn with_places(text: &'t str, places: Places, is_test_target: bool) -> Self {
        let limit = places.limit();
        let root = Module { span: Span { start: 0, end: limit }, in_test: is_test_target, ..Module::default() };
        Self {
            text,
            places,
            facts: FileFacts { modules: vec![root], ..FileFacts::default() },
            module: 0,
            owner: Owner::Module,
            in_test: is_test_target,
            guards: Vec::new(),
            anchors: None,
            is_shallow: false,
            strays: Vec::new(),
            has_left_over: false,
            is_strict: false,
            seen: 0,
            broken_around: 0,
            fuel: fuel(text),
            quiet: false,
        }
    }

    /// Reads a part that nothing nests too deep in, with no more effort than its length is worth.
    pub(super) fn for_part(self, part: &str) -> Self {
        Self { is_shallow: true, fuel: fuel(part), ..self }
    }

    /// Reads with another owner of functions and constants, and goes back.
    pub(super) fn owned_by(&mut self, owner: Owner, read: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.owner, owner);
        read(self);
        self.owner = before;
    }

    /// Reads something that may be test code, and goes back.
    pub(super) fn tested<T>(&mut self, is_test: bool, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.in_test;
        self.in_test |= is_test;
        let result = read(self);
        self.in_test = before;
        result
    }

    pub(super) fn blind(&mut self, span: Span, reason: String) {
        if !self.quiet {
            self.facts.blind_spots.push(Blind { span, reason });
        }
    }

    /// Notes a statement, item, arm or field for allow comments.
    pub(super) fn anchor(&mut self, span: Span) {
        if let Some(anchors) = &mut self.anchors {
            anchors.push(Anchor { span, encloses: true });
        }
    }

    /// Notes an expression for allow comments.
    pub(super) fn anchor_expr(&mut self, span: Span) {
        if let Some(anchors) = &mut self.anchors {
            anchors.push(Anchor { span, encloses: false });
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            uses: self.facts.uses.len(),
            types: self.facts.types.len(),
            impls: self.facts.impls.len(),
            functions: self.facts.functions.len(),
            consts: self.facts.consts.len(),
            modules: self.facts.modules.len(),
            blind_spots: self.facts.blind_spots.len(),
            anchors: self.anchors.as_ref().map_or(0, Vec::len),
            strays: self.strays.len(),
        }
    }

    pub(super) fn undo(&mut self, mark: &Mark) {
        self.facts.uses.truncate(mark.uses);
        self.facts.types.truncate(mark.types);
        self.facts.impls.truncate(mark.impls);
        self.facts.functions.truncate(mark.functions);
        self.facts.consts.truncate(mark.consts);
        self.facts.modules.truncate(mark.modules);
        self.facts.blind_spots.truncate(mark.blind_spots);
        self.strays.truncate(mark.strays);
        if let Some(anchors) = &mut self.anchors {
            anchors.truncate(mark.anchors);
        }
    }

    /// The written text of a span.
    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

/// How much of a text may be parsed again.
fn fuel(text: &str) -> u64 {
    32 * text.len() as u64 + 4096
}

/// An identifier's name, without `r#`.
pub(super) fn name(ident: &Ident) -> Name {
    let written = ident.to_smolstr();
    match written.strip_prefix("r#") {
        Some(raw) => Name::new(raw),
        None => written,
    }
}
