//! Between two processes of which one takes over: frames with a length, and open sockets. Blocks; not for a thread
//! that serves.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame: some millions of sticky entries.
pub(super) const LONGEST: u32 = 512 << 20;
/// Sockets that go with one byte; the kernel takes 253.
const AT_ONCE: usize = 64;
/// Sockets in all.
const MOST_SOCKETS: usize = 65_536;

/// One end.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// One end over a stream, and how long each step may take.
    pub(super) fn new(stream: UnixStream, patience: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self(stream))
    }

    /// The stream alone.
    pub(super) fn into_stream(self) -> UnixStream {
        self.0
    }

    pub(super) fn send<T: Serialize>(&mut self, what: &T) -> io::Result<()> {
        self.send_bytes(&serde_json::to_vec(what)?)
    }

    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.receive_bytes()?)?)
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(&length(bytes)?)?;
        self.0.write_all(bytes)
    }

    pub(super) fn receive_bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > LONGEST {
            return Err(io::Error::other("a frame is too long to be ours"));
        }
        // Not reserved at once: it grows with what really comes.
        let mut bytes = Vec::new();
        Read::by_ref(&mut self.0).take(length.into()).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    pub(super) fn send_sockets(&self, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        for some in sockets.chunks(AT_ONCE) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(some)) {
                return Err(io::Error::other("no room for sockets"));
            }
            sendmsg(&self.0, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    pub(super) fn receive_sockets(&self, count: usize) -> io::Result<Vec<OwnedFd>> {
        if count > MOST_SOCKETS {
            return Err(io::Error::other("too many sockets to be ours"));
        }
        let mut sockets = Vec::new();
        while sockets.len() < count {
            let mut byte = [0];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
            let before = sockets.len();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    sockets.extend(some);
                }
            }
            if received.bytes == 0 || sockets.len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(sockets)
    }
}

/// How the length of a frame is written.
pub(super) fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
    length.map(u32::to_be_bytes).ok_or_else(|| io::Error::other("more than can be handed over"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (a, b) = UnixStream::pair().unwrap();
        let wire = |stream| Wire::new(stream, Duration::from_secs(20)).unwrap();
        (wire(a), wire(b))
    }

    #[test]
    fn frames_and_sockets_arrive_in_their_order() {
        let (mut here, mut there) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let many: Vec<_> = (0..AT_ONCE + 3).map(|_| listener.as_fd()).collect();
        let sender = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                here.send(&("hello", many.len())).unwrap();
                here.send_sockets(&many).unwrap();
                here.send_bytes(&vec![7; 300_000]).unwrap();
            });
            let (word, count): (String, usize) = there.receive().unwrap();
            assert_eq!((word.as_str(), count), ("hello", AT_ONCE + 3));
            let sockets = there.receive_sockets(count).unwrap();
            assert_eq!(sockets.len(), count);
            assert_eq!(there.receive_bytes().unwrap(), vec![7; 300_000]);
            let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let taken: Vec<TcpListener> = sockets.into_iter().map(TcpListener::from).collect();
            taken[count - 1].accept().expect("it is the same socket");
            sender.join()
        });
        sender.unwrap();
    }

    #[test]
    fn an_end_in_the_middle_is_an_error() {
        let (mut here, mut there) = pair();
        here.0.write_all(&[0, 0, 0, 9, b'"']).unwrap();
        drop(here);
        assert!(there.receive::<String>().is_err());
        let (here, there) = pair();
        drop(here);
        assert!(there.receive_sockets(1).is_err());
        let (mut here, mut there) = pair();
        here.0.write_all(&[255; 8]).unwrap();
        assert!(there.receive_bytes().unwrap_err().to_string().contains("too long"));
    }
}
