//! What `lbctl conn` may be told.

use super::{duration_text, rate_text};
use crate::protocol::Choice;
use clap::{Args, Subcommand};

/// `lbctl conn`.
#[derive(Debug, Subcommand)]
pub enum ConnCommand {
    /// Streams that are open, oldest first
    List {
        /// Only WebSockets
        #[arg(long)]
        ws: bool,
        /// Only of this pool
        #[arg(long)]
        pool: Option<String>,
        /// Only of this server
        #[arg(long)]
        server: Option<String>,
        /// Which of them.
        #[command(flatten)]
        choice: ChoiceArgs,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One of them
    Show {
        /// Its name in the list
        id: String,
    },
    /// Close them: a WebSocket by a Close frame, another stream by cutting it
    Close {
        /// Their names in the list
        #[arg(required = true)]
        id: Vec<String>,
        /// What the client of a WebSocket is told; 1012 is: come back
        #[arg(long, default_value_t = 1001, value_parser = clap::value_parser!(u16).range(1000..=4999))]
        code: u16,
        /// Why; the client is told, it goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Close what servers have above their share, so that clients come back to those that have less, sticky ones too
    Rebalance {
        /// The pool
        pool: String,
        /// So many are closed, such as 20/s; without it what the pool says of drains
        #[arg(long, value_name = "RATE", value_parser = rate_text)]
        rate: Option<String>,
        /// Why; goes into log and events
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Say what would happen, do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which long-lived streams are meant; all that is said must hold.
#[derive(Clone, Debug, Default, Args)]
pub struct ChoiceArgs {
    /// Only those of clients in this network, such as 10.0.0.0/8, or of one address
    #[arg(long, value_name = "CIDR")]
    pub from: Option<String>,
    /// Only those that came by the route of this name
    #[arg(long, value_name = "ROUTE")]
    pub route: Option<String>,
    /// Only those open for so long
    #[arg(long, value_name = "TIME", value_parser = duration_text)]
    pub older: Option<String>,
    /// Only those silent for so long
    #[arg(long, value_name = "TIME", value_parser = duration_text)]
    pub idle: Option<String>,
}

impl ChoiceArgs {
    /// What is said; none when nothing is.
    pub fn choice(&self) -> Option<Choice> {
        let Self { from, route, older, idle } = self.clone();
        Some(Choice { from, route, older, idle }).filter(|choice| *choice != Choice::default())
    }
}
