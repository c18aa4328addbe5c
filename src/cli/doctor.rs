//! `lbd doctor`: what would go wrong on this machine, a line each, with how to mend it.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::daemon::doctor::{self, Line, Verdict};

/// Options of `lbd doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The configuration; a directory stands for its lbd.kdl
    #[arg(value_name = "CONFIG", default_value = "/etc/lbd/lbd.kdl")]
    config: PathBuf,
    /// The state directory that lbd run is given [default: /var/lib/lbd if it is there]
    #[arg(long, value_name = "DIR", env = "LBD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Look at this machine only: ask no name server and no server
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// 0: all is well; 1: there are warnings; 2: something fails.
    pub(super) fn execute(self) -> ExitCode {
        let config = if self.config.is_dir() { self.config.join("lbd.kdl") } else { self.config };
        let usual = || Some(PathBuf::from("/var/lib/lbd")).filter(|dir| dir.is_dir());
        let state_dir = self.state_dir.or_else(usual);
        let lines = doctor::examine(&doctor::Options { config, state_dir, online: !self.offline });
        let worst = lines.iter().map(|line| line.verdict).max().unwrap_or(Verdict::Ok);
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let text = match self.json {
            true => format!("{:#}\n", json!({ "verdict": worst, "lines": lines })),
            false => human(&lines, color),
        };
        if std::io::stdout().write_all(text.as_bytes()).is_err() {
            return ExitCode::from(2);
        }
        ExitCode::from(worst as u8)
    }
}

fn human(lines: &[Line], color: bool) -> String {
    let width = doctor::CHECKS.iter().map(|check| check.len()).max().unwrap_or_default();
    let mut out = String::new();
    for line in lines {
        let verdict = paint(line.verdict, color);
        out.push_str(&format!("{verdict}  {:width$}  {}\n", line.check, line.what));
        let more = |head: &str, text: &str| format!("{:indent$}{head}{text}\n", "", indent = width + 8);
        out.extend(line.why.iter().map(|why| more("", why)));
        out.extend(line.mend.iter().map(|mend| more("mend: ", mend)));
    }
    let of = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let (warn, fail) = (of(Verdict::Warn), of(Verdict::Fail));
    out.push_str(&format!("{} ok, {warn} warn, {fail} fail\n", of(Verdict::Ok)));
    out
}

/// The word, four columns wide.
fn paint(verdict: Verdict, color: bool) -> String {
    let word = format!("{:4}", verdict.as_str());
    let code = match verdict {
        Verdict::Ok => 32,
        Verdict::Warn => 33,
        Verdict::Fail => 31,
    };
    if color { format!("\x1b[{code}m{word}\x1b[0m") } else { word }
}
