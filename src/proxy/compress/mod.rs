//! Bodies compressed on their way to a client: which coding it likes, which types are worth it, and the
//! encoders, of which a worker has a bounded number.
//!
//! Knows nothing of routes and heads; [`super::exchange`] decides, [`super::pump`] feeds.

mod accept;
mod encoder;
mod media;

pub(crate) use accept::choose;
pub(crate) use encoder::{Encoder, Encoders, STEP};
pub(crate) use media::is_compressible;
