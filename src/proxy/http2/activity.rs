//! What goes on on a connection: exchanges under way, counted by guards, and when something last moved.

use std::cell::Cell;
use std::rc::Rc;

use crate::proxy::deadline::Deadlines;

/// See the module.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Rc<Deadlines>,
    exchanges: Cell<usize>,
    last: Cell<u64>,
    given_up: Cell<u32>,
}

/// Requests that a client may give up beyond those that it took an answer to. Who closes a page gives up dozens; who
/// gives up all that it asks for has servers work for nothing (CVE-2023-44487).
const MOST_GIVEN_UP: u32 = 500;

impl Activity {
    /// Of a connection on which nothing goes on.
    pub(super) fn new(clock: &Rc<Deadlines>) -> Rc<Self> {
        let last = Cell::new(clock.now());
        Rc::new(Self { clock: Rc::clone(clock), exchanges: Cell::default(), last, given_up: Cell::default() })
    }

    /// Whether an exchange is under way: it has clocks of its own.
    pub(super) fn has_exchange(&self) -> bool {
        self.exchanges.get() > 0
    }

    /// When something last went on, on the worker's clock.
    pub(super) fn last(&self) -> u64 {
        self.last.get()
    }

    /// An exchange is over: the client gave it up, or took its answer.
    pub(super) fn over(&self, given_up: bool) {
        let count = self.given_up.get();
        self.given_up.set(if given_up { count + 1 } else { count.saturating_sub(1) });
    }

    /// Whether the client gives up too much.
    pub(super) fn is_abused(&self) -> bool {
        self.given_up.get() > MOST_GIVEN_UP
    }

    /// Something goes on.
    pub(super) fn touch(&self) {
        self.last.set(self.clock.now());
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange(Rc<Activity>);

impl Exchange {
    /// Begins now, ends when dropped.
    pub(super) fn begin(activity: &Rc<Activity>) -> Self {
        activity.exchanges.set(activity.exchanges.get() + 1);
        Self(Rc::clone(activity))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.exchanges.set(self.0.exchanges.get() - 1);
        self.0.touch();
    }
}
