//! In the new process: those that ran before it and still end, and the sticky entries that come of them.

use std::cell::RefCell;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tracing::{debug, info};

use super::state::Progress;
use super::wire::LONGEST;
use crate::control::world::PredecessorFacts;
use crate::daemon::memory;
use crate::snapshot::Current;

/// A process that still ends says so at least this often.
const SILENCE: Duration = Duration::from_secs(60);

/// The process before this one, if it has not ended, with those before it.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Before(RefCell<Option<(Progress, Instant)>>);

impl Before {
    /// How many there are.
    pub(in crate::daemon) fn count(&self) -> usize {
        self.all().len()
    }

    /// What they said last.
    pub(super) fn all(&self) -> Vec<Progress> {
        let mut all = Vec::new();
        if let Some((progress, _)) = &*self.0.borrow() {
            let mut progress = progress.clone();
            let before = std::mem::take(&mut progress.before);
            all.push(progress);
            all.extend(before);
        }
        all
    }

    /// What pins each of them.
    pub(in crate::daemon) fn facts(&self) -> Vec<PredecessorFacts> {
        let facts = |progress: Progress| PredecessorFacts {
            pid: progress.pid,
            lbd: progress.lbd,
            since: Duration::from_millis(progress.since),
            left: Duration::from_millis(progress.left),
            connections: progress.connections,
            requests: progress.requests,
            websockets: progress.websockets,
            tunnels: progress.tunnels,
            tcp: progress.tcp,
            streams: progress.streams,
        };
        self.all().into_iter().map(facts).collect()
    }

    /// Listens to the process before this one until it is gone.
    pub(in crate::daemon) async fn follow(self: Rc<Self>, stream: UnixStream, pid: u32, current: Current) {
        self.0.replace(Some((Progress { pid, ..Progress::default() }, Instant::now())));
        let ended = self.listen(stream, &current).await;
        self.0.replace(None);
        match ended {
            Ok(()) => info!(pid, "the process that ran before has ended"),
            Err(error) => debug!(pid, %error, "the process that ran before has ended"),
        }
    }

    async fn listen(&self, stream: UnixStream, current: &Current) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let mut stream = tokio::net::UnixStream::from_std(stream)?;
        loop {
            let Some(bytes) = frame(&mut stream).await? else { return Ok(()) };
            let progress: Progress = serde_json::from_slice(&bytes)?;
            if progress.sticky {
                let Some(sticky) = frame(&mut stream).await? else { return Ok(()) };
                let current = current.clone();
                // Not here: many entries take their time.
                let _ = tokio::task::spawn_blocking(move || memory::merge(&current, sticky)).await;
            }
            self.0.replace(Some((progress, Instant::now())));
        }
    }
}

/// The next frame; `None` at the end.
async fn frame(stream: &mut tokio::net::UnixStream) -> io::Result<Option<Vec<u8>>> {
    let silence = |_| io::Error::from(io::ErrorKind::TimedOut);
    let length = match tokio::time::timeout(SILENCE, stream.read_u32()).await.map_err(silence)? {
        Ok(length) if length <= LONGEST => length,
        Ok(_) => return Err(io::Error::other("a frame is too long to be ours")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    let mut whole = stream.take(length.into());
    tokio::time::timeout(SILENCE, whole.read_to_end(&mut bytes)).await.map_err(silence)??;
    Ok((bytes.len() == length as usize).then_some(bytes))
}
