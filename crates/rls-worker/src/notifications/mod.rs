//! What happened in, who should hear of it out.

pub mod catching;
pub mod caught_order;
pub mod engine;
pub mod events;
pub mod scheduler;
pub mod spike_detection;
pub mod templates;
pub mod transport;
