//! Find every database call that runs outside a tenant-scoped transaction.
