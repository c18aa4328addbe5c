//! Connections that are passed on by the name in their TLS hello, and those beside them whose TLS ends here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::{Raw, line, logged, pool};
use crate::support::{Client, DEADLINE, Daemon, Origin};

/// A server that says its name once it has got as many bytes as the hello that is expected.
fn server(name: &'static str, length: usize) -> Raw {
    Raw::run(move |stream, tell| {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        tell(&bytes);
        stream.write_all(name.as_bytes())?;
        stream.write_all(b"\n")
    })
}

fn client_for(name: &str, trusted: Option<&CertificateDer<'static>>) -> rustls::ClientConnection {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(trusted) = trusted {
        roots.add(trusted.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    rustls::ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap()
}

/// What a real client says first. All names here have one length, so the hellos do.
fn hello(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    client_for(name, None).write_tls(&mut bytes).unwrap();
    bytes
}

/// The name of the server that gets the connection.
fn home(daemon: &Daemon, hello: &[u8]) -> String {
    let mut client = Client::connect(daemon.address());
    client.send(hello);
    client.read_until("\n").trim().to_owned()
}

#[test]
fn the_exact_name_goes_before_a_suffix_and_that_before_no_name() {
    let length = hello("aa.b.test").len();
    let (exact, suffix, rest) = (server("exact", length), server("suffix", length), server("rest", length));
    let kdl = pool("exact", &[exact.address], "") + &pool("suffix", &[suffix.address], "");
    let kdl = kdl + &pool("rest", &[rest.address], "") + "log { access to=stdout; }\n";
    let listen = "tcp pool=rest\ntcp pool=suffix sni=\"*.b.test\"\ntcp pool=exact sni=aa.b.test";
    let daemon = Daemon::listening(listen, &kdl);
    for (name, server) in
        [("aa.b.test", "exact"), ("AA.B.test", "exact"), ("ab.b.test", "suffix"), ("a.a.a.org", "rest")]
    {
        assert_eq!(home(&daemon, &hello(name)), server, "{name}");
    }
    logged(&daemon, &["\"host\":\"ab.b.test\"", "\"route\":\"*.b.test\"", "\"pool\":\"suffix\""]);
    assert_eq!(home(&daemon, &vec![b'x'; length]), "rest", "not TLS");
    let whole = hello("ab.b.test");
    let mut client = Client::connect(daemon.address());
    for byte in &whole {
        client.send([*byte]);
    }
    assert_eq!(client.read_until("\n"), "suffix\n");
    assert!(suffix.seen().contains(&whole), "the server gets each byte, once");
}

#[test]
fn a_name_that_nobody_takes_and_a_bent_hello_are_refused() {
    let length = hello("aa.b.test").len();
    let server = server("a", length);
    let daemon = Daemon::listening(
        "tcp pool=app sni=aa.b.test\ntimeout request-header=\"2s\"",
        &pool("app", &[server.address], ""),
    );
    let mut bent = hello("aa.b.test");
    bent[5] = 2;
    for bytes in [&hello("ab.b.test")[..], b"GET / HTTP/1.1\r\n\r\n", &bent, &hello("aa.b.test")[..40]] {
        let mut client = Client::connect(daemon.address());
        client.send(bytes);
        assert!(client.is_closed(), "{bytes:?}");
    }
    assert_eq!(server.seen().len(), 0);
    assert_eq!(home(&daemon, &hello("aa.b.test")), "a");
}

#[test]
fn names_that_are_not_passed_on_end_their_tls_here() {
    let length = hello("aa.b.test").len();
    let (passed, origin) = (server("passed", length), Origin::echo("http"));
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["cc.b.test".to_owned()]).unwrap();
    let file = dir.path().join("cc.pem");
    std::fs::write(&file, key.cert.pem() + &key.signing_key.serialize_pem()).unwrap();
    let listen = format!(
        "tls {{ certificate \"{}\"; }}\ntcp pool=raw sni=aa.b.test\nproxy-protocol \"127.0.0.1\"",
        file.display()
    );
    let kdl = pool("raw", &[passed.address], "")
        + &pool("app", &[origin.address()], "")
        + "site cc.b.test { route \"/\" pool=app; }\n";
    let daemon = Daemon::listening(&listen, &kdl);
    assert_eq!(home(&daemon, &[line("203.0.113.9").as_bytes(), &hello("aa.b.test")].concat()), "passed");

    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut tls = client_for("cc.b.test", Some(key.cert.der()));
    // Header and hello at once: what is read behind the header belongs to TLS.
    let mut first = line("203.0.113.9").into_bytes();
    tls.write_tls(&mut first).unwrap();
    stream.write_all(&first).unwrap();
    let mut stream = rustls::StreamOwned::new(tls, stream);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: cc.b.test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-forwarded-for: 203.0.113.9\n"), "{answer}");
    assert!(answer.contains("x-forwarded-proto: https\n"), "{answer}");
}
