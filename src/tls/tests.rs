//! Certificates made for the occasion, and real handshakes over the loopback.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SignatureAlgorithm};
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection,
};

use super::*;
use crate::config::diagnostic::{FileId, Place, Severity, Span};
use crate::config::model::{
    Certificate, ClientTimeouts, Limits, ListenAddress, Listener, ListenerTls, Protocol, TlsVersion,
    UnknownSni, UpstreamTls, Verify,
};

mod clients;
mod findings;
mod listeners;
mod remarks;
mod servers;

/// An authority and a directory for its certificates.
struct Desk {
    dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Desk {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let desk = Self { dir: tempfile::tempdir().unwrap(), authority };
        desk.write("ca.pem", &desk.authority.pem());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A certificate for `names`, with its key, as PEM.
    fn issue(&self, names: &[&str]) -> (String, String) {
        self.issue_with(names, &rcgen::PKCS_ECDSA_P256_SHA256, 365)
    }

    fn issue_with(
        &self,
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        days: i64,
    ) -> (String, String) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let ends = now + days * 86_400 + 3600;
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(ends as u64);
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    /// A new certificate for `names` with its key, in one file.
    fn pair(&self, file: &str, names: &[&str]) -> Certificate {
        let (chain, key) = self.issue(names);
        let path = self.write(file, &(chain + &key));
        certificate(&path, &path)
    }

    /// The client side that trusts this authority.
    fn client(&self, verify: Verify) -> Arc<ClientConfig> {
        let mut report = Report::default();
        let settings = UpstreamTls { ca: Some(self.path("ca.pem")), ..trust(verify) };
        upstream(&mut Store::new(), &settings, ABOUT, &mut report).expect("the authority's file is good")
    }
}

const ABOUT: About<'_> = at(Stage::Start);

const fn at(stage: Stage) -> About<'static> {
    About { subject: "listen/https", stage, expiry: Duration::from_secs(30 * 86_400), is_server: true }
}

fn span() -> Span {
    Span::new(FileId(0), 10..20)
}

fn certificate(chain: &Path, key: &Path) -> Certificate {
    Certificate { chain: chain.into(), key: key.into(), staple: true, span: span() }
}

fn trust(verify: Verify) -> UpstreamTls {
    UpstreamTls {
        ca: None,
        server_name: None,
        verify,
        certificate: None,
        min_version: TlsVersion::V1_2,
        span: span(),
    }
}

fn listener(certificates: Vec<Certificate>, unknown_sni: UnknownSni) -> Listener {
    let second = Duration::from_secs(1);
    Listener {
        name: "https".into(),
        address: ListenAddress { ip: None, port: 443 },
        tls: Some(ListenerTls {
            certificates,
            min_version: TlsVersion::V1_2,
            handshake_timeout: second,
            unknown_sni,
            client_ca: None,
            span: span(),
        }),
        protocols: vec![Protocol::Http1],
        redirect_to_https: None,
        tcp: Vec::new(),
        proxy_protocol: None,
        limits: Limits {
            max_connections: Some(1),
            max_connections_per_ip: None,
            header_bytes: 1,
            headers: 1,
            streams: 1,
            min_rate: None,
        },
        timeout: ClientTimeouts { request_header: second, keep_alive: second, write: second },
        trust_forwarded: Vec::new(),
        reuse_port: true,
        backlog: 1,
        place: Place { file: Arc::default(), line: 1 },
    }
}

/// What a client saw.
#[derive(Debug)]
struct Met {
    leaf: Vec<u8>,
    kind: HandshakeKind,
    version: ProtocolVersion,
    alpn: Option<Vec<u8>>,
}

/// One connection over the loopback, to the end of the handshake and two bytes further.
fn meet(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Result<Met, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.clone();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut connection = ServerConnection::new(server).unwrap();
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        let answered = tls.write_all(b"ok").and_then(|()| tls.flush());
        // Until the client closes, so that nothing it has not read is lost.
        let _ = tls.read(&mut [0]);
        answered.is_ok()
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(client.clone(), name).unwrap();
    let mut two = [0; 2];
    let read = rustls::Stream::new(&mut connection, &mut stream).read_exact(&mut two);
    drop(stream);
    let served = serving.join().unwrap();
    read.map_err(|error| error.to_string())?;
    assert!(served);
    Ok(Met {
        leaf: connection.peer_certificates().unwrap()[0].to_vec(),
        kind: connection.handshake_kind().unwrap(),
        version: connection.protocol_version().unwrap(),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
    })
}

/// The first certificate in a PEM file, as it goes over the wire.
fn leaf(path: &Path) -> Vec<u8> {
    pem::Pem::parse(&std::fs::read(path).unwrap()).unwrap().certificates[0].to_vec()
}

fn codes(report: &Report) -> Vec<(&'static str, Severity)> {
    report.findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

/// The server side of `listener`, which must be without findings.
fn serve(store: &mut Store, listener: &Listener) -> Arc<ServerConfig> {
    let mut report = Report::default();
    let config = listener_config(store, listener, &[], ABOUT, &mut report);
    assert_eq!(report.findings, []);
    config.expect("no finding, so a configuration")
}
