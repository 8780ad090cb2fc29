#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod country;
pub mod fingerprint;
pub mod money;

pub mod table;

pub mod ship;

pub mod orders;

pub mod catalog;

pub mod trade;

pub mod guest;

pub mod notifications;

pub mod desk;

pub mod claims;

pub mod reviews;

pub mod schema;

pub mod workers;

pub mod long_samples;
pub mod samples;

pub mod smoke;
pub mod stop;

pub mod verify;

pub mod parity;
