//! What calls mean, as data: `rules.toml`, extended by the project's own file.
//!
//! Loading, merging and the diagnostics for bad rows are in `load`; here are the types that the other stages read.

mod check;
mod load;
mod merge;
mod names;
mod paths;

use serde::{Deserialize, Serialize};

pub use check::Row;
pub use load::{Loaded, Origin, RULES_FILE, RulesFile, SHIPPED, load, locate};
pub use paths::path_matches;

/// All active rules.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Format version, 1.
    pub schema: u32,
    /// What opens and carries a tenant scope.
    #[serde(default)]
    pub scope: ScopeRules,
    /// One per database library.
    #[serde(default, rename = "pack")]
    pub packs: Vec<Pack>,
    /// Which tables hold tenant data.
    #[serde(default)]
    pub tables: TableRules,
    /// Parts of the inventory.
    #[serde(default, rename = "area")]
    pub areas: Vec<Area>,
    /// Where call paths start, beside `main`, handlers and spawned tasks.
    #[serde(default, rename = "entry")]
    pub entries: Vec<Entry>,
    /// Places whose statements are accepted, with a reason.
    #[serde(default, rename = "exempt")]
    pub exemptions: Vec<Exemption>,
}

/// What opens and carries a tenant scope.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeRules {
    /// Settings that hold the tenant, such as `app.tenant_id`. Others are inferred from policies and from their names.
    #[serde(default)]
    pub tenant_settings: Vec<String>,
    /// Functions that run a closure in a scope.
    #[serde(default, rename = "closure")]
    pub closures: Vec<ScopeCall>,
    /// Functions that return a scoped handle.
    #[serde(default, rename = "guard")]
    pub guards: Vec<ScopeCall>,
    /// Functions that bind the tenant on a handle they are given.
    #[serde(default, rename = "setter")]
    pub setters: Vec<ScopeCall>,
    /// Types that exist only inside a scope.
    #[serde(default, rename = "handle")]
    pub handles: Vec<ScopeType>,
    /// Functions and types that go around the policies on purpose.
    #[serde(default, rename = "bypass")]
    pub bypasses: Vec<BypassCall>,
}

/// A row of `[[scope.closure]]`, `[[scope.guard]]` or `[[scope.setter]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeCall {
    /// A name, matched by last segment, or a path with `::`, matched by resolved path.
    pub call: String,
    /// Where the handle is.
    pub handle: Place,
    /// The number of arguments, receiver not counted, where it tells two functions of one name apart.
    pub arity: Option<usize>,
}

/// A row of `[[scope.handle]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeType {
    /// A name or a path with `::`.
    #[serde(rename = "type")]
    pub ty: String,
}

/// A row of `[[scope.bypass]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BypassCall {
    /// A name or a path with `::`.
    pub call: String,
    /// Where the handle is; the result where not given.
    pub handle: Option<Place>,
    /// Why it exists.
    pub reason: String,
}

/// One name or several that mean the same: `"begin"` or `["begin", "try_begin"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Names(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(names: OneOrMany) -> Self {
        Self(match names {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        })
    }
}

/// Where a value stands in a call, as rules spell it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// `receiver`: what the method is called on.
    Receiver,
    /// `root`: the value at the root of the chain.
    Root,
    /// `arg:N`, from 0, the receiver not counted.
    Arg(usize),
    /// `closure:N`: parameter N of the closure among the arguments.
    Closure(usize),
    /// `return`.
    Return,
    /// `field:NAME` of the result.
    Field(String),
    /// `tuple:N` of the result.
    Tuple(usize),
    /// `method:NAME`: what this method of the result gives.
    Method(String),
    /// `link:METHOD:N`: argument N of an earlier call of the chain.
    Link(String, usize),
}

/// No call has more arguments, and no tuple more elements.
const LAST_ARGUMENT: usize = 255;

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let number = |written: &str| match written.parse::<usize>() {
            Ok(number) if number <= LAST_ARGUMENT => Ok(number),
            _ => {
                let before = text.strip_suffix(written).unwrap_or_default();
                Err(format!("`{written}` is not the number of an argument: write `{before}0` for the first one"))
            }
        };
        Ok(match parts.as_slice() {
            ["receiver"] => Self::Receiver,
            ["root"] => Self::Root,
            ["return"] => Self::Return,
            ["arg", n] => Self::Arg(number(n)?),
            ["closure", n] => Self::Closure(number(n)?),
            ["tuple", n] => Self::Tuple(number(n)?),
            ["field", name] if !name.is_empty() => Self::Field((*name).to_owned()),
            ["method", name] if !name.is_empty() => Self::Method((*name).to_owned()),
            ["link", name, n] if !name.is_empty() => Self::Link((*name).to_owned(), number(n)?),
            _ => {
                return Err(format!(
                    "`{text}` is not a place: write `return`, `receiver`, `root`, `arg:0`, `closure:0`, `field:NAME`, \
                     `tuple:0`, `method:NAME` or `link:METHOD:0`"
                ));
            }
        })
    }
}

/// The rules for one database library.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Its name, printed as `api`.
    pub name: String,
    /// Crate names whose paths belong to this pack; the prefilter looks for them.
    #[serde(default)]
    pub crates: Vec<String>,
    /// What the first line of a file says that the library's generator wrote: such files are the library, not the project.
    #[serde(default)]
    pub generated: Vec<String>,
    /// The pack whose handles and queries it shares: `diesel-async` extends `diesel`.
    pub extends: Option<String>,
    /// Types and traits of texts and prepared statements, by their last name.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Types that carry a connection.
    #[serde(default, rename = "handle")]
    pub handles: Vec<HandleType>,
    /// Calls and macros that build a query and send nothing.
    #[serde(default, rename = "query")]
    pub queries: Vec<QueryCall>,
    /// Methods that prepare a statement on a handle and send nothing that a policy could hide.
    #[serde(default, rename = "prepare")]
    pub prepares: Vec<PrepareCall>,
    /// Calls that send SQL.
    #[serde(default, rename = "execute")]
    pub executes: Vec<ExecuteCall>,
    /// Calls that make one handle out of another.
    #[serde(default, rename = "open")]
    pub opens: Vec<OpenCall>,
    /// Methods that end a transaction.
    #[serde(default, rename = "close")]
    pub closes: Vec<CloseCall>,
}

impl Rules {
    /// Whether a library's generator wrote the file.
    #[must_use]
    pub fn is_generated(&self, text: &str) -> bool {
        let first = text.lines().next().unwrap_or_default();
        self.packs.iter().flat_map(|pack| &pack.generated).any(|mark| first.contains(mark.as_str()))
    }
}

/// What a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandleKind {
    /// Gives connections; can never be in a scope itself.
    Pool,
    /// One connection, in a transaction or not.
    Connection,
    /// An open transaction.
    Transaction,
    /// A type parameter or trait object bound by the library's executor trait: whatever the caller passes.
    Generic,
    /// A handle that only migrations are given: their statements are exempt.
    Migration,
    /// The same type names for a database that is not PostgreSQL: no statement of ours.
    OtherDatabase,
}

impl HandleKind {
    /// The kind as messages name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Connection => "connection",
            Self::Transaction => "transaction",
            Self::Generic => "executor",
            Self::Migration => "migration's connection",
            Self::OtherDatabase => "other database",
        }
    }
}

/// A row of `[[pack.handle]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandleType {
    /// Paths with `::`; the first segment is the crate, the last the type's or trait's name.
    /// Between them anything may stand, so re-exports inside the crate match.
    #[serde(rename = "type")]
    pub ty: Names,
    /// What it is.
    pub kind: HandleKind,
    /// A name that must occur among the type arguments, for generic pools: `bb8::Pool` with `PostgresConnectionManager`.
    pub with: Option<String>,
}

/// A row of `[[pack.query]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryCall {
    /// A path with `::` (function or macro), matched by resolved path; the last two segments alone (`Entity::find`)
    /// match a call on a type of that name.
    pub call: Names,
    /// Where the SQL text is: `arg:0`.
    pub sql: Option<Place>,
}

/// A row of `[[pack.prepare]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareCall {
    /// The methods' names; called on a handle.
    pub method: Names,
    /// Where the SQL text is: `arg:0`.
    pub sql: Place,
}

/// A row of `[[pack.execute]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecuteCall {
    /// The methods' names; also found as the last segment of a path call, with the receiver as first argument.
    pub method: Names,
    /// Where the handle is.
    pub handle: Place,
    /// How many arguments it takes at least, the receiver not counted.
    #[serde(default)]
    pub min_args: usize,
    /// Where the SQL text is; the chain's query where not given.
    pub sql: Option<Place>,
    /// The name is used by nothing else: name, imports of the crate in the file and `.await` or `?` suffice where types are unknown.
    #[serde(default)]
    pub distinct: bool,
    /// Only a statement where the result is awaited at once (a call that builds or executes, by use).
    #[serde(default)]
    pub awaited: bool,
    /// What is sent whatever the text: `select`, `insert`, `update`, `delete`, `copy`, `migrate`.
    pub operation: Option<String>,
}

/// A row of `[[pack.open]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenCall {
    /// The methods' names, or a path with `::` for a constructor (`PgPool::connect`).
    pub method: Names,
    /// Where the handle is that it is opened on: `receiver` where not given; `root` where the path's type is a builder.
    pub on: Option<Place>,
    /// What it gives.
    pub gives: HandleKind,
    /// Where the new handle is: `return` where not given, `closure:0` for `transaction(|tx| ..)`.
    pub handle: Option<Place>,
    /// Where the SQL text is that is sent on opening (`begin_with`).
    pub sql: Option<Place>,
}

/// A row of `[[pack.close]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseCall {
    /// The methods' names; called on the transaction.
    pub method: Names,
}

/// `[tables]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRules {
    /// Folders with migrations, relative to the rules file.
    #[serde(default)]
    pub migrations: Vec<String>,
    /// Names of the column that holds the tenant.
    #[serde(default)]
    pub tenant_columns: Vec<String>,
    /// Tables without tenant data.
    #[serde(default)]
    pub exempt: Vec<String>,
}

/// A row of `[[area]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Its heading.
    pub name: String,
    /// Files or folders, in the order of the inventory; `*` matches inside a name, `**` any folders.
    pub paths: Vec<String>,
    /// What breaks.
    pub risk: String,
}

/// A row of `[[entry]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The function, by path.
    pub path: String,
    /// What it is: `worker`, `handler`, `job`, ...
    pub kind: String,
}

/// A row of `[[exempt]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The lint, by code or name; all where not given.
    pub lint: Option<String>,
    /// Files or folders.
    pub paths: Option<Vec<String>>,
    /// Functions, by path.
    pub function: Option<String>,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::Rules;

    #[test]
    fn the_shipped_rules_load() {
        let rules: Rules = toml::from_str(include_str!("../../rules.toml")).unwrap();
        assert_eq!(rules.packs.len(), 8);
    }
}
