//! A job in, rows, findings and events out.

pub mod envelope;
pub mod handlers;
pub mod job_processor;
pub mod jobs;
pub mod outcome;
pub mod planning;
pub mod progress;
pub mod upload;
