//! Where lines of the access log go: a stream, a file, a syslog. Used by the writer thread alone, which may wait.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use tracing::{error, info};

use super::syslog::Syslog;
use crate::config::model::AccessTarget;

/// Between two tries to open what could not be opened.
const AGAIN: Duration = Duration::from_secs(1);

/// The target, as far as it can be opened.
#[derive(Default)]
pub(super) struct Output {
    wanted: Option<AccessTarget>,
    sink: Option<Sink>,
    tried: Option<Instant>,
    /// It was said that lines are lost, and not yet that they are written again.
    complained: bool,
}

enum Sink {
    Stream(Box<dyn io::Write>),
    Syslog(Syslog),
}

impl Output {
    /// Opens this from now on, also when it is the same: a log rotation moved the file.
    pub(super) fn set(&mut self, wanted: Option<AccessTarget>) {
        (self.wanted, self.sink, self.tried) = (wanted, None, None);
        self.open();
    }

    /// Writes whole lines; says how many of them were lost.
    pub(super) fn write(&mut self, text: &[u8], lines: u64) -> u64 {
        if self.sink.is_none() {
            self.open();
        }
        let written = match &mut self.sink {
            None => return lines,
            Some(Sink::Stream(stream)) => stream.write_all(text).and_then(|()| stream.flush()).map(|()| 0),
            Some(Sink::Syslog(syslog)) => syslog.write(text),
        };
        match written {
            Ok(lost) => {
                if std::mem::take(&mut self.complained) {
                    info!("the access log is written again");
                }
                lost
            }
            Err(error) => {
                // A file stays open: a disk that was full may have room again. A syslog may have been restarted.
                if matches!(self.sink, Some(Sink::Syslog(_))) {
                    self.sink = None;
                }
                self.complain(&error, "cannot write the access log: lines are lost");
                lines
            }
        }
    }

    fn open(&mut self) {
        let Some(wanted) = &self.wanted else { return };
        if self.tried.is_some_and(|tried| tried.elapsed() < AGAIN) {
            return;
        }
        self.tried = Some(Instant::now());
        match open(wanted) {
            Ok(sink) => self.sink = Some(sink),
            Err(error) => self.complain(&error, "cannot open the access log: lines are lost"),
        }
    }

    fn complain(&mut self, error: &io::Error, what: &str) {
        if !std::mem::replace(&mut self.complained, true) {
            let target = self.wanted.as_ref().map(ToString::to_string);
            error!(target, %error, "{what}");
        }
    }
}

fn open(wanted: &AccessTarget) -> io::Result<Sink> {
    Ok(match wanted {
        AccessTarget::Stdout => Sink::Stream(Box::new(io::stdout())),
        AccessTarget::Stderr => Sink::Stream(Box::new(io::stderr())),
        AccessTarget::File(path) => {
            Sink::Stream(Box::new(std::fs::OpenOptions::new().append(true).create(true).open(path)?))
        }
        AccessTarget::SyslogSocket(path) => Sink::Syslog(Syslog::at(path)?),
        AccessTarget::SyslogUdp(address) => Sink::Syslog(Syslog::over_udp(address)?),
    })
}
