//! Tasks that run exchanges one after the other, kept by the worker for the next request.
//!
//! A task for each request would be made, moved and freed with all the memory of an exchange (8 KiB), which
//! costs more than a tenth of a small request. Idle connections keep none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::connection::{Job, converse};
use crate::proxy::worker::Worker;

/// Tasks that a worker keeps when nobody needs them: as many as a few busy connections use, 4 MiB at most.
const KEPT: usize = 512;

/// A worker's tasks that wait for a request; the last that finished first.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    free: RefCell<Vec<Rc<Seat>>>,
}

/// Where a waiting task finds its next request.
#[derive(Debug, Default)]
struct Seat {
    job: RefCell<Option<Job>>,
    /// That of its task, for ever.
    waker: RefCell<Option<Waker>>,
}

impl Seats {
    /// Runs an exchange in a task that waits, or else in a new one.
    pub(super) fn run(worker: &Rc<Worker>, job: Job) {
        let free = worker.seats.free.borrow_mut().pop();
        match free {
            Some(seat) => {
                *seat.job.borrow_mut() = Some(job);
                if let Some(waker) = &*seat.waker.borrow() {
                    waker.wake_by_ref();
                }
            }
            None => {
                tokio::task::spawn_local(serve(Rc::clone(worker), job));
            }
        }
    }

    /// Keeps a task; false when there are enough.
    fn keep(&self, seat: &Rc<Seat>) -> bool {
        let mut free = self.free.borrow_mut();
        let room = free.len() < KEPT;
        if room {
            free.push(Rc::clone(seat));
        }
        room
    }
}

impl Seat {
    async fn next(&self) -> Job {
        poll_fn(|cx| match self.job.take() {
            Some(job) => Poll::Ready(job),
            None => {
                self.waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// Runs one exchange after the other, as long as it is kept.
async fn serve(worker: Rc<Worker>, first: Job) {
    let seat = Rc::new(Seat::default());
    let mut job = first;
    loop {
        converse(job).await;
        if !worker.seats.keep(&seat) {
            return;
        }
        job = seat.next().await;
    }
}
