//! The pump between a sender that is always ready and a receiver that takes everything.

use std::io;
use std::task::{Context, Poll, Waker};

use super::super::buffer::LARGE;
use super::*;

/// Fills whatever room it is given, until its bytes are out; remembers how much room that was.
struct Full {
    left: usize,
    rooms: Vec<usize>,
}

impl Source for Full {
    fn poll_fill(&mut self, _: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let room = buffer.room();
        self.rooms.push(room.len());
        let n = room.len().min(self.left);
        room[..n].fill(b'x');
        buffer.filled(n);
        self.left -= n;
        Poll::Ready(Ok(n))
    }

    fn trailers(&self) -> &[u8] {
        b""
    }
}

/// Takes at most so many bytes at once.
struct Taker {
    most: usize,
    taken: usize,
}

impl Sink for Taker {
    fn poll_send(&mut self, _: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        let n = (first.len() + second.len()).min(self.most);
        self.taken += n;
        Poll::Ready(Ok(n))
    }

    fn poll_push(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, _: &[u8]) {}
}

fn pumped(size: usize, most: usize) -> (Pump, Full, Taker) {
    moved(BodyDecoder::length(size as u64), size, most)
}

fn moved(decoder: BodyDecoder, size: usize, most: usize) -> (Pump, Full, Taker) {
    let buffers = BufferPool::default();
    let (mut from, mut to) = (Full { left: size, rooms: Vec::new() }, Taker { most, taken: 0 });
    let mut pump = Pump::default();
    pump.begin(decoder, Framed::Raw, b"head".to_vec(), None);
    let polled = pump.poll(&mut Context::from_waker(Waker::noop()), &mut from, &mut to, &buffers);
    assert_eq!(polled, Poll::Ready(Ok(())));
    (pump, from, to)
}

#[test]
fn a_body_whose_reads_come_full_is_read_in_large_steps() {
    let (_, from, to) = moved(BodyDecoder::close(), 1 << 20, usize::MAX);
    assert_eq!(from.rooms[..2], [SMALL, LARGE], "the second step is large already");
    assert!(from.rooms.len() <= 6, "a megabyte in at most six reads, not {}", from.rooms.len());
    assert_eq!(to.taken, (1 << 20) + b"head".len());
}

#[test]
fn a_body_that_says_that_it_is_long_is_read_in_large_steps_from_the_start() {
    let (_, from, _) = pumped(1 << 20, usize::MAX);
    assert_eq!(from.rooms, [LARGE; 4]);
    let (_, from, _) = pumped(SMALL, usize::MAX);
    assert_eq!(from.rooms, [SMALL]);
}

#[test]
fn a_receiver_that_takes_little_gets_all_of_it() {
    let (_, _, to) = pumped(100_000, 777);
    assert_eq!(to.taken, 100_000 + b"head".len());
}

#[test]
fn nothing_is_left_over_behind_a_whole_body() {
    for size in [1, COPIED, COPIED + 1, SMALL, SMALL + 1, LARGE + SMALL, 1 << 20] {
        let (mut pump, ..) = pumped(size, usize::MAX);
        assert!(pump.take_input().is_none(), "a body of {size} bytes leaves an empty buffer behind");
    }
}
