//! A compressed body keeps its turn, and holds nothing back from a receiver when its sender pauses.

use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::config::model::Coding;
use crate::proxy::compress::Encoders;

/// Gives these pieces, one for each read, then waits, or never ends.
struct Sender(Vec<&'static [u8]>, bool);

impl Source for Sender {
    fn poll_fill(&mut self, _: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let piece = match self.0.pop() {
            Some(piece) => piece,
            None if self.1 => &[b'x'; 4096],
            None => return Poll::Pending,
        };
        buffer.room()[..piece.len()].copy_from_slice(piece);
        buffer.filled(piece.len());
        Poll::Ready(Ok(piece.len()))
    }

    fn trailers(&self) -> &[u8] {
        b""
    }
}

#[derive(Default)]
struct Receiver(Vec<u8>);

impl Sink for Receiver {
    fn poll_send(&mut self, _: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(first);
        self.0.extend_from_slice(second);
        Poll::Ready(Ok(first.len() + second.len()))
    }

    fn poll_push(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, _: &[u8]) {}
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn pump(coding: Coding) -> Pump {
    let encoder = Rc::new(Encoders::default()).lend(coding);
    assert!(encoder.is_some());
    let mut pump = Pump::default();
    pump.begin(BodyDecoder::close(), Framed::Raw, b"head ".to_vec(), None).encoded(encoder);
    pump
}

#[test]
fn a_sender_that_never_ends_leaves_others_their_turn() {
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    let mut cx = Context::from_waker(&waker);
    let buffers = BufferPool::default();
    let mut pump = pump(Coding::Gzip);
    let (mut from, mut to) = (Sender(Vec::new(), true), Receiver::default());
    let mut before = 0;
    for turn in 1..4 {
        assert!(pump.poll(&mut cx, &mut from, &mut to, &buffers).is_pending());
        assert_eq!(wakes.0.load(Ordering::Relaxed), turn, "it asks for another turn");
        assert!(pump.moved() > before && pump.moved() - before <= 64 * 1024);
        before = pump.moved();
    }
}

#[test]
fn what_came_before_a_pause_is_with_the_receiver() {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let buffers = BufferPool::default();
    for coding in Coding::ALL {
        let mut pump = pump(coding);
        let (mut from, mut to) = (Sender(vec![b"second", b"first, "], false), Receiver::default());
        assert!(pump.poll(&mut cx, &mut from, &mut to, &buffers).is_pending());
        let coded = to.0.strip_prefix(b"head ").expect("the head goes out first, as it is").to_vec();
        let mut reader: Box<dyn Read> = match coding {
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(&*coded).unwrap()),
            Coding::Brotli => Box::new(brotli::Decompressor::new(&*coded, 4096)),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(&*coded)),
        };
        let mut text = [0; 13];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"first, second");
        let sent = to.0.len();
        assert_eq!(pump.delivered(), sent as u64 - 5);
        assert!(pump.poll(&mut cx, &mut from, &mut to, &buffers).is_pending());
        assert_eq!(to.0.len(), sent, "nothing more is flushed when nothing came");
    }
}
