//! What certificates and servers say: the findings of `lbd lint` and `lbd lint --online` as lines, and the clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Line, Verdict, counted};
use crate::config::diagnostic::{Diagnostic, Report, Severity};
use crate::config::model::Model;
use crate::config::source::Sources;
use crate::daemon::online::{self, Clock};
use crate::tls::{CertificateFacts, TlsConfigs};

/// Clocks that differ by more seconds than this are set wrong.
const SKEW: u64 = 5;
const DAY: i64 = 24 * 3600;

/// Readable, in time, with their keys; the findings are those of the linter.
pub(super) fn certificates(report: &Report, known: &[CertificateFacts]) -> Vec<Line> {
    let mut lines: Vec<Line> =
        report.findings.iter().map(|found| line("certificates", found, severity(found))).collect();
    if lines.is_empty() {
        let first = known.iter().min_by_key(|facts| facts.not_after);
        lines.push(match first {
            None => Line::ok("certificates", "none is named"),
            Some(first) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let days = (first.not_after - i64::try_from(now).unwrap_or(i64::MAX)) / DAY;
                let all = counted(known.len(), "certificate");
                Line::ok("certificates", format!("{all}; {} ends first, in {days} days", first.name))
            }
        });
    }
    lines
}

/// Names resolve, servers answer, their checks pass.
pub(super) fn servers(model: &Model, tls: &TlsConfigs, sources: &Sources) -> Vec<Line> {
    let mut report = Report::default();
    let looked = online::look(model, tls, sources, &mut report);
    // Ports are looked at more closely by `ports`.
    let found = report.findings.iter().filter(|found| found.code != "LB712");
    let mut lines: Vec<Line> = found.map(|found| line("servers", found, server_verdict(found))).collect();
    if let Err(error) = looked {
        lines.push(Line::fail("servers", error.to_string()));
    }
    if lines.is_empty() {
        let servers: usize = model.pools.values().map(|pool| pool.servers.len()).sum();
        let from_dns = model.pools.values().any(|pool| !pool.discover.is_empty());
        let more = if from_dns { ", and those of DNS" } else { "" };
        let what = match servers > 0 || from_dns {
            true => format!("{}{more}: all answer, checks pass", counted(servers, "server")),
            false => "none is named".to_owned(),
        };
        lines.push(Line::ok("servers", what));
    }
    lines
}

/// A server that does not answer serves nobody.
fn server_verdict(found: &Diagnostic) -> Verdict {
    match found.code {
        "LB901" | "LB902" => Verdict::Fail,
        _ => severity(found),
    }
}

fn severity(found: &Diagnostic) -> Verdict {
    match found.severity {
        Severity::Error => Verdict::Fail,
        Severity::Warning | Severity::Hint => Verdict::Warn,
    }
}

fn line(check: &'static str, found: &Diagnostic, verdict: Verdict) -> Line {
    let what = format!("{} ({})", found.message, found.code);
    let line = Line { check, verdict, what, why: found.label.clone(), mend: found.help.clone() };
    line.mend(format!("lbd lint rule {}", found.code))
}

/// This machine's clock beside those of the servers.
pub(super) fn clock(model: &Model, tls: &TlsConfigs, sources: &Sources) -> Vec<Line> {
    match online::clocks(model, tls, sources) {
        Ok(clocks) => compare(&clocks),
        Err(error) => vec![Line::warn("clock", format!("no server was asked for its time: {error}"))],
    }
}

/// Where most servers agree with each other and not with this machine, it is this machine.
fn compare(clocks: &[Clock]) -> Vec<Line> {
    let off: Vec<&Clock> = clocks.iter().filter(|clock| clock.ahead.unsigned_abs() > SKEW).collect();
    let shown = |seconds: i64| match seconds {
        ..0 => format!("{} s behind", seconds.unsigned_abs()),
        _ => format!("{seconds} s ahead of"),
    };
    let mend = |line: Line| line.mend("timedatectl set-ntp true; timedatectl status says whether it is kept");
    if clocks.is_empty() {
        return vec![Line::ok("clock", "no server tells its time")];
    }
    if off.is_empty() {
        return vec![Line::ok("clock", format!("within {SKEW} s of {}", counted(clocks.len(), "server")))];
    }
    let ours =
        off.len() * 2 > clocks.len() && off.windows(2).all(|two| two[0].ahead.abs_diff(two[1].ahead) <= SKEW);
    if ours && clocks.len() > 1 {
        let what =
            format!("this machine's clock is {} {}", shown(-off[0].ahead), counted(off.len(), "server"));
        return vec![mend(Line::warn("clock", what)).why("certificates, cookies and logs go by it")];
    }
    let one = |clock: &&Clock| {
        let what = format!("the clock of {} is {} this machine's", clock.server, shown(clock.ahead));
        mend(Line::warn("clock", what))
            .why("sessions and cookies that one of them made end early or late at the other")
    };
    off.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_and_the_wrong_one_is_named() {
        let clocks = |ahead: &[i64]| -> Vec<Clock> {
            let clock = |(n, ahead): (usize, &i64)| Clock { server: format!("app/s{n}"), ahead: *ahead };
            ahead.iter().enumerate().map(clock).collect()
        };
        let told = |ahead: &[i64]| -> Vec<(Verdict, String)> {
            compare(&clocks(ahead)).into_iter().map(|line| (line.verdict, line.what)).collect()
        };
        assert_eq!(told(&[]), [(Verdict::Ok, "no server tells its time".to_owned())]);
        assert_eq!(told(&[0, -5, 5]), [(Verdict::Ok, "within 5 s of 3 servers".to_owned())]);
        let one = "the clock of app/s1 is 90 s behind this machine's";
        assert_eq!(told(&[0, -90, 1]), [(Verdict::Warn, one.to_owned())]);
        let ours = "this machine's clock is 60 s behind 2 servers";
        assert_eq!(told(&[60, 61]), [(Verdict::Warn, ours.to_owned())]);
        assert_eq!(told(&[60, -60]).len(), 2, "they do not agree");
    }

    #[test]
    fn findings_of_the_linter_become_lines() {
        let found = |code, severity| Diagnostic::new(code, severity, None, "m").label("l").help("h");
        let report = Report { findings: vec![found("LB603", Severity::Warning)], ..Report::default() };
        let lines = certificates(&report, &[]);
        assert_eq!((lines[0].verdict, lines[0].what.as_str()), (Verdict::Warn, "m (LB603)"));
        assert_eq!((lines[0].why.as_deref(), lines[0].mend.len()), (Some("l"), 2));
        assert_eq!(certificates(&Report::default(), &[])[0].verdict, Verdict::Ok);
        assert_eq!(server_verdict(&found("LB902", Severity::Warning)), Verdict::Fail);
        assert_eq!(server_verdict(&found("LB903", Severity::Warning)), Verdict::Warn);
    }
}
