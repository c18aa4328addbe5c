//! The encoders: bytes in, coded bytes out, with a flush that holds nothing back.
//!
//! Memory is bounded twice: an encoder's window is small, and a worker lends at most [`MOST`] at
//! once; an answer that gets none goes out as it is. Those of zstd and gzip are kept and used again: what one costs
//! to make is more than what a small answer costs to encode.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;

use brotli::CompressorWriter;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, InBuffer, Operation, OutBuffer};

use crate::config::model::Coding;

/// The most bytes that an encoder is given at once.
pub(crate) const STEP: usize = 16 * 1024;
/// Bytes that an exchange may encode before others have their turn: about a millisecond of the slowest coding.
const SLICE: usize = 2 * STEP;
/// Encoders of one worker at work: some 210 MiB of the largest, should all be in the middle of long answers.
const MOST: usize = 128;
/// Encoders of each kind that are kept when nobody needs them.
const KEPT: usize = 4;

// Measured on 350 KB of source code and of JSON, and on small JSON, as ratio and memory of one encoder. The next
// steps up cost twice the time for 5 to 10 % less.
//
// | coding            | code | JSON | 4.6 KB JSON | memory   |
// |-------------------|------|------|-------------|----------|
// | zstd 3, 128 KiB   | 3.4  | 5.7  | 4.7         | 1.1 MiB  |
// | brotli 4, 64 KiB  | 3.4  | 5.8  | 5.0         | 1.6 MiB  |
// | brotli 4, 256 KiB | 3.6  | 5.9  | 5.0         | 2.7 MiB  |
// | gzip 5            | 3.6  | 5.8  | 4.7         | 0.33 MiB |

/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;
/// A window of 128 KiB. Any decoder must take 8 MiB (RFC 9659), but memory counts here.
const ZSTD_WINDOW_LOG: u32 = 17;
/// Between the fast modes and those for files that are compressed once.
const BROTLI_QUALITY: u32 = 4;
/// A window of 64 KiB.
const BROTLI_WINDOW_LOG: u32 = 16;
/// zlib's own default, 6, wins nothing on these.
const GZIP_LEVEL: u32 = 5;
/// 32 KiB, the most that the format has.
const GZIP_WINDOW_LOG: u8 = 15;

/// A worker's encoders.
#[derive(Debug, Default)]
pub(crate) struct Encoders {
    idle: RefCell<Vec<Codec>>,
    at_work: Cell<usize>,
}

impl Encoders {
    /// An encoder for one body; none when too many are at work, or there is no memory for one.
    pub(crate) fn lend(self: &Rc<Self>, coding: Coding) -> Option<Box<Encoder>> {
        if self.at_work.get() >= MOST {
            return None;
        }
        let mut idle = self.idle.borrow_mut();
        let codec = match idle.iter().position(|codec| codec.coding() == coding) {
            Some(at) => idle.swap_remove(at),
            None => Codec::new(coding).ok()?,
        };
        self.at_work.set(self.at_work.get() + 1);
        let home = Rc::clone(self);
        let codec = Some(codec);
        Some(Box::new(Encoder { home, codec, out: Vec::new(), holds_back: false, slice: 0, produced: 0 }))
    }

    fn take_back(&self, codec: Option<Codec>) {
        self.at_work.set(self.at_work.get() - 1);
        let Some(codec) = codec.and_then(Codec::renewed) else { return };
        let mut idle = self.idle.borrow_mut();
        if idle.iter().filter(|other| other.coding() == codec.coding()).count() < KEPT {
            idle.push(codec);
        }
    }
}

/// Encodes one body; goes home when dropped.
pub(crate) struct Encoder {
    home: Rc<Encoders>,
    /// `None` once the body has ended, or the codec failed.
    codec: Option<Codec>,
    out: Vec<u8>,
    /// Something was taken that did not come out yet.
    holds_back: bool,
    slice: usize,
    produced: u64,
}

impl Encoder {
    /// Takes bytes of the body, at most [`STEP`].
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.slice += bytes.len();
        self.holds_back |= !bytes.is_empty();
        self.run(|codec, out| codec.push(bytes, out))
    }

    /// Lets go of all that was taken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.holds_back = false;
        self.run(Codec::flush)
    }

    /// Ends the body.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.holds_back = false;
        self.run(Codec::finish)
    }

    /// Whether a flush would let something go.
    pub(crate) fn holds_back(&self) -> bool {
        self.holds_back
    }

    /// What came out since [`Encoder::taken`].
    pub(crate) fn out(&self) -> &[u8] {
        &self.out
    }

    /// What came out was taken.
    pub(crate) fn taken(&mut self) {
        self.produced += self.out.len() as u64;
        self.out.clear();
    }

    /// Bytes that came out and were taken.
    pub(crate) fn produced(&self) -> u64 {
        self.produced
    }

    /// Begins a turn.
    pub(crate) fn begin_slice(&mut self) {
        self.slice = 0;
    }

    /// Whether it is the turn of others.
    pub(crate) fn slice_is_over(&self) -> bool {
        self.slice >= SLICE
    }

    fn run(&mut self, step: impl FnOnce(&mut Codec, &mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let codec = self.codec.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
        let done = step(codec, &mut self.out);
        if done.is_err() {
            self.codec = None;
        }
        done
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.home.take_back(self.codec.take());
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).field("produced", &self.produced).finish()
    }
}

enum Codec {
    Zstd(zstd::stream::raw::Encoder<'static>),
    /// `None` once it ended: it cannot begin anew.
    Brotli(Option<Box<CompressorWriter<Vec<u8>>>>),
    Gzip(Compress),
}

impl Codec {
    fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::raw::Encoder::new(ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
                Self::Zstd(encoder)
            }
            Coding::Brotli => Self::Brotli(Some(Box::new(CompressorWriter::new(
                Vec::new(),
                STEP,
                BROTLI_QUALITY,
                BROTLI_WINDOW_LOG,
            )))),
            Coding::Gzip => Self::Gzip(Compress::new_gzip(Compression::new(GZIP_LEVEL), GZIP_WINDOW_LOG)),
        })
    }

    fn coding(&self) -> Coding {
        match self {
            Self::Zstd(_) => Coding::Zstd,
            Self::Brotli(_) => Coding::Brotli,
            Self::Gzip(_) => Coding::Gzip,
        }
    }

    /// Ready for another body, whatever became of the last one; `None` when it cannot be.
    fn renewed(mut self) -> Option<Self> {
        match &mut self {
            Self::Zstd(encoder) => encoder.reinit().ok()?,
            Self::Brotli(_) => return None,
            Self::Gzip(encoder) => encoder.reset(),
        }
        Some(self)
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => {
                let mut input = InBuffer::around(bytes);
                while input.pos() < bytes.len() {
                    with_room(out, |out| encoder.run(&mut input, out))?;
                }
                Ok(())
            }
            Self::Brotli(encoder) => {
                let encoder = encoder.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
                encoder.write_all(bytes)?;
                out.append(encoder.get_mut());
                Ok(())
            }
            Self::Gzip(encoder) => gzip(encoder, bytes, out, FlushCompress::None),
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => {
                while with_room(out, |out| encoder.flush(out))? > 0 {}
                Ok(())
            }
            Self::Brotli(encoder) => {
                let encoder = encoder.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
                encoder.flush()?;
                out.append(encoder.get_mut());
                Ok(())
            }
            Self::Gzip(encoder) => gzip(encoder, &[], out, FlushCompress::Sync),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => {
                while with_room(out, |out| encoder.finish(out, false))? > 0 {}
                Ok(())
            }
            Self::Brotli(encoder) => {
                let encoder = encoder.take().ok_or(io::ErrorKind::InvalidInput)?;
                out.append(&mut encoder.into_inner());
                Ok(())
            }
            Self::Gzip(encoder) => gzip(encoder, &[], out, FlushCompress::Finish),
        }
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.coding().name())
    }
}

/// Lets zstd write behind what is there.
fn with_room(
    out: &mut Vec<u8>,
    step: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
) -> io::Result<usize> {
    out.reserve(STEP);
    let at = out.len();
    step(&mut OutBuffer::around_pos(out, at))
}

/// zlib takes what it can and says so by its counters: done when all is taken and room was left.
fn gzip(encoder: &mut Compress, mut bytes: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> io::Result<()> {
    loop {
        out.reserve(STEP);
        let before = encoder.total_in();
        let status = encoder.compress_vec(bytes, out, flush).map_err(io::Error::other)?;
        bytes = &bytes[(encoder.total_in() - before) as usize..];
        let done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => bytes.is_empty() && out.len() < out.capacity(),
        };
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
