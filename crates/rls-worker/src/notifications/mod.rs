//! What happened in, who should hear of it out.

pub mod caught_order;
pub mod spike_detection;
