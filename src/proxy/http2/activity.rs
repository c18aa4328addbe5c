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
}

impl Activity {
    /// Of a connection on which nothing goes on.
    pub(super) fn new(clock: &Rc<Deadlines>) -> Rc<Self> {
        let last = Cell::new(clock.now());
        Rc::new(Self { clock: Rc::clone(clock), exchanges: Cell::default(), last })
    }

    /// Whether an exchange is under way: it has clocks of its own.
    pub(super) fn has_exchange(&self) -> bool {
        self.exchanges.get() > 0
    }

    /// When something last went on, on the worker's clock.
    pub(super) fn last(&self) -> u64 {
        self.last.get()
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
