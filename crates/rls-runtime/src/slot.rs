//! Where the scope and its handle share the connection.
//!
//! The handle borrows the connection per statement and never owns it, so that a handle that is leaked or moved away cannot keep it from the scope.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::session::Session;
use crate::tenant::TenantId;

#[derive(Debug)]
pub(crate) struct Slot {
    tenant: TenantId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    session: Option<Session>,
    scope_ended: bool,
    handle_dropped: bool,
    dropped_savepoint: Option<u32>,
}

/// The connection for the time of one statement.
#[derive(Debug)]
pub(crate) struct Lease {
    slot: Arc<Slot>,
    session: Option<Session>,
}

/// The scope's side of the slot. Dropping it ends the scope, however that comes about.
#[derive(Debug)]
pub(crate) struct ScopeSide(Arc<Slot>);

impl Slot {
    pub(crate) fn new(tenant: TenantId, session: Session) -> (ScopeSide, Arc<Slot>) {
        let state =
            State { session: Some(session), scope_ended: false, handle_dropped: false, dropped_savepoint: None };
        let slot = Arc::new(Slot { tenant, state: Mutex::new(state) });
        (ScopeSide(Arc::clone(&slot)), slot)
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Take the connection for one statement.
    pub(crate) fn lease(self: Arc<Slot>) -> Result<Lease, Error> {
        let session = self.lock().session.take();
        match session {
            Some(session) => Ok(Lease { slot: self, session: Some(session) }),
            None => Err(Error::HandleEscaped { tenant: self.tenant }),
        }
    }

    pub(crate) fn handle_dropped(&self) {
        self.lock().handle_dropped = true;
    }

    /// An outer savepoint takes the inner ones with it.
    pub(crate) fn savepoint_dropped(&self, number: u32) {
        let mut state = self.lock();
        state.dropped_savepoint = Some(state.dropped_savepoint.map_or(number, |inner| inner.min(number)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScopeSide {
    /// The connection, if the handle is gone and no statement is under way.
    pub(crate) fn finish(self) -> Result<Session, Error> {
        let mut state = self.0.lock();
        let escaped = Error::HandleEscaped { tenant: self.0.tenant };
        let mut session = state.session.take().filter(|_| state.handle_dropped).ok_or(escaped)?;
        session.pending_rollback = session.pending_rollback.or(state.dropped_savepoint.take());
        Ok(session)
    }
}

impl Drop for ScopeSide {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.scope_ended = true;
        let session = state.session.take();
        drop(state);
        drop(session);
    }
}

impl Lease {
    pub(crate) fn session(&mut self) -> Result<&mut Session, Error> {
        let tenant = self.slot.tenant;
        self.session.as_mut().ok_or(Error::HandleEscaped { tenant })
    }

    /// Undo what dropped savepoints ask for, before the next statement.
    pub(crate) async fn settle_savepoints(&mut self) -> Result<(), sqlx::Error> {
        let dropped = self.slot.lock().dropped_savepoint.take();
        let session = self.session()?;
        session.pending_rollback = match (session.pending_rollback, dropped) {
            (Some(earlier), Some(later)) => Some(earlier.min(later)),
            (earlier, later) => earlier.or(later),
        };
        session.roll_back_pending().await
    }
}

/// Gives the connection back, or closes it when the scope has ended meanwhile.
impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        if !state.scope_ended {
            state.session = self.session.take();
        }
        drop(state);
    }
}
