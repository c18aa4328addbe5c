//! The signals that the daemon obeys. Made before anything else: one that comes while the first files are read is
//! kept, not deadly.

use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::upgrade::{Succession, Upgrader};
use crate::control::world::UpgradeAsk;
use crate::proxy::AccessLogWriter;
use crate::reload::{Cause, ReloadHandle};

/// How long streams may go on after a stop was asked for, unless the caller says otherwise.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// All of them.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
}

/// Why the daemon ends.
pub(super) enum End {
    /// It was asked to; streams may go on for so long.
    Stop(Duration),
    /// Another process serves.
    Succeeded(Succession),
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// SIGTERM or SIGINT.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Obeys until one of them, or the control socket, asks for the end, or another process has taken over.
    pub(super) async fn obey(
        &mut self,
        handle: &ReloadHandle,
        log: &AccessLogWriter,
        mut stopping: watch::Receiver<Option<Duration>>,
        upgrader: &Rc<Upgrader>,
    ) -> End {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    log.reopen();
                    let handle = handle.clone();
                    // Not awaited: a second signal must not wait for a slow disk.
                    tokio::task::spawn_local(async move { drop(handle.reload(Cause::Signal).await) });
                }
                _ = self.upgrade.recv() => {
                    let ask = UpgradeAsk { actor: Some("signal".to_owned()), ..UpgradeAsk::default() };
                    // What comes of it is logged, and waited for below.
                    tokio::task::spawn_local(upgrader.upgrade(ask));
                }
                succession = upgrader.succeeded() => return End::Succeeded(succession),
                _ = self.terminate.recv() => return End::Stop(STOP_DEADLINE),
                _ = self.interrupt.recv() => return End::Stop(STOP_DEADLINE),
                asked = stopping.wait_for(Option::is_some) => {
                    if let Ok(deadline) = asked {
                        return End::Stop(deadline.unwrap_or(STOP_DEADLINE));
                    }
                }
            }
        }
    }
}
