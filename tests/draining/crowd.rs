//! A server that many WebSockets can be open to, and the clients that open them, each side on one thread.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// No crowd takes so long; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two messages of a stream. All streams together leave both sides time for what is said to them: who does not
/// answer a Close in time is not waited for.
const PAUSE: Duration = Duration::from_millis(100);
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The server's side.
pub(super) struct Farm {
    address: SocketAddr,
    /// Whole messages sent, by the number of the client.
    sent: Arc<Mutex<HashMap<usize, u64>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Farm {
    /// Each client gets one message; the first `streaming` get large ones in fragments, until they close.
    pub(super) fn start(streaming: usize) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (sent, ended) = (Arc::new(Mutex::new(HashMap::new())), Arc::new(AtomicBool::new(false)));
        let (counts, over) = (Arc::clone(&sent), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let mut clients = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    clients.spawn(serve(stream, streaming, Arc::clone(&counts)));
                }
            });
        });
        Self { address, sent, ended, thread: Some(thread) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whole messages that went to a client before its Close.
    pub(super) fn sent(&self, id: usize) -> u64 {
        self.sent.lock().unwrap().get(&id).copied().unwrap_or_default()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One client of the server. None when it went away.
async fn serve(mut stream: TcpStream, streaming: usize, sent: Arc<Mutex<HashMap<usize, u64>>>) -> Option<()> {
    let head = read_head(&mut stream).await?;
    let id: usize = head.split_whitespace().nth(1)?.strip_prefix('/')?.parse().ok()?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(KEY.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let count = || *sent.lock().unwrap().entry(id).or_default() += 1;
    socket.send(Message::text("welcome")).await.ok()?;
    count();
    let streams = id < streaming;
    loop {
        if !streams {
            break;
        }
        for part in 0..4 {
            let kind = if part == 0 { Data::Binary } else { Data::Continue };
            let frame = Frame::message(vec![7; 8000], OpCode::Data(kind), part == 3);
            socket.send(Message::Frame(frame)).await.ok()?;
        }
        count();
        // What the client, or the balancer, has to say is looked at between messages.
        if let Ok(said) = tokio::time::timeout(PAUSE, socket.next()).await {
            said?.ok()?;
            break;
        }
    }
    // Reading answers the Close.
    while let Some(Ok(_)) = socket.next().await {}
    Some(())
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// The clients, each open.
pub(super) struct Crowd {
    runtime: tokio::runtime::Runtime,
    clients: Vec<WebSocketStream<TcpStream>>,
}

/// What became of the clients.
pub(super) struct Report {
    /// The Close of each.
    pub(super) codes: Vec<Option<(u16, String)>>,
    /// The whole messages of each.
    pub(super) messages: Vec<u64>,
    began: Instant,
    times: Vec<Instant>,
}

impl Report {
    /// From when all were open to the last Close.
    pub(super) fn took(&self) -> Duration {
        *self.times.iter().max().unwrap() - self.began
    }

    /// When the last was closed.
    pub(super) fn last(&self) -> Instant {
        self.times.iter().max().copied().expect("somebody was there")
    }

    /// Closes a second, from the first to the last.
    pub(super) fn rate(&self) -> f64 {
        let (first, last) = (self.times.iter().min().unwrap(), self.times.iter().max().unwrap());
        (self.times.len() - 1) as f64 / (*last - *first).as_secs_f64().max(0.001)
    }
}

impl Crowd {
    /// Opens so many; each reads its first message.
    pub(super) fn gather(address: SocketAddr, count: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        let runtime = runtime();
        let clients = runtime.block_on(async {
            let mut clients = Vec::with_capacity(count);
            for id in 0..count {
                clients
                    .push(tokio::time::timeout(PATIENCE, open(address, id)).await.expect("it opens in time"));
            }
            clients
        });
        Self { runtime, clients }
    }

    /// Reads each to its Close.
    pub(super) fn disperse(self) -> Report {
        let (Self { runtime, clients }, began) = (self, Instant::now());
        runtime.block_on(async {
            let mut readers = JoinSet::new();
            for (id, client) in clients.into_iter().enumerate() {
                readers.spawn(async move { (id, read_to_close(client).await) });
            }
            let all = tokio::time::timeout(PATIENCE, readers.join_all()).await.expect("all close in time");
            let mut all: Vec<_> = all;
            all.sort_by_key(|(id, _)| *id);
            let (mut codes, mut messages, mut times) = (Vec::new(), Vec::new(), Vec::new());
            for (_, (code, got, at)) in all {
                codes.push(code);
                messages.push(got);
                times.push(at);
            }
            Report { codes, messages, began, times }
        })
    }
}

async fn open(address: SocketAddr, id: usize) -> WebSocketStream<TcpStream> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /{id} HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await.expect("an answer");
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    assert_eq!(client.next().await.expect("a message").expect("a message"), Message::text("welcome"));
    client
}

/// The Close, the messages with the first, which was read already, and when the last of all came.
async fn read_to_close(mut client: WebSocketStream<TcpStream>) -> (Option<(u16, String)>, u64, Instant) {
    let (mut code, mut messages, mut at) = (None, 1, Instant::now());
    while let Some(Ok(message)) = client.next().await {
        at = Instant::now();
        match message {
            Message::Close(frame) => code = frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
            _ => messages += 1,
        }
    }
    (code, messages, at)
}
