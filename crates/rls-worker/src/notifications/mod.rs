//! What happened in, who should hear of it out.

pub mod catching;
pub mod caught_order;
pub mod events;
pub mod spike_detection;
