//! Takes connections from one listener socket, under its limits, and gives each a task of its own.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::arrival::{Arrival, Purpose};
use super::buffer::Buffer;
use super::connection::{self, ClientConnection};
use super::http2;
use super::passage::{self, Passage};
use super::stream::Stream;
use super::worker::Worker;
use crate::config::model::{Limits, ListenAddress, Protocol};
use crate::snapshot::{ConnectionHold, ListenerSnap};

/// After the process ran out of file descriptors: long enough for some to be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells one socket's task to end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    notify: Notify,
    leave: Cell<bool>,
}

impl Stop {
    /// Now; `leave` says that what waits in the queue is somebody else's.
    pub(crate) fn now(&self, leave: bool) {
        self.leave.set(leave);
        self.notify.notify_one();
    }
}

/// Accepts until told to stop, then takes what already waits in the queue, unless it is to be left there.
pub(crate) async fn run(worker: Rc<Worker>, address: ListenAddress, listener: TcpListener, stop: Rc<Stop>) {
    let mut door = Door { worker, address, local: only_address(&listener), last: None };
    door.look();
    let mut told = std::pin::pin!(stop.notify.notified());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut told => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => door.admit(tcp, peer),
            Err(error) => refused(&door.worker, &error, address).await,
        }
    }
    if stop.leave.get() {
        return;
    }
    // Clients whose handshake the kernel finished already: closing the socket would reset them.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((tcp, peer)) = listener.accept() {
        if tcp.set_nonblocking(true).is_ok()
            && let Ok(tcp) = TcpStream::from_std(tcp)
        {
            door.admit(tcp, peer);
        }
    }
}

/// The address that every client of a socket meant, where there is just one: it need not be asked for with each
/// connection. A transparent socket takes what was meant for others (`IP_TRANSPARENT`).
fn only_address(listener: &TcpListener) -> Option<SocketAddr> {
    let address = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified())?;
    let socket = socket2::SockRef::from(listener);
    let transparent = if address.is_ipv4() { socket.ip_transparent_v4() } else { socket.ip_transparent_v6() };
    matches!(transparent, Ok(false)).then_some(address)
}

/// Most errors concern the one connection that was about to be accepted; running out of file
/// descriptors concerns all, and would spin without a pause.
async fn refused(worker: &Worker, error: &io::Error, address: ListenAddress) {
    const OUT_OF_FILES: [i32; 2] = [23, 24];
    if error.raw_os_error().is_some_and(|code| OUT_OF_FILES.contains(&code)) {
        warn!(?address, %error, "cannot accept: raise the limit of open files, or lower limits max-connections");
        worker.deadlines.wait(PAUSE).await;
    } else {
        debug!(?address, %error, "accept failed");
    }
}

/// Where connections of one address come in.
struct Door {
    worker: Rc<Worker>,
    address: ListenAddress,
    /// What its clients connect to, where that is one address.
    local: Option<SocketAddr>,
    /// The listener as it was last: who waited in the queue while a reload removed it is still served.
    last: Option<Arc<ListenerSnap>>,
}

impl Door {
    fn look(&mut self) {
        if let Some(now) = self.worker.with_snapshot(|world| world.listener(self.address).cloned()) {
            self.last = Some(now);
        }
    }

    fn admit(&mut self, tcp: TcpStream, peer: SocketAddr) {
        self.look();
        let Some(listener) = self.last.clone() else { return };
        // A connection over the limit is closed at once: an answer would cost what the limit is to save.
        // Who comes by a balancer in front is counted when that has said who it is.
        let proxied = listener.proxy_protocol.as_ref().is_some_and(|proxy| proxy.is_due_from(peer.ip()));
        let limits = match proxied {
            true => Limits { max_connections_per_ip: None, ..listener.limits },
            false => listener.limits,
        };
        let Some(hold) = listener.live.admit(peer.ip(), &limits) else { return };
        let open = self.worker.enter();
        let Ok(local) = self.local.map_or_else(|| tcp.local_addr(), Ok) else { return };
        let worker = Rc::clone(&self.worker);
        if listener.is_plain() {
            let stage = begin(&worker, listener, Stream::Plain(tcp), None, (peer, local));
            tokio::task::spawn_local(async move {
                let _held = (hold, open);
                serve(&worker, stage, peer).await;
            });
        } else {
            let arrival = Arrival { tcp, input: None, peer, local };
            tokio::task::spawn_local(async move {
                let (mut hold, _open) = (hold, open);
                let begun = Box::pin(arrive(&worker, listener, arrival, &mut hold)).await;
                let Some((stage, peer)) = begun else { return };
                serve(&worker, stage, peer).await;
            });
        }
    }
}

/// What a connection that arrived is.
enum Stage {
    /// Requests of HTTP/1.
    Http1(Box<ClientConnection>),
    /// A connection of HTTP/2.
    Http2(Pin<Box<dyn Future<Output = ()>>>),
    /// Bytes that are passed on.
    Passage(Box<Passage>),
}

/// Each stage but that of an idle client is boxed: a task is as large as the largest of what it may become, and
/// most of the time most clients are idle.
async fn serve(worker: &Rc<Worker>, stage: Stage, peer: SocketAddr) {
    let upgraded = match stage {
        Stage::Passage(mut passage) => return Box::pin(async move { passage.run(worker).await }).await,
        Stage::Http1(connection) => connection::serve(connection).await,
        Stage::Http2(connection) => {
            connection.await;
            None
        }
    };
    worker.upstreams.forget(peer);
    if let Some(mut upgraded) = upgraded {
        Box::pin(async move { upgraded.run(worker).await }).await;
    }
}

/// The beginning of a connection where something comes before HTTP, up to where its first request may come; with the
/// client, as it is known now.
async fn arrive(
    worker: &Rc<Worker>,
    listener: Arc<ListenerSnap>,
    mut arrival: Arrival,
    hold: &mut ConnectionHold,
) -> Option<(Stage, SocketAddr)> {
    let purpose = arrival.purpose(worker, &listener, hold).await?;
    let peer = arrival.peer;
    if let Purpose::Tcp(route, name) = purpose {
        let passage = passage::begin(worker, &listener, arrival, &route, name).await?;
        return Some((Stage::Passage(passage), peer));
    }
    let Arrival { tcp, input, local, .. } = arrival;
    let (stream, input) = secure(worker, &listener, tcp, input, peer).await?;
    Some((begin(worker, listener, stream, input, (peer, local)), peer))
}

/// HTTP, of the version that was chosen.
fn begin(
    worker: &Rc<Worker>,
    listener: Arc<ListenerSnap>,
    stream: Stream,
    input: Option<Buffer>,
    (peer, local): (SocketAddr, SocketAddr),
) -> Stage {
    let worker = Rc::clone(worker);
    if stream.chose_http2() || !listener.protocols.contains(&Protocol::Http1) {
        Stage::Http2(Box::pin(http2::serve(worker, listener, stream, input, peer, local)))
    } else {
        Stage::Http1(Box::new(ClientConnection::new(worker, listener, stream, input, (peer, local))))
    }
}

/// The TLS handshake, where the listener has TLS. Gives back what was read ahead and is not TLS.
async fn secure(
    worker: &Rc<Worker>,
    listener: &ListenerSnap,
    tcp: TcpStream,
    input: Option<Buffer>,
    peer: SocketAddr,
) -> Option<(Stream, Option<Buffer>)> {
    let Some(tls) = &listener.tls else { return Some((Stream::Plain(tcp), input)) };
    let deadline = worker.deadlines.register();
    deadline.arm(tls.handshake_timeout);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&tls.config));
    let begin = |tls: &mut rustls::ServerConnection| {
        if let Some(input) = input {
            read_ahead(tls, input.bytes());
            worker.buffers.give(input);
        }
    };
    match deadline.within(acceptor.accept_with(tcp, begin)).await {
        Ok(Ok(stream)) => {
            let resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
            listener.live.handshakes.add(if resumed { "resumed" } else { "full" });
            Some((Stream::Accepted(Box::new(stream)), None))
        }
        Ok(Err(error)) => {
            listener.live.handshakes.add("failed");
            debug!(%peer, listener = %listener.name, %error, "tls handshake failed");
            None
        }
        Err(_) => {
            listener.live.handshakes.add("timeout");
            debug!(%peer, listener = %listener.name, "tls handshake timed out");
            None
        }
    }
}

/// Gives TLS what was read before it. An error is left for the handshake, which meets it again and tells
/// the client.
fn read_ahead(tls: &mut rustls::ServerConnection, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let taken = tls.read_tls(&mut bytes);
        if tls.process_new_packets().is_err() || !taken.is_ok_and(|n| n > 0) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<'a, F: Future>(_: impl Fn(&'a Rc<Worker>, Stage, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_task_is_no_larger_than_an_idle_client_needs() {
        assert!(size(serve) <= 400, "{} bytes", size(serve));
    }
}
