//! One TCP stream to a client or a server, plain or TLS, read and written by one task.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::buffer::Buffer;
use super::pump::{Sink, Source};

/// A connection's bytes.
#[derive(Debug)]
pub(crate) enum Stream {
    /// As TCP carries them.
    Plain(TcpStream),
    /// Decrypted, we are the server.
    Accepted(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// Decrypted, we are the client.
    Connected(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Accepted(tls) => tls.get_ref().0,
            Self::Connected(tls) => tls.get_ref().0,
        }
    }

    /// Whether the handshake chose HTTP/2.
    pub(crate) fn chose_http2(&self) -> bool {
        match self {
            Self::Accepted(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
            Self::Connected(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
            Self::Plain(_) => false,
        }
    }

    /// Whether it is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Reads into `buffer`'s room. Zero is the end of the stream; the room must not be empty.
    ///
    /// By `poll_read`, never by readiness and `try_read`: the runtime then knows from a short read that
    /// the socket is empty, which saves a failing `recv` for each request.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(buffer.room());
        ready!(Pin::new(&mut *self).poll_read(cx, &mut room))?;
        let n = room.filled().len();
        buffer.filled(n);
        Poll::Ready(Ok(n))
    }

    /// Whether it is worth to read: asks what the runtime heard, without a buffer and without a system call. To be
    /// asked first where most likely nothing came yet; a read that finds nothing costs twice as much.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx).map(|_| ()),
            // Decrypted bytes may be at hand.
            Self::Accepted(_) | Self::Connected(_) => Poll::Ready(()),
        }
    }

    /// Writes the first non-empty parts of `first` then `second`; at least one byte, or an error.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = Pin::new(self);
        let n = if first.is_empty() {
            ready!(this.poll_write(cx, second))?
        } else if second.is_empty() {
            ready!(this.poll_write(cx, first))?
        } else {
            ready!(this.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]))?
        };
        if n == 0 { Poll::Ready(Err(io::ErrorKind::WriteZero.into())) } else { Poll::Ready(Ok(n)) }
    }

    /// Hands everything to the kernel. Costs nothing on a plain stream.
    pub(crate) fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Accepted(tls) => Pin::new(tls).poll_flush(cx),
            Self::Connected(tls) => Pin::new(tls).poll_flush(cx),
        }
    }
}

impl Source for Stream {
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        self.poll_fill(cx, buffer)
    }

    fn trailers(&self) -> &[u8] {
        b""
    }
}

impl Sink for Stream {
    fn poll_send(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, first, second)
    }

    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_push(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), cx)
    }

    fn end(&mut self, _: &[u8]) {}
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Accepted(tls) => Pin::new(tls).poll_read(cx, buf),
            Self::Connected(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Accepted(tls) => Pin::new(tls).poll_write(cx, bytes),
            Self::Connected(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Self::Accepted(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
            Self::Connected(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_push(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Accepted(tls) => Pin::new(tls).poll_shutdown(cx),
            Self::Connected(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
