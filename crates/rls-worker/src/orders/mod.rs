//! An order file in, orders with their products and shipments out.

pub mod linkage;
pub mod row;

#[cfg(test)]
mod tests;
