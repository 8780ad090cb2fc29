//! Asking the parser, where it is not certain that it has an answer.

use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;

use super::lower::Lower;
use super::tokens::check_whole;

impl Lower<'_> {
    /// Tries to parse, if there is hope and fuel.
    pub(super) fn attempt<T>(
        &mut self,
        input: ParseStream<'_>,
        from: &mut u32,
        parse: fn(ParseStream<'_>) -> syn::Result<T>,
    ) -> Option<T> {
        let at = self.at(input);
        if at < *from || self.fuel == 0 || input.is_empty() {
            return None;
        }
        let ahead = input.fork();
        match self.checked(input, &ahead, parse) {
            Ok(value) if ahead.cursor() != input.cursor() => {
                input.advance_to(&ahead);
                Some(value)
            }
            Ok(_) => None,
            Err(error) => {
                *from = self.spend(at, &error);
                None
            }
        }
    }

    /// Parses ahead of a stream. In strict reading, what leaves something over in a group is an error, too.
    pub(super) fn checked<T>(
        &mut self,
        input: ParseStream<'_>,
        ahead: ParseStream<'_>,
        parse: fn(ParseStream<'_>) -> syn::Result<T>,
    ) -> syn::Result<T> {
        let value = parse(ahead)?;
        if self.is_strict {
            check_whole(input, ahead, parse)?;
        }
        Ok(value)
    }

    /// Pays for an attempt that failed. Returns where it failed.
    pub(super) fn spend(&mut self, at: u32, error: &syn::Error) -> u32 {
        let start = self.places.start(error.span());
        // An error at the end of the stream has no place.
        let failed = if start < at { self.places.limit() } else { start }.max(at + 1);
        self.fuel = self.fuel.saturating_sub(u64::from(failed - at) + 16);
        failed
    }
}
