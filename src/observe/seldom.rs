//! What happens to a pool or a server now and then, not with every request: any thread counts.

use super::tally::Tally;
use super::timing::Timing;

/// Counts of what is seldom.
#[derive(Debug, Default)]
pub struct Seldom {
    /// How long new connections to a server took, TLS included.
    pub connects: Timing,
    /// How long requests waited for a server with room.
    pub waits: Timing,
    /// What checks found: `passed`, `failed`.
    pub checks: Tally<2>,
    /// What became of a server: `up`, `down`, `drain` by its checks, `ejected` by requests.
    pub turns: Tally<4>,
    /// Why no connection to a server was made.
    pub connect_failures: Tally<8>,
}
