//! Programs made from bytes: scopes in scopes, statements in every construct, each with exactly its verdict.

use proptest::prelude::*;

use crate::programs::{program, verdicts};
use crate::{RULES, cases};

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn every_statement_of_a_program_gets_its_verdict(choices in prop::collection::vec(any::<u8>(), 0..120)) {
        let program = program(&choices);
        prop_assert_eq!(verdicts(&program.text, &RULES), program.verdicts, "{}", program.text);
    }
}
