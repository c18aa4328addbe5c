//! Everything that a screen shows, again and again: one line of JSON for each look.
//!
//! The stream is pulled: a reader that is slow gets fewer looks, never an old one late.

use crate::control::call::Call;
use crate::control::reply::{self, Outcome, line};
use crate::control::{ControlContext, view};
use futures_util::stream;
use hyper::body::{Bytes, Frame};
use lbctl::protocol as wire;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Between two looks, unless the caller says otherwise.
const EVERY: Duration = Duration::from_secs(1);
const FASTEST: Duration = Duration::from_millis(200);
const SLOWEST: Duration = Duration::from_secs(60);
/// Events of the past in the first look, and at most in each.
const EVENTS: usize = 100;

struct Feed {
    context: Rc<ControlContext>,
    /// The last event that was shown.
    seq: u64,
    ticks: Interval,
}

pub(in crate::control) fn watch(context: &Rc<ControlContext>, call: &Call) -> Outcome {
    let every = call.span("every")?.unwrap_or(EVERY).clamp(FASTEST, SLOWEST);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed { context: Rc::clone(context), seq: 0, ticks };
    Ok(reply::lines(Box::pin(stream::unfold(feed, async |mut feed| {
        feed.ticks.tick().await;
        let look = line(&feed.look());
        Some((Ok(Frame::data(Bytes::from(look))), feed))
    }))))
}

impl Feed {
    fn look(&mut self) -> wire::Look {
        let news = self.context.events.since(self.seq);
        self.seq = self.context.events.last();
        let skipped = news.len().saturating_sub(EVENTS);
        let events = news.iter().skip(skipped).map(|event| view::event(event)).collect();
        wire::Look { events, ..look(&self.context) }
    }
}

/// Everything at this moment, without events.
pub(in crate::control) fn look(context: &ControlContext) -> wire::Look {
    let pools = context.world.pools();
    let servers = pools.iter().flat_map(|pool| pool.members.iter().map(|one| view::member(pool, one)));
    wire::Look {
        at: view::time(SystemTime::now()),
        instance: context.instance.clone(),
        status: super::daemon::overview(context),
        servers: servers.collect(),
        events: Vec::new(),
    }
}
