//! What the page is told, as server-sent events (WHATWG HTML, section 9.2): `about`, what may be done here; `past`, the
//! last minutes of every pool, once; `events`, what happened; `look`, everything, again and again.
//!
//! A look is made only when somebody listens, and once for all who do. The stream is pulled: a reader that is slow
//! gets fewer looks, never an old one late.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream;
use hyper::body::{Bytes, Frame};
use tokio::time::{Instant, sleep_until};

use crate::control::{ControlContext, Lines};

/// Readers at a time.
const READERS: usize = 16;
/// Between two looks, while they are small.
const EVERY: Duration = Duration::from_secs(1);
/// A look of this size doubles that time.
const LARGE: usize = 256 * 1024;
/// Events of the past in the first frame, and at most in each.
const EVENTS: usize = 400;

/// All readers' common part.
pub(super) struct Feed {
    control: Rc<ControlContext>,
    /// The last look, as it is sent, and when it was made.
    last: RefCell<Option<(Instant, Bytes)>>,
    readers: Cell<usize>,
}

/// A reader's place; it is free again when this is dropped.
struct Seat(Rc<Feed>);

/// One reader.
struct Reader<A> {
    seat: Seat,
    about: A,
    /// What was told last of `about`.
    told: String,
    /// The last event that was told.
    seq: u64,
    next: Instant,
    ready: VecDeque<Bytes>,
}

impl Feed {
    pub(super) fn new(control: Rc<ControlContext>) -> Rc<Self> {
        Rc::new(Self { control, last: RefCell::default(), readers: Cell::new(0) })
    }

    /// Frames for one more reader, to whom `about` tells (as JSON) what may be done here; `None` when there are too
    /// many.
    pub(super) fn read(self: &Rc<Self>, about: impl Fn() -> String + 'static) -> Option<Lines> {
        let seat = Seat::take(self)?;
        let past = frame("past", &self.control.past());
        let (told, ready) = (String::new(), VecDeque::from([past]));
        let reader = Reader { seat, about, told, seq: 0, next: Instant::now(), ready };
        Some(Box::pin(stream::unfold(reader, async |mut reader| {
            let bytes = reader.frame().await;
            Some((Ok(Frame::data(bytes)), reader))
        })))
    }

    /// The present look, and when the next one is due.
    fn look(&self) -> (Bytes, Instant) {
        let now = Instant::now();
        let mut last = self.last.borrow_mut();
        let fresh = last.as_ref().filter(|(made, look)| now < *made + pause(look));
        let (made, look) = match fresh {
            Some(last) => last.clone(),
            None => last.insert((now, frame("look", &self.control.look()))).clone(),
        };
        let next = made + pause(&look);
        (look, next)
    }
}

impl<A: Fn() -> String> Reader<A> {
    async fn frame(&mut self) -> Bytes {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return bytes;
            }
            sleep_until(self.next).await;
            self.collect();
        }
    }

    fn collect(&mut self) {
        let about = (self.about)();
        if about != self.told {
            self.ready.push_back(frame("about", about.as_bytes()));
            self.told = about;
        }
        if let Some((events, last)) = self.seat.0.control.news(self.seq, EVENTS) {
            self.ready.push_back(frame("events", &events));
            self.seq = last;
        }
        let (look, next) = self.seat.0.look();
        self.ready.push_back(look);
        self.next = next;
    }
}

impl Seat {
    fn take(feed: &Rc<Feed>) -> Option<Self> {
        let taken = feed.readers.get();
        (taken < READERS).then(|| {
            feed.readers.set(taken + 1);
            Self(Rc::clone(feed))
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.readers.set(self.0.readers.get() - 1);
    }
}

/// How long a look of this size holds.
fn pause(look: &Bytes) -> Duration {
    EVERY * (1 + look.len() / LARGE) as u32
}

/// JSON has no line ends of its own.
fn frame(event: &str, json: &[u8]) -> Bytes {
    [b"event: ", event.as_bytes(), b"\ndata: ", json, b"\n\n"].concat().into()
}
