//! `option httpchk`, `http-check`, `tcp-check` and their kin as `health`.

use super::super::kdl::{quoted, raw, word};
use super::super::verdict::Verdicts;
use super::section::Section;
use super::server::Server;
use super::units;
use super::words::Line;

/// What is asked.
#[derive(Debug, Default)]
struct Probe {
    http: bool,
    uri: Option<String>,
    head: bool,
    headers: Vec<(String, String)>,
    status: Option<String>,
    body: Option<String>,
    drain: bool,
    timeout: Option<String>,
}

/// The `health` node of a pool, if its servers are checked. Each line about checks gets its verdict.
pub(super) fn health(section: &Section<'_>, servers: &[Server], verdicts: &mut Verdicts) -> Option<String> {
    let mut probe = Probe::default();
    for line in section.all() {
        probe.read(line, verdicts);
    }
    let checked: Vec<&Server> = servers.iter().filter(|server| server.settings.check).collect();
    let first = checked.first()?;
    for server in servers.iter().filter(|server| !server.settings.check) {
        verdicts.approximated(server.line, "it is checked like the others of its pool");
    }
    let mut head = match (probe.http, &probe.uri) {
        (false, _) => "health tcp".to_owned(),
        (true, uri) => format!("health {}", quoted(uri.as_deref().unwrap_or("/"))),
    };
    let s = &first.settings;
    let interval = s.interval.clone().unwrap_or_else(|| "2s".into());
    head.push_str(&format!(" interval={}", quoted(&interval)));
    for server in &checked {
        let other = &server.settings;
        if (&other.interval, other.rise, other.fall) != (&s.interval, s.rise, s.fall) {
            verdicts.approximated(
                server.line,
                format!("it is checked as often as the first server, every {interval}"),
            );
        }
    }
    if let Some(down) = &s.down_interval {
        head.push_str(&format!(" down-interval={}", quoted(down)));
    }
    // A check ends before the next begins.
    let bound = units::millis(&interval).unwrap_or(2000);
    let timeout = probe.timeout.as_deref().and_then(units::millis).unwrap_or(2000).min(bound);
    if let Some(timeout) = units::duration(&timeout.to_string()).filter(|_| timeout != 2000) {
        head.push_str(&format!(" timeout={}", quoted(&timeout)));
    }
    head.push_str(&format!(" rise={} fall={}", s.rise.unwrap_or(2), s.fall.unwrap_or(3)));
    if let Some(port) = s.port.filter(|_| checked.iter().all(|server| server.settings.port == s.port)) {
        head.push_str(&format!(" port={port}"));
    }
    // HAProxy checks a port of its own without TLS unless told otherwise.
    let plain = s.ssl && s.port.is_some() && s.check_ssl != Some(true);
    match s.check_ssl {
        Some(tls) if tls != s.ssl => head.push_str(if tls { " tls=#true" } else { " tls=#false" }),
        _ if plain => head.push_str(" tls=#false"),
        _ => {}
    }
    if probe.http {
        probe.finish(&mut head);
    }
    Some(head)
}

impl Probe {
    fn read(&mut self, line: &Line, verdicts: &mut Verdicts) {
        let at = usize::from(line.word(0) == "no");
        match (line.word(at), line.word(at + 1)) {
            ("option", "httpchk") if at == 1 => {
                self.http = false;
                verdicts.mapped(line.number, "health tcp");
            }
            ("option", "httpchk") => self.httpchk(line, verdicts),
            ("http-check", _) => self.http_check(line, verdicts),
            ("option", "tcp-check") | ("tcp-check", "connect") => {
                self.http = false;
                verdicts.mapped(line.number, "health tcp");
            }
            ("tcp-check", "comment") => verdicts.mapped(line.number, "a comment"),
            ("tcp-check", _) => {
                verdicts.approximated(
                    line.number,
                    "health tcp: a connection is enough, nothing is said or expected",
                );
            }
            (
                "option",
                "ssl-hello-chk" | "mysql-check" | "redis-check" | "pgsql-check" | "smtpchk" | "ldap-check"
                | "spop-check",
            ) => {
                self.http = false;
                verdicts.approximated(
                    line.number,
                    "health tcp: a connection is enough, the protocol is not spoken",
                );
            }
            ("option", "external-check") | ("external-check", _) => {
                verdicts.refused(
                    line.number,
                    "lbd runs no programs: check an HTTP path of the servers with `health`",
                );
            }
            ("timeout", "check") => {
                self.timeout = units::duration(line.word(2));
                verdicts.mapped(line.number, "health timeout=, at most the interval");
            }
            _ => {}
        }
    }

    /// `option httpchk [METHOD] [URI [VERSION\r\nHEADERS]]`
    fn httpchk(&mut self, line: &Line, verdicts: &mut Verdicts) {
        self.http = true;
        let (method, uri, version) = match line.from(2) {
            [] => ("OPTIONS", None, ""),
            [uri] => ("OPTIONS", Some(uri), ""),
            [method, uri, rest @ ..] => (method.as_str(), Some(uri), rest.first().map_or("", String::as_str)),
        };
        self.method(method, line, verdicts);
        self.set_uri(uri.map_or("/", String::as_str), line, verdicts);
        for header in version.replace("\\r", "\r").replace("\\n", "\n").split(['\r', '\n']).skip(1) {
            if let Some((name, value)) = header.split_once(':') {
                self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        verdicts.mapped(line.number, "health");
    }

    fn method(&mut self, method: &str, line: &Line, verdicts: &mut Verdicts) {
        self.head = method.eq_ignore_ascii_case("HEAD");
        if !self.head && !method.eq_ignore_ascii_case("GET") {
            verdicts.approximated(line.number, format!("health asks with GET, not with {method}"));
        }
    }

    fn set_uri(&mut self, uri: &str, line: &Line, verdicts: &mut Verdicts) {
        if uri.starts_with('/') && !uri.contains([' ', '#', '\\']) {
            self.uri = Some(uri.to_owned());
        } else {
            self.uri = Some("/".to_owned());
            verdicts.approximated(line.number, format!("`{uri}` is no path: / is asked for"));
        }
    }

    fn http_check(&mut self, line: &Line, verdicts: &mut Verdicts) {
        match line.word(1) {
            "send" => self.send(line, verdicts),
            "expect" => self.expect(line, verdicts),
            "disable-on-404" => {
                self.drain = true;
                verdicts.mapped(line.number, "health drain-status=404");
            }
            "connect" | "comment" => {
                verdicts.approximated(line.number, "left out: checks go where traffic goes")
            }
            "send-state" => verdicts.approximated(line.number, "left out: checks carry no state"),
            _ => {
                verdicts.refused(line.number, "lbd's check is one request and what is expected of its answer")
            }
        }
    }

    fn send(&mut self, line: &Line, verdicts: &mut Verdicts) {
        verdicts.mapped(line.number, "health");
        let mut at = 2;
        while at < line.words.len() {
            let value = line.word(at + 1);
            match line.word(at) {
                "meth" => self.method(value, line, verdicts),
                "uri" => self.set_uri(value, line, verdicts),
                "ver" => {}
                "hdr" => {
                    self.headers.push((value.to_owned(), line.word(at + 2).to_owned()));
                    at += 1;
                }
                other => {
                    verdicts.approximated(line.number, format!("`{other}` is left out of the check"));
                    at += usize::from(other.starts_with("hdr"));
                }
            }
            at += 2;
        }
    }

    fn expect(&mut self, line: &Line, verdicts: &mut Verdicts) {
        let mut words: Vec<&str> = line.from(2).iter().map(String::as_str).collect();
        while let [key, _, ..] = words.as_slice()
            && matches!(
                *key,
                "min-recv"
                    | "comment"
                    | "ok-status"
                    | "error-status"
                    | "tout-status"
                    | "on-success"
                    | "on-error"
                    | "status-code"
            )
        {
            words.drain(..2);
        }
        let not = words.first() == Some(&"!");
        let words = &words[usize::from(not)..];
        let value = words.get(1..).unwrap_or_default().join(" ");
        let regex = |text: &str| regex::RegexBuilder::new(text).size_limit(256 << 10).build().ok();
        let mapped = match words.first().copied() {
            Some("status") => {
                let within = |status: u16| {
                    value.split([',', ' ']).any(|part| match part.split_once('-') {
                        Some((low, high)) => {
                            low.parse().is_ok_and(|low: u16| low <= status)
                                && high.parse().is_ok_and(|high: u16| status <= high)
                        }
                        None => part.parse() == Ok(status),
                    })
                };
                self.status = units::statuses(|status| within(status) != not);
                self.status.is_some()
            }
            Some("rstatus") => {
                let regex = regex(&value);
                self.status =
                    regex.and_then(|r| units::statuses(|status| r.is_match(&status.to_string()) != not));
                self.status.is_some()
            }
            Some("string") if !not => {
                self.body = Some(regex::escape(&value));
                true
            }
            Some("rstring") if !not && regex(&value).is_some() => {
                self.body = Some(value.clone());
                true
            }
            _ => false,
        };
        if mapped {
            verdicts.mapped(line.number, "health");
        } else {
            verdicts.refused(
                line.number,
                "lbd expects a status (`health status=`), and a text that is there (`body=`)",
            );
        }
    }

    fn finish(&self, head: &mut String) {
        if self.head {
            head.push_str(" method=HEAD");
        }
        let is_host = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("host");
        if let Some((_, host)) = self.headers.iter().find(is_host) {
            head.push_str(&format!(" host={}", quoted(host)));
        }
        // HAProxy takes every answer below 400.
        let status = match (&self.status, &self.body) {
            (Some(status), _) => status.clone(),
            // A text alone says nothing of the status.
            (None, Some(_)) => "100-599".to_owned(),
            (None, None) => "200-399".to_owned(),
        };
        head.push_str(&format!(" status={}", quoted(&status)));
        if let Some(body) = &self.body {
            head.push_str(&format!(" body=(regex){}", raw(body)));
        }
        if self.drain {
            head.push_str(" drain-status=404");
        }
        let others: Vec<_> = self.headers.iter().filter(|header| !is_host(header)).collect();
        if !others.is_empty() {
            head.push_str(" {\n");
            others.iter().for_each(|(name, value)| {
                head.push_str(&format!("header {} {}\n", word(name), quoted(value)))
            });
            head.push('}');
        }
    }
}
