//! How deep a text nests, before anything recursive reads it, and how to cut what is too deep.
//!
//! The parser overflows the stack at a few thousand parentheses. What counts is everything it recurses for:
//! groups, prefix operators, `else if`, closures, assignments, generics, jumps. The measure is never too small
//! and rarely too large: operators with an operand on both sides do not nest, and `,` and `;` end what does not.

use proc_macro2::{Group, Punct, Spacing, TokenStream, TokenTree};
use ra_ap_rustc_lexer::TokenKind;

use super::lex::lexed;

/// Anything deeper is read in cuts.
pub(super) const DEEPEST: u32 = 200;

/// How deep a cut may be.
const CUT: u32 = 100;

/// A token as far as nesting is concerned.
enum Token<'t> {
    Open,
    Close {
        is_brace: bool,
    },
    Word(&'t str),
    Literal,
    Lifetime,
    /// A character, and whether it stands directly behind the token before.
    Punct(char, bool),
}

/// One group that is being read.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Open until the next `,` or `;`: closures, assignments, branches, jumps.
    open: u32,
    /// Prefix operators whose operand has not come yet.
    prefixes: u32,
    /// `<` that look like generics: not ended by `,`.
    angles: u32,
    /// What nests only in theory, and counts little: `::`, `as`, `<` that looks like an operator.
    light: u32,
    /// Tokens since the last `,` or `;`: a chain of that many links is a tree of that depth.
    length: u32,
    after: After,
    is_after_brace: bool,
    is_in_closure_params: bool,
}

/// What came before.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum After {
    #[default]
    Nothing,
    Operand,
    /// A prefix or unknown operator.
    Prefix(char),
    /// An operator that had an operand before it.
    Binary(char),
}

impl Level {
    fn weight(&self) -> u32 {
        self.open + self.prefixes + self.angles + self.light / 16 + self.length / 2048
    }

    fn restart(&mut self) {
        *self = Self { after: self.after, ..Self::default() };
    }
}

/// Measures the nesting of a sequence of tokens.
#[derive(Default)]
struct Nesting {
    levels: Vec<Level>,
    level: Level,
    /// The weight of the levels around this one.
    around: u32,
}

impl Nesting {
    fn depth(&self) -> u32 {
        self.around + self.level.weight()
    }

    /// Takes a token, and says how deep it is.
    fn take(&mut self, token: &Token<'_>) -> u32 {
        self.after_brace(token);
        match *token {
            Token::Open => {
                self.around += 1 + self.level.weight();
                self.levels.push(std::mem::take(&mut self.level));
            }
            Token::Close { is_brace } => {
                self.level = self.levels.pop().unwrap_or_default();
                self.around = self.around.saturating_sub(1 + self.level.weight());
                self.level.is_after_brace = is_brace;
                self.operand();
            }
            Token::Word(word) => self.word(word),
            Token::Literal => self.operand(),
            Token::Lifetime => self.level.after = After::Nothing,
            Token::Punct(character, is_joint) => self.punct(character, is_joint),
        }
        self.level.length += 1;
        self.depth()
    }

    /// A block ends a statement, unless the next token goes on with it.
    fn after_brace(&mut self, token: &Token<'_>) {
        if std::mem::take(&mut self.level.is_after_brace) {
            let goes_on = match *token {
                Token::Word(word) => word == "else",
                Token::Punct(character, _) => matches!(character, '=' | '.' | '?' | '+' | '/' | '%' | '^'),
                Token::Close { .. } => true,
                Token::Open | Token::Literal | Token::Lifetime => false,
            };
            if !goes_on {
                self.level.restart();
            }
        }
    }

    fn operand(&mut self) {
        self.level.prefixes = 0;
        self.level.after = After::Operand;
    }

    fn word(&mut self, word: &str) {
        match word {
            "return" | "break" | "yield" | "become" | "else" | "if" | "match" | "while" | "for" | "impl" | "dyn"
            | "box" | "do" | "let" | "in" => {
                self.level.open += 1;
                self.level.after = After::Nothing;
            }
            "as" => {
                self.level.light += 1;
                self.level.after = After::Nothing;
            }
            "mut" | "ref" | "const" | "where" | "move" | "async" | "static" | "unsafe" | "fn" | "raw" | "gen"
            | "try" | "pub" | "loop" => self.level.after = After::Nothing,
            _ => self.operand(),
        }
    }

    fn punct(&mut self, character: char, is_joint: bool) {
        let level = &mut self.level;
        let before = match level.after {
            After::Prefix(before) | After::Binary(before) if is_joint => before,
            _ => ' ',
        };
        let is_binary = level.after == After::Operand
            || (is_joint && matches!(level.after, After::Binary(before) if before == character));
        match (character, before) {
            (',', _) if !level.is_in_closure_params => {
                *level = Level { angles: level.angles, ..Level::default() };
                return;
            }
            (';', _) => {
                *level = Level::default();
                return;
            }
            ('?', _) => return self.operand(),
            ('=', '=') | ('>', '=') => level.open = level.open.saturating_sub(1),
            ('=', '<') => level.angles = level.angles.saturating_sub(1),
            ('=', '>' | '!' | '.') => {}
            ('=' | '@', _) | ('>', '-') => level.open += 1,
            ('<', '<') if is_binary => {}
            ('<', _) if is_joint || !is_binary => level.angles += 1,
            ('<', _) => level.light += 1,
            ('>', _) => level.angles = level.angles.saturating_sub(1),
            ('|', _) if level.is_in_closure_params => {
                level.is_in_closure_params = false;
                level.after = After::Nothing;
                return;
            }
            ('|', _) if !is_binary => {
                level.is_in_closure_params = true;
                level.open += 1;
            }
            ('&' | '*' | '-' | '!' | '.', _) if !is_binary => level.prefixes += 1,
            (':', ':') => level.light += 1,
            _ => {}
        }
        level.after = if is_binary { After::Binary(character) } else { After::Prefix(character) };
    }

    /// Takes a token tree but for what is inside it.
    fn take_leaf(&mut self, tree: &TokenTree, was_joint: bool) -> u32 {
        match tree {
            TokenTree::Ident(ident) => self.take(&Token::Word(&ident.to_string())),
            TokenTree::Literal(_) => self.take(&Token::Literal),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => self.take(&Token::Lifetime),
            TokenTree::Punct(punct) => self.take(&Token::Punct(punct.as_char(), was_joint || punct.as_char() == '<')),
            TokenTree::Group(group) => {
                self.take(&Token::Open);
                self.take(&Token::Close { is_brace: is_brace(group) })
            }
        }
    }
}

/// How deep a text nests.
pub(super) fn of_text(text: &str) -> u32 {
    let mut nesting = Nesting::default();
    let mut deepest = 0;
    let mut is_joint = false;
    for (kind, at) in lexed(text) {
        let taken = match kind {
            TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => {
                is_joint = false;
                continue;
            }
            TokenKind::OpenParen | TokenKind::OpenBrace | TokenKind::OpenBracket => Token::Open,
            TokenKind::CloseParen | TokenKind::CloseBracket => Token::Close { is_brace: false },
            TokenKind::CloseBrace => Token::Close { is_brace: true },
            TokenKind::Ident => Token::Word(text.get(at).unwrap_or("")),
            TokenKind::Literal { .. } | TokenKind::RawIdent | TokenKind::InvalidIdent => Token::Literal,
            TokenKind::Lifetime { .. } | TokenKind::RawLifetime => Token::Lifetime,
            _ => Token::Punct(text.as_bytes().get(at.start).copied().unwrap_or(b' ').into(), is_joint),
        };
        deepest = deepest.max(nesting.take(&taken));
        is_joint = true;
    }
    deepest
}

/// Whether a stream can be parsed without fear. Stops looking once it cannot.
pub(super) fn is_shallow(tokens: &TokenStream) -> bool {
    let mut nesting = Nesting::default();
    let mut readers = vec![(tokens.clone().into_iter(), false)];
    let mut was_joint = false;
    while let Some((reader, is_brace_group)) = readers.last_mut() {
        let depth = match reader.next() {
            Some(TokenTree::Group(group)) => {
                readers.push((group.stream().into_iter(), is_brace(&group)));
                nesting.take(&Token::Open)
            }
            Some(leaf) => {
                let depth = nesting.take_leaf(&leaf, was_joint);
                was_joint = matches!(&leaf, TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
                depth
            }
            None => {
                let is_brace = *is_brace_group;
                readers.pop();
                nesting.take(&Token::Close { is_brace })
            }
        };
        if depth > DEEPEST {
            return false;
        }
    }
    true
}

/// A stream as several that can be parsed without fear: groups that are too deep are taken out and follow
/// on their own, and what nests without groups is cut by a semicolon.
pub(super) fn cut(tokens: TokenStream) -> Vec<TokenStream> {
    let mut waiting = std::collections::VecDeque::from([tokens]);
    let mut pieces = Vec::new();
    while let Some(tokens) = waiting.pop_front() {
        pieces.push(cut_once(tokens, &mut waiting));
    }
    pieces
}

/// A group that is being rebuilt.
struct Rebuilt {
    reader: proc_macro2::token_stream::IntoIter,
    kept: Vec<TokenTree>,
    /// The group; `None` for the stream itself.
    group: Option<Group>,
}

fn cut_once(tokens: TokenStream, taken_out: &mut std::collections::VecDeque<TokenStream>) -> TokenStream {
    let mut nesting = Nesting::default();
    let mut groups = vec![Rebuilt { reader: tokens.into_iter(), kept: Vec::new(), group: None }];
    let mut was_joint = false;
    loop {
        let Some(last) = groups.last_mut() else { return TokenStream::new() };
        match last.reader.next() {
            Some(TokenTree::Group(group)) if nesting.depth() >= CUT => {
                taken_out.push_back(group.stream());
                let emptied = TokenTree::Group(with_stream(&group, TokenStream::new()));
                nesting.take_leaf(&emptied, false);
                last.kept.push(emptied);
            }
            Some(TokenTree::Group(group)) => {
                nesting.take(&Token::Open);
                groups.push(Rebuilt { reader: group.stream().into_iter(), kept: Vec::new(), group: Some(group) });
            }
            Some(leaf) => {
                let depth = nesting.take_leaf(&leaf, was_joint);
                was_joint = matches!(&leaf, TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint);
                let mut semicolon = Punct::new(';', Spacing::Alone);
                semicolon.set_span(leaf.span());
                last.kept.push(leaf);
                if depth > CUT + if was_joint { 8 } else { 1 } {
                    nesting.take(&Token::Punct(';', false));
                    last.kept.push(TokenTree::Punct(semicolon));
                }
            }
            None => {
                let Some(done) = groups.pop() else { return TokenStream::new() };
                let stream: TokenStream = done.kept.into_iter().collect();
                match (done.group, groups.last_mut()) {
                    (Some(group), Some(parent)) => {
                        nesting.take(&Token::Close { is_brace: is_brace(&group) });
                        parent.kept.push(TokenTree::Group(with_stream(&group, stream)));
                    }
                    _ => return stream,
                }
            }
        }
    }
}

fn with_stream(group: &Group, stream: TokenStream) -> Group {
    let mut rebuilt = Group::new(group.delimiter(), stream);
    rebuilt.set_span(group.span());
    rebuilt
}

fn is_brace(group: &Group) -> bool {
    group.delimiter() == proc_macro2::Delimiter::Brace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recurses_is_counted() {
        let n = 1000;
        for deep in [
            "(".repeat(n),
            format!("fn f() {{ {}1 }}", "-".repeat(n)),
            format!("fn f() {{ {}1 }}", "- ! * & ".repeat(n / 4)),
            format!("fn f() {{ if a {{}} {} }}", "else if a {} ".repeat(n)),
            format!("fn f(x: {}u8{}) {{}}", "A<".repeat(n), ">".repeat(n)),
            format!("fn f(x: {}u8{}) {{}}", "A<B, ".repeat(n), ">".repeat(n)),
            format!("fn f() {{ {} 1 }}", "|a, b| ".repeat(n)),
            format!("fn f() {{ {} 1 }}", "|a|".repeat(n)),
            format!("fn f() {{ {} 1 }}", "|| ".repeat(n)),
            format!("fn f() {{ {} 1 }}", "a = ".repeat(n)),
            format!("fn f() {{ {} 1 }}", "return ".repeat(n)),
            format!("fn f(x: {}) {{}}", "fn() -> ".repeat(n)),
            format!("fn f({}x: u8) {{}}", "a @ ".repeat(n)),
            format!("fn f() {{ {} a {{}} }}", "if ".repeat(n)),
        ] {
            assert!(of_text(&deep) > DEEPEST, "{}", &deep[..40]);
        }
    }

    #[test]
    fn what_does_not_recurse_is_not() {
        let n = 1000;
        for flat in [
            "fn f() { if a == b && c < d || !e { g(-1) } }\n".repeat(n),
            format!("fn f() {{ {} }}", "if a < b { c } ".repeat(n)),
            format!("fn f() {{ {} 1 }}", "a - b * -c & d || e | ".repeat(n)),
            format!("const X: [u8; 9] = [{}];", "1 << 3, a < b, ".repeat(n)),
            format!("fn f() {{ x{} }}", ".a(|x| y)?.await".repeat(n)),
            format!("fn f() {{ match x {{ {} }} }}", "A | B if c => { d } E => return f, ".repeat(n)),
            format!("fn f() {{ {} }}", "let x: Vec<A<B>> = y; x.z(); ".repeat(n)),
        ] {
            assert!(of_text(&flat) < 80, "{} {}", of_text(&flat), &flat[..40]);
        }
    }

    #[test]
    fn cuts_are_shallow_and_lose_nothing() {
        let n = 100_000;
        for deep in [format!("{}x{}", "(y ".repeat(n), ")".repeat(n)), format!("{}x", "!".repeat(n)), "a = ".repeat(n)]
        {
            let tokens: TokenStream = deep.parse().expect("tokens");
            assert!(!is_shallow(&tokens));
            let cuts = cut(tokens);
            assert!(cuts.iter().all(is_shallow));
            let kept: usize = cuts.iter().map(|cut| cut.to_string().matches(['x', 'y', 'a', '!']).count()).sum();
            assert_eq!(kept, deep.matches(['x', 'y', 'a', '!']).count());
        }
    }
}
