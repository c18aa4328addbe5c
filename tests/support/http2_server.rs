//! A server that speaks HTTP/2, by hyper (over TLS also HTTP/1.1, when that is chosen): its service is a function of
//! the test. Dropped, it is gone at once,
//! with all its connections, as a killed process is.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::oneshot;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// An answer with any body.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, Error>>;

/// See the module.
pub(crate) struct Http2Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    stop: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: Mutex<Vec<Parts>>,
}

/// How a server differs from the usual one.
#[derive(Default)]
pub(crate) struct Manners {
    /// Where it listens; any port without this.
    pub(crate) listener: Option<TcpListener>,
    /// Streams at once on a connection.
    pub(crate) streams: Option<u32>,
    /// TLS.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether a PROXY header, version 1, comes first.
    pub(crate) proxy: bool,
    /// What the first connection is given to instead.
    pub(crate) first: Option<Box<dyn FnOnce(TcpStream) + Send>>,
}

impl Http2Server {
    /// Serves without TLS.
    pub(crate) fn run<F>(serve: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        Self::with(Manners::default(), serve)
    }

    /// Answers everything with `name`.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::run(move |_| async move { text(name) })
    }

    /// Serves with these manners.
    pub(crate) fn with<F>(
        manners: Manners,
        serve: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let Manners { listener, streams, tls, proxy, mut first } = manners;
        let listener = listener.unwrap_or_else(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::<Seen>::default();
        let (shared, serve) = (Arc::clone(&seen), Arc::new(serve));
        let (stop, stopped) = oneshot::channel();
        let accept = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((mut tcp, _)) = listener.accept().await else { continue };
                if let Some(first) = first.take() {
                    let tcp = tcp.into_std().unwrap();
                    tcp.set_nonblocking(false).unwrap();
                    std::thread::spawn(move || first(tcp));
                    continue;
                }
                let (seen, serve, tls) = (Arc::clone(&shared), Arc::clone(&serve), tls.clone());
                tokio::spawn(async move {
                    while proxy && tcp.read_u8().await.is_ok_and(|byte| byte != b'\n') {}
                    match tls {
                        None => converse(tcp, true, streams, seen, serve).await,
                        Some(tls) => {
                            let accepted = tokio_rustls::TlsAcceptor::from(tls).accept(tcp).await;
                            if let Ok(stream) = accepted {
                                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                                converse(stream, http2, streams, seen, serve).await;
                            }
                        }
                    }
                });
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        });
        Self { address, seen, stop: Some((stop, thread)) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that carried a request so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far, checks aside.
    pub(crate) fn requests(&self) -> Vec<Parts> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

async fn converse<S, F>(
    stream: S,
    http2: bool,
    streams: Option<u32>,
    seen: Arc<Seen>,
    serve: Arc<impl Fn(Request<Incoming>) -> F + Send + Sync + 'static>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let first = AtomicUsize::new(1);
    let shared = Arc::clone(&seen);
    shared.open.fetch_add(1, Ordering::SeqCst);
    let service = service_fn(move |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        if parts.uri.path() != "/ready" {
            seen.connections.fetch_add(first.swap(0, Ordering::SeqCst), Ordering::SeqCst);
            seen.requests.lock().unwrap().push(parts.clone());
        }
        let answer = serve(Request::from_parts(parts, body));
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let _ = if http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        builder.clone().max_concurrent_streams(streams).serve_connection(TokioIo::new(stream), service).await
    } else {
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    };
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

/// An answer of this text.
pub(crate) fn text(text: impl Into<Bytes>) -> Reply {
    Response::new(any(Full::new(text.into())))
}

/// Any body as the body of a reply.
pub(crate) fn any<B>(body: B) -> UnsyncBoxBody<Bytes, Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    body.map_err(Into::into).boxed_unsync()
}
