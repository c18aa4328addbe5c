//! Files become generations: watched, read, checked, published; or refused, with the old world going on.
//!
//! The order is always wake, settle, read, parse, prepare TLS, [`World::apply`], record. Everything
//! before `apply` has no side effect, and nothing here knows sockets. Start is the first reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Loaded;
use crate::config::diagnostic::Report;
use crate::config::model::Model;
use crate::config::source::Loader;
use crate::tls::TlsConfigs;

pub use ask::{Answer, Ask, Confirmation, Refusal, Source};
pub(crate) use attempt::give_way;
pub use handle::ReloadHandle;
pub use live::{judged, slow_drains};
pub use offer::Offer;
pub use plan::{Change, KINDS, Part, Plan, Setting, What};
pub use refusal::{BootError, Severed};
pub use reloader::Reloader;
pub use state::{
    Applied, By, Cause, Findings, GenerationInfo, Pinned, Reason, Rejected, ReloadState, Unconfirmed,
};
pub use timing::Timing;
pub use vitals::{Limits, Vitals};

mod ask;
mod attempt;
mod chain;
mod confirm;
pub mod fileset;
mod gate;
mod generations;
mod handle;
mod journal;
mod live;
mod offer;
mod operator;
mod pin;
mod plan;
mod record;
mod refusal;
mod reloader;
mod shown;
mod state;
mod tickets;
mod timing;
mod vitals;
mod watch;

#[cfg(test)]
mod tests;

/// How a file set becomes a model: `config::load_here`, or something simpler in a test.
pub type Load = Arc<dyn Fn(&Path, &dyn Loader) -> Loaded + Send + Sync>;

/// Where files come from: the file system, or memory in a test.
pub type Files = Arc<dyn Loader + Send + Sync>;

/// The step from a model to traffic. The daemon implements it: compile, prepare listeners, reconcile
/// checks, publish, commit.
pub trait World {
    /// Makes `model` the running one as `generation`, or changes nothing and says why. It is not told
    /// the [`Cause`]: a world must not behave differently for different ones.
    fn apply(&mut self, model: Arc<Model>, tls: TlsConfigs, generation: u64) -> Result<(), Report>;

    /// The listeners that `model` would close while long-lived streams are open that came by them.
    fn severed(&self, _model: &Model) -> Vec<Severed> {
        Vec::new()
    }

    /// How the pools are, for whoever watches over a generation that is not confirmed yet.
    fn vitals(&self) -> Vec<Vitals> {
        Vec::new()
    }
}

/// What the daemon decides about reloading, once, at start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main file, as the user named it.
    pub main: PathBuf,
    /// Where generations are kept; none are without it.
    pub state_dir: Option<PathBuf>,
    /// At boot, refuse bad files instead of running the last good generation.
    pub strict: bool,
    /// Clocks that no configuration sets; [`Timing::default`] but in tests.
    pub timing: Timing,
}
