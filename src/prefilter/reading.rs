//! The rounds: what is known so far in, more facts out.

use std::borrow::Cow;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::bodies::{Body, Unread, bodies, optional_insides};
use super::carriers::Carriers;
use super::definitions::Definitions;
use super::matcher::Matcher;
use super::words::{passes_names_on, used_names};
use crate::clock::Clock;
use crate::facts::{Block, FileFacts, Name};
use crate::index::{COMMON_METHODS, RuleBook};
use crate::parse::{Outline, outline, parse, parse_partly, read_bodies, without_tests};
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

/// Whether code that is compiled for tests only is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestCode {
    /// Left out.
    #[default]
    Out,
    /// Read like all other code.
    In,
}

/// Files that are read as far as they matter.
pub struct Reading<'f> {
    files: &'f [SourceFile],
    /// By file; those that are not parsed have none.
    pub facts: Vec<FileFacts>,
    is_parsed: Vec<bool>,
    /// Nothing of it was left out.
    is_whole: Vec<bool>,
    matters: Vec<bool>,
    test_code: TestCode,
    parsing: Parsing,
    carriers: Carriers,
    /// Names that functions touching a handle use.
    used: FxHashSet<Name>,
    /// Functions and constants that were not yet seen to touch one.
    idle: Vec<Body>,
    /// Those that were, and are still to be read.
    unread: Vec<Unread>,
    /// The names of functions that were.
    active: FxHashSet<u32>,
    /// Made when first asked for: a tree without a database never needs them.
    definitions: Option<Definitions>,
}

/// A file that was read, all of it or without the bodies that nobody may need.
struct Parsed {
    file: usize,
    facts: FileFacts,
    bodies: Vec<Body>,
    is_whole: bool,
}

/// What became of bodies that were read later.
enum Read {
    Blocks(Vec<Block>),
    Whole(Box<FileFacts>),
}

impl<'f> Reading<'f> {
    /// Reads the files that matter by the rules' own names, and all that follows.
    #[must_use]
    pub fn new(
        files: &'f [SourceFile],
        rules: &Rules,
        parsing: Parsing,
        test_code: TestCode,
        clock: &mut Clock,
    ) -> Self {
        let carriers = Carriers::new(&RuleBook::new(rules));
        let first = carriers.matcher();
        let mut reading = Self {
            files,
            facts: vec![FileFacts::default(); files.len()],
            is_parsed: vec![false; files.len()],
            is_whole: vec![false; files.len()],
            matters: vec![false; files.len()],
            test_code,
            parsing,
            carriers,
            used: FxHashSet::default(),
            idle: Vec::new(),
            unread: Vec::new(),
            active: FxHashSet::default(),
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

    /// Reads the files that use these names, and all that follows. Whether there was anything that did not matter before.
    pub fn add(&mut self, names: &[Name], clock: &mut Clock) -> bool {
        let new: Vec<&str> = names.iter().filter(|name| self.carriers.insert(name)).map(Name::as_str).collect();
        if new.is_empty() {
            return false;
        }
        let before = self.count();
        let chosen = self.matching(&Matcher::new(new));
        let has_read = self.rounds(chosen, clock);
        has_read || self.count() > before
    }

    /// The facts. What cannot be read where it does not matter is nobody's blind spot.
    #[must_use]
    pub fn finish(mut self) -> Vec<FileFacts> {
        for (facts, _) in self.facts.iter_mut().zip(&self.matters).filter(|(_, matters)| !**matters) {
            facts.blind_spots.clear();
        }
        for body in &self.idle {
            if let Some((_, inside)) = body.optional {
                self.facts[body.file].blind_spots.retain(|blind| !inside.contains(blind.span));
            }
        }
        self.facts
    }

    /// Whether a body was read, or a file.
    fn rounds(&mut self, mut chosen: Vec<usize>, clock: &mut Clock) -> bool {
        loop {
            clock.lap("prefilter");
            for at in &chosen {
                self.matters[*at] = true;
            }
            self.parse(chosen);
            clock.lap("parse");
            chosen = self.next();
            if chosen.is_empty() {
                break;
            }
        }
        clock.lap("prefilter");
        let is_whole = &self.is_whole;
        self.unread.retain(|body| !is_whole[body.file]);
        let has_read = !self.unread.is_empty();
        self.add_callers();
        self.read_bodies();
        clock.lap("parse");
        has_read
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
            let is_used = |body: &Body| body.is_transparent && self.used.contains(&body.name);
            let is_active = |body: &Body| is_used(body) || self.carriers.touches(body);
            let (active, idle): (Vec<Body>, Vec<Body>) = bodies.into_par_iter().partition(is_active);
            self.idle = idle;
            let before = all.len() + names.len();
            for body in active {
                // A macro is called where nothing else may be named.
                if body.is_macro && self.carriers.touches(&body) && self.carriers.insert(&body.name) {
                    names.push(body.name.clone());
                }
                let text = self.files[body.file].slice(body.span);
                for name in used_names(text, &COMMON_METHODS) {
                    if !self.used.contains(name) {
                        self.used.insert(Name::new(name));
                        all.push(Name::new(name));
                    }
                }
                self.active.extend(body.name_hash());
                self.unread.extend(body.unread());
            }
            if all.len() + names.len() == before {
                return all;
            }
        }
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
        let parsed: Vec<Parsed> = chosen.into_par_iter().map(|at| self.parsed(at)).collect();
        for Parsed { file, facts, bodies, is_whole } in parsed {
            self.facts[file] = facts;
            (self.is_parsed[file], self.is_whole[file]) = (true, is_whole);
            if self.matters[file] {
                self.idle.extend(bodies);
            }
        }
    }

    fn parsed(&self, at: usize) -> Parsed {
        let file = &self.files[at];
        let outline = outline(&file.text);
        let text = self.text(at, outline.as_ref());
        let is_test = file.target.is_test;
        let partly = match &outline {
            Some(outline) if self.parsing == Parsing::Prefiltered => {
                parse_partly(&text, is_test, &optional_insides(outline, self.test_code))
            }
            _ => None,
        };
        let is_whole = partly.is_none();
        let facts = partly.unwrap_or_else(|| parse(&text, is_test));
        let bodies = bodies(at, &text, &facts, outline.as_ref());
        Parsed { file: at, facts, bodies, is_whole }
    }

    /// The text of a file as far as it is read.
    fn text(&self, at: usize, outline: Option<&Outline>) -> Cow<'f, str> {
        let text = &self.files[at].text;
        match outline {
            Some(outline) if self.test_code == TestCode::Out => without_tests(text, outline),
            _ => Cow::Borrowed(text),
        }
    }

    /// Paths may lead through whoever calls a function that touches handles: better read now than resolved again.
    fn add_callers(&mut self) {
        loop {
            let before = self.unread.len();
            let active = &mut self.active;
            for body in self.idle.iter_mut().filter(|body| !body.is_read) {
                if body.has_any_of(active) {
                    self.unread.extend(body.unread());
                    active.extend(body.name_hash());
                    body.is_read = true;
                }
            }
            if self.unread.len() == before {
                break;
            }
        }
    }

    /// Reads what was found to matter since.
    fn read_bodies(&mut self) {
        let mut unread = std::mem::take(&mut self.unread);
        unread.retain(|body| !self.is_whole[body.file]);
        unread.sort_by_key(|body| (body.file, body.inside));
        let by_file: Vec<&[Unread]> = unread.chunk_by(|left, right| left.file == right.file).collect();
        let read = by_file.into_par_iter().map(|bodies| (bodies, self.read(bodies))).collect::<Vec<_>>();
        for (bodies, read) in read {
            let file = bodies[0].file;
            match read {
                Read::Blocks(blocks) => {
                    for (body, block) in bodies.iter().zip(blocks) {
                        self.facts[file].functions[body.function].body = Some(block);
                    }
                }
                Read::Whole(facts) => {
                    self.facts[file] = *facts;
                    self.is_whole[file] = true;
                }
            }
        }
    }

    /// Reads bodies of one file, or all of it where they are not easily read.
    fn read(&self, bodies: &[Unread]) -> Read {
        let at = bodies[0].file;
        let file = &self.files[at];
        let insides: Vec<Span> = bodies.iter().map(|body| body.inside).collect();
        match read_bodies(&file.text, &insides) {
            Some(blocks) => Read::Blocks(blocks),
            None => {
                let text = self.text(at, outline(&file.text).as_ref());
                Read::Whole(Box::new(parse(&text, file.target.is_test)))
            }
        }
    }
}
