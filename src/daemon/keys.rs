//! The keys of sticky cookies while the daemon runs: when one has signed for long enough, a new one is made and the
//! running generation is published again with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::steering::Helm;
use super::{Ended, memory};
use crate::pool::KeyRing;

/// How often it is looked whether the time has come; clocks may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// The keys to begin with.
pub(super) fn load(
    state_dir: Option<&Path>,
    given: Option<Result<Arc<KeyRing>, String>>,
) -> Result<Arc<KeyRing>, Ended> {
    let now = memory::now();
    if let (None, Some(given)) = (state_dir, given) {
        return given.map_err(|error| {
            error!(error, "the keys of the process before this one cannot be read");
            Ended::Failed
        });
    }
    let made = match state_dir {
        Some(dir) => std::fs::create_dir_all(dir).and_then(|()| KeyRing::load_or_create(dir, now)),
        None => {
            warn!(
                "no state directory: sticky cookies are signed with a key that ends with this process (--state-dir DIR keeps it)"
            );
            KeyRing::ephemeral(now)
        }
    };
    made.map_err(|error| {
        let dir = state_dir.map(|dir| dir.display().to_string()).unwrap_or_default();
        error!(dir, %error, "cannot keep keys in the state directory: name one that can be written, with --state-dir or LBD_STATE_DIR");
        Ended::Failed
    })
}

/// Lets a new key sign whenever the time has come. Ends never.
pub(super) async fn follow(helm: Helm, state_dir: Option<PathBuf>) {
    loop {
        let (keys, life) = helm.keys();
        let wait = wait(keys.due(), memory::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            continue;
        }
        let dir = state_dir.clone();
        // Not here: a slow disk must not keep operators waiting.
        let made = tokio::task::spawn_blocking(move || keys.follow(dir.as_deref(), life, memory::now()));
        match made.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(keys) => {
                info!("a new key signs sticky cookies; the earlier ones are still believed");
                helm.publish_keys(keys);
            }
            Err(error) => {
                warn!(%error, "cannot make a new key for sticky cookies: the present one goes on signing");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// How long until it is worth looking again; nothing, when a new key is due.
fn wait(due: Option<u64>, now: u64) -> Duration {
    due.map_or(LOOK, |due| Duration::from_secs(due.saturating_sub(now)).min(LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wakes_at_the_time_and_now_and_then_before() {
        let seconds = Duration::from_secs;
        assert_eq!(wait(None, 5), LOOK, "somebody else's keys");
        assert_eq!(wait(Some(1_000_000), 5), LOOK);
        assert_eq!(wait(Some(105), 5), seconds(100));
        assert_eq!((wait(Some(5), 5), wait(Some(4), 5)), (seconds(0), seconds(0)));
    }
}
