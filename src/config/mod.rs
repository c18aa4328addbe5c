//! Text becomes a [`model::Model`], or a [`diagnostic::Report`] that says all that keeps it from becoming one.
//!
//! Pure: files are read through [`source::Loader`] only; no clock, no sockets. The stages, in the order
//! that a text meets them: [`guard`], [`repair`] (with [`lexer`] and [`hints`]), [`tree`], [`mod@include`],
//! [`template`] (with [`expand`]), which [`syntax::read`] runs one after another; then
//! [`schema::check`] and [`resolve::model`]. [`load`] is all of it; [`mod@format`] stands beside it.

mod ast;
pub mod braces;
pub mod diagnostic;
mod encoding;
pub mod expand;
pub mod expanded;
pub mod expectations;
mod files;
pub mod fix;
mod foreign;
pub mod format;
#[cfg(test)]
mod golden;
pub mod guard;
pub mod hints;
pub mod include;
pub mod lexer;
mod lint;
pub mod migrate;
pub mod model;
pub mod node;
pub mod output;
mod pages;
mod patterns;
mod reader;
pub mod render;
pub mod repair;
pub mod resolve;
pub mod rules;
pub mod ruling;
pub mod schema;
pub mod source;
mod statements;
pub mod suggest;
pub mod syntax;
pub mod template;
#[cfg(test)]
pub(crate) mod testing;
pub mod tree;
pub mod values;
mod walk;

use std::path::Path;

use diagnostic::Report;
use node::Node;
use source::{Loader, Sources};

/// The stack of the thread that reads a configuration: nesting is bounded by [`guard`], with a wide margin.
pub const READER_STACK: usize = 16 << 20;

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

/// Reads the file set that begins at `path`: its meaning, and everything found on the way.
pub fn load(path: &Path, loader: &dyn Loader) -> Loaded {
    on_reader_thread(|| load_here(path, loader))
}

/// [`load`] on the caller's thread, which has a stack of [`READER_STACK`].
///
/// The allocator gives each thread a heap of its own (glibc's arenas), and hands on that of a thread that ended. What
/// is freed here is taken by who comes next in line, as long as no other thread stands between.
pub fn load_here(path: &Path, loader: &dyn Loader) -> Loaded {
    let (mut nodes, mut report, mut sources) = syntax::read(path, loader);
    sources.set_memory(loader.memory());
    schema::rename(&mut nodes, &mut report);
    schema::check(&nodes, &mut report);
    // What is missing from an incomplete set means nothing: no reference is judged by it.
    let mut model = sources.complete().then(|| resolve::model(&nodes, &sources, &mut report)).flatten();
    if let Some(model) = &mut model {
        pages::fill(model, &mut sources, loader, &mut report);
        files::check(&sources, loader, &mut report);
        encoding::check(&sources, &mut report);
        report.settle();
    }
    report.sort();
    Loaded { model: model.filter(|_| !report.has_errors()), report, sources }
}

/// Reads the file set that begins at `path` as far as its nodes, on a thread of its own
/// (parsing recurses, and the caller may be on a small stack).
pub fn load_nodes(path: &Path, loader: &dyn Loader) -> (Vec<Node>, Report, Sources) {
    on_reader_thread(|| syntax::read(path, loader))
}

/// Reads the file set that begins at `path`, and asks `meaning` what its nodes say. Where the files could not be
/// read to the end, nobody is asked: the reading's own report stands alone.
pub fn load_with(
    path: &Path,
    loader: &dyn Loader,
    meaning: impl FnOnce(&[Node], &Sources, &mut Report) -> Option<model::Model> + Send,
) -> Loaded {
    on_reader_thread(|| {
        let (nodes, mut report, sources) = syntax::read(path, loader);
        let model = if sources.complete() { meaning(&nodes, &sources, &mut report) } else { None };
        report.sort();
        Loaded { model: model.filter(|_| !report.has_errors()), report, sources }
    })
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
