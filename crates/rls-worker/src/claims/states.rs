//! A state and an action in, the next state out, or nothing.

use std::fmt;

use serde::Serialize;

/// What is known of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingState {
    /// Nobody has done anything about it.
    Open,
    /// Somebody says that it is wrong.
    Disputed,
    /// The carrier was told.
    Submitted,
    /// The carrier looks at it.
    CarrierReview,
    /// The carrier gave money back.
    Credited,
    /// The carrier says that it is right.
    Rejected,
    /// It is not worth it.
    Dismissed,
}

/// What is done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FindingAction {
    /// Say that it is wrong.
    Dispute,
    /// Tell the carrier.
    Submit,
    /// Note that the carrier looks at it.
    Review,
    /// Let it go.
    Dismiss,
    /// Note that the carrier says no.
    Reject,
    /// Note that the carrier gave money back.
    Credit,
    /// Begin anew.
    Reopen,
}

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClaimState {
    /// Its findings are chosen.
    Draft,
    /// Its packet is made.
    Ready,
    /// The carrier has it.
    Submitted,
    /// The carrier says that it has it.
    Acknowledged,
    /// The carrier gave money back.
    CreditConfirmed,
    /// Nothing more comes of it.
    Closed,
    /// The carrier does not take it.
    Failed,
}

/// What is done about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimAction {
    /// Make the packet.
    Prepare,
    /// Note the carrier's number for it.
    Submit,
    /// Note that the carrier says that it has it.
    Acknowledge,
    /// Note that the carrier does not take it.
    Fail,
    /// Note what the carrier gave back.
    ConfirmCredit,
    /// End it.
    Close,
}

impl FindingState {
    /// All of them.
    pub const ALL: [FindingState; 7] = [
        FindingState::Open,
        FindingState::Disputed,
        FindingState::Submitted,
        FindingState::CarrierReview,
        FindingState::Credited,
        FindingState::Rejected,
        FindingState::Dismissed,
    ];

    /// The word that tables have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            FindingState::Open => "OPEN",
            FindingState::Disputed => "DISPUTED",
            FindingState::Submitted => "SUBMITTED",
            FindingState::CarrierReview => "CARRIER_REVIEW",
            FindingState::Credited => "CREDITED",
            FindingState::Rejected => "REJECTED",
            FindingState::Dismissed => "DISMISSED",
        }
    }

    /// Where an action leads.
    #[must_use]
    pub fn after(self, action: FindingAction) -> Option<FindingState> {
        action.from().contains(&self).then_some(action.to())
    }
}

impl FindingAction {
    /// All of them.
    pub const ALL: [FindingAction; 7] = [
        FindingAction::Dispute,
        FindingAction::Submit,
        FindingAction::Review,
        FindingAction::Dismiss,
        FindingAction::Reject,
        FindingAction::Credit,
        FindingAction::Reopen,
    ];

    /// The states that it starts from.
    #[must_use]
    pub const fn from(self) -> &'static [FindingState] {
        use FindingState::{CarrierReview, Credited, Dismissed, Disputed, Open, Rejected, Submitted};
        match self {
            FindingAction::Dispute | FindingAction::Dismiss => &[Open],
            FindingAction::Submit => &[Disputed],
            FindingAction::Review => &[Submitted],
            FindingAction::Reject | FindingAction::Credit => &[Disputed, Submitted, CarrierReview],
            FindingAction::Reopen => &[Dismissed, Credited, Rejected, Submitted, CarrierReview],
        }
    }

    /// The state that it leads to.
    #[must_use]
    pub const fn to(self) -> FindingState {
        match self {
            FindingAction::Dispute => FindingState::Disputed,
            FindingAction::Submit => FindingState::Submitted,
            FindingAction::Review => FindingState::CarrierReview,
            FindingAction::Dismiss => FindingState::Dismissed,
            FindingAction::Reject => FindingState::Rejected,
            FindingAction::Credit => FindingState::Credited,
            FindingAction::Reopen => FindingState::Open,
        }
    }
}

impl ClaimState {
    /// All of them.
    pub const ALL: [ClaimState; 7] = [
        ClaimState::Draft,
        ClaimState::Ready,
        ClaimState::Submitted,
        ClaimState::Acknowledged,
        ClaimState::CreditConfirmed,
        ClaimState::Closed,
        ClaimState::Failed,
    ];

    /// The word that tables have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ClaimState::Draft => "DRAFT",
            ClaimState::Ready => "READY",
            ClaimState::Submitted => "SUBMITTED",
            ClaimState::Acknowledged => "ACKNOWLEDGED",
            ClaimState::CreditConfirmed => "CREDIT_CONFIRMED",
            ClaimState::Closed => "CLOSED",
            ClaimState::Failed => "FAILED",
        }
    }
}

impl ClaimAction {
    /// All of them.
    pub const ALL: [ClaimAction; 6] = [
        ClaimAction::Prepare,
        ClaimAction::Submit,
        ClaimAction::Acknowledge,
        ClaimAction::Fail,
        ClaimAction::ConfirmCredit,
        ClaimAction::Close,
    ];

    /// The states that it starts from.
    #[must_use]
    pub const fn from(self) -> &'static [ClaimState] {
        match self {
            ClaimAction::Prepare => &[ClaimState::Draft],
            ClaimAction::Submit => &[ClaimState::Ready],
            ClaimAction::Acknowledge => &[ClaimState::Submitted],
            ClaimAction::Fail => &[ClaimState::Ready, ClaimState::Submitted, ClaimState::Acknowledged],
            ClaimAction::ConfirmCredit => &[ClaimState::Submitted, ClaimState::Acknowledged, ClaimState::Failed],
            ClaimAction::Close => &[ClaimState::CreditConfirmed],
        }
    }

    /// The state that it leads to.
    #[must_use]
    pub const fn to(self) -> ClaimState {
        match self {
            ClaimAction::Prepare => ClaimState::Ready,
            ClaimAction::Submit => ClaimState::Submitted,
            ClaimAction::Acknowledge => ClaimState::Acknowledged,
            ClaimAction::Fail => ClaimState::Failed,
            ClaimAction::ConfirmCredit => ClaimState::CreditConfirmed,
            ClaimAction::Close => ClaimState::Closed,
        }
    }
}

impl fmt::Display for FindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for ClaimState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moves of claims as the public contract has them, written down a second time.
    const ALLOWED: &[(&str, &str, &str)] = &[
        ("DRAFT", "prepare", "READY"),
        ("READY", "submit", "SUBMITTED"),
        ("READY", "fail", "FAILED"),
        ("SUBMITTED", "acknowledge", "ACKNOWLEDGED"),
        ("SUBMITTED", "fail", "FAILED"),
        ("SUBMITTED", "confirm-credit", "CREDIT_CONFIRMED"),
        ("ACKNOWLEDGED", "fail", "FAILED"),
        ("ACKNOWLEDGED", "confirm-credit", "CREDIT_CONFIRMED"),
        ("FAILED", "confirm-credit", "CREDIT_CONFIRMED"),
        ("CREDIT_CONFIRMED", "close", "CLOSED"),
    ];

    #[test]
    fn claims_move_as_the_table_says() {
        let mut moves = Vec::new();
        for state in ClaimState::ALL {
            for action in ClaimAction::ALL.into_iter().filter(|action| action.from().contains(&state)) {
                moves.push((state.word(), serde_json::to_value(action).unwrap(), action.to().word()));
            }
        }
        let allowed = ALLOWED.iter().map(|(from, by, to)| (*from, serde_json::Value::from(*by), *to));
        let key = |one: &(&'static str, serde_json::Value, &'static str)| (one.0, one.1.to_string());
        let mut allowed: Vec<_> = allowed.collect();
        allowed.sort_by_key(key);
        moves.sort_by_key(key);
        assert_eq!(moves, allowed);
    }

    #[test]
    fn the_words_are_those_of_the_public_interface() {
        for state in FindingState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
        for state in ClaimState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }
}
