//! Connections that are used for another name than they were opened for.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::speaking;
use crate::support::http2::{connect_to, empty, over, read, run};
use crate::support::{Daemon, Origin};

/// A daemon with a certificate for each of these lists of names.
struct House {
    daemon: Daemon,
    roots: Arc<RootCertStore>,
    _dir: tempfile::TempDir,
}

impl House {
    fn new(origin: &Origin, certificates: &[&[&str]]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut roots = RootCertStore::empty();
        let mut nodes = String::new();
        for (n, names) in certificates.iter().enumerate() {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let made = rcgen::generate_simple_self_signed(names).unwrap();
            let file = dir.path().join(format!("{n}.pem"));
            std::fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
            roots.add(made.cert.der().clone()).unwrap();
            nodes.push_str(&format!("certificate \"{}\"\n", file.display()));
        }
        let daemon = speaking(&format!("tls {{\n{nodes}}}"), &[origin], "", "");
        Self { daemon, roots: Arc::new(roots), _dir: dir }
    }

    /// A connection opened for `name`, for HTTP/1 or HTTP/2.
    async fn open(&self, name: &str, protocol: &str) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(Arc::clone(&self.roots)).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let address: SocketAddr = self.daemon.address();
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// The statuses of requests for these hosts on one connection that was opened for `name`.
    async fn asked(&self, name: &str, hosts: &[&str]) -> Vec<u16> {
        let mut client = over(self.open(name, "h2").await).await;
        let mut statuses = Vec::new();
        for host in hosts {
            let uri = format!("https://{host}/");
            client.ready().await.unwrap();
            let request = hyper::Request::builder().uri(uri).body(empty()).unwrap();
            statuses.push(read(client.send_request(request).await.unwrap()).await.unwrap().status);
        }
        statuses
    }
}

#[test]
fn a_name_with_a_certificate_of_its_own_is_not_served_under_another() {
    let origin = Origin::echo("a");
    let house = House::new(&origin, &[&["a.test"], &["b.test", "c.test"], &["app.test"]]);
    run(async {
        assert_eq!(house.asked("a.test", &["a.test", "b.test", "a.test"]).await, [200, 421, 200]);
        assert_eq!(house.asked("b.test", &["b.test", "C.test", "a.test"]).await, [200, 200, 421]);
        assert_eq!(house.asked("a.test", &["other.test", "127.0.0.1"]).await, [200, 200], "no better one");
        let mut client = over(house.open("a.test", "h2").await).await;
        let request = hyper::Request::builder().uri("https://a.test/").body(empty()).unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), 200);
        // The helper asks for `app.test`.
        assert_eq!(connect_to(&mut client, "websocket", "/", &[]).await.status(), 421);
    });
    assert!(origin.requests().iter().all(|request| request.field("upgrade").is_none()));
}

#[test]
fn over_http1_as_well_and_the_connection_goes_on() {
    let origin = Origin::echo("a");
    let house = House::new(&origin, &[&["a.test"], &["b.test"]]);
    run(async {
        let mut stream = house.open("a.test", "http/1.1").await;
        let two = "GET / HTTP/1.1\r\nHost: b.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test:443\r\nConnection: close\r\n\r\n";
        stream.write_all(two.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        let answers = String::from_utf8(answers).unwrap();
        let lines: Vec<&str> = answers.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        assert_eq!(lines, ["HTTP/1.1 421 Misdirected Request", "HTTP/1.1 200 OK"]);
    });
    assert_eq!(origin.requests().len(), 1);
}
