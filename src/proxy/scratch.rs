//! Working memory of one exchange: heads and serialised bytes. Lent by the worker while a request is
//! under way, so an idle connection owns none and a usual request allocates none.
//!
//! What an exchange holds while it waits for its server is kept small: with hundreds of them at once it falls out of the
//! cache, and is fetched again when the answer comes. The answer's part is therefore the worker's, and lent from the
//! answer's first byte on.

use super::head::{RequestHead, ResponseHead};
use super::pump::Pump;
use crate::pool::ServerId;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The request as it was read.
    pub(crate) request: RequestHead,
    /// The request's body on its way.
    pub(crate) sending: Pump,
    /// Lines that the route adds to the request.
    pub(crate) request_lines: Vec<u8>,
    /// Lines that the route, and stickiness, add to the answer.
    pub(crate) response_lines: Vec<u8>,
    /// Servers that failed this request.
    pub(crate) tried: Vec<ServerId>,
    /// Of the answer.
    pub(crate) answer: Box<Answer>,
}

/// Working memory of an answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The server's answer as it was read.
    pub(crate) head: ResponseHead,
    /// Its body on its way.
    pub(crate) body: Pump,
    /// What is written to the client.
    pub(crate) to_client: Vec<u8>,
}

/// A vector that once grew beyond this is not kept.
pub(crate) const KEPT: usize = 8 * 1024;

impl Scratch {
    /// Empties everything, keeps the usual memory.
    pub(crate) fn clear(&mut self) {
        let Self { request, sending, request_lines, response_lines, tried, answer } = self;
        request.clear();
        sending.clear();
        tried.clear();
        answer.clear();
        empty(request_lines);
        empty(response_lines);
    }
}

impl Answer {
    /// Bytes of it that went to the client, by a pump or at once.
    pub(crate) fn written(&self) -> u64 {
        self.body.written() + self.to_client.len() as u64
    }

    /// Empties everything, keeps the usual memory.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        empty(&mut self.to_client);
    }
}

fn empty(bytes: &mut Vec<u8>) {
    bytes.clear();
    if bytes.capacity() > KEPT {
        *bytes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_goes_to_another_exchange_takes_nothing_along() {
        let mut answer = Answer::default();
        answer.head.set_line(200, b"OK", crate::proxy::head::Version::Http11);
        answer.head.push(b"set-cookie", b"a=1");
        answer.to_client.extend_from_slice(b"HTTP/1.1 200 OK");
        answer.clear();
        assert_eq!((answer.head.status(), answer.head.field_count(), answer.to_client.len()), (0, 0, 0));
    }
}
