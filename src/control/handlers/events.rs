//! Events as lines, from the ring and from then on.
//!
//! The stream is pulled: nothing is buffered for a reader beyond what its socket takes. A reader that falls behind
//! the ring gets one last line that says how much it missed; one that does not read at all is cut by the socket.

use crate::control::call::Call;
use crate::control::reply::{self, Lines, Outcome, line};
use crate::control::{ControlContext, view};
use crate::observe::{Event, Events};
use futures_util::stream;
use hyper::body::{Bytes, Frame};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Events in one frame.
const FRAME: usize = 128;

pub(in crate::control) fn follow(context: &ControlContext, call: &Call) -> Outcome {
    let since = call.number("since")?;
    let age = call.number("age_ms")?.map(Duration::from_millis);
    let follow = call.flag("follow")?.unwrap_or(true);
    let kinds = call.query("kind").unwrap_or_default();
    let kinds = kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    let seq = match (since, age) {
        (Some(seq), _) => seq,
        (None, Some(age)) => {
            let from = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
            let all = context.events.since(0);
            all.iter().rev().find(|event| event.time < from).map_or(0, |event| event.seq)
        }
        (None, None) if follow => context.events.last(),
        (None, None) => 0,
    };
    // Subscribed before the first look: an event in between is seen twice by nobody and missed by nobody.
    let news = context.events.subscribe();
    Ok(reply::lines(lines(Reader {
        events: Arc::clone(&context.events),
        news,
        seq,
        // Who names an event has read it; 0 asks for all that is kept.
        read: since.is_some_and(|seq| seq > 0) || seq == context.events.last(),
        kinds,
        follow,
    })))
}

struct Reader {
    events: Arc<Events>,
    news: watch::Receiver<u64>,
    /// The last event that was looked at.
    seq: u64,
    /// Whether any was: what the ring forgot before the first look was not missed.
    read: bool,
    kinds: Vec<String>,
    follow: bool,
}

impl Reader {
    /// What is new: text, and whether it is the last.
    fn take(&mut self) -> (Vec<u8>, bool) {
        let batch = self.events.since(self.seq);
        let Some(first) = batch.first() else { return (Vec::new(), !self.follow) };
        if self.read && first.seq > self.seq + 1 {
            return (line(&view::lagged(first.seq - self.seq - 1)), true);
        }
        self.read = true;
        let mut text = Vec::new();
        for event in batch.iter().take(FRAME) {
            self.seq = event.seq;
            if self.wants(event) {
                text.extend(line(&view::event(event)));
            }
        }
        (text, false)
    }

    /// `server` wants `server.up` and `server.down`; `server.up` wants itself.
    fn wants(&self, event: &Event) -> bool {
        let noun = event.kind.split('.').next().unwrap_or(event.kind);
        self.kinds.is_empty() || self.kinds.iter().any(|kind| *kind == event.kind || kind == noun)
    }
}

fn lines(reader: Reader) -> Lines {
    Box::pin(stream::unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        loop {
            reader.news.borrow_and_update();
            let (text, last) = reader.take();
            if !text.is_empty() {
                let frame = Frame::data(Bytes::from(text));
                return Some((Ok(frame), (!last).then_some(reader)));
            }
            if last {
                return None;
            }
            let all_read = reader.events.last() <= reader.seq;
            // Who does not follow has all there is, also when nothing of it was wanted.
            if all_read && (!reader.follow || reader.news.changed().await.is_err()) {
                return None;
            }
        }
    }))
}
