//! Reads and writes of a plain TCP socket, by what the runtime has heard of it.
//!
//! The runtime's own calls look at the task's share of time and at who is to be woken before each of them, and reach
//! the kernel through functions of the C library that a thread may be cancelled in. Here a call is tried when the
//! socket was last heard to be ready, and only one that is not has the task woken. With that, and because a tunnel does
//! not ask the side that has no news, a message of a WebSocket takes a tenth fewer instructions.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop::poll_proceed;

/// Whether bytes, or the end, may be there, as far as the runtime heard. Nobody is woken.
pub(super) fn may_be_readable(tcp: &TcpStream) -> bool {
    tcp.try_io(Interest::READABLE, || Ok(())).is_ok()
}

/// Reads into `room`, which must not be empty. Zero is the end.
pub(super) fn poll_receive(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    room: &mut [u8],
) -> Poll<io::Result<usize>> {
    let most = room.len();
    let mut call = || Ok(recv(tcp, &mut *room, RecvFlags::empty())?.1);
    // Every loop over a stream reads: here a task that always finds something leaves others their turn.
    let turn = ready!(poll_proceed(cx));
    if let Some(read) = attempt(tcp, Interest::READABLE, most, &mut call) {
        turn.made_progress();
        return Poll::Ready(read);
    }
    // Given back first: the runtime takes one itself, and notes nobody to be woken when it gets none.
    drop(turn);
    loop {
        ready!(tcp.poll_read_ready(cx))?;
        if let Some(read) = attempt(tcp, Interest::READABLE, most, &mut call) {
            return Poll::Ready(read);
        }
    }
}

/// Writes some of `bytes`, which must not be empty.
pub(super) fn poll_send(tcp: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        let call = || Ok(send(tcp, bytes, SendFlags::NOSIGNAL)?);
        if let Some(written) = attempt(tcp, Interest::WRITABLE, bytes.len(), call) {
            return Poll::Ready(written);
        }
        ready!(tcp.poll_write_ready(cx))?;
    }
}

/// Makes a call if the socket was heard to be ready for it; none when it was not, or is not.
///
/// What moves less than `most` has emptied or filled the socket, and the runtime is told so as if a further call had
/// failed: that saves the further call. The socket's next event makes it ready again.
fn attempt(
    tcp: &TcpStream,
    interest: Interest,
    most: usize,
    call: impl FnOnce() -> io::Result<usize>,
) -> Option<io::Result<usize>> {
    let mut moved = 0;
    let told = tcp.try_io(interest, || {
        moved = call()?;
        if (1..most).contains(&moved) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match told {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && moved == 0 => None,
        Err(error) if moved == 0 => Some(Err(error)),
        _ => Some(Ok(moved)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    async fn receive(tcp: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| poll_receive(tcp, cx, room)).await
    }

    #[tokio::test]
    async fn a_read_that_comes_short_says_that_nothing_is_left() {
        let (mut one, other) = pair().await;
        one.write_all(b"hello").await.unwrap();
        let mut room = [0; 3];
        assert_eq!(receive(&other, &mut room).await.unwrap(), 3);
        assert!(may_be_readable(&other), "the room was filled: there may be more");
        assert_eq!(receive(&other, &mut room).await.unwrap(), 2);
        assert!(!may_be_readable(&other), "no further call is made");

        one.write_all(b"again").await.unwrap();
        assert_eq!(receive(&other, &mut [0; 9]).await.unwrap(), 5, "and who waits is woken");
        drop(one);
        for _ in 0..2 {
            assert_eq!(receive(&other, &mut room).await.unwrap(), 0, "the end stays");
        }
    }

    #[tokio::test]
    async fn a_writer_waits_for_a_reader_and_is_woken() {
        let (one, other) = pair().await;
        let bytes = vec![7; 1 << 20];
        let write = async {
            let mut sent = 0;
            while sent < 64 << 20 {
                sent += poll_fn(|cx| poll_send(&one, cx, &bytes)).await.unwrap();
            }
            drop(one);
            sent
        };
        let read = async {
            let (mut got, mut room) = (0, vec![0; 1 << 18]);
            loop {
                match receive(&other, &mut room).await.unwrap() {
                    0 => return got,
                    n => got += n,
                }
            }
        };
        let (sent, got) = tokio::join!(write, read);
        assert_eq!(sent, got);
    }

    #[tokio::test]
    async fn a_stream_that_always_has_something_leaves_others_their_turn() {
        const ALL: usize = 10_000;
        let (mut one, other) = pair().await;
        one.write_all(&[7; ALL]).await.unwrap();
        other.readable().await.unwrap();
        let mut got = 0;
        tokio::select! {
            biased;
            () = async { while got < ALL { got += receive(&other, &mut [0; 1]).await.unwrap() } } => {}
            () = async {} => {}
        }
        assert!((1..ALL).contains(&got), "{got}");
    }

    #[tokio::test]
    async fn a_broken_stream_is_an_error() {
        let (one, other) = pair().await;
        socket2::SockRef::from(&one).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(one);
        let error = receive(&other, &mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(
            poll_fn(|cx| poll_send(&other, cx, b"x")).await.unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
