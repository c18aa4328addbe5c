//! How many long-lived streams came by a listener: what a reload that nobody asked for must not put an end to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ListenerLive;

/// One stream's place among those of its listener. Gives it back when dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped at once is none"]
pub struct StreamHold {
    live: Arc<ListenerLive>,
}

impl StreamHold {
    /// One more.
    pub fn on(live: &Arc<ListenerLive>) -> Self {
        live.streams.fetch_add(1, Ordering::Relaxed);
        Self { live: Arc::clone(live) }
    }

    /// The stream ended in this way.
    pub fn ended(&self, how: &'static str) {
        self.live.stream_ends.add(how);
    }
}

impl Drop for StreamHold {
    fn drop(&mut self) {
        self.live.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ListenerLive {
    /// WebSockets, tunnels and passed-on connections that came by it and are open.
    pub fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_given_back() {
        let live = Arc::new(ListenerLive::default());
        let holds = [StreamHold::on(&live), StreamHold::on(&live)];
        assert_eq!(live.streams(), 2);
        drop(holds);
        assert_eq!(live.streams(), 0);
    }
}
