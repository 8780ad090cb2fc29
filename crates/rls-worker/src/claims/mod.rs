//! What people decide about findings in, their states, their credits and the claims that carriers get out.
//!
//! Every move is guarded by the state that it starts from, and is written together with its audit row.

pub mod claim;
pub mod finding;
pub mod states;
