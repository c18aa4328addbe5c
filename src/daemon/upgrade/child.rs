//! The new process while it starts: what it is, what it says on stderr, its end when it is not wanted.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::VARIABLE;

/// How much of what it says is kept: the end.
const KEPT: usize = 16 * 1024;
/// How long the last words of a process that ended may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How this process was started.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Invocation {
    /// The binary by the name that it was called by: another version may stand there now.
    pub(in crate::daemon) binary: PathBuf,
    /// The arguments after it.
    pub(in crate::daemon) arguments: Vec<OsString>,
}

impl Invocation {
    /// Of this process. To be asked before anything changes directories or files.
    pub(in crate::daemon) fn own() -> Self {
        let mut arguments = std::env::args_os();
        let name = PathBuf::from(arguments.next().unwrap_or_default());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let called = match name.components().count() {
            1 => std::env::split_paths(&path).map(|dir| dir.join(&name)).find(|path| path.is_file()),
            _ => std::path::absolute(&name).ok(),
        };
        let binary = called.or_else(|| std::env::current_exe().ok()).unwrap_or(name);
        Self { binary, arguments: arguments.collect() }
    }
}

/// Ended when it is dropped, unless it was let go.
#[derive(Debug)]
pub(super) struct Starting {
    child: Option<Child>,
    said: Arc<Mutex<Vec<u8>>>,
    listener: Option<std::thread::JoinHandle<()>>,
}

impl Starting {
    /// Starts it. Gives our end of the socket pair whose other end is its standard input.
    pub(super) fn start(binary: &Path, arguments: &[OsString]) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut child = Command::new(binary)
            .args(arguments)
            .env(VARIABLE, std::process::id().to_string())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()?;
        let said = Arc::default();
        let stderr = child.stderr.take();
        let mut starting = Self { child: Some(child), said: Arc::clone(&said), listener: None };
        if let Some(stderr) = stderr {
            let name = std::thread::Builder::new().name("upgrade".into());
            starting.listener = Some(name.spawn(move || listen(stderr, &said))?);
        }
        Ok((starting, ours))
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// It serves: it outlives us.
    pub(super) fn let_go(mut self) {
        self.child = None;
    }

    /// Ends it; says how it ended, when it did by itself, and what it said.
    pub(super) async fn end(mut self) -> (Option<String>, String) {
        let Some(mut child) = self.child.take() else { return (None, String::new()) };
        let listener = self.listener.take();
        let ended = tokio::task::spawn_blocking(move || {
            // Who closed the socket is about to end: its own way of ending says more.
            for _ in 0..20 {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let by_itself = child.try_wait().ok().flatten().map(|status| status.to_string());
            let _ = child.kill();
            let _ = child.wait();
            by_itself
        });
        let ended = ended.await.ok().flatten();
        let heard = tokio::task::spawn_blocking(move || listener.map(std::thread::JoinHandle::join));
        let _ = tokio::time::timeout(LAST_WORDS, heard).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        (ended, String::from_utf8_lossy(&said).trim().to_owned())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended; whoever waits for our end waits for its too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Passes on what it says, and keeps the end of it. It takes our stderr for its own once it serves.
fn listen(mut stderr: impl Read, said: &Mutex<Vec<u8>>) {
    let mut block = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut block) {
        let _ = io::stderr().write_all(&block[..length]);
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&block[..length]);
        let much = said.len().saturating_sub(KEPT);
        said.drain(..much);
    }
}
