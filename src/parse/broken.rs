//! The tokens of an item that does not parse: where it ends, and what its beginning says of it.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::Attribute;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};

use super::strays::may_do_something;
use super::tokens::{parsed, parsed_by, step};
use super::{nesting, types};
use crate::facts::Type;

/// The tokens of an item that did not parse, with what its beginning says of it.
pub(super) struct Broken {
    pub(super) attributes: Vec<Attribute>,
    /// Without the attributes.
    pub(super) tokens: Vec<TokenTree>,
    pub(super) keyword: String,
    /// Where the keyword stands in `tokens`.
    at: usize,
}

impl Broken {
    pub(super) fn new(mut tokens: Vec<TokenTree>) -> Self {
        let mut count = 0;
        while let [TokenTree::Punct(pound), TokenTree::Group(group), ..] = &tokens[count..]
            && pound.as_char() == '#'
            && group.delimiter() == Delimiter::Bracket
        {
            count += 2;
        }
        let attributes: TokenStream = tokens.drain(..count).collect();
        let attributes = parse_shallow(Attribute::parse_outer, attributes).unwrap_or_default();
        let found = tokens.iter().enumerate().find_map(|(at, token)| match token {
            TokenTree::Ident(ident) => {
                let word = ident.to_string();
                is_keyword(&word, &tokens[at + 1..]).then_some((at, word))
            }
            _ => None,
        });
        // What stands before it must belong to it: else there is another thing first.
        let (at, keyword) = found.filter(|(at, _)| is_head(&tokens[..*at])).unwrap_or_default();
        Self { attributes, tokens, keyword, at }
    }

    /// The name behind the keyword.
    pub(super) fn ident(&self) -> Option<&Ident> {
        self.tokens[self.at..].iter().skip(usize::from(!self.keyword.is_empty())).find_map(|token| match token {
            TokenTree::Ident(ident) if ident != "mut" => Some(ident),
            _ => None,
        })
    }

    /// The last group in braces.
    pub(super) fn body(&self) -> Option<&Group> {
        self.tokens[self.at..].iter().rev().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        })
    }

    /// The name directly behind the keyword.
    pub(super) fn own_name(&self) -> Option<&Ident> {
        match self.tokens.get(self.at + 1) {
            Some(TokenTree::Ident(ident)) => Some(ident),
            _ => None,
        }
    }

    /// The parameters of a function behind its name and generics, and what stands between them and the body.
    /// `None` if something else stands there.
    pub(super) fn params(&self) -> Option<(Option<&Group>, TokenStream)> {
        let mut angles = 0_i32;
        let mut is_arrow = false;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at + 2) {
            match token {
                TokenTree::Group(group) if angles <= 0 && group.delimiter() == Delimiter::Parenthesis => {
                    let is_call =
                        self.tokens.get(at + 1).is_some_and(|next| is_punct(next, '.') || is_punct(next, '?'));
                    return if is_call { None } else { Some((Some(group), self.before_body(at + 1))) };
                }
                TokenTree::Group(group) if angles <= 0 && group.delimiter() == Delimiter::Brace => {
                    return Some((None, TokenStream::new()));
                }
                token if is_punct(token, '<') => angles += 1,
                token if is_punct(token, '>') && !is_arrow => angles -= 1,
                _ if angles <= 0 => return None,
                _ => {}
            }
            is_arrow = is_punct(token, '-');
        }
        None
    }

    /// What stands between the keyword and the body.
    pub(super) fn head(&self) -> TokenStream {
        self.before_body(self.at + 1)
    }

    fn before_body(&self, start: usize) -> TokenStream {
        let body = self.body().map(|body| body.span_open().byte_range().start);
        let is_body = |token: &&TokenTree| match token {
            TokenTree::Group(group) => Some(group.span_open().byte_range().start) == body,
            _ => false,
        };
        self.tokens.iter().skip(start).take_while(|token| !is_body(token)).cloned().collect()
    }

    /// The item with nothing in its body: whether its head is fine.
    pub(super) fn with_empty_body<T: Parse>(&self) -> Option<T> {
        parse_shallow(T::parse, empty_body(self.tokens.iter()))
    }

    /// `impl const Trait for T`, without its `const`.
    pub(super) fn without_const(&self) -> Option<syn::ItemImpl> {
        let kept = self.tokens.iter().filter(|token| {
            !matches!(token, TokenTree::Ident(ident) if ident == "const")
                && !matches!(token, TokenTree::Punct(punct) if punct.as_char() == '~')
        });
        parse_shallow(syn::ItemImpl::parse, empty_body(kept))
    }

    /// The type behind the last `for`, or else behind `impl`.
    pub(super) fn type_after_for(&self) -> Type {
        let is_for = |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "for");
        let after = self.tokens.iter().rposition(is_for).unwrap_or(self.at) + 1;
        let parser = |input: ParseStream<'_>| {
            let ty = parsed_by(input, syn::Type::without_plus);
            while !input.is_empty() {
                step(input);
            }
            Ok(ty)
        };
        let tokens: TokenStream = self.tokens[after.min(self.tokens.len())..].iter().cloned().collect();
        parse_shallow(parser, tokens).flatten().map_or(Type::Other, |ty| types::ty(&ty))
    }

    /// What may hold code: what follows the `=` of a constant, or what follows the keyword.
    /// The keyword, or what looks like the beginning of an item, is left out: with it, the same item would be read again.
    pub(super) fn after_name(&self) -> TokenStream {
        let is_value = matches!(self.keyword.as_str(), "const" | "static");
        let is_eq = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=');
        let start = match self.tokens.iter().position(is_eq) {
            Some(equals)
                if is_value && !may_do_something(&self.tokens[self.at + 1..equals].iter().cloned().collect()) =>
            {
                equals + 1
            }
            _ if self.keyword.is_empty() => self.tokens.iter().take_while(|token| is_modifier(token)).count(),
            _ => self.at + 1,
        };
        self.tokens.iter().skip(start).cloned().collect()
    }
}

/// Parses what does not nest too deep.
pub(super) fn parse_shallow<T>(parser: impl Parser<Output = T>, tokens: TokenStream) -> Option<T> {
    if nesting::is_shallow(&tokens) { parser.parse2(tokens).ok() } else { None }
}

/// The tokens of the next item, as far as an item goes. Takes at least one token.
pub(super) fn item_tokens(input: ParseStream<'_>) -> Vec<TokenTree> {
    let mut tokens = Vec::new();
    let mut end = ItemEnd::default();
    while !input.is_empty() {
        let next = input.fork();
        let Some(token) = parsed::<TokenTree>(&next) else { break };
        if !tokens.is_empty() && end.is_before(&token) {
            break;
        }
        input.advance_to(&next);
        let is_last = end.is_after(&token);
        tokens.push(token);
        if is_last {
            break;
        }
    }
    tokens
}

/// Finds the end of an item from its tokens.
#[derive(Default)]
pub(super) struct ItemEnd {
    /// The keyword was seen.
    has_keyword: bool,
    /// Ends with `;`, not with a brace.
    needs_semicolon: bool,
    /// Something was seen that does not belong before a keyword.
    has_noise: bool,
    after_pound: bool,
    is_after_const: bool,
    /// In an `extern` block or a function of another language, until it shows which.
    is_extern: bool,
}

impl ItemEnd {
    /// Whether the item has ended before this token because another one starts.
    pub(super) fn is_before(&self, token: &TokenTree) -> bool {
        let TokenTree::Ident(ident) = token else { return false };
        let word = ident.to_string();
        let starts_another = matches!(word.as_str(), "pub" | "struct" | "enum" | "mod" | "trait");
        let starts_any = starts_another || matches!(word.as_str(), "fn" | "impl" | "use" | "static" | "type");
        (self.has_keyword && self.needs_semicolon && starts_another)
            || (!self.has_keyword && self.has_noise && starts_any)
    }

    /// Takes a token; whether it was the last.
    pub(super) fn is_after(&mut self, token: &TokenTree) -> bool {
        let after_pound = std::mem::take(&mut self.after_pound);
        if std::mem::take(&mut self.is_after_const) {
            self.has_keyword = !matches!(token, TokenTree::Ident(next) if modifies(next));
        }
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return true,
            TokenTree::Punct(punct) if punct.as_char() == '#' => self.after_pound = true,
            TokenTree::Group(_) if after_pound => {}
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                return !self.needs_semicolon || (self.is_extern && !self.has_keyword);
            }
            TokenTree::Ident(ident) if !self.has_keyword => self.word(&ident.to_string()),
            TokenTree::Group(_) | TokenTree::Ident(_) => {}
            _ => self.has_noise |= !self.has_keyword && !after_pound,
        }
        false
    }

    fn word(&mut self, word: &str) {
        match word {
            "fn" | "impl" | "mod" | "trait" | "struct" | "enum" | "union" | "macro_rules" | "macro" => {
                self.has_keyword = true;
                self.needs_semicolon = false;
            }
            "use" | "static" | "type" => {
                self.has_keyword = true;
                self.needs_semicolon = true;
            }
            // May still be a modifier of a function.
            "const" | "extern" => {
                self.needs_semicolon = true;
                self.is_after_const = word == "const";
                self.is_extern = word == "extern";
            }
            "pub" | "unsafe" | "async" | "default" | "gen" | "auto" | "safe" => self.needs_semicolon = false,
            _ => self.has_noise = !self.needs_semicolon,
        }
    }
}

fn is_keyword(word: &str, rest: &[TokenTree]) -> bool {
    let next = rest.first();
    match word {
        "fn" | "impl" | "mod" | "trait" | "struct" | "enum" | "use" | "static" | "type" | "macro" => true,
        "extern" => {
            let is_fn = |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "fn");
            !rest.iter().take(2).any(is_fn)
        }
        "union" => matches!(next, Some(TokenTree::Ident(_))),
        "const" => matches!(next, Some(TokenTree::Ident(next)) if !modifies(next)),
        _ => false,
    }
}

/// Whether what follows a `const` makes it a modifier.
fn modifies(next: &Ident) -> bool {
    ["fn", "unsafe", "async", "gen", "extern", "trait", "impl", "auto"].iter().any(|word| next == word)
}

/// Whether these tokens can stand before a keyword: modifiers, visibility, an ABI.
fn is_head(tokens: &[TokenTree]) -> bool {
    let mut before = None;
    tokens.iter().all(|token| match token {
        TokenTree::Group(group) => {
            before.replace(token).is_some_and(|before| is_word(before, "pub")) && !may_do_something(&group.stream())
        }
        TokenTree::Literal(_) => before.replace(token).is_some_and(|before| is_word(before, "extern")),
        _ => {
            before = Some(token);
            is_modifier(token)
        }
    })
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// What stands before a keyword, and without one makes no item.
fn is_modifier(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(ident) => {
            ["pub", "unsafe", "async", "default", "gen", "auto", "const", "extern", "macro_rules"]
                .iter()
                .any(|word| ident == word)
        }
        _ => false,
    }
}

/// The tokens up to the last group in braces, and an empty one in its place.
fn empty_body<'a>(tokens: impl DoubleEndedIterator<Item = &'a TokenTree>) -> TokenStream {
    let mut is_body_emptied = false;
    let mut kept: Vec<TokenTree> = tokens
        .rev()
        .map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_body_emptied => {
                is_body_emptied = true;
                let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
                empty.set_span(group.span());
                TokenTree::Group(empty)
            }
            token => token.clone(),
        })
        .collect();
    kept.reverse();
    kept.into_iter().collect()
}
