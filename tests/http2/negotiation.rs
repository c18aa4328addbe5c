//! Which version is spoken: by ALPN with TLS, by the first bytes without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::speaking;
use crate::support::http2::{connect, get, over, run};
use crate::support::{Client, DEADLINE, Daemon, Origin, Tail};

/// A daemon with TLS whose `tls` node holds these nodes, and a client that offers these protocols.
fn secured(tls: &str, offer: &[&str], origin: &Origin) -> (tempfile::TempDir, Daemon, Arc<ClientConfig>) {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["app.test".to_owned()]).unwrap();
    let file = dir.path().join("app.pem");
    std::fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    let listen = format!("tls {{ certificate \"{}\"\n{tls}\n}}", file.display());
    let daemon = speaking(&listen, &[origin], "", "");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offer.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (dir, daemon, Arc::new(config))
}

/// What is agreed upon.
fn agreed(tls: &str, offer: &[&str]) -> Option<String> {
    let origin = Origin::echo("a");
    let (_dir, daemon, config) = secured(tls, offer, &origin);
    run(async {
        let tcp = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        let name = ServerName::try_from("app.test").unwrap();
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.ok()?;
        let protocol =
            stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        if protocol.as_deref() == Some("h2") {
            let answer = get(&mut over(stream).await, "/").await;
            assert_eq!(answer.status, 200);
            assert_eq!(origin.requests()[0].field("x-forwarded-proto"), Some("https"));
        }
        protocol
    })
}

#[test]
fn alpn_says_what_is_offered_and_in_which_order() {
    let both = ["http/1.1", "h2"];
    let table: [(&str, &[&str], Option<&str>); 6] = [
        ("", &both, Some("h2")),
        ("", &["http/1.1"], Some("http/1.1")),
        ("", &[], None),
        ("alpn \"http/1.1\"", &both, Some("http/1.1")),
        ("alpn \"http/1.1\" h2", &["h2", "http/1.1"], Some("http/1.1")),
        ("alpn h2", &both, Some("h2")),
    ];
    for (tls, offer, expected) in table {
        assert_eq!(agreed(tls, offer).as_deref(), expected, "{tls:?} {offer:?}");
    }
}

#[test]
fn without_tls_http2_is_spoken_only_where_protocols_says_so() {
    let origin = Origin::echo("a");
    let plain = speaking("", &[&origin], "", "");
    let mut client = Client::connect(plain.address());
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(client.read(Tail::AsSaid).status(), 505);

    let both = speaking("protocols http1 h2c", &[&origin], "", "");
    assert_eq!(Client::fetch(both.address(), "/").status(), 200);
    assert_eq!(run(async { get(&mut connect(both.address()).await, "/").await }).status, 200);

    let only = speaking("protocols h2c", &[&origin], "", "");
    assert_eq!(run(async { get(&mut connect(only.address()).await, "/").await }).status, 200);
    let mut old = TcpStream::connect(only.address()).unwrap();
    old.set_read_timeout(Some(DEADLINE)).unwrap();
    old.write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").unwrap();
    let mut all = Vec::new();
    // A reset is as good as an end: what matters is that nothing of HTTP/1 was said.
    let _ = old.read_to_end(&mut all);
    assert!(!all.starts_with(b"HTTP/1"), "{}", String::from_utf8_lossy(&all));
}

#[test]
fn a_preface_in_pieces_is_understood() {
    let origin = Origin::echo("a");
    let daemon = speaking("protocols http1 h2c", &[&origin], "", "");
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    for piece in ["PRI * HT", "TP/2.0\r\n", "\r\nSM\r", "\n\r\n"] {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4, "SETTINGS");
}
