//! A piece of an answer's body on its way into frames, in memory that the worker lends: an allocation less for each
//! small answer.

use std::rc::Rc;

use bytes::Buf;

use crate::proxy::scratch::KEPT;
use crate::proxy::worker::Worker;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    taken: usize,
    /// Whose the memory is; nobody's where it is too much to be kept.
    lender: Option<Rc<Worker>>,
}

impl Piece {
    /// A copy of these bytes.
    pub(super) fn of(bytes: &[u8], worker: &Rc<Worker>) -> Self {
        if bytes.len() > KEPT {
            return Self { bytes: bytes.to_vec(), taken: 0, lender: None };
        }
        let mut copy = worker.buffers.text();
        copy.extend_from_slice(bytes);
        Self { bytes: copy, taken: 0, lender: Some(Rc::clone(worker)) }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_remaining()
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len() - self.taken
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn advance(&mut self, n: usize) {
        assert!(n <= self.remaining(), "no more is taken than is there");
        self.taken += n;
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(worker) = &self.lender {
            worker.buffers.give_text(std::mem::take(&mut self.bytes));
        }
    }
}
