//! Allow comments: `// rls-audit: allow(RLS001, reason = "..")`, from real comment tokens only.

use ra_ap_rustc_lexer::{DocStyle, TokenKind};

use super::lex::lexed;
use super::lower::Anchor;
use crate::facts::{Covers, Directive, Name};
use crate::source::{Span, to_u32};

/// What every allow comment starts with; files without it need not be looked at.
pub(super) const MARKER: &str = "rls-audit";

const EXAMPLE: &str = "write `rls-audit: allow(RLS001, reason = \"..\")`";

/// Lines that one comment may go on for.
const LONGEST: usize = 16;

struct Token {
    kind: TokenKind,
    span: Span,
}

/// Finds the allow comments of a text and what they cover.
pub(super) fn directives(text: &str, mut anchors: Vec<Anchor>) -> Vec<Directive> {
    anchors.sort_by_key(|anchor| (anchor.span.start, std::cmp::Reverse(anchor.span.end)));
    let comments =
        Comments { text, tokens: lexed(text).map(|(kind, at)| Token { kind, span: span(at) }).collect(), anchors };
    let mut in_example = false;
    let mut found = Vec::new();
    for index in 0..comments.tokens.len() {
        let Some((kind, body)) = comments.body(index) else { continue };
        if kind == Kind::Inner && body.trim_start().starts_with("```") {
            in_example = !in_example;
        }
        if !(kind == Kind::Inner && in_example) {
            found.extend(comments.directive(index, kind, body));
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// `//!`
    Inner,
}

struct Comments<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// By start, the longest first.
    anchors: Vec<Anchor>,
}

impl<'t> Comments<'t> {
    /// The text of a comment that may be an allow comment. Documentation of items never is.
    fn body(&self, index: usize) -> Option<(Kind, &'t str)> {
        let token = self.tokens.get(index)?;
        let written = self.text.get(token.span.start as usize..token.span.end as usize)?;
        let (style, body) = match token.kind {
            TokenKind::LineComment { doc_style } => (doc_style, &written[2..]),
            TokenKind::BlockComment { doc_style, terminated } => {
                (doc_style, written.get(2..written.len() - if terminated { 2 } else { 0 })?)
            }
            _ => return None,
        };
        match style {
            None => Some((Kind::Plain, body)),
            Some(DocStyle::Inner) => Some((Kind::Inner, body.get(1..)?)),
            Some(DocStyle::Outer) => None,
        }
    }

    fn directive(&self, index: usize, kind: Kind, body: &str) -> Option<Directive> {
        let rest = body.trim_start().strip_prefix(MARKER)?;
        let means_it = rest.starts_with(':') || rest.trim_start().strip_prefix("allow")?.trim_start().starts_with('(');
        if !means_it {
            return None;
        }
        let mut span = self.tokens[index].span;
        let mut written = rest.to_owned();
        for next in self.continued(index).take(LONGEST) {
            if is_closed(&written) {
                break;
            }
            let (_, more) = self.body(next)?;
            written.push(' ');
            written.push_str(more.trim());
            span.end = self.tokens[next].span.end;
        }
        let (lints, reason, error) = match grammar(&written) {
            Ok((lints, reason)) => (lints, reason, None),
            Err(error) => (Vec::new(), String::new(), Some(error)),
        };
        let covers = match kind {
            Kind::Plain => Some(self.covers(index, span)),
            Kind::Inner => self.is_at_top(index).then_some(Covers::File),
        };
        let misplaced = "`//!` covers the whole file and stands above its first item: write `//` here".to_owned();
        let error = if covers.is_none() { error.or(Some(misplaced)) } else { error };
        Some(Directive { span, lints, reason, covers: covers.unwrap_or(Covers::Line), error })
    }

    /// The comments on the lines below, one each, with nothing between.
    fn continued(&self, index: usize) -> impl Iterator<Item = usize> {
        let is_line =
            |at: usize| matches!(self.tokens.get(at).map(|t| t.kind), Some(TokenKind::LineComment { doc_style: None }));
        let is_break = |at: usize| {
            let token = self.tokens.get(at).filter(|token| token.kind == TokenKind::Whitespace);
            token.is_some_and(|token| self.slice(token.span).matches('\n').count() == 1)
        };
        (1..).map(move |n| index + 2 * n).take_while(move |at| is_line(*at) && is_line(at - 2) && is_break(at - 1))
    }

    fn covers(&self, index: usize, comment: Span) -> Covers {
        if self.is_trailing(index) {
            return Covers::Line;
        }
        let nothing = Covers::Item(comment);
        let mut next = index + 1;
        while self.tokens.get(next).is_some_and(|token| token.span.start < comment.end) {
            next += 1;
        }
        let Some(code) = self.code_after(next) else { return nothing };
        let code = &self.tokens[code];
        if matches!(code.kind, TokenKind::CloseBrace | TokenKind::CloseBracket | TokenKind::CloseParen) {
            return nothing;
        }
        let first = self.anchors.partition_point(|anchor| anchor.span.start < comment.end);
        let starting = self.anchors[first..].iter().take_while(|anchor| anchor.span.start <= code.span.start);
        let widest = starting.max_by_key(|anchor| (anchor.span.end, std::cmp::Reverse(anchor.span.start)));
        let around = || {
            let before = self.anchors[..first].iter().rev();
            before.filter(|anchor| anchor.encloses).find(|anchor| anchor.span.contains(comment))
        };
        widest.or_else(around).map_or(nothing, |anchor| Covers::Item(anchor.span))
    }

    /// Whether code stands before a comment on its line.
    fn is_trailing(&self, index: usize) -> bool {
        for token in self.tokens[..index].iter().rev() {
            if self.slice(token.span).contains('\n') {
                let last_line = self.slice(token.span).rsplit('\n').next().unwrap_or("");
                return !last_line.trim().is_empty() && !is_comment(token.kind);
            }
            if token.kind != TokenKind::Whitespace && !is_comment(token.kind) {
                return true;
            }
        }
        false
    }

    /// The first token of code from `index` on, behind comments and attributes.
    fn code_after(&self, mut index: usize) -> Option<usize> {
        loop {
            let token = self.tokens.get(index)?;
            if token.kind == TokenKind::Whitespace || is_comment(token.kind) {
                index += 1;
            } else if token.kind == TokenKind::Pound {
                index = self.attribute_end(index)?;
            } else {
                return Some(index);
            }
        }
    }

    fn attribute_end(&self, pound: usize) -> Option<usize> {
        let mut depth = 0;
        for (index, token) in self.tokens.iter().enumerate().skip(pound) {
            match token.kind {
                TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseBracket if depth == 1 => return Some(index + 1),
                TokenKind::CloseBracket => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// Whether nothing but comments and inner attributes stands before a comment.
    fn is_at_top(&self, index: usize) -> bool {
        let mut at = 0;
        while at < index {
            let kind = self.tokens[at].kind;
            let is_inner = kind == TokenKind::Pound
                && matches!(self.tokens.get(at + 1).map(|token| token.kind), Some(TokenKind::Bang));
            if kind == TokenKind::Whitespace || is_comment(kind) {
                at += 1;
            } else if let (true, Some(end)) = (is_inner, self.attribute_end(at)) {
                at = end;
            } else {
                return false;
            }
        }
        true
    }

    fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }
}

fn span(at: std::ops::Range<usize>) -> Span {
    Span { start: to_u32(at.start), end: to_u32(at.end) }
}

fn is_comment(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::LineComment { .. } | TokenKind::BlockComment { .. })
}

/// Whether the parentheses of a comment are closed, or there are none.
fn is_closed(written: &str) -> bool {
    let mut in_quotes = false;
    let mut escaped = false;
    let mut depth = 0;
    for character in written.chars() {
        match character {
            '"' if !escaped => in_quotes = !in_quotes,
            '(' if !in_quotes => depth += 1,
            ')' if !in_quotes && depth == 1 => return true,
            ')' if !in_quotes => depth -= 1,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    depth == 0 && !in_quotes
}

/// `: allow(LINT, .., reason = "..")`. The error says what to type.
fn grammar(written: &str) -> Result<(Vec<Name>, String), String> {
    let rest = written.strip_prefix(':').ok_or_else(|| format!("a colon is missing behind `rls-audit`: {EXAMPLE}"))?;
    let rest =
        rest.trim_start().strip_prefix("allow").ok_or_else(|| format!("only `allow` is known here: {EXAMPLE}"))?;
    let mut rest =
        rest.trim_start().strip_prefix('(').ok_or_else(|| format!("`(` is missing behind `allow`: {EXAMPLE}"))?;
    let mut lints = Vec::new();
    let mut reason = String::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == '*');
        if rest.starts_with(')') {
            break;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match word {
            "" if rest.is_empty() => return Err(format!("`)` is missing at the end: {EXAMPLE}")),
            "" => return Err(format!("`{}` is not a lint: {EXAMPLE}", rest.chars().take(1).collect::<String>())),
            "reason" => (reason, rest) = quoted(after)?,
            lint => {
                lints.push(Name::new(lint));
                rest = after;
            }
        }
    }
    if lints.is_empty() {
        return Err(format!("no lint is named: {EXAMPLE}"));
    }
    Ok((lints, reason))
}

/// `= "text"` and what follows.
fn quoted(written: &str) -> Result<(String, &str), String> {
    let rest = written.trim_start().strip_prefix('=').ok_or("`=` is missing: write `reason = \"..\"`")?;
    let rest = rest.trim_start().strip_prefix('"').ok_or("the reason is not in quotes: write `reason = \"..\"`")?;
    let mut reason = String::new();
    let mut escaped = false;
    for (at, character) in rest.char_indices() {
        match character {
            '"' if !escaped => return Ok((reason, &rest[at + 1..])),
            '\\' if !escaped => {}
            other => reason.push(other),
        }
        escaped = character == '\\' && !escaped;
    }
    Err("the reason's closing quote is missing: write `reason = \"..\"`".to_owned())
}
