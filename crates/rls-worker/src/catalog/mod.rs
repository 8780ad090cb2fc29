//! A catalog file in, products and their versions out.

pub mod ingest;
pub mod row;

#[cfg(test)]
mod tests;
