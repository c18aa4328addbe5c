//! `lbd explain`: where a request would go, told from the files.

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::source::FsLoader;
use crate::config::{self, render};
use crate::explain::{Outcome, Question, STRANGER, Unanswerable, World};

/// Options of `lbd explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// What would be asked: a method (GET when it is left out), and http://, https://, ws:// or wss://, or a path for
    /// any host of the default site
    #[arg(num_args = 1..=2, required = true, value_names = ["METHOD", "URL"])]
    request: Vec<String>,
    /// The configuration; a directory stands for its lbd.kdl
    #[arg(long, value_name = "PATH", default_value = "/etc/lbd/lbd.kdl")]
    config: PathBuf,
    /// The method, where the request does not begin with it
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// A field of the request, also 'Cookie: NAME=VALUE'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", value_parser = field)]
    headers: Vec<(String, String)>,
    /// Who connects
    #[arg(long, visible_alias = "from", value_name = "IP", default_value_t = STRANGER)]
    client_ip: IpAddr,
    /// The listener that it comes to [default: that of the URL's scheme and port]
    #[arg(long, visible_alias = "on", value_name = "NAME")]
    listener: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `Name: value`
fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a field is written 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl Explain {
    /// 0: something takes it; 1: it is refused; 2: nobody can tell.
    pub(super) fn execute(self) -> ExitCode {
        let Some((method, url)) = self.asked() else {
            eprintln!("error: the request is not clear\n  help: say [METHOD] URL, and the method once");
            return ExitCode::from(2);
        };
        let Some(world) = world(&self.config) else { return ExitCode::from(2) };
        let json = self.json;
        let question = Question {
            method,
            url,
            headers: self.headers,
            client_ip: self.client_ip,
            listener: self.listener,
            websocket: false,
        };
        let answer = match world.ask(&question) {
            Ok(answer) => answer,
            Err(refused) => {
                eprintln!("error: {refused}");
                return ExitCode::from(2);
            }
        };
        let text = match json {
            true => serde_json::to_string_pretty(&answer).unwrap_or_default() + "\n",
            false => answer.human(),
        };
        if std::io::stdout().write_all(text.as_bytes()).is_err() {
            return ExitCode::from(2);
        }
        ExitCode::from(u8::from(matches!(answer.outcome, Outcome::Refuse { .. })))
    }

    /// Method and URL, where each is said once.
    fn asked(&self) -> Option<(String, String)> {
        match (self.request.as_slice(), &self.method) {
            ([url], method) => Some((method.clone().unwrap_or_else(|| "GET".to_owned()), url.clone())),
            ([method, url], None) => Some((method.to_ascii_uppercase(), url.clone())),
            _ => None,
        }
    }
}

impl std::fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\nhelp: {help}"))
    }
}

/// What the file set that begins at `path` would do; its findings on stderr when it does not load.
pub(super) fn world(path: &Path) -> Option<World> {
    let path = if path.is_dir() { path.join("lbd.kdl") } else { path.to_owned() };
    let loaded = config::load(&path, &FsLoader);
    let Some(model) = loaded.model else {
        let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        eprint!("{}", render::human(&loaded.report, &loaded.sources, color));
        eprintln!("error: {} does not load, so nothing can be said of it", path.display());
        return None;
    };
    match World::of(model) {
        Ok(world) => Some(world),
        Err(error) => {
            eprintln!("error: {}: {error}", path.display());
            None
        }
    }
}
