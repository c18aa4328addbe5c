//! Checks that speak more than HTTP/1: gRPC and WebSocket servers as real ones answer.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{After, CHECKED_OFTEN, Client, Daemon, Origin, eventually};

/// A daemon whose only server is checked by `health`.
/// HTTP/2 goes to and fro several times before a check is answered: a busy machine needs more than `CHECKED_OFTEN` gives.
const CHECKED_WITH_TIME: &str = "interval=\"2s\" timeout=\"2s\" rise=1 fall=1";

fn checked(origin: &Origin, health: &str) -> Daemon {
    let pool = format!("pool app {{ server s0 \"{}\"; {health} {CHECKED_WITH_TIME}; }}", origin.address());
    Daemon::run(&format!("{pool}\nroute \"/\" pool=app\n"))
}

fn status_becomes(daemon: &Daemon, status: u16) {
    eventually(&format!("the answer is {status}"), || {
        (Client::fetch(daemon.address(), "/").status() == status).then_some(())
    });
}

/// Why the server is down, as operators are told.
fn reason(daemon: &Daemon) -> String {
    daemon.control("GET", "/v1/pools/app/servers/s0").1["health"].to_string()
}

/// A health service that knows `shop.Orders`, and answers with the status that is set.
fn grpc_server(serving: &Arc<AtomicU8>) -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, serving) = (listener.local_addr().unwrap(), Arc::clone(serving));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let serving = Arc::clone(&serving);
                let service =
                    hyper::service::service_fn(move |request| answer(request, Arc::clone(&serving)));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(tcp), service).await;
            }
        });
    });
    address
}

async fn answer(
    request: hyper::Request<Incoming>,
    serving: Arc<AtomicU8>,
) -> Result<hyper::Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    let authority = request.uri().authority().map(|a| a.as_str().to_owned());
    let asked = request.into_body().collect().await.unwrap().to_bytes();
    let knows = asked.ends_with(b"shop.Orders") && authority.as_deref() == Some("orders.internal");
    let body = if knows { vec![0, 0, 0, 0, 2, 8, serving.load(Ordering::SeqCst)] } else { Vec::new() };
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("grpc-status", if knows { "0" } else { "5" }.parse().unwrap());
    let body = Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(trailers)) });
    Ok(hyper::Response::builder().header("content-type", "application/grpc+proto").body(body).unwrap())
}

#[test]
fn a_grpc_server_is_up_while_it_says_that_it_serves() {
    let (origin, serving) = (Origin::echo("s0"), Arc::new(AtomicU8::new(1)));
    let address = grpc_server(&serving);
    let ask =
        |service: &str| format!("health grpc {service} host=\"orders.internal\" port={}", address.port());
    let daemon = checked(&origin, &ask("\"shop.Orders\""));
    status_becomes(&daemon, 200);
    serving.store(2, Ordering::SeqCst);
    status_becomes(&daemon, 503);
    eventually("the check says why", || reason(&daemon).contains("NOT_SERVING").then_some(()));
    serving.store(1, Ordering::SeqCst);
    status_becomes(&daemon, 200);
    let daemon = checked(&origin, &ask(""));
    eventually("the whole server is not known", || reason(&daemon).contains("NOT_FOUND").then_some(()));
}

#[test]
fn a_server_that_speaks_no_http2_fails_a_grpc_check_with_a_reason() {
    let origin = Origin::echo("s0");
    let daemon = checked(&origin, "health grpc");
    eventually("the check says why", || reason(&daemon).contains("HTTP/2").then_some(()));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 503);
}

#[test]
fn a_websocket_server_is_up_while_it_shakes_hands() {
    let mode = Arc::new(AtomicU8::new(0));
    let told = Arc::clone(&mode);
    let origin = Origin::scripted(move |message, wire| {
        if message.target() != "/live?check=1" {
            return wire.ok("an answer");
        }
        let right = message.field("upgrade") == Some("websocket")
            && message.field("host") == Some("live.internal")
            && message.field("origin") == Some("https://example.com");
        let key = message.field("sec-websocket-key").unwrap_or_default();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let accept = if told.load(Ordering::SeqCst) == 1 { "nonsense".to_owned() } else { accept };
        if !right || told.load(Ordering::SeqCst) == 2 {
            wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(After::Close);
        }
        wire.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
        Ok(After::Close)
    });
    let address = origin.address();
    let pool = format!(
        "pool app {{ server s0 \"{address}\"; health websocket \"/live?check=1\" host=\"live.internal\" {CHECKED_OFTEN} {{ header origin \"https://example.com\"; }}; }}\nroute \"/\" pool=app\n"
    );
    let daemon = Daemon::run(&pool);
    status_becomes(&daemon, 200);
    for (broken, why) in [(1, "Sec-WebSocket-Accept"), (2, "404")] {
        mode.store(broken, Ordering::SeqCst);
        status_becomes(&daemon, 503);
        eventually("the check says why", || reason(&daemon).contains(why).then_some(()));
        mode.store(0, Ordering::SeqCst);
        status_becomes(&daemon, 200);
    }
}
