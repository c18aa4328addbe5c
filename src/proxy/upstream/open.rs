//! A new connection to a server: TCP, perhaps a PROXY header, perhaps TLS, and which version of HTTP.
//!
//! Over TLS the server chooses among what is offered (ALPN); without TLS the configuration says. Requests that
//! come while a connection is opened that they may share wait for it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tracing::{debug, warn};

use super::{Behalf, Connection, Wanted};
use crate::config::model::ServerHttp;
use crate::pool::Server;
use crate::proxy::failure::Failure;
use crate::proxy::http2::Http2Connection;
use crate::proxy::proxy_protocol;
use crate::proxy::server_wire::ServerWire;
use crate::proxy::stream::Stream;
use crate::proxy::worker::Worker;
use crate::snapshot::ConnectSpec;

impl Connection {
    /// Connects, or joins a connection that was just opened. The caller holds the clock.
    pub(crate) async fn open(
        worker: &Rc<Worker>,
        server: &Arc<Server>,
        spec: &Arc<ConnectSpec>,
        wanted: &Wanted,
    ) -> Result<Box<Self>, Failure> {
        if spec.http == ServerHttp::Http1 || wanted.upgrade {
            let stream = dial(server, spec, &wanted.behalf, ServerHttp::Http1).await?;
            return Ok(Self::alone(stream, spec, wanted));
        }
        let opening = worker.upstreams.opening(server);
        let _mine = match &opening {
            None => None,
            Some(opening) => Some(opening.lock().await),
        };
        if opening.is_some()
            && let Some(kept) = worker.upstreams.take(server, spec, wanted)
        {
            return Ok(kept);
        }
        let stream = dial(server, spec, &wanted.behalf, spec.http).await?;
        if stream.is_tls() && !stream.chose_http2() {
            if spec.http == ServerHttp::Http2 {
                warn!(pool = %server.pool, server = %server.name, "server does not choose http/2 over tls");
                return Err(Failure::NotHttp2);
            }
            worker.upstreams.chosen(server, None);
            return Ok(Self::alone(stream, spec, wanted));
        }
        let connection = Http2Connection::open(worker, server, spec, &wanted.behalf, stream).await?;
        let place = connection.stream().ok_or(Failure::Unprocessed)?;
        worker.upstreams.chosen(server, Some(connection));
        Ok(Self::shared(place))
    }

    /// A connection of HTTP/1.
    fn alone(stream: Stream, spec: &ConnectSpec, wanted: &Wanted) -> Box<Self> {
        let behalf = spec.send_proxy.map(|_| wanted.behalf);
        let address = stream.tcp().peer_addr().ok();
        Box::new(Self { wire: ServerWire::Http1(stream), reused: false, uses: 0, address, behalf })
    }
}

/// Connects, with a PROXY header and TLS when the pool says so.
pub(crate) async fn dial(
    server: &Server,
    spec: &ConnectSpec,
    behalf: &Behalf,
    http: ServerHttp,
) -> Result<Stream, Failure> {
    let address = server.endpoint().ok_or(Failure::Unresolved)?;
    let connected = async {
        let mut tcp = connect(address).await?;
        if let Some(version) = spec.send_proxy {
            let header = proxy_protocol::write(version, behalf.client, behalf.local);
            tcp.write_all(&header).await?;
        }
        Ok::<_, io::Error>(tcp)
    };
    let tcp = connected.await.map_err(|error| {
        debug!(pool = %server.pool, server = %server.name, %address, %error, "connect failed");
        Failure::ConnectFailed
    })?;
    let Some(tls) = &spec.tls else { return Ok(Stream::Plain(tcp)) };
    let name = tls.name_for(&server.known_as()).ok_or(Failure::TlsToServer)?;
    let config = match (&spec.offer, http) {
        (Some(offer), ServerHttp::Http2 | ServerHttp::Auto) => offer,
        _ => &tls.config,
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let stream = connector.connect(name, tcp).await.map_err(|error| {
        warn!(pool = %server.pool, server = %server.name, %address, %error, "tls to server failed");
        Failure::TlsToServer
    })?;
    Ok(Stream::Connected(Box::new(stream)))
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
