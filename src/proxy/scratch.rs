//! Working memory of one exchange: heads and serialised bytes. Lent by the worker while a request is
//! under way, so an idle connection owns none and a usual request allocates none.

use super::head::{RequestHead, ResponseHead};
use crate::pool::ServerId;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The request as it was read.
    pub(crate) request: RequestHead,
    /// The server's answer as it was read.
    pub(crate) response: ResponseHead,
    /// What is written to the server.
    pub(crate) to_server: Vec<u8>,
    /// What is written to the client.
    pub(crate) to_client: Vec<u8>,
    /// Lines that the route adds to the request.
    pub(crate) request_lines: Vec<u8>,
    /// Lines that the route, and stickiness, add to the answer.
    pub(crate) response_lines: Vec<u8>,
    /// Servers that failed this request.
    pub(crate) tried: Vec<ServerId>,
}

/// A vector that once grew beyond this is not kept.
const KEPT: usize = 8 * 1024;

impl Scratch {
    /// Empties everything, keeps the usual memory.
    pub(crate) fn clear(&mut self) {
        self.request.clear();
        self.response.clear();
        self.tried.clear();
        for bytes in
            [&mut self.to_server, &mut self.to_client, &mut self.request_lines, &mut self.response_lines]
        {
            bytes.clear();
            if bytes.capacity() > KEPT {
                *bytes = Vec::new();
            }
        }
    }
}
