//! Why a command ended early: an error of the client, a target that means nothing, a value that makes no sense.

use crate::screen::Screen;
use lbctl::client;
use lbctl::protocol::Exit;
use lbctl::target::Unresolved;

/// An error with its exit code and its advice.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Vec<String>,
    rendered: Option<String>,
    exit: Exit,
}

impl Failure {
    /// A failure with a sentence of its own.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: Vec::new(), rendered: None, exit }
    }

    /// With one more piece of advice.
    pub(crate) fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Prints it; gives the exit code back.
    pub(crate) fn report(self, screen: &Screen) -> Exit {
        if let Some(rendered) = &self.rendered {
            screen.complain(rendered);
        }
        if !self.message.is_empty() {
            screen.error(&self.message, &self.help);
        }
        self.exit
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        let rendered = match &error {
            client::Error::Problem(problem) => problem.rendered.clone(),
            _ => None,
        };
        Self { message: error.to_string(), help: error.help(), rendered, exit: error.exit() }
    }
}

impl From<Unresolved> for Failure {
    fn from(unresolved: Unresolved) -> Self {
        let help = match unresolved.candidates.len() {
            0 => Vec::new(),
            1..=12 => vec![unresolved.candidates.join(", ")],
            _ => vec![format!("{}, …", unresolved.candidates[..12].join(", "))],
        };
        let exit = if unresolved.ambiguous { Exit::Usage } else { Exit::NoSuchThing };
        Self { message: unresolved.message, help, rendered: None, exit }
    }
}
