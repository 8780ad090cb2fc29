//! The rounds: what is known so far in, more facts out.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::carriers::Carriers;
use super::definitions::Definitions;
use super::matcher::Matcher;
use super::words::{passes_names_on, used_names, words};
use crate::clock::Clock;
use crate::facts::{FileFacts, Name, Owner};
use crate::index::{COMMON_METHODS, RuleBook};
use crate::rules::Rules;
use crate::source::{SourceFile, Span};

/// Which files are parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parsing {
    /// Those that can matter.
    #[default]
    Prefiltered,
    /// All of them. The report is the same; tests prove it.
    Everything,
}

/// Files that are read as far as they matter.
pub struct Reading<'f> {
    files: &'f [SourceFile],
    /// By file; those that are not parsed have none.
    pub facts: Vec<FileFacts>,
    is_parsed: Vec<bool>,
    matters: Vec<bool>,
    carriers: Carriers,
    /// Names that functions touching a handle use.
    used: FxHashSet<Name>,
    /// Functions and constants that were not yet seen to touch one.
    idle: Vec<Body>,
    /// Made when first asked for: a tree without a database never needs them.
    definitions: Option<Definitions>,
}

/// The text of a function or constant.
struct Body {
    file: usize,
    span: Span,
    name: Name,
    is_macro: bool,
}

impl<'f> Reading<'f> {
    /// Reads the files that matter by the rules' own names, and all that follows.
    #[must_use]
    pub fn new(files: &'f [SourceFile], rules: &Rules, parsing: Parsing, clock: &mut Clock) -> Self {
        let carriers = Carriers::new(&RuleBook::new(rules));
        let first = carriers.matcher();
        let mut reading = Self {
            files,
            facts: vec![FileFacts::default(); files.len()],
            is_parsed: vec![false; files.len()],
            matters: vec![false; files.len()],
            carriers,
            used: FxHashSet::default(),
            idle: Vec::new(),
            definitions: None,
        };
        let mut chosen = reading.matching(&first);
        if !chosen.is_empty() {
            chosen.extend(reading.choose(passes_names_on));
            chosen.sort_unstable();
            chosen.dedup();
        }
        reading.rounds(chosen, clock);
        if parsing == Parsing::Everything {
            reading.parse((0..files.len()).collect());
            clock.lap("parse");
        }
        reading
    }

    /// Reads the files that use these names, and all that follows. Whether there were any that did not matter before.
    pub fn add(&mut self, names: &[Name], clock: &mut Clock) -> bool {
        let new: Vec<&str> = names.iter().filter(|name| self.carriers.insert(name)).map(Name::as_str).collect();
        if new.is_empty() {
            return false;
        }
        let before = self.count();
        let chosen = self.matching(&Matcher::new(new));
        self.rounds(chosen, clock);
        self.count() > before
    }

    /// The facts. What cannot be read in a file that does not matter is nobody's blind spot.
    #[must_use]
    pub fn finish(self) -> Vec<FileFacts> {
        let blank = |(mut facts, matters): (FileFacts, bool)| {
            if !matters {
                facts.blind_spots.clear();
            }
            facts
        };
        self.facts.into_iter().zip(self.matters).map(blank).collect()
    }

    fn rounds(&mut self, mut chosen: Vec<usize>, clock: &mut Clock) {
        loop {
            clock.lap("prefilter");
            for at in &chosen {
                self.matters[*at] = true;
            }
            self.parse(chosen.clone());
            clock.lap("parse");
            self.idle.extend(chosen.iter().flat_map(|at| bodies(*at, &self.facts[*at])));
            chosen = self.next();
            if chosen.is_empty() {
                break;
            }
        }
        clock.lap("prefilter");
    }

    fn count(&self) -> usize {
        self.matters.iter().filter(|matters| **matters).count()
    }

    /// The files that matter now and did not before: they contain a new name, or define what is used.
    fn next(&mut self) -> Vec<usize> {
        let matters = &self.matters;
        let known = self.facts.iter().zip(matters).filter(|(_, matters)| **matters).map(|(facts, _)| facts);
        let mut names = self.carriers.grow(known);
        let used = self.newly_used(&mut names);
        let mut chosen =
            if names.is_empty() { Vec::new() } else { self.matching(&Matcher::new(names.iter().map(Name::as_str))) };
        if !used.is_empty() {
            let (files, matters) = (self.files, &self.matters);
            let definitions = self.definitions.get_or_insert_with(|| Definitions::new(files, |at| !matters[at]));
            chosen.extend(used.iter().flat_map(|name| definitions.of(name)).filter(|at| !matters[*at]));
            chosen.sort_unstable();
            chosen.dedup();
        }
        chosen
    }

    /// What the functions use that touch handles since the last round. Macros among them are added to the names.
    fn newly_used(&mut self, names: &mut Vec<Name>) -> Vec<Name> {
        let mut all = Vec::new();
        loop {
            let bodies = std::mem::take(&mut self.idle);
            let is_active = |body: &Body| self.used.contains(&body.name) || self.touches(body);
            let (active, idle): (Vec<Body>, Vec<Body>) = bodies.into_par_iter().partition(is_active);
            self.idle = idle;
            let before = all.len() + names.len();
            for body in active {
                // A macro is called where nothing else may be named.
                if body.is_macro && self.touches(&body) && self.carriers.insert(&body.name) {
                    names.push(body.name.clone());
                }
                let text = self.text(&body);
                for name in used_names(text, &COMMON_METHODS) {
                    if !self.used.contains(name) {
                        self.used.insert(Name::new(name));
                        all.push(Name::new(name));
                    }
                }
            }
            if all.len() + names.len() == before {
                return all;
            }
        }
    }

    fn text(&self, body: &Body) -> &'f str {
        self.files[body.file].slice(body.span)
    }

    fn touches(&self, body: &Body) -> bool {
        self.carriers.any_of(words(self.text(body)).map(|word| word.text))
    }

    fn matching(&self, matcher: &Matcher) -> Vec<usize> {
        self.choose(|text| matcher.matches(text))
    }

    fn choose(&self, fits: impl Fn(&str) -> bool + Sync) -> Vec<usize> {
        let is_chosen = |at: &usize| !self.matters[*at] && fits(&self.files[*at].text);
        (0..self.files.len()).into_par_iter().filter(is_chosen).collect()
    }

    fn parse(&mut self, mut chosen: Vec<usize>) {
        chosen.retain(|at| !self.is_parsed[*at]);
        let parse = |at: usize| (at, crate::parse::parse(&self.files[at].text, self.files[at].target.is_test));
        let parsed: Vec<(usize, FileFacts)> = chosen.into_par_iter().map(parse).collect();
        for (at, facts) in parsed {
            self.facts[at] = facts;
            self.is_parsed[at] = true;
        }
    }
}

fn bodies(file: usize, facts: &FileFacts) -> impl Iterator<Item = Body> + '_ {
    let functions =
        facts.functions.iter().map(|function| (function.span, &function.name, function.owner == Owner::Macro));
    let consts = facts.consts.iter().filter_map(|item| Some((item.value.as_ref()?.span, &item.name, false)));
    functions.chain(consts).map(move |(span, name, is_macro)| Body { file, span, name: name.clone(), is_macro })
}
