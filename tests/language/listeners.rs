//! Listeners: TLS, certificates, how they are bound, and how many come in.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use super::bound;
use crate::support::{Client, DEADLINE, Daemon, eventually};

/// Certificates for names, each its own authority, in one folder.
pub(super) struct Certificates {
    dir: tempfile::TempDir,
    roots: rustls::RootCertStore,
}

impl Certificates {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), roots: rustls::RootCertStore::empty() }
    }

    /// Makes `NAME.pem` and `NAME.key`.
    fn make(&mut self, name: &str) -> PathBuf {
        self.make_as(name, name)
    }

    /// Makes `FILE.pem` and `FILE.key` for a host.
    pub(super) fn make_as(&mut self, name: &str, host: &str) -> PathBuf {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        self.roots.add(made.cert.der().clone()).unwrap();
        let path = self.dir.path().join(name);
        std::fs::write(path.with_extension("key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(path.with_extension("pem"), made.cert.pem()).unwrap();
        path.with_extension("pem")
    }

    /// Where they are.
    pub(super) fn folder(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// The node that names both files of a name.
    fn node(&mut self, name: &str) -> String {
        let pem = self.make(name);
        format!("certificate \"{}\" key=\"{}\"", pem.display(), pem.with_extension("key").display())
    }

    /// Whether a handshake for a name ends well; the certificate that was shown.
    pub(super) fn shake(
        &self,
        address: SocketAddr,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Option<Vec<u8>> {
        Some(self.shake_with(address, b"", name, version)?.0)
    }

    /// The authority's answer that comes with the certificate; empty when none does.
    pub(super) fn stapled(
        &self,
        address: SocketAddr,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Vec<u8> {
        self.shake_with(address, b"", name, version).expect("the handshake ends well").1
    }

    /// The same after these bytes.
    pub(super) fn shake_after(&self, address: SocketAddr, first: &[u8], name: &str) -> Option<Vec<u8>> {
        Some(self.shake_with(address, first, name, TLS13)?.0)
    }

    fn shake_with(
        &self,
        address: SocketAddr,
        first: &[u8],
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let verifier = Arc::new(Anyone::default());
        let config =
            builder.dangerous().with_custom_certificate_verifier(verifier.clone()).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut tcp = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        std::io::Write::write_all(&mut tcp, first).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp).ok()?;
        }
        let leaf = connection.peer_certificates()?[0].to_vec();
        let stapled = verifier.stapled.lock().unwrap().clone();
        Some((leaf, stapled))
    }

    pub(super) fn der(&self, name: &str) -> Vec<u8> {
        CertificateDer::from_pem_file(self.dir.path().join(name).with_extension("pem")).unwrap().to_vec()
    }
}

/// Takes every certificate: which one it is, the tests look at themselves.
#[derive(Debug, Default)]
struct Anyone {
    /// What came with it.
    stapled: Mutex<Vec<u8>>,
}

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        *self.stapled.lock().unwrap() = stapled.to_vec();
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

pub(super) const SERVED: &str = "route \"/\" { respond 200; }\n";
pub(super) const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
pub(super) const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

#[test]
fn the_oldest_version_of_tls_is_the_one_that_the_file_says() {
    for (oldest, old_comes_in) in [("1.2", true), ("1.3", false)] {
        let mut made = Certificates::new();
        let listen = format!("tls min-version={oldest} {{ {} }}", made.node("app.test"))
            .replace("min-version=1", "min-version=\"1")
            .replace(" {", "\" {");
        let daemon = Daemon::listening(&listen, SERVED);
        assert_eq!(made.shake(daemon.address(), "app.test", TLS12).is_some(), old_comes_in, "{oldest}");
        assert!(made.shake(daemon.address(), "app.test", TLS13).is_some());
    }
}

#[test]
fn a_name_without_a_certificate_gets_the_first_or_nothing() {
    for (unknown, served) in [("fallback", true), ("reject", false)] {
        let mut made = Certificates::new();
        let listen = format!("tls unknown-sni={unknown} {{ {} }}", made.node("app.test"));
        let daemon = Daemon::listening(&listen, SERVED);
        assert_eq!(made.shake(daemon.address(), "other.test", TLS13).is_some(), served, "{unknown}");
        assert!(made.shake(daemon.address(), "app.test", TLS13).is_some());
    }
}

#[test]
fn the_certificate_of_a_site_is_shown_for_its_name() {
    let mut made = Certificates::new();
    let (first, site) = (made.node("app.test"), made.node("shop.test"));
    let text = format!("site \"shop.test\" {{ {site}; route \"/\" {{ respond 200; }} }}\n{SERVED}");
    let daemon = Daemon::listening(&format!("tls {{ {first} }}"), &text);
    assert_eq!(made.shake(daemon.address(), "shop.test", TLS13), Some(made.der("shop.test")));
    assert_eq!(made.shake(daemon.address(), "app.test", TLS13), Some(made.der("app.test")));
    assert!(PrivateKeyDer::from_pem_file(made.dir.path().join("shop.key")).is_ok());
}

#[test]
fn who_does_not_shake_hands_in_time_is_disconnected() {
    let mut made = Certificates::new();
    let listen = format!("tls handshake-timeout=\"300ms\" {{ {} }}", made.node("app.test"));
    let daemon = Daemon::listening(&listen, SERVED);
    let started = Instant::now();
    assert!(Client::connect(daemon.address()).is_closed());
    assert!(started.elapsed() >= Duration::from_millis(250), "{:?}", started.elapsed());
}

#[test]
fn a_listener_speaks_the_protocols_that_it_is_given() {
    let daemon = Daemon::listening("protocols http1", SERVED);
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
}

#[test]
fn a_template_gives_its_nodes_to_a_listener() {
    let template = "template small { limits headers=4; }\n";
    let daemon = Daemon::listening("use small", &format!("{template}{SERVED}"));
    let answer = Client::connect(daemon.address()).request("GET", "/", &"X-A: 1\r\n".repeat(8), b"");
    assert_eq!(answer.status(), 431);
}

#[test]
fn a_listener_has_its_name_and_shares_its_port_only_when_it_is_told() {
    for share in [true, false] {
        let daemon = Daemon::run(&format!("listen \"127.0.0.1:0\" name=other reuse-port=#{share}\n{SERVED}"));
        let address = bound(&daemon, "other");
        let second = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        second.set_reuse_port(true).unwrap();
        assert_eq!(second.bind(&address.into()).is_ok(), share);
    }
}

#[test]
fn the_kernel_holds_as_many_connections_as_the_file_says() {
    let daemon = Daemon::run(&format!("listen \"127.0.0.1:0\" name=short backlog=1\n{SERVED}"));
    let address = bound(&daemon, "short");
    // Now nobody accepts.
    daemon.freeze();
    let wait = Duration::from_millis(300);
    let made: Vec<_> = (0..6).map(|_| TcpStream::connect_timeout(&address, wait)).collect();
    daemon.signal(Signal::CONT);
    assert!(made.iter().any(Result::is_err), "six found room");
    assert!(made[0].is_ok());
}

#[test]
fn all_listeners_together_take_the_connections_that_the_top_level_allows() {
    let daemon = Daemon::run(&format!("limits max-connections=2\n{SERVED}"));
    // The connection that found the daemon up may still count.
    let come_in = || {
        let mut client = Client::connect(daemon.address());
        client.try_send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").ok()?;
        client.try_read(crate::support::Tail::AsSaid).ok()??;
        Some(client)
    };
    let _two = [eventually("one is in", come_in), eventually("two are in", come_in)];
    let mut third = Client::connect(daemon.address());
    let _ = third.try_send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    let answer = third.try_read(crate::support::Tail::AsSaid).ok().flatten();
    assert!(answer.is_none_or(|answer| answer.status() == 503), "it is refused");
}
