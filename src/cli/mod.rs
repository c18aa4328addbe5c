//! The `lbd` command: what works on files, and the daemon itself. What talks to a running daemon is `lbctl`.

pub mod demo;
mod doctor;
mod explain;
mod fmt;
mod import;
mod lint;
mod lsp;
mod migrate;
mod replace;
mod rewrite;
mod test;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::daemon::{self, Ended};

/// The features that this was built with.
const FEATURES: &[&str] = if cfg!(feature = "otlp") { &["otlp"] } else { &[] };

/// A layer-7 load balancer for stateful applications.
#[derive(Debug, Parser)]
#[command(name = "lbd", version, long_version = long_version(), about, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what a configuration says, and follow the file while it is edited
    Run(Run),
    /// Try it: two small stateful servers, a configuration with comments, and the daemon in front of them
    Demo(demo::Options),
    /// Say what is wrong with a configuration; needs no daemon
    Lint(lint::Lint),
    /// Look at this machine, its files and the servers for what would go wrong, and say how to mend it
    Doctor(doctor::Doctor),
    /// Say where a request would go, and why; needs no daemon
    Explain(explain::Explain),
    /// Test whether a configuration does with requests what is expected; needs no daemon
    Test(test::Test),
    /// Put the blanks of configurations in order: indentation, spacing, empty lines; nothing else is touched
    Fmt(fmt::Fmt),
    /// Make a configuration of HAProxy into one of lbd, and say of each line what became of it
    Import(import::Import),
    /// Turn configurations in version 1 of KDL into version 2; comments and blanks stay
    Migrate(migrate::Migrate),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: lbctl::completions::Shell,
    },
    /// Serve an editor: findings while you type, completion, hover, rename (LSP over stdin and stdout)
    Lsp(lsp::Lsp),
}

/// Options of `lbd run`.
#[derive(Debug, clap::Args)]
struct Run {
    /// The configuration
    #[arg(value_name = "PATH", default_value = "/etc/lbd/lbd.kdl")]
    config: PathBuf,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Where keys and past generations are kept [default: /var/lib/lbd if it can be written]
    #[arg(long, value_name = "DIR", env = "LBD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// At start, refuse bad files even if a good generation is stored
    #[arg(long)]
    strict: bool,
    /// Where this process stands: servers with the same `zone=` are preferred
    #[arg(long, value_name = "NAME", env = "LBD_ZONE")]
    zone: Option<String>,
}

/// The command line as a value: manual pages are made from it, commands that texts show are checked against it.
pub fn command() -> clap::Command {
    Args::command()
}

fn long_version() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| lbctl::version::long(env!("CARGO_PKG_VERSION"), FEATURES));
    &TEXT
}

/// Runs the command line.
pub fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(run) => run.execute(),
        Command::Demo(demo) => demo.execute(),
        Command::Lint(lint) => lint.execute(),
        Command::Doctor(doctor) => doctor.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Test(test) => test.execute(),
        Command::Fmt(fmt) => fmt.execute(),
        Command::Import(import) => import.execute(),
        Command::Migrate(migrate) => migrate.execute(),
        Command::Completions { shell } => {
            let script = lbctl::completions::script(command(), shell);
            // Whoever reads no further has what was wanted.
            let _ = std::io::stdout().write_all(script.as_bytes());
            ExitCode::SUCCESS
        }
        Command::Lsp(lsp) => lsp.execute(),
    }
}

impl Run {
    fn execute(self) -> ExitCode {
        let ended = daemon::run(daemon::Options {
            config: self.config,
            workers: self.workers.map(usize::from),
            state_dir: self.state_dir.or_else(default_state_dir),
            strict: self.strict,
            zone: self.zone,
        });
        exit_code(&ended)
    }
}

fn exit_code(ended: &Ended) -> ExitCode {
    match ended {
        Ended::Stopped => ExitCode::SUCCESS,
        Ended::BadConfig | Ended::Failed => ExitCode::from(1),
        Ended::MissingConfig => ExitCode::from(2),
    }
}

fn default_state_dir() -> Option<PathBuf> {
    let dir = PathBuf::from("/var/lib/lbd");
    let writable = rustix::fs::access(&dir, rustix::fs::Access::WRITE_OK).is_ok();
    writable.then_some(dir)
}
