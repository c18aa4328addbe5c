//! The HTTP/1 codec: pure functions over byte slices, without I/O.
//!
//! Strict where ambiguity could be exploited. What goes on is always written anew from what was parsed, so
//! that one message in is one message out.

pub mod body;
pub mod delivery;
pub mod parse;
mod plain;
mod seen;
pub mod simple;
mod trailers;
pub mod write;

pub use super::head::ParseError;
pub use body::{BodyDecoder, BodyError, Piece, chunk_end, chunk_head, last_chunk};
pub use delivery::Delivery;
pub use parse::{HeadLimits, Status, parse_request, parse_request_by, parse_response, parse_response_by};
pub use seen::SeenLines;
pub use simple::{Simple, reason_phrase, write_simple};
pub use write::{
    ConnectionLine, FramingLine, Names, RequestPlan, ResponsePlan, append_list_value, write_field,
    write_request, write_response,
};
pub(in crate::proxy) use write::{
    append_via, end_request, end_response, write_request_fields, write_response_fields,
};
