//! The accept loop of one control socket, and what surrounds each call: limits, identity, headers.

use super::call::{Call, pairs, segments};
use super::patient::Patient;
use super::reply::{self, Reply};
use super::role::{Caller, Grants, Role, user_of};
use super::socket::{Access, Bound};
use super::{ControlContext, dispatch, idempotency, rates};
use http::header::IF_MATCH;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lbctl::protocol::{GENERATION_HEADER, Kind, Problem};
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Clients at a time; a few more are told so, the rest wait.
const CLIENTS: usize = 16;
const TOLD: usize = 16;
/// The largest body.
const BODY: usize = 1 << 20;
/// For the head of a request, and again for its body.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a write may make no progress.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long replies have to leave when the socket closes.
const FAREWELL: Duration = Duration::from_secs(1);

/// Answers on a socket until `stop` ends; then replies in progress are finished, streams are cut.
///
/// Must run within a `LocalSet`. Several sockets may be served with one context.
pub async fn serve(
    context: Rc<ControlContext>,
    bound: Bound,
    grants: Grants,
    stop: impl Future<Output = ()>,
) {
    let (stopping, stopped) = watch::channel(());
    let mut clients = JoinSet::new();
    let mut tick = tokio::time::interval(rates::EVERY);
    let grants = Rc::new(grants);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => context.rates.borrow_mut().sample(&context.world.pools(), Instant::now()),
            Some(_) = clients.join_next() => {}
            accepted = bound.listener.accept(), if clients.len() < CLIENTS + TOLD => match accepted {
                Ok((stream, _)) => {
                    let admission = if clients.len() < CLIENTS { Admission::Served } else { Admission::Told };
                    let client = Client {
                        context: Rc::clone(&context),
                        grants: Rc::clone(&grants),
                        access: bound.access,
                        admission,
                    };
                    clients.spawn_local(client.run(stream, stopped.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a control client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    drop(bound);
    drop(stopping);
    // Whoever is still there after that is a stream or does not read.
    let _ = tokio::time::timeout(FAREWELL, async { while clients.join_next().await.is_some() {} }).await;
}

/// Whether a client is served or told that there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Served,
    Told,
}

/// One connection.
struct Client {
    context: Rc<ControlContext>,
    grants: Rc<Grants>,
    access: Access,
    admission: Admission,
}

impl Client {
    async fn run(self, stream: UnixStream, mut stopped: watch::Receiver<()>) {
        let caller = match self.identify(&stream) {
            Ok(caller) => caller,
            Err(error) => return debug!(%error, "a control client without identity"),
        };
        let busy = Rc::new(Cell::new(false));
        let client = Rc::new(self);
        let service = service_fn({
            let busy = Rc::clone(&busy);
            move |request| {
                let (client, caller) = (Rc::clone(&client), caller.clone());
                busy.set(true);
                async move { Ok::<_, Infallible>(client.answer(request, caller).await) }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, served = busy.get(), "a control client went away");
        }
    }

    fn identify(&self, stream: &UnixStream) -> std::io::Result<Caller> {
        let peer = stream.peer_cred()?;
        let user = user_of(peer.uid());
        let role = match self.access {
            Access::ReadOnly => Role::Read,
            Access::ByRole => {
                self.grants.role(peer.uid(), rustix::process::geteuid().as_raw(), user.as_deref())
            }
        };
        Ok(Caller { uid: peer.uid(), pid: peer.pid(), user, role })
    }

    async fn answer(&self, request: Request<Incoming>, caller: Caller) -> Reply {
        let result = match self.admission {
            Admission::Served => self.call(request, caller).await,
            Admission::Told => {
                Err(Problem::new(Kind::TooManyClients, format!("{CLIENTS} clients are connected already"))
                    .into())
            }
        };
        let mut reply = result.unwrap_or_else(|problem| reply::problem(&problem));
        let generation = HeaderValue::from(self.context.world.generation());
        reply.headers_mut().insert(GENERATION_HEADER, generation);
        reply
    }

    async fn call(&self, request: Request<Incoming>, caller: Caller) -> reply::Outcome {
        let (head, body) = request.into_parts();
        let unreadable = || Problem::new(Kind::BadRequest, "the path or the query is not properly encoded");
        let path = segments(head.uri.path()).ok_or_else(unreadable)?;
        let query = pairs(head.uri.query().unwrap_or_default()).ok_or_else(unreadable)?;
        if self.access == Access::ReadOnly && head.method != Method::GET {
            return Err(Problem::new(Kind::NotPermitted, "this socket only answers GET").into());
        }
        if head.method != Method::GET {
            self.same_generation(&head.headers)?;
        }
        let key = idempotency::key(&head.method, &head.headers)?;
        let body = read_body(body).await?;
        let call = Call { method: head.method, path, query, body, caller };
        match key {
            Some(key) => idempotency::once(&self.context, call, key).await,
            None => dispatch::dispatch(&self.context, &call).await,
        }
    }

    /// `If-Match: "g42"`: the caller's change is meant for generation 42 only.
    fn same_generation(&self, headers: &HeaderMap) -> Result<(), Box<Problem>> {
        let Some(wanted) = headers.get(IF_MATCH) else { return Ok(()) };
        let running = self.context.world.generation();
        let wanted = wanted.to_str().unwrap_or_default().trim();
        if wanted == "*" || wanted.split(',').any(|tag| tag.trim() == format!("\"g{running}\"")) {
            return Ok(());
        }
        let detail = format!("generation {running} runs, the change was meant for {wanted}");
        Err(Problem::new(Kind::StaleGeneration, detail).help("look again, then decide again").into())
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, Box<Problem>> {
    let collected = tokio::time::timeout(HEADER_TIMEOUT, Limited::new(body, BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(Kind::BodyTooLarge, format!("a body has at most {BODY} bytes")).into())
        }
        Ok(Err(error)) => {
            Err(Problem::new(Kind::BadRequest, format!("the body cannot be read: {error}")).into())
        }
        Err(_) => Err(Problem::new(Kind::BadRequest, "the body did not come in time").into()),
    }
}
