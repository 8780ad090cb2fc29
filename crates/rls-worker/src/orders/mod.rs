//! An order file in, orders with their products and shipments out.

pub mod ingest;
pub mod linkage;
pub mod linking;
pub mod row;

#[cfg(test)]
mod tests;
