//! Where text goes: data to stdout, talk to stderr, colour only where someone looks.

use lbctl::args::{Color, Global};
use lbctl::render::{Paint, Tone};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::process;

/// The two streams and how to write to them.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Data is JSON.
    pub(crate) json: bool,
    quiet: bool,
    verbose: bool,
    out: Paint,
    err: Paint,
    live: bool,
}

impl Screen {
    /// As the arguments and the environment say.
    pub(crate) fn new(global: &Global) -> Self {
        let paint = |terminal: bool| match global.color {
            Color::Always => Paint::Colour,
            Color::Never => Paint::Plain,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                if terminal && !refused { Paint::Colour } else { Paint::Plain }
            }
        };
        Self {
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            out: paint(std::io::stdout().is_terminal()),
            err: paint(std::io::stderr().is_terminal()),
            live: std::io::stderr().is_terminal(),
        }
    }

    /// The colour of data.
    pub(crate) fn paint(&self) -> Paint {
        self.out
    }

    /// Data: JSON, or the text that `human` makes.
    pub(crate) fn data<T: Serialize>(&self, value: &T, human: impl FnOnce(Paint) -> String) {
        if self.json {
            self.line(value);
        } else {
            self.write(&human(self.out));
        }
    }

    /// One line of JSON.
    pub(crate) fn line<T: Serialize + ?Sized>(&self, value: &T) {
        let text = serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        self.write(&(text + "\n"));
    }

    /// Text to stdout. A reader that went away ends the program quietly.
    pub(crate) fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            process::exit(0);
        }
    }

    /// A remark on stderr.
    pub(crate) fn talk(&self, text: &str) {
        if !self.quiet {
            self.complain(&format!("{text}\n"));
        }
    }

    /// A remark for those who asked for more.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose {
            self.talk(text);
        }
    }

    /// A line that replaces the one before; only where someone looks.
    pub(crate) fn progress(&self, text: &str) {
        if self.live && !self.quiet {
            self.complain(&format!("\r\u{1b}[K  {text}"));
        }
    }

    /// Takes the last progress line away.
    pub(crate) fn end_progress(&self) {
        if self.live && !self.quiet {
            self.complain("\r\u{1b}[K");
        }
    }

    /// An error and what to do about it.
    pub(crate) fn error(&self, message: &str, help: &[String]) {
        let mut text = format!("{}: {message}\n", self.err.text(Tone::Bad, "error"));
        if !help.is_empty() {
            text.push_str(&format!("  {}: {}\n", self.err.text(Tone::Strong, "help"), help.join(", or ")));
        }
        self.complain(&text);
    }

    /// Clears the terminal before the next frame of a watch; in a pipe frames follow each other.
    pub(crate) fn frame(&self, text: &str) {
        let clear = if self.out == Paint::Colour { "\u{1b}[H\u{1b}[2J" } else { "" };
        self.write(&format!("{clear}{text}"));
    }

    /// Text to stderr as it is.
    pub(crate) fn complain(&self, text: &str) {
        // Nobody is left to be told when stderr fails.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
