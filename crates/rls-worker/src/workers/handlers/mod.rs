//! One handler per lane. Each is given the scope's own handle, and has no other.

pub mod catalog_upload;
pub mod order_upload;
pub mod ship_upload;
pub mod sima_validation;
