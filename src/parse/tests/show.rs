//! Facts as one line per function, close to Rust, for tests to compare.

use crate::facts::{Block, Expr, ExprKind, FileFacts, Function, LinkKind, Owner, Pat, Path, Stmt, Type};

/// Every function with its body.
pub(super) fn functions(facts: &FileFacts) -> String {
    let mut functions: Vec<&Function> = facts.functions.iter().collect();
    functions.sort_by_key(|function| function.span);
    functions.into_iter().map(|found| function(facts, found)).collect::<Vec<_>>().join("\n")
}

fn function(facts: &FileFacts, function: &Function) -> String {
    let owner = match function.owner {
        Owner::Module => String::new(),
        Owner::Impl(index) => format!("{}::", ty(&facts.impls[index as usize].self_type)),
        Owner::Trait(index) => format!("trait {}::", facts.types[index as usize].name),
        Owner::Macro => "macro ".to_owned(),
    };
    let params: Vec<String> =
        function.params.iter().map(|param| format!("{}: {}", pat(&param.pat), ty(&param.ty))).collect();
    let module: String = facts.modules[function.module as usize].path.iter().map(|name| format!("{name}::")).collect();
    let flags = [(function.is_recovered, "recovered "), (function.in_test, "test ")];
    let flags: String = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect();
    let output = match &function.output {
        Type::Tuple(none) if none.is_empty() => String::new(),
        output => format!(" -> {}", ty(output)),
    };
    let body = function.body.as_ref().map_or(";".to_owned(), block);
    format!("{flags}fn {module}{owner}{}({}){output} {body}", function.name, params.join(", "))
}

pub(super) fn block(block: &Block) -> String {
    if block.stmts.is_empty() {
        return "{}".to_owned();
    }
    format!("{{ {} }}", block.stmts.iter().map(stmt).collect::<Vec<_>>().join(" "))
}

fn stmt(stmt: &Stmt) -> String {
    match stmt {
        Stmt::Let { pat: bound, ty: written, init, otherwise } => {
            let written = if *written == Type::Infer { String::new() } else { format!(": {}", ty(written)) };
            let init = init.as_ref().map(|init| format!(" = {}", expr(init))).unwrap_or_default();
            let otherwise = otherwise.as_ref().map(|other| format!(" else {}", block(other))).unwrap_or_default();
            format!("let {}{written}{init}{otherwise};", pat(bound))
        }
        Stmt::Semi(value) => format!("{};", expr(value)),
        Stmt::Expr(value) => expr(value),
    }
}

pub(super) fn expr(value: &Expr) -> String {
    let list = |values: &[Expr]| values.iter().map(expr).collect::<Vec<_>>().join(", ");
    let jump = |word: &str, value: &Option<Box<Expr>>| {
        value.as_ref().map_or(word.to_owned(), |v| format!("{word} {}", expr(v)))
    };
    match &value.kind {
        ExprKind::Path(written) => path(written),
        ExprKind::Str(text) => format!("{text:?}"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Lit(text) => text.to_string(),
        ExprKind::Call(function, args) => format!("{}({})", expr(function), list(args)),
        ExprKind::Chain(root, links) => {
            let links: String = links.iter().map(|link| chain_link(&link.kind)).collect();
            format!("<{}>{links}", expr(root))
        }
        ExprKind::Macro(call) => {
            format!("{}!({})", path(&call.path), list(&call.args))
        }
        ExprKind::Ref(inner) => format!("&{}", expr(inner)),
        ExprKind::Deref(inner) => format!("*{}", expr(inner)),
        ExprKind::Cast(inner, to) => format!("{} as {}", expr(inner), ty(to)),
        ExprKind::Tuple(parts) => format!("({})", list(parts)),
        ExprKind::Array(parts) => format!("[{}]", list(parts)),
        ExprKind::Struct(name, fields, rest) => {
            let mut parts: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", expr(value))).collect();
            parts.extend(rest.as_ref().map(|rest| format!("..{}", expr(rest))));
            format!("{} {{ {} }}", path(name), parts.join(", "))
        }
        ExprKind::Closure(closure) => {
            let params: Vec<String> = closure.params.iter().map(|param| typed(&param.pat, &param.ty)).collect();
            format!("|{}| {}", params.join(", "), expr(&closure.body))
        }
        ExprKind::Async(body) => format!("async {}", block(body)),
        ExprKind::Block(body) => block(body),
        ExprKind::If(cond, then, otherwise) => {
            let otherwise = otherwise.as_ref().map(|other| format!(" else {}", expr(other))).unwrap_or_default();
            format!("if {} {}{otherwise}", expr(cond), block(then))
        }
        ExprKind::Match(scrutinee, arms) => {
            let arms = arms.iter().map(|arm| {
                let guard = arm.guard.as_ref().map(|guard| format!(" if {}", expr(guard))).unwrap_or_default();
                format!("{}{guard} => {}", pat(&arm.pat), expr(&arm.body))
            });
            format!("match {} {{ {} }}", expr(scrutinee), arms.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Loop(None, body) => format!("loop {}", block(body)),
        ExprKind::Loop(Some(cond), body) => format!("while {} {}", expr(cond), block(body)),
        ExprKind::For(bound, iter, body) => format!("for {} in {} {}", pat(bound), expr(iter), block(body)),
        ExprKind::Let(bound, value) => format!("let {} = {}", pat(bound), expr(value)),
        ExprKind::Assign(left, right) => format!("{} = {}", expr(left), expr(right)),
        ExprKind::Return(value) => jump("return", value),
        ExprKind::Break(value) => jump("break", value),
        ExprKind::Other(operands) => format!("op[{}]", list(operands)),
    }
}

fn chain_link(link: &LinkKind) -> String {
    let list = |values: &[Expr]| values.iter().map(expr).collect::<Vec<_>>().join(", ");
    match link {
        LinkKind::Method(name, types, args) if types.is_empty() => format!(".{name}({})", list(args)),
        LinkKind::Method(name, types, args) => {
            format!(".{name}::<{}>({})", types.iter().map(ty).collect::<Vec<_>>().join(", "), list(args))
        }
        LinkKind::Field(name) => format!(".{name}"),
        LinkKind::Await => ".await".to_owned(),
        LinkKind::Try => "?".to_owned(),
        LinkKind::Index(index) => format!("[{}]", expr(index)),
        LinkKind::Call(args) => format!("({})", list(args)),
    }
}

fn typed(bound: &Pat, written: &Type) -> String {
    if *written == Type::Infer { pat(bound) } else { format!("{}: {}", pat(bound), ty(written)) }
}

pub(super) fn pat(bound: &Pat) -> String {
    let list = |parts: &[Pat]| parts.iter().map(pat).collect::<Vec<_>>().join(", ");
    match bound {
        Pat::Wild => "_".to_owned(),
        Pat::Ident(name, None) => name.to_string(),
        Pat::Ident(name, Some(inner)) => format!("{name} @ {}", pat(inner)),
        Pat::Tuple(parts) => format!("({})", list(parts)),
        Pat::TupleStruct(name, parts) if parts.is_empty() => path(name),
        Pat::TupleStruct(name, parts) => format!("{}({})", path(name), list(parts)),
        Pat::Struct(name, fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, inner)| format!("{name}: {}", pat(inner))).collect();
            format!("{} {{ {} }}", path(name), fields.join(", "))
        }
        Pat::Or(parts) => parts.iter().map(pat).collect::<Vec<_>>().join(" | "),
        Pat::Slice(parts) => format!("[{}]", list(parts)),
        Pat::Ref(inner) => format!("&{}", pat(inner)),
        Pat::Typed(inner, written) => format!("{}: {}", pat(inner), ty(written)),
    }
}

pub(super) fn ty(written: &Type) -> String {
    let list = |parts: &[Type], by: &str| parts.iter().map(ty).collect::<Vec<_>>().join(by);
    match written {
        Type::Infer => "_".to_owned(),
        Type::Path(written) => path(written),
        Type::Ref(inner) => format!("&{}", ty(inner)),
        Type::Tuple(parts) => format!("({})", list(parts, ", ")),
        Type::Slice(inner) => format!("[{}]", ty(inner)),
        Type::Impl(bounds) => format!("impl {}", list(bounds, " + ")),
        Type::Dyn(bounds) => format!("dyn {}", list(bounds, " + ")),
        Type::Fn(inputs, output) => format!("fn({}) -> {}", list(inputs, ", "), ty(output)),
        Type::Other => "?".to_owned(),
    }
}

pub(super) fn path(written: &Path) -> String {
    let segments = written.segments.iter().map(|segment| {
        let args = segment.args().iter().map(ty).collect::<Vec<_>>().join(", ");
        match segment.inputs() {
            Some(inputs) => {
                format!("{}({}) -> {args}", segment.name, inputs.iter().map(ty).collect::<Vec<_>>().join(", "))
            }
            None if args.is_empty() => segment.name.to_string(),
            None => format!("{}<{args}>", segment.name),
        }
    });
    let segments = segments.collect::<Vec<_>>().join("::");
    match &written.self_type {
        Some(self_type) => format!("<{} as>::{segments}", ty(self_type)),
        None => segments,
    }
}
