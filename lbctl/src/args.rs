//! What the command line may say. In the library, so that manual pages and completions are made from it.

use crate::protocol::DEFAULT_SOCKET;
use crate::protocol::units::{parse_duration, parse_rate};
use crate::target::Target;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

mod config;
mod conn;
mod daemon;
mod sticky;

pub use config::{ApplyArgs, ConfigCommand};
pub use conn::{ChoiceArgs, ConnCommand};
pub use daemon::{DaemonCommand, LogCommand};
pub use sticky::{ExportFormat, StickyCommand, StickyFilter, StickySort};

/// Talk to a running lbd.
#[derive(Debug, Parser)]
#[command(name = "lbctl", version, long_version = crate::version::of_lbctl())]
#[command(max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or the answer is no, 2 usage, 3 daemon not reachable, \
4 not permitted, 5 no such thing, 6 refused by a guard, 7 a deadline was reached, \
10 there are changes (config plan --exit-code), 130 interrupted.\n\n\
TARGET is POOL/SERVER, POOL/*, */SERVER or @ADDRESS.\n\n\
Topics of lbctl help: config, drain, exit-codes, routing, units.",
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub struct Global {
    /// The control socket of the daemon
    #[arg(long, env = "LBD_SOCKET", default_value = DEFAULT_SOCKET, global = true, value_name = "PATH")]
    pub socket: PathBuf,
    /// Print JSON; with --watch or --follow one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but data and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Colour (NO_COLOR is respected)
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub color: Color,
    /// Give up after this time, with exit code 7
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One screen: configuration, listeners, pools
    Status {
        /// Again every second
        #[arg(short, long)]
        watch: bool,
    },
    /// One line for monitoring: exits 0 ok, 1 warning, 2 no server for new clients, 3 unknown
    Check {
        /// Only these pools; all when none is named
        #[arg(value_name = "POOL")]
        pools: Vec<String>,
        /// So many servers of a pool may be out without a warning
        #[arg(long, value_name = "N", default_value_t = 0)]
        max_down: usize,
    },
    /// A screen of everything, with keys to drain, stop and bring back
    Top {
        /// Print one frame and end
        #[arg(long)]
        once: bool,
        /// The columns and rows of that frame: 80x24 unless said
        #[arg(long, value_name = "WxH", value_parser = size)]
        size: Option<(u16, u16)>,
    },
    /// Pools
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Servers
    #[command(subcommand)]
    Server(ServerCommand),
    /// Short for `server drain`
    Drain(DrainArgs),
    /// Short for `server ready`
    Ready(ChangeArgs),
    /// Stickiness: which client stays with which server
    #[command(subcommand)]
    Sticky(StickyCommand),
    /// Long-lived streams: WebSockets, tunnels, TCP connections
    #[command(subcommand)]
    Conn(ConnCommand),
    /// Routes, and where a request would go
    #[command(subcommand)]
    Route(RouteCommand),
    /// The running configuration and the files on disk
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Certificates in use
    #[command(subcommand)]
    Cert(CertCommand),
    /// What happened, and what happens
    Events {
        /// Only what is younger than this
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        since: Option<Duration>,
        /// Only what came after the event of this number
        #[arg(long, value_name = "SEQ", conflicts_with = "since")]
        after: Option<u64>,
        /// Only these kinds; `server` means `server.up`, `server.down`, …
        #[arg(long, value_delimiter = ',', value_name = "KIND")]
        kind: Vec<String>,
        /// Go on with what happens from now, also when the daemon is restarted
        #[arg(short, long)]
        follow: bool,
    },
    /// The daemon itself
    #[command(subcommand)]
    Daemon(DaemonCommand),
    /// The daemon's log
    #[command(subcommand)]
    Log(LogCommand),
    /// What the daemon counts and measures, as Prometheus reads it
    Metrics {
        /// Only these: a part of the name, or a pattern such as lbd_pool_*
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print a completion script for a shell
    #[command(alias = "completion")]
    Completions {
        /// Which shell
        shell: crate::completions::Shell,
    },
    /// What completion offers
    #[command(hide = true)]
    Names {
        /// Of what
        kind: crate::completions::Named,
    },
    /// A page about a topic (config, drain, exit-codes, routing, units), or what a command takes
    Help {
        /// A topic, or the words of a command; all commands when left out
        #[arg(value_name = "TOPIC|COMMAND")]
        words: Vec<String>,
    },
    /// Write the manual page of every command into a directory
    Man {
        /// The directory
        directory: PathBuf,
    },
    /// Raw access to the control protocol
    Api {
        /// GET, PUT, POST or DELETE
        method: String,
        /// Such as /v1/status
        path: String,
        /// The body
        #[arg(short, long, value_name = "JSON")]
        data: Option<String>,
    },
}

/// `lbctl pool`.
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// All pools
    List,
    /// One pool and its servers
    Show {
        /// Its name
        pool: String,
    },
}

/// `lbctl server`.
#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    /// Servers, of one pool or of all
    List {
        /// POOL, POOL/SERVER, */SERVER or @ADDRESS
        #[arg(value_parser = Target::parse)]
        target: Option<Target>,
    },
    /// One server and its streams
    Show {
        /// POOL/SERVER
        #[arg(value_parser = Target::parse)]
        target: Target,
    },
    /// No new clients; existing ones stay until they end or the deadline comes
    Drain(DrainArgs),
    /// Serve again: undoes drain, maint and weight
    Ready(ChangeArgs),
    /// Nobody, from the next request on; open streams go on
    Maint(MaintArgs),
    /// Another share of new clients
    Weight {
        /// The server
        #[arg(value_parser = Target::parse)]
        target: Target,
        /// A number, or a percentage of what the file says
        #[arg(required_unless_present = "reset", value_name = "N|N%")]
        weight: Option<String>,
        /// Back to what the file says
        #[arg(long, conflicts_with = "weight")]
        reset: bool,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Even if no server is left for new clients
        #[arg(long)]
        force: bool,
    },
    /// Probe it once, now
    Check {
        /// The server
        #[arg(value_parser = Target::parse)]
        target: Target,
    },
    /// Wait until it is in a state
    Wait {
        /// The server
        #[arg(value_parser = Target::parse)]
        target: Target,
        /// Which state
        #[arg(long = "for", value_enum, default_value_t, value_name = "STATE")]
        state: WaitFor,
    },
}

/// What `lbctl server wait` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// Not open to new clients, no requests, no sessions
    #[default]
    Drained,
    /// Healthy; a server without checks counts as healthy
    Up,
    /// Not healthy
    Down,
    /// No requests, no sessions
    Idle,
}

/// `lbctl server drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The server
    #[arg(value_parser = Target::parse)]
    pub target: Target,
    /// Return when the server has no requests and no sessions left
    #[arg(long)]
    pub wait: bool,
    /// After this what is left is cut; without it the pool's deadline counts
    #[arg(long, value_name = "TIME", value_parser = duration_text)]
    pub deadline: Option<String>,
    /// What clients of this server do; without it what the pool says
    #[arg(long, value_enum, value_name = "WHAT")]
    pub sticky: Option<StickyArg>,
    /// So many WebSockets are closed, such as 20/s; without it what the pool says
    #[arg(long, value_name = "RATE", value_parser = rate_text)]
    pub close_rate: Option<String>,
    /// What their clients are told; without it what the pool says
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(1000..=4999))]
    pub close_code: Option<u16>,
    /// Which WebSockets are closed first
    #[arg(long, value_enum, value_name = "WHICH")]
    pub close: Option<CloseArg>,
    /// Which WebSockets are closed at all before the deadline.
    #[command(flatten)]
    pub only: ChoiceArgs,
    /// When the server serves again by itself: a span such as 2h, the next 14:00 of this machine's clock, or an
    /// instant such as 2026-01-02T14:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<String>,
    /// Close no more WebSockets in the drain that goes on, until --resume
    #[arg(long, conflicts_with_all = ["resume", "wait", "deadline", "sticky", "close_rate", "close_code", "close", "until", "from", "route", "older", "idle"])]
    pub pause: bool,
    /// Go on closing
    #[arg(long, conflicts_with_all = ["deadline", "sticky", "close_rate", "close_code", "close", "until", "from", "route", "older", "idle"])]
    pub resume: bool,
    /// Why, and against which guards.
    #[command(flatten)]
    pub change: GuardArgs,
}

/// Which WebSockets a drain closes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CloseArg {
    /// The longest silent; of equals the oldest
    Idle,
    /// The oldest
    Oldest,
    /// The youngest
    Newest,
    /// Nobody before the deadline
    Nobody,
}

/// `lbctl server maint`.
#[derive(Debug, Args)]
pub struct MaintArgs {
    /// The server
    #[arg(value_parser = Target::parse)]
    pub target: Target,
    /// An emergency: close its WebSockets and other streams at once, all of them
    #[arg(long)]
    pub now: bool,
    /// Why, and against which guards.
    #[command(flatten)]
    pub change: GuardArgs,
}

/// What every guarded change understands.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Why; goes into log and events
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Even if it is the last server that is up
    #[arg(long)]
    pub force: bool,
    /// Say what would happen, do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `lbctl server ready`.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// The server
    #[arg(value_parser = Target::parse)]
    pub target: Target,
    /// Its share of new clients grows this long, whatever the pool says; 0s: at once
    #[arg(long, value_name = "TIME", value_parser = duration_text)]
    pub slow_start: Option<String>,
    /// Why; goes into log and events
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What existing clients of a draining server do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StickyArg {
    /// They stay
    Keep,
    /// They go elsewhere with their next request
    Move,
}

/// `lbctl route`.
#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// All routes
    List {
        /// Only of this host
        #[arg(long, value_name = "HOST")]
        site: Option<String>,
    },
    /// Where a request would go, and why
    Explain {
        /// A method (GET when it is left out) and a URL
        #[arg(num_args = 1..=2, required = true, value_names = ["METHOD", "URL"])]
        request: Vec<String>,
        /// A header field; may be repeated
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
        /// The client's address
        #[arg(long, value_name = "IP")]
        from: Option<String>,
        /// The listener on which it arrives
        #[arg(long, value_name = "LISTENER")]
        on: Option<String>,
    },
    /// Why a request went where it went, by its X-Request-Id
    Of {
        /// As its server, the access log or an error answer says it
        #[arg(value_name = "REQUEST-ID")]
        id: String,
    },
}

/// `lbctl cert`.
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// All of them, and until when they are valid
    List,
    /// One of them
    Show {
        /// The name of its file without the ending, or a host that it is for
        name: String,
    },
    /// Read the files again now; a changed file is taken up without this
    Reload,
}

/// `80x24`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=1000).contains(side));
    let parts = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    parts.ok_or_else(|| format!("`{text}` is not a size; write it like 80x24"))
}

/// A span of time that is sent as it was written, once it is known to be one.
fn duration_text(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned())
}

/// A rate that is sent as it was written, once it is known to be one.
fn rate_text(text: &str) -> Result<String, String> {
    parse_rate(text).map(|_| text.to_owned())
}

/// The moment that is meant here and now.
fn moment(text: &str) -> Result<String, String> {
    crate::until::moment(text, &jiff::Zoned::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
