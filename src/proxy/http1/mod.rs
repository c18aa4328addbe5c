//! The HTTP/1 codec: pure functions over byte slices, without I/O.
//!
//! Strict where ambiguity could be exploited. What goes on is always written anew from what was parsed, so
//! that one message in is one message out.

pub mod body;
pub mod parse;
pub mod write;

pub use body::{BodyDecoder, BodyError, Piece};
pub use parse::{HeadLimits, Status, parse_request, parse_response};
pub use write::{ConnectionLine, FramingLine, Names, RequestPlan, ResponsePlan, Simple};
