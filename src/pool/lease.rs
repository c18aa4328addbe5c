//! Holds on a server. Each is a count that rises when it is made and falls when it is dropped, whatever happened
//! in between; there is no other way to raise or lower these counts.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::server::Server;
use super::sessions::{Closing, Session, SessionKind, Traffic};
use super::sticky::Ties;

/// One request's hold on its server. Not `Clone`: a request is counted once.
#[derive(Debug)]
#[must_use = "a lease that is dropped at once holds nothing"]
pub struct Lease {
    server: Arc<Server>,
}

impl Lease {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        server.load.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { server: Arc::clone(server) }
    }

    /// Takes over a hold that is counted already.
    pub(super) fn adopt(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server) }
    }

    /// The server held.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The request became a stream that lives long: it leaves the requests in flight and is a session from now on.
    pub fn into_session(self, kind: SessionKind, client: SocketAddr) -> SessionLease {
        let session = self.server.sessions.enter(kind, client);
        SessionLease { server: Arc::clone(&self.server), session }
    }
}

impl Deref for Lease {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.server.give_back();
    }
}

/// A session's hold on its server; the session leaves the registry when this is dropped.
#[derive(Debug)]
#[must_use = "a session that is dropped at once is none"]
pub struct SessionLease {
    server: Arc<Server>,
    session: Arc<Session>,
}

impl SessionLease {
    /// Its client's stickiness lives as long as it does, and moves with it.
    pub fn tied(self, ties: Ties) -> Self {
        self.session.tie(ties);
        self
    }

    /// It came by the route of this name.
    pub fn by_route(self, name: &Arc<str>) -> Self {
        self.session.set_route(Arc::clone(name));
        self
    }

    /// The server held.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The registry's entry.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Notes what the session has carried in all.
    pub fn note(&self, traffic: Traffic) {
        self.server.sessions.note(&self.session, &traffic);
    }

    /// Waits until the operator wants this session closed.
    pub async fn closed_by_operator(&self) -> &Closing {
        self.session.closed_by_operator().await
    }
}

impl Deref for SessionLease {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        self.server.sessions.leave(self.session.id);
        self.session.untie();
        self.server.offer();
    }
}

/// An unused connection to a server, kept open for the next request.
#[derive(Debug)]
#[must_use = "dropping it says that the connection is no longer idle"]
pub struct IdleHold {
    server: Arc<Server>,
}

impl IdleHold {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        server.load.idle.fetch_add(1, Ordering::Relaxed);
        Self { server: Arc::clone(server) }
    }
}

impl Drop for IdleHold {
    fn drop(&mut self) {
        self.server.load.idle.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::testing;

    fn client() -> SocketAddr {
        "127.0.0.1:4711".parse().unwrap()
    }

    #[test]
    fn every_hold_is_given_back() {
        let server = testing::server("a");
        let counts = || (server.in_flight(), server.sessions.count(), server.idle_connections());
        let one = server.begin();
        let two = server.begin();
        assert_eq!(counts(), (2, 0, 0));
        drop(one);
        let idle = server.hold_idle();
        let session = two.into_session(SessionKind::WebSocket, client());
        assert_eq!(counts(), (0, 1, 1));
        assert_eq!(session.name.as_ref(), "a");
        drop(idle);
        drop(session);
        assert_eq!(counts(), (0, 0, 0));
    }

    #[test]
    fn a_panic_gives_them_back_too() {
        let server = testing::server("a");
        let held = Arc::clone(&server);
        let ended = std::thread::spawn(move || {
            let _request = held.begin();
            let _session = held.begin().into_session(SessionKind::Tunnel, client());
            let _idle = held.hold_idle();
            panic!("on purpose");
        })
        .join();
        assert!(ended.is_err());
        assert_eq!((server.in_flight(), server.sessions.count(), server.idle_connections()), (0, 0, 0));
    }
}
