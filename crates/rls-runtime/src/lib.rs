//! A tenant scope for PostgreSQL row-level security that cannot leak.
