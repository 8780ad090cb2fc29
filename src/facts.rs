//! What `parse` says of one file, as plain data: the only thing that later stages know of Rust code.
//!
//! Facts own their names and hold no syntax tree, so they can be sent, stored, cached and compared.
//! Expressions are kept as they are evaluated, without what cannot matter: operators, lifetimes and visibility are gone,
//! and a chain `a.b()?.c().await` is one node with its links in order, because the chain is what a statement is.

use serde::{Deserialize, Serialize};
pub use smol_str::SmolStr as Name;

use crate::source::Span;

/// Everything of one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Modules written in this file. The first is the file itself, with an empty path.
    pub modules: Vec<Module>,
    /// `use` declarations, one per imported name or glob, at any depth (a `use` in a function counts for its module).
    pub uses: Vec<Use>,
    /// Structs, enums, unions, traits and type aliases, also those inside functions.
    pub types: Vec<TypeDef>,
    /// `impl` blocks.
    pub impls: Vec<Impl>,
    /// Functions: free, associated, in traits (with or without body), in functions, and `macro_rules!` arms.
    pub functions: Vec<Function>,
    /// `const` and `static` items, also associated ones.
    pub consts: Vec<Const>,
    /// Allow comments.
    pub directives: Vec<Directive>,
    /// What could not be read as Rust.
    pub blind_spots: Vec<Blind>,
}

/// An index into [`FileFacts::modules`].
pub type ModuleIndex = u32;

/// A module of a file: the file itself, or `mod name { .. }` in it, or a declaration `mod name;`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// Path inside the file, empty for the file itself.
    pub path: Vec<Name>,
    /// The whole item.
    pub span: Span,
    /// `mod name;`: the text is in another file.
    pub is_declaration: bool,
    /// Under `#[cfg(test)]`, itself or through a parent.
    pub in_test: bool,
}

/// One imported name: `use a::b as c` has path `a::b` and name `c`; `use a::*` has path `a` and no name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// The module that imports.
    pub module: ModuleIndex,
    /// The path as written, with `crate`, `self` and `super` unresolved.
    pub path: Vec<Name>,
    /// The name it is known by here; `None` for a glob. `use Trait as _` has the name `_`.
    pub name: Option<Name>,
    /// `pub use`, in any visibility.
    pub is_public: bool,
}

/// A type or trait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypeDef {
    /// Its name.
    pub name: Name,
    /// Its module.
    pub module: ModuleIndex,
    /// The name's place.
    pub span: Span,
    /// Type parameters.
    pub generics: Vec<Generic>,
    /// What it is.
    pub kind: TypeKind,
    /// Derives and attributes, by path (`derive` is split: `FromRef`, `Clone`).
    pub attributes: Vec<Name>,
}

/// The kinds of [`TypeDef`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TypeKind {
    /// Fields by name; tuple fields are named `0`, `1`, ...
    Struct(Vec<Field>),
    /// Variants with their fields.
    Enum(Vec<(Name, Vec<Field>)>),
    /// `type X = ..;`
    Alias(Type),
    /// A trait with its super-traits, and its associated types with their bounds; its functions are in [`FileFacts::functions`].
    Trait(Vec<Type>, Vec<Generic>),
}

/// A field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name, or its number.
    pub name: Name,
    /// Its type.
    pub ty: Type,
}

/// A type parameter with its bounds, those of the `where` clause included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generic {
    /// Its name.
    pub name: Name,
    /// Bounds: traits, `Fn(..) -> ..` sugar included (see [`Arguments::inputs`]).
    pub bounds: Vec<Type>,
}

/// An `impl` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impl {
    /// Its module.
    pub module: ModuleIndex,
    /// Type parameters.
    pub generics: Vec<Generic>,
    /// The type.
    pub self_type: Type,
    /// The trait, for a trait impl.
    pub of_trait: Option<Type>,
    /// `type Name = Type;` inside.
    pub types: Vec<Field>,
}

/// Who owns a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// A free function, also one inside another function.
    Module,
    /// Index into [`FileFacts::impls`].
    Impl(u32),
    /// Index into [`FileFacts::types`], a trait.
    Trait(u32),
    /// The transcriber of one `macro_rules!` arm: metavariables are its parameters, of type [`Type::Infer`],
    /// and `$name` in its body is the plain path `name`.
    Macro,
}

/// A function with its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name; a macro's name for [`Owner::Macro`].
    pub name: Name,
    /// Its module.
    pub module: ModuleIndex,
    /// Its owner.
    pub owner: Owner,
    /// The whole item, attributes included.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
    /// Type parameters, without those of the owner.
    pub generics: Vec<Generic>,
    /// Parameters in order. A receiver is the first one, with the pattern `self` and the type `Self`.
    pub params: Vec<Param>,
    /// What it returns; the inner type for `async fn`. `Type::Tuple(vec![])` where nothing is written.
    pub output: Type,
    /// The body; `None` for a declaration in a trait.
    pub body: Option<Block>,
    /// Under `#[cfg(test)]` or `#[test]` (also `tokio::test`, `sqlx::test` and other paths that end in `test`).
    pub in_test: bool,
    /// Recovered from tokens because it did not parse.
    pub is_recovered: bool,
}

/// A parameter of a function or closure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// The pattern.
    pub pat: Pat,
    /// Its type; [`Type::Infer`] for a closure's bare parameter.
    pub ty: Type,
}

/// A `const` or `static`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Const {
    /// Its name.
    pub name: Name,
    /// Its module.
    pub module: ModuleIndex,
    /// Its owner: an impl, a trait or the module.
    pub owner: Owner,
    /// Its type.
    pub ty: Type,
    /// Its value.
    pub value: Option<Expr>,
}

/// An allow comment, `// rls-audit: allow(RLS001, reason = "..")`, parsed from a real comment token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Directive {
    /// The comment.
    pub span: Span,
    /// The lints it names, codes or names as written; empty where it could not be understood.
    pub lints: Vec<Name>,
    /// The reason; empty where none is given.
    pub reason: String,
    /// What it covers.
    pub covers: Covers,
    /// What is wrong with its grammar, if anything.
    pub error: Option<String>,
}

/// What an allow comment covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Covers {
    /// The line it is on (a trailing comment) and the statement that spans or starts on that line.
    Line,
    /// What starts on the next code line: a statement, a function, an impl or a module, with the item's span if one does.
    Item(Span),
    /// The whole file: `//! rls-audit: allow(..)`.
    File,
}

/// A place that was not read as Rust.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blind {
    /// Where.
    pub span: Span,
    /// Why, in a lower-case fragment.
    pub reason: String,
}

/// A type as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Type {
    /// `_`, or not written.
    #[default]
    Infer,
    /// A path with its generic arguments; `Self` is a path.
    Path(Path),
    /// `&T`, `&mut T`, `*const T`.
    Ref(Box<Type>),
    /// A tuple; `()` is the empty one.
    Tuple(Vec<Type>),
    /// `[T]` and `[T; N]`.
    Slice(Box<Type>),
    /// `impl A + B`.
    Impl(Vec<Type>),
    /// `dyn A + B`.
    Dyn(Vec<Type>),
    /// `fn(A) -> B`.
    Fn(Vec<Type>, Box<Type>),
    /// Anything else.
    Other,
}

/// A path of an expression, a type or a pattern.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// `<T as Trait>::name`: the `T`; then the segments are those of `Trait::name` (or of `name` alone).
    pub self_type: Option<Box<Type>>,
    /// At least one.
    pub segments: Vec<Segment>,
}

/// One segment of a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The identifier, without `r#`.
    pub name: Name,
    /// What stands between the angle brackets or parentheses behind it. Most have nothing there.
    pub arguments: Option<Box<Arguments>>,
}

/// The arguments of a path's segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arguments {
    /// Type arguments in order, associated types (`Output = T`) by their type, lifetimes and constants left out.
    pub types: Vec<Type>,
    /// `Fn(A, B) -> C`: `A`, `B`; the output is the last of `types`.
    pub inputs: Option<Vec<Type>>,
}

impl Segment {
    /// The type arguments.
    #[must_use]
    pub fn args(&self) -> &[Type] {
        self.arguments.as_ref().map_or(&[], |arguments| &arguments.types)
    }

    /// `Fn(A, B)`: `A`, `B`.
    #[must_use]
    pub fn inputs(&self) -> Option<&[Type]> {
        self.arguments.as_ref()?.inputs.as_deref()
    }
}

impl Path {
    /// The last segment's name.
    #[must_use]
    pub fn last(&self) -> &str {
        self.segments.last().map_or("", |segment| segment.name.as_str())
    }

    /// The only segment's name, for a path of one segment.
    #[must_use]
    pub fn ident(&self) -> Option<&Name> {
        match self.segments.as_slice() {
            [only] if self.self_type.is_none() => Some(&only.name),
            _ => None,
        }
    }

    /// The segments' names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.segments.iter().map(|segment| &segment.name)
    }
}

/// A pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Pat {
    /// `_`, literals, ranges, `..` and what else binds nothing.
    Wild,
    /// `name`, `ref mut name`, `name @ sub`. An upper-case name is a path pattern and becomes `TupleStruct` without elements.
    Ident(Name, Option<Box<Pat>>),
    /// A tuple; `..` is a [`Pat::Wild`] at its place.
    Tuple(Vec<Pat>),
    /// `Some(x)`, `State(db)`, and paths without elements.
    TupleStruct(Path, Vec<Pat>),
    /// `TenantDb { txn, .. }`.
    Struct(Path, Vec<(Name, Pat)>),
    /// `A | B`.
    Or(Vec<Pat>),
    /// `[a, b]`.
    Slice(Vec<Pat>),
    /// `&x`, `box x`.
    Ref(Box<Pat>),
    /// `x: T` where patterns have types (closure parameters).
    Typed(Box<Pat>, Type),
}

/// A block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its statements; items inside are listed in [`FileFacts`], not here.
    pub stmts: Vec<Stmt>,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stmt {
    /// `let pat: ty = init else { otherwise };`
    Let {
        /// The pattern.
        pat: Box<Pat>,
        /// The written type.
        ty: Type,
        /// The value.
        init: Option<Expr>,
        /// The `else` block.
        otherwise: Option<Box<Block>>,
    },
    /// An expression followed by `;`.
    Semi(Expr),
    /// A tail expression, or one that needs no `;`. It is the block's value if it is last.
    Expr(Expr),
}

/// An expression with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// The whole expression. A chain's span starts where its root starts.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExprKind {
    /// A path: a variable, constant, function.
    Path(Path),
    /// A string or byte-string literal, unescaped.
    Str(String),
    /// `true` or `false`.
    Bool(bool),
    /// Any other literal, as written.
    Lit(Name),
    /// `f(a, b)`.
    Call(Box<Expr>, Vec<Expr>),
    /// `root.link.link`; the root is never itself a chain.
    Chain(Box<Expr>, Vec<Link>),
    /// `path!(..)`.
    Macro(Box<MacroCall>),
    /// `&x`, `&mut x`, `&raw x`.
    Ref(Box<Expr>),
    /// `*x`.
    Deref(Box<Expr>),
    /// `x as T`.
    Cast(Box<Expr>, Box<Type>),
    /// `(a, b)`; parentheses around one expression are dropped.
    Tuple(Vec<Expr>),
    /// `[a, b]`, and `[a; n]` as `[a, n]`.
    Array(Vec<Expr>),
    /// `Path { field: value, ..base }`.
    Struct(Box<Path>, Vec<(Name, Expr)>, Option<Box<Expr>>),
    /// `|a, b| body`, with `async`.
    Closure(Box<Closure>),
    /// `async { .. }`, `async move { .. }`.
    Async(Block),
    /// `{ .. }`, `unsafe { .. }`, `const { .. }`, `try { .. }`.
    Block(Block),
    /// `if cond { then } else otherwise`. `if let` has a [`ExprKind::Let`] in its condition.
    If(Box<Expr>, Block, Option<Box<Expr>>),
    /// `match scrutinee { arms }`.
    Match(Box<Expr>, Vec<Arm>),
    /// `loop`, `while cond` (the condition may be a [`ExprKind::Let`]).
    Loop(Option<Box<Expr>>, Block),
    /// `for pat in iter { body }`.
    For(Box<Pat>, Box<Expr>, Block),
    /// `let pat = expr` in a condition.
    Let(Box<Pat>, Box<Expr>),
    /// `left = right`.
    Assign(Box<Expr>, Box<Expr>),
    /// `return x`, `yield x`.
    Return(Option<Box<Expr>>),
    /// `break 'a x`, `continue`.
    Break(Option<Box<Expr>>),
    /// Operators and everything else: the operands in order, flat.
    Other(Vec<Expr>),
}

/// One arm of a `match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The pattern.
    pub pat: Pat,
    /// The guard.
    pub guard: Option<Expr>,
    /// The body.
    pub body: Expr,
}

/// A closure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closure {
    /// Parameters.
    pub params: Vec<Param>,
    /// The body.
    pub body: Expr,
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The link alone: for a method, its name.
    pub span: Span,
    /// Where the link ends, its arguments included.
    pub end: u32,
    /// What it is.
    pub kind: LinkKind,
}

/// The kinds of link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LinkKind {
    /// `.name::<T>(args)`.
    Method(Name, Vec<Type>, Vec<Expr>),
    /// `.name`, `.0`.
    Field(Name),
    /// `.await`.
    Await,
    /// `?`.
    Try,
    /// `[index]`.
    Index(Box<Expr>),
    /// `(args)` on a value: `(self.callback)(x)`.
    Call(Vec<Expr>),
}

/// A macro call with what could be read of its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MacroCall {
    /// The macro's path.
    pub path: Path,
    /// The arguments as expressions, in order; a body of statements is one [`ExprKind::Block`].
    /// For `name = value` arguments (`format!("{a}", a = x)`) the value.
    pub args: Vec<Expr>,
    /// The names of the arguments where one has a name, empty for one that has none.
    pub names: Vec<Name>,
}
