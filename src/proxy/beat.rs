//! The beat of a worker: a timer of the kernel, which is one more source of events.
//!
//! Timers of the runtime would have it look at all of them and at its clock before and after each wait for events: with
//! one client, that is twice a request. This one is heard of when it beats, and not before.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// See the module.
#[derive(Debug)]
pub(crate) struct Beat {
    timer: AsyncFd<OwnedFd>,
}

impl Beat {
    /// Beats from now on, once in each `period`.
    pub(crate) fn new(period: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let period = Timespec { tv_sec: period.as_secs() as i64, tv_nsec: period.subsec_nanos().into() };
        let beat = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &beat)?;
        #[allow(deprecated, reason = "its replacement asks for a promise that an `OwnedFd` keeps by itself")]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Waits for the next beat; those that were missed count as one.
    pub(crate) async fn next(&self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let beat = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
            if let Ok(read) = beat {
                return read.map(|_| ());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_beats_again_and_again() {
        let period = Duration::from_millis(5);
        let began = std::time::Instant::now();
        let beat = Beat::new(period).unwrap();
        for _ in 0..3 {
            beat.next().await.unwrap();
        }
        assert!(began.elapsed() >= period * 3, "{:?}", began.elapsed());
    }
}
