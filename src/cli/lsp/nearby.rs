//! What a daemon on this machine knows of the pools and servers that the text names. It is asked on a thread of its own,
//! so that typing never waits for it; where it does not answer at once, the editor is told what the schema says alone.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use lbctl::client::{Client, encode};
use lbctl::protocol::units::format_count;
use lbctl::protocol::{DEFAULT_SOCKET, PoolSummary, Server};
use lbctl::render::server_state;
use lsp_server::{Message, RequestId, Response};
use lsp_types::{CodeLens, Command, Hover, HoverContents, Range};

/// How long an answer waits for the daemon.
const PATIENCE: Duration = Duration::from_millis(500);
/// Questions that wait at most; who asks more is not told about the daemon.
const WAITING: usize = 8;
/// Servers of a pool whose state is told above it, at most.
const TOLD: usize = 3;

/// A question that the daemon knows more about.
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) about: About,
}

/// What it is about.
pub(super) enum About {
    /// A server, with what the schema says.
    Server { hover: Hover, pool: String, server: String },
    /// The pools of a text, each with the place of its node.
    Pools(Vec<(Range, String)>),
}

impl About {
    /// The answer without a daemon.
    fn alone(self, id: RequestId) -> Response {
        match self {
            Self::Server { hover, .. } => Response::new_ok(id, hover),
            Self::Pools(_) => Response::new_ok(id, Vec::<CodeLens>::new()),
        }
    }
}

/// The thread that asks.
pub(super) struct Nearby {
    questions: SyncSender<Asked>,
    thread: Option<JoinHandle<()>>,
}

impl Nearby {
    /// Answers go to `send`. Without a thread nobody is asked.
    pub(super) fn new(send: impl Fn(Message) + Send + 'static) -> Self {
        let (questions, asked) = sync_channel(WAITING);
        let builder = std::thread::Builder::new().name("nearby".to_owned());
        Self { questions, thread: builder.spawn(move || answer(&asked, send)).ok() }
    }

    /// Has the question answered later; or gives the answer now, when too many wait.
    pub(super) fn ask(&self, asked: Asked) -> Option<Response> {
        let refused = self.questions.try_send(asked).err()?;
        let (std::sync::mpsc::TrySendError::Full(asked) | std::sync::mpsc::TrySendError::Disconnected(asked)) =
            refused;
        Some(asked.about.alone(asked.id))
    }

    /// Answers what still waits, and ends.
    pub(super) fn finish(self) {
        drop(self.questions);
        // A thread that panicked has nothing more to say.
        self.thread.map(JoinHandle::join);
    }
}

fn answer(asked: &Receiver<Asked>, send: impl Fn(Message)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok();
    for Asked { id, about } in asked {
        let response = match (about, &runtime) {
            (about, None) => about.alone(id),
            (About::Server { mut hover, pool, server }, Some(runtime)) => {
                let state = runtime.block_on(state(&pool, &server));
                if let (Some(state), HoverContents::Markup(text)) = (state, &mut hover.contents) {
                    text.value = format!("{state}\n\n{}", text.value);
                }
                Response::new_ok(id, hover)
            }
            (About::Pools(places), Some(runtime)) => Response::new_ok(id, runtime.block_on(lenses(places))),
        };
        send(response.into());
    }
}

/// A line above each pool that runs: how many of its servers are up, and what is with the others.
async fn lenses(places: Vec<(Range, String)>) -> Vec<CodeLens> {
    let client = Client::new(socket()).timeout(Some(PATIENCE));
    let pools: Vec<PoolSummary> = client.get("/v1/pools").await.unwrap_or_default();
    let lens = |(range, name): (Range, String)| {
        let title = summed_up(pools.iter().find(|pool| pool.name == name)?);
        // A command without a name is shown and does nothing.
        let command = Command { title, command: String::new(), arguments: None };
        Some(CodeLens { range, command: Some(command), data: None })
    };
    places.into_iter().filter_map(lens).collect()
}

/// `2/3 up · tw3: down 4m (connection refused)`.
fn summed_up(pool: &PoolSummary) -> String {
    let mut title = format!("{}/{} up", pool.up, pool.servers);
    for server in pool.notable.iter().take(TOLD) {
        title.push_str(&format!(" · {}: {}", server.name, server_state(server).0));
    }
    if pool.notable.len() > TOLD {
        title.push_str(" · …");
    }
    title
}

/// How a server of the running configuration is: `up, 12 requests and 3 sessions now`.
async fn state(pool: &str, server: &str) -> Option<String> {
    let client = Client::new(socket()).timeout(Some(PATIENCE));
    let path = format!("/v1/pools/{}/servers/{}", encode(pool), encode(server));
    let found: Server = client.get(&path).await.ok()?;
    let (requests, sessions) =
        (format_count(found.in_flight, "request"), format_count(found.sessions, "session"));
    Some(format!("In the running lbd: **{}**, {requests} and {sessions} now.", server_state(&found).0))
}

/// The control socket, as `lbctl` finds it.
fn socket() -> PathBuf {
    std::env::var_os("LBD_SOCKET").map_or_else(|| PathBuf::from(DEFAULT_SOCKET), PathBuf::from)
}
