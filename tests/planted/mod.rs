//! Rust files made from bytes, with statements planted in every construct; shared by the property tests and the fuzzer.

use std::ops::Range;

use rls_audit::facts::{Arm, Block, Expr, ExprKind, FileFacts, Link, LinkKind, Stmt};

/// How deep constructs go into each other.
const DEEPEST: u32 = 5;

/// A file and how many statements it holds: the handles are `h0`, `h1`, ...
pub struct Planted {
    /// The text.
    pub text: String,
    /// How many statements were planted.
    pub statements: usize,
    /// Where they stand.
    pub places: Vec<Range<usize>>,
}

/// Stand around each statement until the whole is written.
const MARKS: [char; 2] = ['\u{1}', '\u{2}'];

/// Makes a file from bytes. The same bytes make the same file.
pub fn planted(choices: &[u8]) -> Planted {
    let mut garden = Garden { choices, statements: 0, has_weed: false };
    let mut text = ["", "\u{feff}", "#!/usr/bin/env cargo\n", "//! Doc \" of ' it {\n"][garden.pick(4)].to_owned();
    for index in 0..=garden.pick(4) {
        text.push_str(&garden.item(index, 0));
        text.push('\n');
    }
    if garden.pick(4) == 0 {
        text = text.replace('\n', "\r\n");
    }
    let places = places(&text);
    Planted { text: text.replace(MARKS, ""), statements: garden.statements, places }
}

/// Where the marked parts will be once the marks are gone.
fn places(marked: &str) -> Vec<Range<usize>> {
    let marks = marked.match_indices(MARKS).enumerate().map(|(before, (at, _))| at - before);
    let ends: Vec<usize> = marks.collect();
    ends.chunks(2).map(|ends| ends[0]..ends[1]).collect()
}

/// The handles of all `fetch_one` calls, sorted, each once.
pub fn found(facts: &FileFacts) -> Vec<String> {
    let mut found = Vec::new();
    each_expr(facts, &mut |expr| {
        let ExprKind::Chain(_, links) = &expr.kind else { return };
        for link in links {
            if let LinkKind::Method(name, _, args) = &link.kind
                && name == "fetch_one"
                && let Some(ExprKind::Ref(handle)) = args.first().map(|arg| &arg.kind)
                && let ExprKind::Path(path) = &handle.kind
            {
                found.push(path.last().to_owned());
            }
        }
    });
    found.sort();
    // What makes a static is in its value and in a function of its name.
    found.dedup();
    found
}

/// Visits every expression.
pub fn each_expr(facts: &FileFacts, visit: &mut dyn FnMut(&Expr)) {
    facts.functions.iter().filter_map(|function| function.body.as_ref()).for_each(|body| in_block(body, visit));
    facts.consts.iter().filter_map(|constant| constant.value.as_ref()).for_each(|value| in_expr(value, visit));
}

/// What [`found`] must say.
pub fn expected(statements: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..statements).map(|index| format!("h{index}")).collect();
    names.sort();
    names
}

struct Garden<'b> {
    choices: &'b [u8],
    statements: usize,
    /// One thing that does not parse is enough for a file.
    has_weed: bool,
}

impl Garden<'_> {
    /// The next choice among so many; the first once the bytes are used up.
    fn pick(&mut self, among: usize) -> usize {
        let Some((first, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        usize::from(*first) % among
    }

    /// One more statement.
    fn plant(&mut self) -> String {
        let handle = format!("&h{}", self.statements);
        self.statements += 1;
        let statement = match self.pick(6) {
            0 => format!("sqlx::query(\"select 1\").fetch_one({handle}).await?"),
            1 => format!("query!(\"a\", b).bind(\"c\")\n    // why\n    .fetch_one({handle}).await"),
            2 => format!("(Entity::find()).filter(|x| x.y.eq(1)).fetch_one({handle})"),
            3 => format!(
                "sqlx::query_as::<_, (i64, Vec<u8>)>(r#\"sel \"x\" {{\"#).fetch_one({handle}).await.map_err(E::from)?"
            ),
            4 => format!("q[0].r#try()?.fetch_one::<T>({handle})"),
            _ => format!("self.repo().fetch_one({handle}).await.unwrap_or_default()"),
        };
        format!("{}{statement}{}", MARKS[0], MARKS[1])
    }

    fn item(&mut self, index: usize, depth: u32) -> String {
        match self.pick(if depth > 1 { 5 } else { 12 }) {
            0 => format!("async fn f{index}(pool: &PgPool) -> Result<(), E> {}", self.block(depth)),
            1 => format!("#[test]\npub(crate) fn g{index}<'a, T: A<B = C>>(x: T) where T: 'a {}", self.block(depth)),
            2 => format!("const C{index}: fn() = || {};", self.expr(depth)),
            3 => format!("use a::{{b, c as d{index}}};"),
            4 => format!("macro_rules! m{index} {{ ($p:expr $(, $q:ident)*) => {{ {} }}; }}", self.block(depth)),
            5 => format!("impl A for B{index} {{ type C = D; async fn i(&self) {} }}", self.block(depth)),
            6 => format!("mod n{index} {{ {} {} }}", self.item(0, depth + 1), self.item(1, depth + 1)),
            7 => format!("trait T{index} {{ fn j(&self); fn k(&self) {} }}", self.block(depth)),
            8 => format!("lazy! {{ static ref S{index}: T = {}; }}", self.expr(depth)),
            9 => self.weed_item(index, depth),
            10 => format!("paste! {{ {} }}", self.item(index, depth + 1)),
            _ => format!("struct S{index} {{ a: B }}\n/* {{ ( */ "),
        }
    }

    /// A function that does not parse, but for what is in it.
    fn weed_item(&mut self, index: usize, depth: u32) -> String {
        if std::mem::replace(&mut self.has_weed, true) {
            return format!("fn w{index}() {}", self.block(depth));
        }
        match self.pick(4) {
            0 => format!("gen fn w{index}(pool: &P) {}", self.block(depth)),
            1 => format!("fn w{index}(pool: @) {}", self.block(depth)),
            2 => format!("impl const W for X{index} {{ fn w(&self) {} }}", self.block(depth)),
            _ => format!("fn w{index}() {{ super let x = {}; let = ; {}; }}", self.expr(depth), self.expr(depth)),
        }
    }

    fn block(&mut self, depth: u32) -> String {
        let count = self.pick(4);
        let stmts: String = (0..count).map(|_| self.stmt(depth)).collect();
        format!("{{\n{stmts}    {}\n}}", self.expr(depth))
    }

    fn stmt(&mut self, depth: u32) -> String {
        let value = self.expr(depth);
        match self.pick(7) {
            0 => format!("    let x = {value};\n"),
            1 => format!("    let Some(x): Option<T<U>> = {value} else {{ return {} }};\n", self.expr(depth + 1)),
            2 => format!("    _ = {value};\n"),
            3 => format!("    fn inner() {{ {value}; }}\n"),
            4 => format!("    if {} {{ {value}; }}\n", self.simple()),
            5 => format!("    drop({value}); // \" ' {{\n"),
            _ => format!("    let y: A = {value};;\n"),
        }
    }

    /// An expression without braces at its start, so that it can stand anywhere.
    fn expr(&mut self, depth: u32) -> String {
        if depth >= DEEPEST {
            return if self.pick(2) == 0 { self.plant() } else { self.simple() };
        }
        let deeper = depth + 1;
        match self.pick(22) {
            0..=3 => self.plant(),
            4 => self.simple(),
            5 => format!("with_tenant(&pool, id, async move |mut tx| {}).await?", self.block(deeper)),
            6 => format!("scope(|tx| Box::pin(async move {}))", self.block(deeper)),
            7 => format!("(if {} {} else {})", self.simple(), self.block(deeper), self.block(deeper)),
            8 => format!(
                "match ({}) {{ Some(x) if {} => {}, A | B => {} _ => ({}) }}",
                self.expr(deeper),
                self.simple(),
                self.simple(),
                self.block(deeper),
                self.expr(deeper)
            ),
            9 => format!(
                "tokio::select! {{ x = f({}) => {}, _ = g(), if y => {}, else => {{ {} }} }}",
                self.expr(deeper),
                self.block(deeper),
                self.block(deeper),
                self.expr(deeper)
            ),
            10 => format!("try_join!({}, h({}))?", self.expr(deeper), self.expr(deeper)),
            11 => format!("vec![{}; 3].len()", self.expr(deeper)),
            12 => format!("db_run!(conn: {} => {{ {} }})", self.simple(), self.expr(deeper)),
            13 => format!("S {{ a: {}, b, ..c({}) }}", self.expr(deeper), self.expr(deeper)),
            14 => format!("(1 + {} * -2 == &3 && !{})", self.wrapped(deeper), self.wrapped(deeper)),
            15 => format!("[{}, x?.y[{}]]", self.expr(deeper), self.expr(deeper)),
            16 => format!("unsafe {}", self.block(deeper)),
            17 => format!("async {}.boxed()", self.block(deeper)),
            18 => format!("info!(%id, n = ?{}, \"{{}} done\", {})", self.wrapped(deeper), self.simple()),
            19 => format!("f(return {}, break 'a {})", self.expr(deeper), self.expr(deeper)),
            20 => format!("{}.g(|(a, b): (C, D<E>)| {})", self.simple(), self.wrapped(deeper)),
            _ => self.weed(deeper),
        }
    }

    fn wrapped(&mut self, depth: u32) -> String {
        format!("({})", self.expr(depth))
    }

    /// An expression that does not parse, but for what is in it.
    fn weed(&mut self, depth: u32) -> String {
        if std::mem::replace(&mut self.has_weed, true) {
            return self.simple();
        }
        match self.pick(5) {
            0 => format!("f(gen {})", self.block(depth)),
            1 => format!("f(do yeet {})", self.expr(depth)),
            2 => format!("g(use |x| {})", self.block(depth)),
            3 => format!("become f({})", self.expr(depth)),
            _ => format!("h(~ {}, {})", self.expr(depth), self.expr(depth)),
        }
    }

    fn simple(&mut self) -> String {
        ["x", "1_u8", "a::B::<C>::d()", "'c'", "\"s {\"", "b'\\''", "&mut *y", "z as u8", "(1..=2)", "|_| ()"]
            [self.pick(10)]
        .to_owned()
    }
}

fn in_block(block: &Block, visit: &mut dyn FnMut(&Expr)) {
    for stmt in &block.stmts {
        match stmt {
            Stmt::Let { init, otherwise, .. } => {
                init.iter().for_each(|init| in_expr(init, visit));
                otherwise.iter().for_each(|block| in_block(block, visit));
            }
            Stmt::Semi(expr) | Stmt::Expr(expr) => in_expr(expr, visit),
        }
    }
}

fn in_all(exprs: &[Expr], visit: &mut dyn FnMut(&Expr)) {
    exprs.iter().for_each(|expr| in_expr(expr, visit));
}

fn in_expr(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Path(_) | ExprKind::Str(_) | ExprKind::Bool(_) | ExprKind::Lit(_) => {}
        ExprKind::Call(function, args) => {
            in_expr(function, visit);
            in_all(args, visit);
        }
        ExprKind::Chain(root, links) => {
            in_expr(root, visit);
            links.iter().for_each(|link| in_link(link, visit));
        }
        ExprKind::Macro(call) => in_all(&call.args, visit),
        ExprKind::Ref(inner) | ExprKind::Deref(inner) | ExprKind::Cast(inner, _) | ExprKind::Let(_, inner) => {
            in_expr(inner, visit);
        }
        ExprKind::Tuple(parts) | ExprKind::Array(parts) | ExprKind::Other(parts) => in_all(parts, visit),
        ExprKind::Struct(_, fields, rest) => {
            fields.iter().for_each(|(_, value)| in_expr(value, visit));
            rest.iter().for_each(|rest| in_expr(rest, visit));
        }
        ExprKind::Closure(closure) => in_expr(&closure.body, visit),
        ExprKind::Async(block) | ExprKind::Block(block) => in_block(block, visit),
        ExprKind::If(cond, then, otherwise) => {
            in_expr(cond, visit);
            in_block(then, visit);
            otherwise.iter().for_each(|otherwise| in_expr(otherwise, visit));
        }
        ExprKind::Match(scrutinee, arms) => {
            in_expr(scrutinee, visit);
            for Arm { guard, body, .. } in arms {
                guard.iter().for_each(|guard| in_expr(guard, visit));
                in_expr(body, visit);
            }
        }
        ExprKind::Loop(cond, block) => {
            cond.iter().for_each(|cond| in_expr(cond, visit));
            in_block(block, visit);
        }
        ExprKind::For(_, iter, block) => {
            in_expr(iter, visit);
            in_block(block, visit);
        }
        ExprKind::Assign(left, right) => {
            in_expr(left, visit);
            in_expr(right, visit);
        }
        ExprKind::Return(value) | ExprKind::Break(value) => value.iter().for_each(|value| in_expr(value, visit)),
    }
}

fn in_link(link: &Link, visit: &mut dyn FnMut(&Expr)) {
    match &link.kind {
        LinkKind::Method(_, _, args) => in_all(args, visit),
        LinkKind::Index(index) => in_expr(index, visit),
        LinkKind::Call(args) => in_all(args, visit),
        LinkKind::Field(_) | LinkKind::Await | LinkKind::Try => {}
    }
}
