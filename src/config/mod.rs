//! Text becomes a [`model::Model`], or a [`diagnostic::Report`] that says all that keeps it from becoming one.
//!
//! Pure: files are read through [`source::Loader`] only; no clock, no sockets. The stages, in the order
//! that a text meets them: [`guard`], [`repair`] (with [`lexer`] and [`hints`]), [`tree`], [`include`],
//! [`template`] (with [`expand`]), which [`syntax::read`] runs one after another; then what the nodes mean.

pub mod diagnostic;
pub mod expand;
pub mod guard;
pub mod hints;
pub mod include;
pub mod lexer;
pub mod model;
pub mod node;
pub mod render;
pub mod repair;
pub mod source;
pub mod suggest;
pub mod syntax;
pub mod template;
pub mod tree;

use std::path::Path;

use diagnostic::Report;
use node::Node;
use source::{Loader, Sources};

/// The stack of the thread that reads a configuration: nesting is bounded by [`guard`], with a wide margin.
const READER_STACK: usize = 16 << 20;

/// What one file set says.
#[derive(Debug)]
pub struct Loaded {
    /// The meaning; `None` exactly when the report has errors.
    pub model: Option<model::Model>,
    /// Everything found, in reading order.
    pub report: Report,
    /// The files that were read.
    pub sources: Sources,
}

/// Reads the file set that begins at `path` as far as its nodes, on a thread of its own
/// (parsing recurses, and the caller may be on a small stack).
pub fn load_nodes(path: &Path, loader: &dyn Loader) -> (Vec<Node>, Report, Sources) {
    on_reader_thread(|| syntax::read(path, loader))
}

/// Runs `work` on a thread with a stack that is deep enough for every text that [`guard`] lets through.
fn on_reader_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new()
            .name("config-reader".to_owned())
            .stack_size(READER_STACK)
            .spawn_scoped(scope, work)
            .expect("the system gives one more thread");
        match reader.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
