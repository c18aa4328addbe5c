//! How others ask for a reload and see what became of it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::ask::{Answer, Ask, Refusal};
use super::state::{Applied, Cause, Rejected, ReloadState};

/// A request to the reloader, and where its answer goes.
pub(super) enum Command {
    Reload { cause: Cause, answer: oneshot::Sender<Result<Applied, Arc<Rejected>>> },
    Ask { ask: Box<Ask>, answer: oneshot::Sender<Result<Answer, Refusal>> },
}

/// Asks the reloader for things. Cheap to clone; never blocks it.
#[derive(Debug, Clone)]
pub struct ReloadHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) state: watch::Receiver<Arc<ReloadState>>,
}

impl ReloadHandle {
    /// Reads the files now, without waiting for quiet, and says what came of it. Files that are equal
    /// to the running ones succeed with `changed == false`; files that were refused are tried again.
    pub async fn reload(&self, cause: Cause) -> Result<Applied, Arc<Rejected>> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Reload { cause: cause.clone(), answer }).await.is_ok()
            && let Ok(result) = answered.await
        {
            return result;
        }
        Err(Arc::new(Rejected::stopped(cause, self.state().generation)))
    }

    /// Asks for more than a reload: see [`Ask`].
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Ask { ask: Box::new(ask), answer };
        if self.commands.send(command).await.is_ok()
            && let Ok(result) = answered.await
        {
            return result;
        }
        Err(Refusal::Rejected(Arc::new(Rejected::stopped(Cause::Signal, self.state().generation))))
    }

    /// What reloading has done so far.
    pub fn state(&self) -> Arc<ReloadState> {
        self.state.borrow().clone()
    }

    /// The same, with a way to wait for the next change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ReloadState>> {
        self.state.clone()
    }
}
