//! What happened in, who should hear of it out.

pub mod calendar;
pub mod catching;
pub mod caught_order;
pub mod engine;
pub mod events;
pub mod exception_alert;
pub mod mail;
mod message;
pub mod outbox;
pub mod pages;
pub mod preferences;
pub mod roots;
pub mod scheduler;
pub mod smtp;
pub mod spike_detection;
pub mod templates;
mod told;
pub mod transport;
pub mod unsubscribe;
pub mod webhook;
pub mod zone;
