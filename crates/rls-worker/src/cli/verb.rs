//! A word of the prompt in, `list` or one of the library's actions out.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, ValueEnum};

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) enum Verb<A> {
    /// Show what there is.
    List,
    /// Do something.
    Do(A),
}

/// Reads a verb. The words of the actions are the library's own.
#[derive(Clone)]
pub(super) struct Verbs<A> {
    list: &'static str,
    actions: PhantomData<A>,
}

/// The actions of a type, and `list` with what it shows.
pub(super) const fn verbs<A>(list: &'static str) -> Verbs<A> {
    Verbs { list, actions: PhantomData }
}

impl<A: ValueEnum> Verbs<A> {
    fn words(&self) -> impl Iterator<Item = PossibleValue> {
        let actions = A::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        std::iter::once(PossibleValue::new("list").help(self.list)).chain(actions)
    }
}

impl<A: ValueEnum + Send + Sync + 'static> TypedValueParser for Verbs<A> {
    type Value = Verb<A>;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Verb<A>, clap::Error> {
        let word = PossibleValuesParser::new(self.words()).parse_ref(command, arg, value)?;
        Ok(A::from_str(&word, false).map_or(Verb::List, Verb::Do))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words()))
    }
}
