//! Deadlines of a worker's connections, kept by one sweep instead of a timer each.
//!
//! Arming is a store; a runtime timer costs up to 0.75 us for each arm and drop. The price is
//! precision: a deadline strikes between its time and two [`TICK`]s later, never early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Between two sweeps.
pub(crate) const TICK: Duration = Duration::from_millis(50);
const NEVER: u64 = u64::MAX;

/// All deadlines of one worker, and its coarse clock.
#[derive(Debug)]
pub(crate) struct Deadlines {
    origin: Instant,
    /// Milliseconds since `origin`, as of the last sweep.
    now: Cell<u64>,
    slots: RefCell<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    at: u64,
    waker: Option<Waker>,
}

impl Deadlines {
    /// An empty set.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { origin: Instant::now(), now: Cell::new(0), slots: RefCell::default() })
    }

    /// A deadline that is not armed.
    pub(crate) fn register(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let fresh = Slot { at: NEVER, waker: None };
        let index = match slots.free.pop() {
            Some(index) => {
                slots.slots[index] = fresh;
                index
            }
            None => {
                slots.slots.push(fresh);
                slots.slots.len() - 1
            }
        };
        Deadline { owner: Rc::clone(self), index }
    }

    /// Milliseconds since the worker began, as of the last sweep.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Lets time pass, in a test.
    #[cfg(test)]
    pub(crate) fn turn_on(&self, time: Duration) {
        self.now.set(self.now.get() + time.as_millis() as u64);
    }

    /// Advances the clock and wakes whoever is late. Called every [`TICK`].
    pub(crate) fn sweep(&self) {
        let now = self.origin.elapsed().as_millis() as u64;
        self.now.set(now);
        let mut late = Vec::new();
        for slot in &mut self.slots.borrow_mut().slots {
            if slot.at <= now
                && let Some(waker) = slot.waker.take()
            {
                late.push(waker);
            }
        }
        // Outside the borrow: a waker may run code of ours.
        late.into_iter().for_each(Waker::wake);
    }

    /// Wakes everyone, late or not: the worker changed its mind (it is stopping).
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> =
            self.slots.borrow_mut().slots.iter_mut().filter_map(|slot| slot.waker.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// One connection's deadline.
#[derive(Debug)]
pub(crate) struct Deadline {
    owner: Rc<Deadlines>,
    index: usize,
}

/// A deadline struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Deadline {
    /// Strikes `after` from now.
    pub(crate) fn arm(&self, after: Duration) {
        self.arm_at(self.point(after));
    }

    /// The point in time `after` from now, for [`Deadline::arm_at`].
    pub(crate) fn point(&self, after: Duration) -> u64 {
        // The clock may be one tick old: add it, so that no deadline strikes early. In 64 bits, not in the 128 of
        // `Duration::as_millis`: this is computed several times a request.
        const TICK_MILLIS: u64 = TICK.as_millis() as u64;
        let millis = after.as_secs().min(NEVER / 4000) * 1000 + u64::from(after.subsec_millis());
        self.owner.now.get().saturating_add(millis + TICK_MILLIS)
    }

    /// Whether a point that [`Deadline::point`] gave is in the past.
    pub(crate) fn has_passed(&self, point: u64) -> bool {
        point <= self.owner.now.get()
    }

    /// Runs `future` until it ends or the deadline strikes.
    pub(crate) async fn within<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_struck(cx).map(Err),
        })
        .await
    }

    /// Strikes at a point that [`Deadline::point`] gave.
    pub(crate) fn arm_at(&self, point: u64) {
        self.owner.slots.borrow_mut().slots[self.index].at = point;
    }

    /// Strikes no more.
    pub(crate) fn disarm(&self) {
        self.arm_at(NEVER);
    }

    /// Whether it struck; else the task is woken when it does.
    pub(crate) fn poll_struck(&self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let mut slots = self.owner.slots.borrow_mut();
        let slot = &mut slots.slots[self.index];
        if slot.at <= self.owner.now.get() {
            return Poll::Ready(Elapsed);
        }
        match &slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => slot.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.owner.slots.borrow_mut();
        slots.slots[self.index] = Slot { at: NEVER, waker: None };
        slots.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_deadline_strikes_after_its_time_and_wakes_its_task_once() {
        let all = Deadlines::new();
        let deadline = all.register();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        assert!(deadline.poll_struck(&mut cx).is_pending(), "not armed");
        deadline.arm(Duration::ZERO);
        assert!(deadline.poll_struck(&mut cx).is_pending(), "never early");
        all.now.set(TICK.as_millis() as u64);
        assert!(deadline.poll_struck(&mut cx).is_ready());
        deadline.arm_at(0);
        all.sweep();
        all.sweep();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        deadline.disarm();
        assert!(deadline.poll_struck(&mut cx).is_pending());
    }

    #[test]
    fn a_dropped_deadline_frees_its_place() {
        let all = Deadlines::new();
        drop(all.register());
        let again = all.register();
        assert_eq!(again.index, 0);
        assert_eq!(all.slots.borrow().slots.len(), 1);
    }
}
