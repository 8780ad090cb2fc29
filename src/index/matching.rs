//! The rules, prepared for look-up by the last name of a path.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::Name;
use crate::rules::{
    BypassCall, CloseCall, ExecuteCall, HandleType, OpenCall, Place, PrepareCall, QueryCall, Rules, ScopeCall,
    ScopeType,
};

/// Crates that are never part of the audited program but occur in its paths.
const FOREIGN: [&str; 14] = [
    "std",
    "core",
    "alloc",
    "tokio",
    "futures",
    "futures_util",
    "axum",
    "actix_web",
    "anyhow",
    "tracing",
    "serde",
    "serde_json",
    "uuid",
    "chrono",
];

/// A path of a rule: `with_tenant`, `sqlx::query`, `sqlx::PgPool::connect`, `Entity::find`.
#[derive(Clone, Debug)]
pub struct PathPattern<'a> {
    parts: Vec<&'a str>,
    /// The crates that the library of the first part is split into: `sqlx_core` for `sqlx`.
    halves: Vec<&'a str>,
}

impl<'a> PathPattern<'a> {
    /// A pattern from a rule's text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { parts: text.split("::").collect(), halves: Vec::new() }
    }

    /// A pattern of a pack, which means the crates that its library is split into as well.
    fn of_pack(text: &'a str, crates: &'a [String]) -> Self {
        let pattern = Self::new(text);
        let first = pattern.parts.first().copied().unwrap_or_default();
        let is_half = |name: &&str| name.strip_prefix(first).is_some_and(|rest| rest.starts_with('_'));
        Self { halves: crates.iter().map(String::as_str).filter(is_half).collect(), ..pattern }
    }

    /// The last name.
    #[must_use]
    pub fn last(&self) -> &'a str {
        self.parts.last().copied().unwrap_or_default()
    }

    /// The part that tells it from other names without its crate: its type, or itself where it stands alone.
    fn telling_part(&self) -> Option<&'a str> {
        match self.parts.as_slice() {
            [only] => Some(only),
            [.., owner, _] => Some(*owner).filter(|owner| is_distinctive(owner)),
            [] => None,
        }
    }

    /// Whether the pattern is a name alone.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.parts.len() == 1
    }

    /// Whether a full path is meant: its last names are equal, and the pattern's crate occurs before them,
    /// so that re-exports inside the crate, and of the crate, match.
    #[must_use]
    pub fn matches(&self, full: &[Name]) -> bool {
        let Some((last, before)) = full.split_last() else { return false };
        match self.parts.as_slice() {
            [] => false,
            [only] => last == only,
            [first, name] if is_type_name(first) => last == name && before.last().is_some_and(|owner| owner == first),
            [first, name] => last == name && self.comes_from(first, before),
            [first, .., owner, name] => {
                last == name && before.last().is_some_and(|part| part == owner) && self.comes_from(first, before)
            }
        }
    }

    fn comes_from(&self, first: &str, before: &[Name]) -> bool {
        before.iter().any(|part| part == first || self.halves.contains(&part.as_str()))
    }
}

fn is_type_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_uppercase())
}

type ByName<'a, T> = FxHashMap<&'a str, Vec<T>>;

/// The rules by name. Packs are meant by their number in the rules.
#[derive(Debug, Default)]
pub struct RuleBook<'a> {
    /// Pack names.
    pub packs: Vec<&'a str>,
    /// `[[pack.execute]]` by method.
    pub executes: ByName<'a, (u8, &'a ExecuteCall)>,
    /// The packs' types of texts and prepared statements.
    pub texts: FxHashSet<&'a str>,
    /// `[[pack.prepare]]` by method.
    pub prepares: ByName<'a, (u8, &'a PrepareCall)>,
    /// `[[pack.open]]` by method, for plain methods.
    pub opens: ByName<'a, (u8, &'a OpenCall)>,
    /// `[[pack.open]]` by last name, for paths.
    pub constructors: ByName<'a, (u8, PathPattern<'a>, &'a OpenCall)>,
    /// The types that `[[pack.open]]` builds from (`on = "root"`), by last name, as the rules spell them.
    builders: ByName<'a, (PathPattern<'a>, &'a str)>,
    /// `[[pack.close]]` by method.
    pub closes: ByName<'a, (u8, &'a CloseCall)>,
    /// `[[pack.query]]` by last name.
    pub queries: ByName<'a, (u8, PathPattern<'a>, &'a QueryCall)>,
    /// `[[pack.handle]]` by last name.
    pub handles: ByName<'a, (u8, PathPattern<'a>, &'a HandleType)>,
    /// `[[scope.closure]]` by last name.
    pub closures: ByName<'a, (PathPattern<'a>, &'a ScopeCall)>,
    /// `[[scope.guard]]` by last name.
    pub guards: ByName<'a, (PathPattern<'a>, &'a ScopeCall)>,
    /// `[[scope.setter]]` by last name.
    pub setters: ByName<'a, (PathPattern<'a>, &'a ScopeCall)>,
    /// `[[scope.handle]]` by last name.
    pub scope_types: ByName<'a, (PathPattern<'a>, &'a ScopeType)>,
    /// `[[scope.bypass]]` by last name.
    pub bypasses: ByName<'a, (PathPattern<'a>, &'a BypassCall)>,
    crates: FxHashMap<&'a str, u8>,
    families: Vec<u8>,
    foreign: FxHashSet<&'a str>,
}

impl<'a> RuleBook<'a> {
    /// Sorts the rules by name.
    #[must_use]
    pub fn new(rules: &'a Rules) -> Self {
        let mut book = Self { foreign: FOREIGN.into_iter().collect(), ..Self::default() };
        for (id, pack) in (0..).zip(&rules.packs) {
            book.add_pack(id, pack);
        }
        book.families = (0..)
            .zip(&rules.packs)
            .map(|(id, pack)| {
                let base = rules.packs.iter().position(|other| Some(&other.name) == pack.extends.as_ref());
                base.and_then(|base| u8::try_from(base).ok()).unwrap_or(id)
            })
            .collect();
        let scope = &rules.scope;
        add_calls(&mut book.closures, &scope.closures);
        add_calls(&mut book.guards, &scope.guards);
        add_calls(&mut book.setters, &scope.setters);
        for row in &scope.handles {
            add(&mut book.scope_types, &row.ty, |pattern| (pattern, row));
        }
        for row in &scope.bypasses {
            add(&mut book.bypasses, &row.call, |pattern| (pattern, row));
        }
        let paths = scope.handles.iter().map(|row| &row.ty).chain(scope.closures.iter().map(|row| &row.call));
        book.foreign
            .extend(paths.filter_map(|path| Some(path.split_once("::")?.0)).filter(|first| !is_type_name(first)));
        book
    }

    /// The pack that a crate belongs to.
    #[must_use]
    pub fn pack_of_crate(&self, name: &str) -> Option<u8> {
        self.crates.get(name).copied()
    }

    /// Whether two packs share their handles and queries: one extends the other, or both the same.
    #[must_use]
    pub fn is_family(&self, left: u8, right: u8) -> bool {
        self.families[left as usize] == self.families[right as usize]
    }

    /// A bit for each pack whose crates a text mentions.
    #[must_use]
    pub fn packs_in(&self, text: &str) -> u64 {
        let mentions = |name: &&str| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some();
        self.crates.iter().filter(|(name, _)| mentions(name)).fold(0, |bits, (_, pack)| bits | 1 << pack)
    }

    /// Whether a name is that of a crate outside the run.
    #[must_use]
    pub fn knows_crate(&self, name: &str) -> bool {
        self.crates.contains_key(name) || self.foreign.contains(name)
    }

    /// Whether a path into a foreign crate means something to a rule.
    #[must_use]
    pub fn knows_path(&self, full: &[Name]) -> bool {
        let Some(last) = full.last().map(Name::as_str) else { return false };
        fn any<T>(rows: Option<&Vec<T>>, fits: impl Fn(&T) -> bool) -> bool {
            rows.is_some_and(|rows| rows.iter().any(fits))
        }
        any(self.handles.get(last), |row| row.1.matches(full))
            || any(self.queries.get(last), |row| row.1.matches(full))
            || any(self.scope_types.get(last), |row| row.0.matches(full))
            || any(self.closures.get(last), |row| row.0.matches(full))
            || any(self.guards.get(last), |row| row.0.matches(full))
    }

    /// Every identifier that makes a file matter, for the byte prefilter. A query's name alone is often a common word
    /// (`QueryBuilder::new`, `Entity::find`): its type is looked for instead, and a crate's function only with the crate.
    #[must_use]
    pub fn identifiers(&self) -> Vec<&'a str> {
        let scope_calls = [&self.closures, &self.guards, &self.setters].into_iter().flat_map(|rows| rows.keys());
        let mut names: Vec<&'a str> = self
            .crates
            .keys()
            .chain(self.scope_types.keys())
            .chain(self.bypasses.keys())
            .chain(scope_calls)
            .copied()
            .collect();
        // What stands alone in a pack with crates (`table`) comes from one of them; an in-house layer may have none.
        let has_crates = |pack: u8| self.crates.values().any(|of| *of == pack);
        let queries = self.queries.values().flatten().filter(|row| !(row.1.is_bare() && has_crates(row.0)));
        names.extend(queries.filter_map(|row| row.1.telling_part()));
        names.extend(self.handles.iter().filter(|(name, _)| is_distinctive(name)).map(|(name, _)| *name));
        names.extend(
            self.executes.iter().filter(|(_, rows)| rows.iter().any(|row| row.1.distinct)).map(|(name, _)| *name),
        );
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Every name that a crate of a pack exports and a rule knows. A file that imports it from elsewhere in the run
    /// matters too.
    #[must_use]
    pub fn exported(&self) -> FxHashSet<&'a str> {
        let owners = self.queries.values().flatten().filter_map(|row| row.1.parts.iter().rev().nth(1).copied());
        let types = owners.filter(|owner| is_type_name(owner));
        self.queries.keys().chain(self.handles.keys()).copied().chain(types).collect()
    }

    /// The crates of the packs.
    pub fn crate_names(&self) -> impl Iterator<Item = &'a str> {
        self.crates.keys().copied()
    }

    /// The type of options or settings that handles are built from, as the rules spell it.
    #[must_use]
    pub fn builder(&self, full: &[Name]) -> Option<&'a str> {
        let rows = self.builders.get(full.last()?.as_str())?;
        rows.iter().find(|(pattern, _)| pattern.matches(full)).map(|(_, spelled)| *spelled)
    }

    /// Whether `ty` is such a type, as the rules spell it.
    #[must_use]
    pub fn is_builder(&self, ty: &str) -> bool {
        let last = ty.rsplit("::").next().unwrap_or(ty);
        self.builders.get(last).is_some_and(|rows| rows.iter().any(|(_, spelled)| *spelled == ty))
    }

    /// What `method` makes of a builder, as the rules spell its type.
    #[must_use]
    pub fn builds(&self, ty: &str, method: &str) -> Option<(u8, &'a OpenCall)> {
        let rows = self.constructors.get(method)?;
        let is_it = |row: &OpenCall| row.method.0.iter().any(|name| name.rsplit_once("::") == Some((ty, method)));
        rows.iter().find(|(_, _, row)| row.on == Some(Place::Root) && is_it(row)).map(|(pack, _, row)| (*pack, *row))
    }

    /// Every name that means something inside a file that matters: what makes statements and scopes, but not what sends
    /// them, which does so on a handle or on one of these only.
    pub fn vocabulary(&self) -> impl Iterator<Item = &'a str> {
        let queries = self.queries.values().flatten().filter_map(|row| match row.1.parts.as_slice() {
            [.., owner, _] if is_type_name(owner) => Some(*owner),
            parts => parts.last().copied(),
        });
        let constructors =
            self.constructors.values().flatten().filter_map(|row| row.1.parts.iter().rev().nth(1).copied());
        queries.chain(constructors).chain(self.handles.keys().copied())
    }

    fn add_pack(&mut self, id: u8, pack: &'a crate::rules::Pack) {
        self.packs.push(&pack.name);
        let crates = pack.crates.as_slice();
        for name in &pack.crates {
            self.crates.insert(name, id);
        }
        for row in &pack.executes {
            for name in &row.method.0 {
                self.executes.entry(name).or_default().push((id, row));
            }
        }
        self.texts.extend(pack.texts.iter().map(String::as_str));
        for row in &pack.prepares {
            for name in &row.method.0 {
                self.prepares.entry(name).or_default().push((id, row));
            }
        }
        for row in &pack.opens {
            for name in &row.method.0 {
                if let Some((owner, _)) = name.rsplit_once("::") {
                    insert(&mut self.constructors, PathPattern::of_pack(name, crates), |pattern| (id, pattern, row));
                    if row.on == Some(Place::Root) {
                        insert(&mut self.builders, PathPattern::of_pack(owner, crates), |pattern| (pattern, owner));
                    }
                } else {
                    self.opens.entry(name).or_default().push((id, row));
                }
            }
        }
        for row in &pack.closes {
            for name in &row.method.0 {
                self.closes.entry(name).or_default().push((id, row));
            }
        }
        for row in &pack.queries {
            for name in &row.call.0 {
                insert(&mut self.queries, PathPattern::of_pack(name, crates), |pattern| (id, pattern, row));
            }
        }
        for row in &pack.handles {
            for name in &row.ty.0 {
                insert(&mut self.handles, PathPattern::of_pack(name, crates), |pattern| (id, pattern, row));
                if let Some((first, _)) = name.split_once("::") {
                    self.foreign.insert(first);
                }
            }
        }
    }
}

fn add<'a, T>(rows: &mut ByName<'a, T>, text: &'a str, row: impl FnOnce(PathPattern<'a>) -> T) {
    insert(rows, PathPattern::new(text), row);
}

fn insert<'a, T>(rows: &mut ByName<'a, T>, pattern: PathPattern<'a>, row: impl FnOnce(PathPattern<'a>) -> T) {
    rows.entry(pattern.last()).or_default().push(row(pattern));
}

fn add_calls<'a>(rows: &mut ByName<'a, (PathPattern<'a>, &'a ScopeCall)>, calls: &'a [ScopeCall]) {
    for row in calls {
        add(rows, &row.call, |pattern| (pattern, row));
    }
}

/// A type name that no other library is likely to use: `PgPool`, `DatabaseTransaction`, but not `Pool`.
#[must_use]
pub fn is_distinctive(name: &str) -> bool {
    name.chars().filter(|letter| letter.is_uppercase()).count() > 1
}
