//! The heads of messages: one flat list of fields over one owned arena.
//!
//! HTTP/1 parses into these types and HTTP/2 pushes into them, so that routing, affinity, header edits and
//! failures exist once. A head copies its bytes in, which frees the read buffer, and keeps its memory through
//! `clear`: a worker that pools its heads allocates nothing per request. What the framing fields mean is
//! decided once, by `seal`; nobody reads `Content-Length` or `Transfer-Encoding` again afterwards.

mod authority;
mod cookies;
mod error;
mod fields;
mod find;
mod known;
mod options;
mod request;
mod response;

pub use authority::{Authority, same_authority};
pub use cookies::{Fate, cookie_pairs, keep_cookies};
pub use error::ParseError;
pub use fields::{Field, Fields, Tokens};
pub use known::{Known, KnownSet};
pub use request::{BodyFraming, RequestHead};
pub use response::{ResponseFraming, ResponseHead};

pub(in crate::proxy) use fields::{Fate as FieldFate, Span, Standing};
pub(in crate::proxy) use find::find;
pub(in crate::proxy) use request::is_token_byte;

#[cfg(test)]
mod tests;

/// The version of a message, as its first line states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
    /// HTTP/2, which states it once for a connection.
    Http2,
}
