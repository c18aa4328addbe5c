//! What operators want of servers, kept over restarts: `admin.json` in the state directory.
//!
//! The wishes themselves live in [`pool::Admin`](crate::pool::Admin). A [`Wishes`] book gathers them, remembers
//! those whose server the files no longer name (they hold again if it returns within a day), and says when the file
//! is stale. Reading and writing is in [`mod@file`], and never on a thread that serves.

pub mod file;
mod wishes;

pub use wishes::{Restored, Wishes};
