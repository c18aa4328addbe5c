//! TLS for tests: an authority with its own directory, a client that shows a certificate or none, and a server that
//! says which certificate it was shown.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use super::{DEADLINE, Message, Tail};

/// Issues certificates into a directory of its own.
pub(crate) struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one; its own certificate is `ca.pem`.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { dir: tempfile::tempdir().unwrap(), issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    /// A file in its directory.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Issues a certificate, with its key, into one file; a file that was there is replaced at once.
    pub(crate) fn issue(&self, file: &str, common_name: &str) -> PathBuf {
        let names = vec![common_name.replace(' ', "-"), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        self.write(file, &(chain + &key.serialize_pem()))
    }

    /// A client that trusts it, speaks this version and resumes its sessions.
    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_protocol_versions(&[version]);
        Arc::new(builder.with_root_certificates(self.roots()).with_no_client_auth())
    }

    /// A server that shows the certificate in `file` and offers these protocols.
    pub(crate) fn server(&self, file: &Path, protocols: &[&[u8]]) -> ServerConfig {
        let (chain, key) = pair(file);
        let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let new = self.path(".new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, self.path(file)).unwrap();
        self.path(file)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }
}

fn pair(file: &Path) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_file(file).unwrap())
}

/// A TLS connection to the daemon.
pub(crate) struct SecureClient {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl SecureClient {
    /// Connects, trusting `authority`, and shows the certificate in `shown`, if in any.
    pub(crate) fn connect(address: SocketAddr, authority: &Authority, shown: Option<&Path>) -> Self {
        let builder = ClientConfig::builder().with_root_certificates(authority.roots());
        let config = match shown.map(pair) {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        };
        Self::of(address, Arc::new(config))
    }

    /// Connects as such a client.
    pub(crate) fn of(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let name = ServerName::from(address.ip());
        let connection = ClientConnection::new(config, name).unwrap();
        let tcp = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream: BufReader::new(StreamOwned::new(connection, tcp)) }
    }

    /// How hands were shaken, once something was said.
    pub(crate) fn handshake(&self) -> Option<HandshakeKind> {
        self.stream.get_ref().conn.handshake_kind()
    }

    /// `GET /` with more fields; `None` when the connection ends instead of an answer.
    pub(crate) fn get(&mut self, fields: &str) -> Option<Message> {
        let request = format!("GET / HTTP/1.1\r\nHost: app.test\r\n{fields}\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let mut message = Message::read_head(&mut self.stream).ok()??;
        message.read_body(&mut self.stream, Tail::AsSaid).unwrap();
        Some(message)
    }
}

/// Starts a server that wants a certificate of `clients` and answers each request with the subject of the one that
/// it was shown; each connection carries one request.
pub(crate) fn curious_server(own: &Path, clients: &Authority) -> SocketAddr {
    let (chain, key) = pair(own);
    let verifier = WebPkiClientVerifier::builder(clients.roots()).build().unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let (Ok(tcp), config) = (tcp, Arc::clone(&config)) else { continue };
            std::thread::spawn(move || {
                let _ = tcp.set_read_timeout(Some(DEADLINE));
                let mut stream =
                    BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), tcp));
                if let Ok(Some(_)) = Message::read_head(&mut stream) {
                    let stream = stream.get_mut();
                    let shown = stream.conn.peer_certificates().unwrap()[0].clone();
                    let (_, shown) = x509_parser::parse_x509_certificate(&shown).unwrap();
                    let body = shown.subject().to_string();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            });
        }
    });
    address
}
