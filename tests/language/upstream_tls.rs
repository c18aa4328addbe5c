//! TLS towards servers: which certificates are believed, under which name, and in which versions.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::support::secure::{Authority, curious_server};
use crate::support::{Client, DEADLINE, Daemon, Message, eventually};

/// A server with this certificate that speaks these versions; each connection carries one request.
fn server(own: &Path, versions: &[&'static SupportedProtocolVersion]) -> SocketAddr {
    let chain: Vec<_> = CertificateDer::pem_file_iter(own).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(own).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let _ = tcp.set_read_timeout(Some(DEADLINE));
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = std::io::BufReader::new(StreamOwned::new(connection, tcp));
            if let Ok(Some(_)) = Message::read_head(&mut stream) {
                let stream = stream.get_mut();
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}

/// What a client gets from a server under this name whose pool says this of TLS.
fn status(name: &str, address: SocketAddr, tls: &str) -> u16 {
    let text =
        format!("pool app {{ server s0 \"{name}:{}\"; tls {tls}; }}\nroute \"/\" pool=app\n", address.port());
    let daemon = Daemon::run(&text);
    // Until the name is resolved there is no server.
    eventually("the server is known", || {
        Some(Client::fetch(daemon.address(), "/").status()).filter(|status| *status != 503)
    })
}

#[test]
fn a_certificate_is_verified_as_far_as_the_file_says() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let all = [&rustls::version::TLS12, &rustls::version::TLS13];
    let named = server(&known.issue("named.pem", "inner.test"), &all);
    let stranger = server(&unknown.issue("named.pem", "inner.test"), &all);
    let ca = format!("ca=\"{}\"", known.path("ca.pem").display());
    // The certificate is for `inner.test` and 127.0.0.1, and not for `localhost`.
    assert_eq!(status("127.0.0.1", named, &format!("{ca} verify=full")), 200);
    assert_eq!(status("localhost", named, &format!("{ca} verify=full")), 502);
    assert_eq!(status("localhost", named, &format!("{ca} verify=chain")), 200);
    assert_eq!(status("localhost", named, &format!("{ca} server-name=\"inner.test\"")), 200);
    assert_eq!(status("localhost", stranger, &format!("{ca} verify=chain")), 502);
    assert_eq!(status("localhost", stranger, &format!("{ca} verify=none")), 200);
    assert_eq!(status("127.0.0.1", stranger, &format!("{ca} verify=full")), 502);
}

#[test]
fn the_oldest_version_towards_servers_is_the_one_that_the_file_says() {
    let known = Authority::new();
    let old = server(&known.issue("old.pem", "old.test"), &[&rustls::version::TLS12]);
    let ca = format!("ca=\"{}\"", known.path("ca.pem").display());
    assert_eq!(status("127.0.0.1", old, &format!("{ca} min-version=\"1.2\"")), 200);
    assert_eq!(status("127.0.0.1", old, &format!("{ca} min-version=\"1.3\"")), 502);
}

#[test]
fn the_key_of_the_certificate_for_servers_may_stand_in_a_file_of_its_own() {
    let (inner, clients) = (Authority::new(), Authority::new());
    let address = curious_server(&inner.issue("server.pem", "inner"), &clients);
    let both = std::fs::read_to_string(clients.issue("lbd.pem", "lbd itself")).unwrap();
    let (chain, key) = both.split_at(both.find("-----BEGIN PRIVATE KEY").expect("a key"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("chain.pem"), chain).unwrap();
    std::fs::write(dir.path().join("key.pem"), key).unwrap();
    let folder = dir.path().display();
    let tls = format!(
        "ca=\"{}\" certificate=\"{folder}/chain.pem\" key=\"{folder}/key.pem\"",
        inner.path("ca.pem").display()
    );
    assert_eq!(status("127.0.0.1", address, &tls), 200);
}
