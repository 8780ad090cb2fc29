//! Facts and outline of a file in, its functions and constants out, each with the words that say whether it matters.

use rustc_hash::FxHashMap;

use super::reading::TestCode;
use super::words::words;
use crate::facts::{FileFacts, Function, Name, Owner, Type};
use crate::index::COMMON_METHODS;
use crate::parse::{self, Outline, word_hash};
use crate::source::Span;

/// The text of a function or constant.
pub struct Body {
    /// The file.
    pub file: usize,
    /// The whole item.
    pub span: Span,
    /// Its name.
    pub name: Name,
    /// Whether it is an arm of a macro.
    pub is_macro: bool,
    /// Where it can be left unread: its function in the facts, and what is between its braces.
    pub optional: Option<(usize, Span)>,
    /// Whether it was read all the same.
    pub is_read: bool,
    /// Whether those who call it may learn something of what is in it, though it names nothing that matters.
    pub is_transparent: bool,
    /// Its words; a function that says `self` has those of its owner's header too. Sorted.
    words: Box<[u32]>,
}

/// A body that is still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Unread {
    /// The file.
    pub file: usize,
    /// Its function in the file's facts.
    pub function: usize,
    /// What is between its braces.
    pub inside: Span,
}

impl Body {
    /// The hash of its name, where the name alone leads to it.
    pub fn name_hash(&self) -> Option<u32> {
        (!COMMON_METHODS.contains(&self.name.as_str())).then(|| word_hash(&self.name))
    }

    /// What is still to be read of it.
    pub fn unread(&self) -> Option<Unread> {
        let (function, inside) = self.optional.filter(|_| !self.is_read)?;
        Some(Unread { file: self.file, function, inside })
    }

    /// Whether one of its words is among these.
    pub fn has_any_of(&self, names: &rustc_hash::FxHashSet<u32>) -> bool {
        self.words.iter().any(|word| names.contains(word))
    }
}

/// The functions, macros and constants of a file.
pub fn bodies(file: usize, text: &str, facts: &FileFacts, outline: Option<&Outline>) -> Vec<Body> {
    let outlined: FxHashMap<u32, _> = outline
        .into_iter()
        .flat_map(|outline| outline.bodies.iter().map(move |body| (body.inside.end + 1, (outline, body))))
        .collect();
    let functions = (0..).zip(&facts.functions).map(|(at, function)| {
        let found = outlined.get(&function.span.end);
        let words = found.map_or_else(|| words_in(text, function.span), |(outline, body)| sorted(outline.words(body)));
        let optional = found.filter(|(_, body)| is_optional(body));
        Body {
            file,
            span: function.span,
            name: function.name.clone(),
            is_macro: function.owner == Owner::Macro,
            is_transparent: optional.is_none_or(|(_, body)| body.has_sql || is_transparent(function, facts)),
            optional: optional.map(|(_, body)| (at, body.inside)),
            is_read: false,
            words,
        }
    });
    let consts = facts.consts.iter().filter_map(|item| {
        let span = item.value.as_ref()?.span;
        let words = words_in(text, span);
        Some(Body {
            file,
            span,
            name: item.name.clone(),
            is_macro: false,
            optional: None,
            is_read: false,
            is_transparent: true,
            words,
        })
    });
    functions.chain(consts).collect()
}

/// What is between the braces of functions that can be left unread, outside code that is left out anyway.
pub fn optional_insides(outline: &Outline, test_code: TestCode) -> Vec<Span> {
    let is_left_out =
        |inside: Span| test_code == TestCode::Out && outline.tests.iter().any(|tests| tests.contains(inside));
    let optional = outline.bodies.iter().filter(|body| is_optional(body)).map(|body| body.inside);
    optional.filter(|inside| !is_left_out(*inside)).collect()
}

/// Methods of common names are called where nothing says whose they are.
fn is_optional(body: &parse::Body) -> bool {
    body.is_optional && !COMMON_METHODS.iter().any(|name| word_hash(name) == body.name)
}

/// Whether a function hands on what it is given without knowing what it is, calls what it is given, or makes a text.
fn is_transparent(function: &Function, facts: &FileFacts) -> bool {
    let owner_generics = match function.owner {
        Owner::Impl(at) => !facts.impls[at as usize].generics.is_empty(),
        Owner::Trait(_) => true,
        Owner::Module | Owner::Macro => false,
    };
    owner_generics
        || !function.generics.is_empty()
        || function.params.iter().any(|param| is_open(&param.ty) || is_mutable_text(&param.ty))
        || is_open(&function.output)
        || is_text(&function.output)
}

/// Whether a type can stand for others.
fn is_open(ty: &Type) -> bool {
    match ty {
        Type::Infer | Type::Impl(_) | Type::Dyn(_) | Type::Fn(..) | Type::Other => true,
        Type::Ref(inner) | Type::Slice(inner) => is_open(inner),
        Type::Tuple(types) => types.iter().any(is_open),
        Type::Path(path) => {
            path.self_type.is_some() || path.segments.iter().any(|segment| segment.args().iter().any(is_open))
        }
    }
}

/// Whether a text is in a value of the type.
fn is_text(ty: &Type) -> bool {
    match ty {
        Type::Ref(inner) | Type::Slice(inner) => is_text(inner),
        Type::Tuple(types) => types.iter().any(is_text),
        Type::Path(path) => {
            matches!(path.last(), "str" | "String" | "SmolStr" | "SqlStr")
                || path.segments.iter().any(|segment| segment.args().iter().any(is_text))
        }
        _ => false,
    }
}

fn is_mutable_text(ty: &Type) -> bool {
    matches!(ty, Type::Ref(inner) if matches!(inner.as_ref(), Type::Path(path) if path.last() == "String"))
}

fn words_in(text: &str, span: Span) -> Box<[u32]> {
    let text = text.get(span.start as usize..span.end as usize).unwrap_or("");
    sorted(words(text).map(|word| word_hash(word.text)))
}

fn sorted(words: impl Iterator<Item = u32>) -> Box<[u32]> {
    let mut words: Vec<u32> = words.collect();
    words.sort_unstable();
    words.dedup();
    words.into_boxed_slice()
}
