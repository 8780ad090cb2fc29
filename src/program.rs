//! What `resolve` found out about the whole program: every statement with what covers it, and what happens to tenant settings.
//! Plain data; `lints` read it and nothing else.

use serde::{Deserialize, Serialize};

use crate::facts::Name;
use crate::rules::HandleKind;
use crate::source::Span;

/// An index into the run's list of files.
pub type FileId = u32;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The bytes.
    pub span: Span,
}

/// The resolved program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Program {
    /// Every statement, by file and position.
    pub statements: Vec<Statement>,
    /// What happens to tenant settings and scopes, by file and position.
    pub events: Vec<Event>,
    /// What was inferred from the code, for `init` and `--stats`, by kind and name.
    pub inferred: Vec<Inferred>,
    /// Which configured rows of the scope rules matched something: the row's `call` or `type`.
    pub used_rules: std::collections::BTreeSet<String>,
    /// Which files call functions of which others.
    pub calls: Vec<CallsBetween>,
    /// Names of functions and their types whose callers are part of a path that a finding shows.
    pub led_from: std::collections::BTreeSet<Name>,
}

/// Each of some files calls functions of each of some others: as many calls of one function, or of any impl of a trait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsBetween {
    /// The files that call.
    pub callers: std::collections::BTreeSet<FileId>,
    /// The files that are called.
    pub callees: std::collections::BTreeSet<FileId>,
}

impl Program {
    /// The strict reading: a statement that is not lexically in a scope function's closure is a gap,
    /// whatever its handle. What escaped its scope stays escaped.
    pub fn judge_lexically(&mut self) {
        for statement in &mut self.statements {
            let in_closure = statement.in_scope_closure;
            let stays = matches!(statement.cover, Cover::Exempt(_) | Cover::Bypass(_) | Cover::Escaped(..));
            if stays {
                continue;
            }
            let is_late = matches!(statement.cover, Cover::AfterScope(..) | Cover::Unscoped);
            statement.cover = match (in_closure, &statement.cover) {
                (Some(_), Cover::Scoped(scope)) => Cover::Scoped(scope.clone()),
                (Some(place), _) if !is_late => Cover::Scoped(Scope {
                    kind: ScopeKind::Closure,
                    place: Some(place),
                    name: "a scope function".to_owned(),
                }),
                _ => Cover::Unscoped,
            };
        }
    }
}

/// One place that sends SQL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// The whole expression, from the chain's root to the end of the executing call.
    pub place: Place,
    /// The name of the method or function that executes it.
    pub exec: Span,
    /// The pack's name.
    pub api: String,
    /// The method.
    pub method: String,
    /// The handle as written; empty where there is none to point at.
    pub handle: String,
    /// The handle's place, for labels.
    pub handle_span: Option<Span>,
    /// The handle's kind; `None` where it could not be found out.
    pub handle_kind: Option<HandleKind>,
    /// What covers it.
    pub cover: Cover,
    /// Lexically inside a closure of a scope function, whatever the handle.
    pub in_scope_closure: Option<Place>,
    /// Of a call of a function of the run that sends what it is given: the statement in there that sends it.
    pub through: Option<Place>,
    /// The function it is in, with its module path.
    pub function: String,
    /// The text it sends, as far as it is known.
    pub sql: SqlText,
    /// What the text does, from the text or the pack.
    pub operation: Option<String>,
    /// The tables it touches, sorted; `tables_known` says whether these are all.
    pub tables: Vec<String>,
    /// Whether `tables` is complete.
    pub tables_known: bool,
    /// Inside a macro's arguments or a `macro_rules!` body.
    pub in_macro: bool,
    /// In test code.
    pub in_test: bool,
    /// What each stage saw, for `trace`: one line each.
    pub trace: Vec<String>,
}

/// SQL text as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SqlText {
    /// Nothing is known.
    #[default]
    Unknown,
    /// The whole text.
    Whole(String),
    /// The text with holes for what is put in at run time, each hole written as `{}`.
    Partial(String),
    /// Whatever the caller gives as this parameter. No statement of a program says so.
    Param(usize),
}

impl SqlText {
    /// The text with its holes, if any is known.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Unknown | Self::Param(_) => None,
            Self::Whole(text) | Self::Partial(text) => Some(text),
        }
    }
}

/// What covers a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cover {
    /// Runs on the handle of a scope.
    Scoped(Scope),
    /// Runs outside every scope.
    Unscoped,
    /// Inside a scope, on a handle that is not the scope's.
    Escaped(Scope, Escape),
    /// On a scope's handle after its commit or rollback, or on the pool between a guard's begin and commit.
    AfterScope(Scope, After),
    /// Runs on a handle that came in as a parameter, and no caller settles it.
    Caller,
    /// Runs on a handle that came in as a parameter, and this path reaches it without a scope: entry point first, statement last.
    Path(Vec<Step>),
    /// Runs on a handle that goes around the policies on purpose; the reason of the rule.
    Bypass(String),
    /// Touches no tenant data; why.
    Exempt(String),
}

impl Cover {
    /// The verdict as the reports name it.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self {
            Self::Scoped(_) => "scoped",
            Self::Unscoped | Self::Path(_) | Self::AfterScope(_, After::End(_)) => "gap",
            Self::Escaped(..) | Self::AfterScope(_, After::Begin) => "escaped",
            Self::Caller => "caller",
            Self::Bypass(_) => "bypass",
            Self::Exempt(_) => "exempt",
        }
    }
}

/// How a statement escaped a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Escape {
    /// Another handle used inside the scope.
    OtherHandle,
    /// Moved into a spawned task.
    SpawnedTask,
}

/// How a statement missed a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum After {
    /// After the scope was ended here.
    End(Place),
    /// On another handle while the guard is open.
    Begin,
}

/// A tenant scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// What made it.
    pub kind: ScopeKind,
    /// Where it was opened; for a parameter or field type, where that is written.
    pub place: Option<Place>,
    /// The function, method or type that makes it, for messages: `with_tenant`.
    pub name: String,
}

/// What makes a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ScopeKind {
    /// A closure handed to a scope function.
    Closure,
    /// A handle returned by a guard constructor.
    Guard,
    /// A setter called on a handle.
    Setter,
    /// The setting bound by a statement in this function.
    Setting,
    /// The handle's type.
    Type,
    /// A field whose every construction is scoped.
    Field,
    /// Every caller passes a scoped handle.
    Callers,
    /// A session setting on this connection (also a finding of its own).
    Session,
}

impl ScopeKind {
    /// The kind as JSON names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closure => "closure",
            Self::Guard => "guard",
            Self::Setter => "setter",
            Self::Setting => "setting",
            Self::Type => "type",
            Self::Field => "field",
            Self::Callers => "callers",
            Self::Session => "session",
        }
    }
}

/// One step of a call path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Step {
    /// The function that calls, or for the last step the one with the statement.
    pub function: String,
    /// The call, or the statement.
    pub place: Place,
}

/// Something that happens to a scope or a tenant setting, and is wrong whatever runs in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: EventKind,
    /// A second place that explains it, with its label.
    pub related: Option<(Place, String)>,
    /// The function it is in.
    pub function: String,
    /// In test code.
    pub in_test: bool,
}

/// The kinds of [`Event`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// `SET LOCAL` or `set_config(.., true)` of this setting where no transaction is open.
    LocalSettingOutsideTransaction(String),
    /// The tenant setting is set for the whole session.
    SessionSetting(String),
    /// The tenant setting is taken back by hand: until then it was there for the session.
    SessionReset(String),
    /// This scope function is called inside a scope.
    NestedScope(String),
    /// The policies are gone around, in these words.
    RlsBypass(String),
}

/// Something inferred from the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inferred {
    /// `closure`, `guard`, `setter`, `handle` or `setting`.
    pub kind: Name,
    /// The function, type or setting.
    pub name: String,
    /// The handle's place as a rule spells it.
    pub handle: String,
    /// Where the evidence is.
    pub place: Place,
    /// The evidence in words.
    pub why: String,
}
