//! What a daemon on this machine knows of a server that the text names. It is asked on a thread of its own, so that
//! typing never waits for it; where it does not answer at once, the editor is told what the schema says alone.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use lbctl::client::{Client, encode};
use lbctl::protocol::units::format_count;
use lbctl::protocol::{DEFAULT_SOCKET, Server};
use lbctl::render::server_state;
use lsp_server::{Message, RequestId, Response};
use lsp_types::{Hover, HoverContents};

/// How long an answer waits for the daemon.
const PATIENCE: Duration = Duration::from_millis(500);
/// Questions that wait at most; who asks more is not told about the daemon.
const WAITING: usize = 8;

/// A question about a server, answered already but for what the daemon knows.
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) hover: Hover,
    pub(super) pool: String,
    pub(super) server: String,
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
        Some(Response::new_ok(asked.id, asked.hover))
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
    for Asked { id, mut hover, pool, server } in asked {
        let state = runtime.as_ref().and_then(|runtime| runtime.block_on(state(&pool, &server)));
        if let (Some(state), HoverContents::Markup(text)) = (state, &mut hover.contents) {
            text.value = format!("{state}\n\n{}", text.value);
        }
        send(Response::new_ok(id, hover).into());
    }
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
