//! Probes against real sockets: what each kind of server looks like to a check.
#![expect(clippy::disallowed_methods, reason = "an origin lives as long as its test's runtime")]

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::pool::{
    BalanceKind, BodyMatch, DrainPolicy, Pool, PoolSettings, ProbeVersion, ServerSettings, Statuses,
    TlsToServer,
};

fn server(host: &str, port: u16) -> Arc<Server> {
    let server = ServerSettings {
        name: "a".into(),
        host: host.into(),
        port,
        weight: 1,
        backup: false,
        health_port: None,
        limits: crate::pool::ServerLimits::default(),
        origin: None,
    };
    let settings = PoolSettings {
        name: "app".into(),
        servers: vec![server],
        balance: BalanceKind::RoundRobin,
        sticky: Vec::new(),
        check: None,
        drain: DrainPolicy::default(),
        overload: crate::pool::Overload::default(),
        websocket: crate::pool::WebSocketPolicy::default(),
    };
    Arc::clone(&Pool::new(settings, None, 1).members[0].server)
}

fn get(path: &str) -> HttpProbe {
    HttpProbe {
        method: "GET".into(),
        path: path.into(),
        host: None,
        headers: Vec::new(),
        status: Statuses::one(200),
        body: None,
        drain_status: None,
        version: ProbeVersion::Http1,
    }
}

fn spec(probe: ProbeKind) -> CheckSpec {
    CheckSpec {
        probe,
        interval: Duration::from_secs(5),
        down_interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        rise: 2,
        fall: 3,
        jitter: 0.0,
        port: None,
        initial_up: false,
        tls: None,
        greeting: None,
    }
}

/// Reads a request's head.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(text).expect("a text")
}

/// An origin for one connection: it gives back the head that it was sent.
async fn origin(answer: &'static [u8]) -> (u16, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, told) = oneshot::channel();
    tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let head = head(&mut stream).await;
        stream.write_all(answer).await.expect("written");
        // Whoever only listens for the head may be gone.
        let _ = tell.send(head);
    });
    (port, told)
}

async fn ask(probe: HttpProbe, answer: &'static [u8]) -> (ProbeReport, String) {
    let (port, told) = origin(answer).await;
    let report = check_once(&server("127.0.0.1", port), &spec(ProbeKind::Http(probe)), None).await;
    (report, told.await.expect("the origin was asked"))
}

async fn check(probe: HttpProbe, answer: &'static [u8], expected: &str) {
    let (report, _) = ask(probe, answer).await;
    assert_eq!(say(&report.outcome), expected, "{}", String::from_utf8_lossy(answer));
}

fn say(outcome: &Outcome) -> String {
    match outcome {
        Outcome::CheckPassed { .. } => "passed".into(),
        Outcome::CheckFailed { reason, .. } => format!("failed: {reason}"),
        Outcome::CheckWantsDrain { reason, .. } => format!("wants drain: {reason}"),
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";

#[tokio::test]
async fn statuses_and_bodies() {
    check(get("/"), OK, "passed").await;
    check(get("/"), b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "passed").await;
    check(get("/"), b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "passed").await;
    check(get("/"), b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "failed: status 503").await;
    check(get("/"), b"", "failed: connection closed without an answer").await;
    let listed = HttpProbe { status: Statuses(vec![(200, 299), (401, 401)]), ..get("/") };
    check(listed, b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "passed").await;
    let drain = HttpProbe { drain_status: Some(Statuses::one(404)), ..get("/") };
    check(drain.clone(), b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "wants drain: status 404").await;
    check(drain, b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "failed: status 500").await;
    let body = |text: &str| HttpProbe { body: Some(BodyMatch::Contains(text.into())), ..get("/") };
    check(body("ready"), OK, "passed").await;
    check(body("healthy"), OK, "failed: body does not match").await;
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3\r\nady\r\n0\r\n\r\n";
    check(body("ready"), chunked, "passed").await;
    check(body("the end"), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", "passed").await;
}

#[tokio::test]
async fn what_is_no_http_fails() {
    let (report, _) = ask(get("/"), b"SSH-2.0-OpenSSH_9.2p1\r\n").await;
    let said = say(&report.outcome);
    assert!(said.starts_with("failed: answer is not HTTP"), "{said}");
}

#[tokio::test]
async fn a_request_says_who_asks() {
    let probe = HttpProbe { headers: vec![("X-Probe".into(), "1".into())], ..get("/ready?deep=1") };
    let (report, head) = ask(probe, OK).await;
    let port = report.endpoint.expect("an address").port();
    assert!(head.starts_with("GET /ready?deep=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        format!("host: 127.0.0.1:{port}\r\n"),
        format!("user-agent: lbd/{} health\r\n", env!("CARGO_PKG_VERSION")),
        "connection: close\r\n".to_owned(),
        "x-probe: 1\r\n".to_owned(),
    ] {
        assert!(head.to_lowercase().contains(&line.to_lowercase()), "{line:?} in {head}");
    }
    assert_eq!(report.status, Some(200));
    assert!(report.headers.contains(&("content-length".into(), "5".into())));
    assert!(report.connect.is_some() && report.first_byte.is_some() && report.tls.is_none());
    let probe = HttpProbe { method: "HEAD".into(), host: Some("twx.example".into()), ..get("/") };
    let (_, head) = ask(probe, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    assert!(head.starts_with("HEAD / "), "{head}");
    assert!(head.contains("host: twx.example\r\n"), "{head}");
}

#[tokio::test]
async fn a_body_is_read_to_its_bound_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        head(&mut stream).await;
        // Endless: only a bound ends this.
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("written");
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let probe = HttpProbe { body: Some(BodyMatch::Contains("y".into())), ..get("/") };
    let report = check_once(&server("127.0.0.1", port), &spec(ProbeKind::Http(probe)), None).await;
    assert_eq!(say(&report.outcome), "failed: body does not match");
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_that_says_where() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let silent = CheckSpec { timeout: Duration::from_millis(50), ..spec(ProbeKind::Http(get("/"))) };
    let report = check_once(&server("127.0.0.1", port), &silent, None).await;
    assert_eq!(say(&report.outcome), "failed: timeout after 50ms (answer)");
    assert!(report.outcome.took() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_greeting_goes_ahead_of_everything_on_the_port_of_traffic_only() {
    let check = async |own_port: bool, expected: &[u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let spec = CheckSpec { greeting: Some(b"PROXY UNKNOWN\r\n"), ..spec(ProbeKind::Tcp) };
        let server = server("127.0.0.1", if own_port { 1 } else { port });
        let report = check_once(&server, &spec, own_port.then_some(port)).await;
        assert_eq!(say(&report.outcome), "passed");
        let (mut stream, _) = listener.accept().await.expect("a check");
        let mut seen = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut seen).await.expect("bytes");
        assert_eq!(seen, expected);
    };
    check(false, b"PROXY UNKNOWN\r\n").await;
    check(true, b"").await;
}

#[tokio::test]
async fn tcp_is_a_connect_and_ports_have_their_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let open = listener.local_addr().expect("bound").port();
    // Bound and not listening: nobody else gets the port, and nobody answers.
    let silent = TcpSocket::new_v4().expect("a socket");
    silent.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let closed = silent.local_addr().expect("bound").port();
    let check = async |server_port, pool_port, own_port, expected: &str| {
        let spec = CheckSpec { port: pool_port, ..spec(ProbeKind::Tcp) };
        let report = check_once(&server("127.0.0.1", server_port), &spec, own_port).await;
        assert_eq!(say(&report.outcome), expected, "{server_port} {pool_port:?} {own_port:?}");
    };
    check(open, None, None, "passed").await;
    check(closed, None, None, "failed: connect refused").await;
    check(closed, Some(open), None, "passed").await;
    check(open, Some(closed), None, "failed: connect refused").await;
    check(closed, Some(closed), Some(open), "passed").await;
    let unresolved = check_once(&server("nowhere.test", 80), &spec(ProbeKind::Tcp), None).await;
    assert_eq!(say(&unresolved.outcome), "failed: name does not resolve");
}

/// A TLS origin whose certificate is for `name`, for one connection; and a client that trusts it.
async fn tls_origin(name: &str) -> (u16, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.into()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::task::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        if let Ok(mut stream) = acceptor.accept(stream).await {
            head(&mut stream).await;
            stream.write_all(OK).await.expect("written");
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a root");
    (port, Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

#[tokio::test]
async fn tls_verifies_the_address_or_the_name_that_was_said() {
    let check = async |certificate: &str, server_name: Option<&str>, passes: bool| {
        let (port, config) = tls_origin(certificate).await;
        let tls = Some(TlsToServer { config, server_name: server_name.map(Into::into) });
        let spec = CheckSpec { tls, ..spec(ProbeKind::Http(get("/"))) };
        let report = check_once(&server("127.0.0.1", port), &spec, None).await;
        let said = say(&report.outcome);
        assert_eq!(said == "passed", passes, "{certificate} {server_name:?}: {said}");
        if passes {
            assert_eq!(report.tls_version.as_deref(), Some("TLSv1_3"));
            assert!(report.tls.is_some());
        } else {
            assert!(said.starts_with("failed: tls: invalid peer certificate"), "{said}");
        }
    };
    check("127.0.0.1", None, true).await;
    check("twx.example", Some("twx.example"), true).await;
    check("twx.example", None, false).await;
    check("127.0.0.1", Some("twx.example"), false).await;
}
