//! gRPC from end to end: a client and a server of another make, with lbd between them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt, stream};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{ClientStreamingService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{front, front_with};
use crate::support::http2::{run, run_for};
use crate::support::http2_server::{Reply, any};
use crate::support::{Daemon, Http2Server};

/// For as many bytes as are sent here.
const PATIENCE: Duration = Duration::from_secs(300);

/// Messages are bytes.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<Response<T>, Status>> + Send>>;
type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// The service. What a method does follows from its first message.
struct Service {
    /// Is told when a call that waits is dropped.
    dropped: mpsc::UnboundedSender<()>,
}

struct Told(mpsc::UnboundedSender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl UnaryService<Bytes> for Service {
    type Response = Bytes;
    type Future = Future<Bytes>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let told = Told(self.dropped.clone());
        Box::pin(async move {
            match &request.get_ref()[..] {
                b"fail" => {
                    let details = Bytes::from_static(b"\0details\xFF");
                    Err(Status::with_details(Code::NotFound, "no such thing: \u{e9}", details))
                }
                b"late" => match request.metadata().get("grpc-timeout").map(|value| value.as_bytes()) {
                    Some(b"50m") => Err(Status::deadline_exceeded("50 ms are over")),
                    other => Err(Status::internal(format!("grpc-timeout is {other:?}"))),
                },
                b"wait" => {
                    let _told = told;
                    std::future::pending().await
                }
                _ => {
                    let mut answer = Response::new(request.get_ref().clone());
                    answer.metadata_mut().insert("x-head", "seen".parse().unwrap());
                    Ok(answer)
                }
            }
        })
    }
}

impl ServerStreamingService<Bytes> for Service {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Future<Messages>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let text = std::str::from_utf8(request.get_ref()).unwrap();
        let mut numbers = text.split(' ').map(|word| word.parse::<usize>().unwrap());
        let (count, size) = (numbers.next().unwrap(), numbers.next().unwrap());
        let ends = numbers.next().is_none();
        let message = Bytes::from(vec![b'x'; size]);
        let messages = stream::repeat_with(move || Ok(message.clone())).take(count);
        Box::pin(async move {
            let messages: Messages =
                if ends { Box::pin(messages) } else { Box::pin(messages.chain(stream::pending())) };
            Ok(Response::new(messages))
        })
    }
}

impl ClientStreamingService<Bytes> for Service {
    type Response = Bytes;
    type Future = Future<Bytes>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let mut messages = request.into_inner();
            let mut all = Vec::new();
            while let Some(message) = messages.message().await? {
                all.extend_from_slice(&message);
            }
            Ok(Response::new(all.into()))
        })
    }
}

impl StreamingService<Bytes> for Service {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Future<Messages>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let messages: Messages = Box::pin(request.into_inner());
        Box::pin(async move { Ok(Response::new(messages)) })
    }
}

/// A server, and who hears of calls that were dropped.
fn server() -> (Http2Server, mpsc::UnboundedReceiver<()>) {
    let (dropped, heard) = mpsc::unbounded_channel();
    let server = Http2Server::run(move |request: hyper::Request<Incoming>| {
        let service = Service { dropped: dropped.clone() };
        async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            let answer = match request.uri().path() {
                "/test.Test/Unary" => grpc.unary(service, request).await,
                "/test.Test/Down" => grpc.server_streaming(service, request).await,
                "/test.Test/Up" => grpc.client_streaming(service, request).await,
                _ => grpc.streaming(service, request).await,
            };
            answer.map(any) as Reply
        }
    });
    (server, heard)
}

/// What tonic sends requests through: one connection to lbd.
struct Channel(SendRequest<Body>);

impl GrpcService<Body> for Channel {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn std::future::Future<Output = hyper::Result<hyper::Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: hyper::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

async fn client(daemon: &Daemon) -> Grpc<Channel> {
    let tcp = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut client = Grpc::with_origin(Channel(sender), "http://app.test".parse().unwrap());
    client.ready().await.unwrap();
    client
}

fn method(name: &str) -> http::uri::PathAndQuery {
    format!("/test.Test/{name}").parse().unwrap()
}

async fn unary(client: &mut Grpc<Channel>, message: &'static [u8]) -> Result<Response<Bytes>, Status> {
    client.ready().await.unwrap();
    client.unary(Request::new(Bytes::from_static(message)), method("Unary"), Raw).await
}

#[test]
fn the_four_kinds_of_calls_pass() {
    let (server, _) = server();
    let daemon = front(&[&server]);
    run(async {
        let mut client = client(&daemon).await;
        let answer = unary(&mut client, b"hello").await.unwrap();
        assert_eq!(answer.metadata().get("x-head").unwrap(), "seen");
        assert_eq!(answer.into_inner(), "hello");
        let down = client.server_streaming(Request::new("30 100000".into()), method("Down"), Raw).await;
        let down: Vec<_> = down.unwrap().into_inner().map(|message| message.unwrap().len()).collect().await;
        assert_eq!(down, vec![100_000; 30]);
        client.ready().await.unwrap();
        let messages = (0..30).map(|n| Bytes::from(format!("{n} ")));
        let expected: String = (0..30).map(|n| format!("{n} ")).collect();
        let up = client.client_streaming(Request::new(stream::iter(messages)), method("Up"), Raw).await;
        assert_eq!(up.unwrap().into_inner(), expected);
        client.ready().await.unwrap();
        let (say, said) = mpsc::unbounded_channel::<Bytes>();
        let said =
            stream::unfold(said, |mut said| async { said.recv().await.map(|message| (message, said)) });
        let both = client.streaming(Request::new(said), method("Both"), Raw).await.unwrap();
        let mut both = both.into_inner();
        for n in 0..20 {
            let message = Bytes::from(format!("message {n}"));
            say.send(message.clone()).unwrap();
            assert_eq!(both.message().await.unwrap(), Some(message), "answered before the next one goes");
        }
        drop(say);
        assert_eq!(both.message().await.unwrap(), None);
    });
    assert_eq!(server.connections(), 1);
}

#[test]
fn statuses_pass_as_the_server_gave_them() {
    let (server, _) = server();
    let daemon = front(&[&server]);
    run(async {
        let mut client = client(&daemon).await;
        let status = unary(&mut client, b"fail").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no such thing: \u{e9}"));
        assert_eq!(status.details(), b"\0details\xFF");
        client.ready().await.unwrap();
        let mut late = Request::new(Bytes::from_static(b"late"));
        late.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
        let status = client.unary(late, method("Unary"), Raw).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "50 ms are over"));
    });
}

#[test]
fn a_call_that_is_cancelled_ends_at_the_server() {
    let (server, mut dropped) = server();
    let daemon = front(&[&server]);
    run(async {
        let mut client = client(&daemon).await;
        let call = unary(&mut client, b"wait");
        let cancelled = tokio::time::timeout(Duration::from_millis(300), call).await;
        assert!(cancelled.is_err(), "it waits for ever");
        assert_eq!(dropped.recv().await, Some(()));
        assert_eq!(unary(&mut client, b"next").await.unwrap().into_inner(), "next");
    });
}

#[test]
fn a_server_that_dies_breaks_the_call_and_the_next_one_is_unavailable() {
    let (server, _) = server();
    let daemon = front(&[&server]);
    run(async {
        let mut client = client(&daemon).await;
        let down = client.server_streaming(Request::new("1 10 0".into()), method("Down"), Raw);
        let mut down = down.await.unwrap().into_inner();
        assert_eq!(down.message().await.unwrap().map(|message| message.len()), Some(10));
        drop(server);
        assert!(down.message().await.is_err(), "a stream that broke must not look whole");
        let status = unary(&mut client, b"next").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().starts_with("502 bad gateway"), "{status:?}");
    });
}

#[test]
fn what_lbd_refuses_is_a_status_of_grpc() {
    let (server, _) = server();
    let daemon = front_with(&[&server], "http=2", "", "deny-from \"127.0.0.0/8\"");
    let status = run(async { unary(&mut client(&daemon).await, b"hello").await.unwrap_err() });
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "403 forbidden"));
}

#[test]
fn a_long_stream_takes_no_memory() {
    stream_down(64 << 20);
}

#[test]
#[ignore = "a sixteenth of it is always checked"]
fn a_gigabyte_takes_no_memory() {
    stream_down(1 << 30);
}

/// Streams so many bytes to a client, and looks at the daemon meanwhile.
fn stream_down(bytes: usize) {
    const SIZE: usize = 64 * 1024;
    let (server, _) = server();
    let daemon = front(&[&server]);
    run_for(PATIENCE, async {
        let mut client = client(&daemon).await;
        unary(&mut client, b"hello").await.unwrap();
        client.ready().await.unwrap();
        let before = daemon.resident();
        let question = Bytes::from(format!("{} {SIZE}", bytes / SIZE));
        let down = client.server_streaming(Request::new(question), method("Down"), Raw).await;
        let mut down = down.unwrap().into_inner();
        let (mut passed, mut most) = (0, 0);
        while let Some(message) = down.message().await.unwrap() {
            passed += message.len();
            if passed % (4 << 20) == 0 {
                most = most.max(daemon.resident());
            }
        }
        assert_eq!(passed, bytes);
        let grown = most.saturating_sub(before);
        println!("{bytes} bytes passed, and the daemon grew by {grown}");
        assert!(grown < 32 << 20, "{bytes} bytes passed, and the daemon grew by {grown}");
    });
}

#[test]
fn a_long_call_both_ways_takes_no_memory() {
    const COUNT: usize = 1024;
    const SIZE: usize = 64 * 1024;
    let (server, _) = server();
    let daemon = front(&[&server]);
    run_for(PATIENCE, async {
        let mut client = client(&daemon).await;
        unary(&mut client, b"hello").await.unwrap();
        client.ready().await.unwrap();
        let before = daemon.resident();
        let messages = stream::repeat_with(|| Bytes::from(vec![b'x'; SIZE])).take(COUNT);
        let both = client.streaming(Request::new(messages), method("Both"), Raw).await.unwrap();
        let mut both = both.into_inner();
        let (mut passed, mut most) = (0, 0);
        while let Some(message) = both.message().await.unwrap() {
            passed += message.len();
            if passed % (4 << 20) == 0 {
                most = most.max(daemon.resident());
            }
        }
        assert_eq!(passed, COUNT * SIZE);
        let grown = most.saturating_sub(before);
        assert!(grown < 32 << 20, "64 MiB passed each way, and the daemon grew by {grown} bytes");
    });
}
