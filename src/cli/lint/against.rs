//! What only the running daemon tells about a configuration: `lbd lint --against` asks it what the files would do to
//! what goes on (a plan, as `lbctl config plan` makes it), and changes nothing.
//!
//! LB507: a pool that runs has more open streams than a drain closes in time; what the files say of that does not count
//! then. LB904: a server with open streams would be removed. LB905: a server would get another name. LB906: what takes
//! effect only with a new process. LB907: recent requests that no route would match.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lbctl::client::Client;
use lbctl::protocol::{self, Finding, Offer, PlanAsk, Planned, PoolSummary};

use super::outside::STDIN;
use crate::config::diagnostic::{Diagnostic, Report, Severity};
use crate::config::rules;
use crate::config::source::Loader;

/// Patience with the daemon's answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Includes may include: so often the daemon may ask for more.
const ROUNDS: usize = 16;

/// Asks the daemon behind `socket` about the files as `loader` reads them; the findings go to `report`.
pub(super) fn look(
    main: &Path,
    loader: &dyn Loader,
    socket: &Path,
    report: &mut Report,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot ask the daemon: {error}"))?;
    let client = Client::new(socket).timeout(Some(PATIENCE));
    let planned = runtime.block_on(plan(main, loader, &client))?;
    if report.findings.iter().any(|finding| finding.code == "LB507") {
        let running: Vec<PoolSummary> =
            runtime.block_on(client.get("/v1/pools")).map_err(|error| error.to_string())?;
        let runs = |found: &Diagnostic| {
            running.iter().any(|pool| found.subject.as_deref() == Some(&format!("pool/{}", pool.name)))
        };
        report.findings.retain(|found| found.code != "LB507" || !runs(found));
    }
    let found = planned.traffic.map(|traffic| traffic.findings).unwrap_or_default();
    report.findings.extend(found.iter().filter_map(finding));
    report.settle();
    Ok(())
}

/// The plan of what is on this side, with whatever the daemon asks for.
async fn plan(main: &Path, loader: &dyn Loader, client: &Client) -> Result<Planned, String> {
    let mut offer = Offer { main: text(main, loader)?.unwrap_or_default(), ..Offer::default() };
    for _ in 0..ROUNDS {
        let ask = PlanAsk { offer: Some(offer.clone()) };
        let answer = client.send(http::Method::POST, "/v1/config/plan", &ask).await;
        let answer: Planned = answer.map_err(|error| {
            let help: String = error.help().iter().map(|line| format!("\n  help: {line}")).collect();
            format!("{error}{help}")
        })?;
        if answer.wanted.is_empty() {
            return Ok(answer);
        }
        for wanted in answer.wanted {
            add(&mut offer, main, loader, wanted)?;
        }
    }
    Err("the daemon asks for more and more files".to_owned())
}

/// A file or a pattern that the daemon met. Standard input stands alone: what it includes is the daemon's.
fn add(offer: &mut Offer, main: &Path, loader: &dyn Loader, wanted: String) -> Result<(), String> {
    if main == Path::new(STDIN) {
        offer.files.insert(wanted.clone(), None);
        offer.globs.insert(wanted, Vec::new());
        return Ok(());
    }
    let directory = main.parent().unwrap_or(Path::new(""));
    let path = directory.join(&wanted);
    if wanted.contains(['*', '?', '[']) {
        let found = loader.glob(&path).map_err(|error| format!("cannot look for {wanted}: {error}"))?;
        let relative = |path: PathBuf| path.strip_prefix(directory).unwrap_or(&path).display().to_string();
        offer.globs.insert(wanted, found.into_iter().map(relative).collect());
    } else {
        let text = text(&path, loader)?;
        offer.files.insert(wanted, text);
    }
    Ok(())
}

/// A file's text; none when there is no such file.
fn text(path: &Path, loader: &dyn Loader) -> Result<Option<String>, String> {
    match loader.read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// The daemon's finding as one of ours; none of a rule that only a newer lbd knows.
fn finding(found: &Finding) -> Option<Diagnostic> {
    let rule = rules::find(&found.code)?;
    let severity = match found.severity {
        protocol::Severity::Error => Severity::Error,
        protocol::Severity::Warning => Severity::Warning,
        protocol::Severity::Hint => Severity::Hint,
    };
    let start = Diagnostic::new(rule.code, severity, None, found.message.clone());
    Some(found.help.iter().fold(start, |finding, line| finding.help(line.clone())))
}
