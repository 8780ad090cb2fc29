//! The text of a policy in, a tree that says what it compares out.
//!
//! The text is what `pg_get_expr` prints with an empty search path: fully parenthesised, casts as `::`, and every name
//! that is not PostgreSQL's own with its schema.
//! What this parser does not know becomes [`Expr::Unknown`], of which nothing is believed.

/// How deep an expression may nest before it is taken as unknown.
const DEPTH: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    /// A column of the table, unquoted.
    Column(String),
    Text(String),
    Number(String),
    Bool(bool),
    Null,
    Cast(Box<Expr>, String),
    /// A function; a name with a dot is a user's.
    Call(String, Vec<Expr>),
    /// `( SELECT … )` without any table.
    Select(Box<Expr>),
    Array(Vec<Expr>),
    /// What a `CASE` may result in.
    Case(Vec<Expr>),
    Binary(String, Box<Expr>, Box<Expr>),
    /// `left op ANY (right)`.
    Any(String, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    IsNotNull(Box<Expr>),
    /// `IS TRUE` and its like: keeps only true.
    IsTrue(Box<Expr>),
    Unknown,
}

/// Reads the whole text, or finds it unknown.
pub(crate) fn parse(text: &str) -> Expr {
    let Some(tokens) = tokens(text) else {
        return Expr::Unknown;
    };
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    match parser.or() {
        Some(expr) if parser.at == tokens.len() => expr,
        _ => Expr::Unknown,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A bare word, in lower case.
    Word(String),
    Quoted(String),
    Text(String),
    Number(String),
    Sign(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => quoted(&rest[1..], '\'').map(|(body, after)| (Token::Text(body), after))?,
            '"' => quoted(&rest[1..], '"').map(|(body, after)| (Token::Quoted(body), after))?,
            c if c.is_alphabetic() || c == '_' => {
                let (word, after) = split(rest, |c| c.is_alphanumeric() || c == '_' || c == '$');
                if matches!(word, "E" | "e" | "B" | "X" | "U") && after.starts_with('\'') {
                    return None;
                }
                (Token::Word(word.to_lowercase()), after)
            }
            c if c.is_ascii_digit() => {
                let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
                (Token::Number(number.to_owned()), after)
            }
            '(' | ')' | '[' | ']' | ',' | '.' => (Token::Sign(first.into()), &rest[1..]),
            ':' => (Token::Sign("::".into()), rest.strip_prefix("::")?),
            c if "+-*/<>=~!@#%^&|`?".contains(c) => {
                let (sign, after) = split(rest, |c| "+-*/<>=~!@#%^&|`?".contains(c));
                (Token::Sign(sign.to_owned()), after)
            }
            _ => return None,
        };
        found.push(token);
        rest = after.trim_start();
    }
    Some(found)
}

fn split(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut body = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            body.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            body.push(quote);
        } else {
            return Some((body, &text[at + 1..]));
        }
    }
    None
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn sign(&mut self, sign: &str) -> Option<()> {
        let hit = matches!(self.peek(), Some(Token::Sign(found)) if found == sign);
        self.at += usize::from(hit);
        hit.then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let hit = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.at += usize::from(hit);
        hit.then_some(())
    }

    fn words(&mut self, words: &[&str]) -> Option<()> {
        let start = self.at;
        let hit = words.iter().all(|word| self.word(word).is_some());
        if !hit {
            self.at = start;
        }
        hit.then_some(())
    }

    fn or(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let mut sides = vec![self.and()?];
        while self.word("or").is_some() {
            sides.push(self.and()?);
        }
        self.depth -= 1;
        Some(one_or(sides, Expr::Or))
    }

    fn and(&mut self) -> Option<Expr> {
        let mut sides = vec![self.not()?];
        while self.word("and").is_some() {
            sides.push(self.not()?);
        }
        Some(one_or(sides, Expr::And))
    }

    fn not(&mut self) -> Option<Expr> {
        let mut negations = 0;
        while self.word("not").is_some() {
            negations += 1;
        }
        let mut expr = self.comparison()?;
        for _ in 0..negations {
            expr = Expr::Not(Box::new(expr));
        }
        Some(expr)
    }

    fn comparison(&mut self) -> Option<Expr> {
        let left = self.operand()?;
        if self.word("is").is_some() {
            return self.is_suffix(left);
        }
        if self.word("in").is_some() {
            self.sign("(")?;
            let right = self.group()?;
            return Some(Expr::Any("=".into(), Box::new(left), Box::new(right)));
        }
        let Some(Token::Sign(sign)) = self.peek().cloned() else {
            return Some(left);
        };
        if [")", "]", ",", ".", "::", "(", "["].contains(&sign.as_str()) {
            return Some(left);
        }
        self.at += 1;
        if self.word("any").is_some() {
            self.sign("(")?;
            let right = self.or()?;
            self.sign(")")?;
            return Some(Expr::Any(sign, Box::new(left), Box::new(right)));
        }
        let right = self.operand()?;
        Some(Expr::Binary(sign, Box::new(left), Box::new(right)))
    }

    fn is_suffix(&mut self, left: Expr) -> Option<Expr> {
        let left = Box::new(left);
        if self.word("null").is_some() {
            Some(Expr::IsNull(left))
        } else if self.words(&["not", "null"]).is_some() {
            Some(Expr::IsNotNull(left))
        } else if self.word("true").is_some() {
            Some(Expr::IsTrue(left))
        } else if self.words(&["distinct", "from"]).is_some() {
            let right = self.operand()?;
            Some(Expr::Binary("is distinct from".into(), left, Box::new(right)))
        } else {
            None
        }
    }

    fn operand(&mut self) -> Option<Expr> {
        let mut expr = self.primary()?;
        while self.sign("::").is_some() {
            expr = Expr::Cast(Box::new(expr), self.type_name()?);
        }
        Some(expr)
    }

    fn primary(&mut self) -> Option<Expr> {
        let token = self.peek()?.clone();
        self.at += 1;
        match token {
            Token::Text(text) => Some(Expr::Text(text)),
            Token::Number(number) => Some(Expr::Number(number)),
            Token::Sign(sign) if sign == "(" => self.group(),
            Token::Sign(sign) if sign == "-" => {
                let Some(Token::Number(number)) = self.peek().cloned() else {
                    return None;
                };
                self.at += 1;
                Some(Expr::Number(format!("-{number}")))
            }
            Token::Sign(_) => None,
            Token::Quoted(name) => self.named(name),
            Token::Word(word) => match word.as_str() {
                "true" => Some(Expr::Bool(true)),
                "false" => Some(Expr::Bool(false)),
                "null" => Some(Expr::Null),
                "array" => self.array(),
                "case" => self.case(),
                "exists" => {
                    self.sign("(")?;
                    self.group().map(|_| Expr::Unknown)
                }
                "select" | "interval" | "row" | "operator" => None,
                _ => self.named(word),
            },
        }
    }

    /// What follows an opening parenthesis: a sub-select or an expression.
    ///
    /// What is inside and not understood is unknown as a whole, and what stands beside it still counts.
    fn group(&mut self) -> Option<Expr> {
        let (start, depth) = (self.at, self.depth);
        if let Some(inner) = self.understood_group() {
            return Some(inner);
        }
        (self.at, self.depth) = (start, depth);
        let mut open = 1_usize;
        while open > 0 {
            match self.peek()? {
                Token::Sign(sign) if sign == "(" => open += 1,
                Token::Sign(sign) if sign == ")" => open -= 1,
                _ => {}
            }
            self.at += 1;
        }
        Some(Expr::Unknown)
    }

    fn understood_group(&mut self) -> Option<Expr> {
        if self.word("select").is_none() {
            let inner = self.or()?;
            self.sign(")")?;
            return Some(inner);
        }
        self.selected()
    }

    /// The rest of a sub-select without tables.
    fn selected(&mut self) -> Option<Expr> {
        let inner = self.or()?;
        if self.word("as").is_some() {
            self.at += 1;
        }
        self.sign(")")?;
        Some(Expr::Select(Box::new(inner)))
    }

    /// The results of a `CASE`; which of them it is depends on what is not looked at.
    fn case(&mut self) -> Option<Expr> {
        if self.peek() != Some(&Token::Word("when".into())) {
            self.or()?;
        }
        let mut results = Vec::new();
        while self.word("when").is_some() {
            self.or()?;
            self.word("then")?;
            results.push(self.or()?);
        }
        results.push(if self.word("else").is_some() { self.or()? } else { Expr::Null });
        self.word("end")?;
        Some(Expr::Case(results))
    }

    fn array(&mut self) -> Option<Expr> {
        self.sign("[")?;
        let mut items = vec![self.or()?];
        while self.sign(",").is_some() {
            items.push(self.or()?);
        }
        self.sign("]")?;
        Some(Expr::Array(items))
    }

    /// A column, or a function with its arguments.
    fn named(&mut self, first: String) -> Option<Expr> {
        let mut name = first;
        let mut qualified = false;
        while self.sign(".").is_some() {
            let (Token::Word(part) | Token::Quoted(part)) = self.peek()?.clone() else {
                return None;
            };
            self.at += 1;
            qualified = true;
            name = format!("{name}.{part}");
        }
        if self.sign("(").is_none() {
            // A policy's own columns are printed bare; another table's are not.
            return (!qualified).then_some(Expr::Column(name));
        }
        let mut arguments = Vec::new();
        while self.sign(")").is_none() {
            if !arguments.is_empty() {
                self.sign(",")?;
            }
            arguments.push(self.or()?);
        }
        Some(Expr::Call(name, arguments))
    }

    fn type_name(&mut self) -> Option<String> {
        const SECOND_WORDS: [&str; 5] = ["varying", "precision", "with", "without", "zone"];
        let (Token::Word(first) | Token::Quoted(first)) = self.peek()?.clone() else {
            return None;
        };
        self.at += 1;
        let mut name = first;
        loop {
            match self.peek() {
                Some(Token::Word(word)) if SECOND_WORDS.contains(&word.as_str()) || word == "time" => {
                    name = format!("{name} {word}");
                    self.at += 1;
                }
                Some(Token::Sign(sign)) if sign == "." => {
                    self.at += 1;
                    let (Token::Word(part) | Token::Quoted(part)) = self.peek()?.clone() else {
                        return None;
                    };
                    name = format!("{name}.{part}");
                    self.at += 1;
                }
                Some(Token::Sign(sign)) if sign == "(" || sign == "[" => {
                    let close = if sign == "(" { ")" } else { "]" };
                    let open = sign.clone();
                    self.at += 1;
                    name.push_str(&open);
                    while self.sign(close).is_none() {
                        let (Token::Number(part) | Token::Sign(part)) = self.peek()?.clone() else {
                            return None;
                        };
                        name.push_str(&part);
                        self.at += 1;
                    }
                    name.push_str(close);
                }
                _ => return Some(name),
            }
        }
    }
}

fn one_or(mut sides: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if sides.len() == 1 { sides.remove(0) } else { many(sides) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        format!("{:?}", parse(text))
    }

    #[test]
    fn the_canonical_policy() {
        let text = "(tenant_id = ( SELECT (current_setting('app.tenant_id'::text))::uuid AS current_setting))";
        let Expr::Binary(sign, left, right) = parse(text) else {
            panic!("{}", shown(text));
        };
        assert_eq!((sign.as_str(), *left), ("=", Expr::Column("tenant_id".into())));
        assert!(matches!(*right, Expr::Select(inner) if matches!(*inner, Expr::Cast(_, ref name) if name == "uuid")));
    }

    #[test]
    fn what_is_not_understood_is_unknown_not_guessed() {
        for text in [
            "(EXISTS ( SELECT 1 FROM g.members m WHERE (m.tenant_id = t.tenant_id)))",
            "CASE WHEN true THEN true ELSE false",
            "(tenant_id OPERATOR(public.=) '1'::uuid)",
            "(tenant_id = 1",
            "tenant_id = 1)",
            "E'\\\\'",
            "",
        ] {
            assert_eq!(parse(text), Expr::Unknown, "{text}");
        }
    }

    #[test]
    fn what_is_unknown_does_not_hide_what_stands_beside_it() {
        let text = "((a = b) AND (EXISTS ( SELECT 1 FROM g.m WHERE (m.x = (1 + 2)))) AND (b IN ( SELECT x FROM g.m)))";
        let Expr::And(sides) = parse(text) else {
            panic!("{}", shown(text));
        };
        assert!(matches!(&sides[0], Expr::Binary(sign, ..) if sign == "="));
        assert_eq!(sides[1], Expr::Unknown);
        assert!(matches!(&sides[2], Expr::Any(_, _, right) if **right == Expr::Unknown));
    }

    #[test]
    fn deep_nesting_is_unknown_not_a_crash() {
        let deep = format!("{}true{}", "(".repeat(200_000), ")".repeat(200_000));
        assert_eq!(parse(&deep), Expr::Unknown);
    }

    #[test]
    fn precedence_of_and_or_not() {
        assert!(matches!(parse("(a AND b OR NOT c)"), Expr::Or(sides) if sides.len() == 2));
        assert!(matches!(parse("(NOT (a IS DISTINCT FROM b))"), Expr::Not(_)));
        assert!(matches!(parse("(a = ANY (ARRAY[1, 2]))"), Expr::Any(..)));
    }
}
