//! Where exchanges of HTTP/1 run: futures that are lent to a connection for one request, and kept by the worker.
//!
//! An exchange under way takes several kilobytes, mostly for what seldom happens. As a part of its connection's
//! task it would lie there for every idle client (6 KiB of 7), and a worker with many busy ones would find none of
//! them in the cache. Lent by the last-in first-out rule, the future that runs next is the one that ran last; and
//! because it never ends, but waits for the next request, a request neither makes, moves nor frees one.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::connection::ClientConnection;
use super::exchange::Next;
use super::worker::Worker;

/// Futures that a worker keeps when nobody needs them: 4 MiB at most. With fewer, 512 clients that all ask at once would
/// have half of them made and freed with each round.
const KEPT: usize = 512;

/// A worker's futures that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    free: RefCell<Vec<Turn>>,
}

/// A future that serves one request after the other.
struct Turn {
    desk: Rc<Desk>,
    /// Never ready.
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// Where it finds its next request and leaves what became of the last one.
#[derive(Default)]
struct Desk {
    next: Cell<Option<Box<ClientConnection>>>,
    done: Cell<Option<(Box<ClientConnection>, Next)>>,
}

impl Turns {
    /// Serves the request whose first bytes are at `connection`.
    pub(crate) async fn run(
        worker: &Worker,
        connection: Box<ClientConnection>,
    ) -> (Box<ClientConnection>, Next) {
        let free = worker.turns.free.borrow_mut().pop();
        let mut turn = free.unwrap_or_else(Turn::new);
        turn.desk.next.set(Some(connection));
        let served = poll_fn(|cx| {
            let _ = turn.future.as_mut().poll(cx);
            turn.desk.done.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        let mut free = worker.turns.free.borrow_mut();
        if free.len() < KEPT {
            free.push(turn);
        }
        served
    }
}

impl Turn {
    fn new() -> Self {
        let desk = Rc::new(Desk::default());
        Self { future: Box::pin(serve(Rc::clone(&desk))), desk }
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

async fn serve(desk: Rc<Desk>) {
    loop {
        // Nobody is to be woken: who leaves a connection here polls next.
        let mut connection = poll_fn(|_| desk.next.take().map_or(Poll::Pending, Poll::Ready)).await;
        let next = connection.request().await;
        desk.done.set(Some((connection, next)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::connection;

    fn size<A, F: Future>(_: impl Fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_client_carries_no_exchange_while_it_is_idle() {
        let (idle, busy) = (size(connection::serve), size(serve));
        assert!(idle <= 512, "{idle} bytes for a client, {busy} for an exchange");
        assert!(busy <= 8 * 1024, "{busy} bytes for an exchange, of which a worker keeps {KEPT}");
    }
}
