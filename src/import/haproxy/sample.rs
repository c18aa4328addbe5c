//! Requests made up for routes, and what HAProxy's rules say of each: the expectations of `lbd test`.
//!
//! The rules are evaluated as HAProxy does it, first match first, for one whole request. Nothing here looks at how
//! the routes were made, so a route that does something else shows.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use regex::Regex;

use super::super::kdl::{Block, quoted, word};
use super::bind::Listener;
use super::cond::Cond;
use super::decide::Route;
use super::expr::{Atom, How, Place, TextTest, Value};
use super::paths::{Pattern, has_letters, start_of};
use super::rule::{Final, Outcome, evaluate};
use super::site::{Frontend, Site, of_listener};

/// The most expectations of a file.
const MAX: usize = 2000;
/// Regular expressions that are kept ready.
const MAX_REGEXES: usize = 500;

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sample {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) cookies: Vec<(String, String)>,
    pub(super) queries: Vec<(String, String)>,
    pub(super) client: Option<std::net::IpAddr>,
    pub(super) websocket: bool,
}

/// The text of a `*.test.kdl`.
pub(super) fn expectations(sites: &[Site], frontends: &[Frontend], atoms: &[Atom], source: &str) -> String {
    let mut out = Block::default();
    out.line("/- kdl-version 2");
    out.comment(&format!(
        "What {source} did with requests: its rules, first match first, asked for one request a route."
    ));
    out.line("");
    let mut known = BTreeSet::new();
    let judge = Judge { atoms, regexes: RefCell::default() };
    for site in sites {
        let host = site.hosts.first().map_or("example.test".to_owned(), |host| host.replace("*.", "any."));
        for placed in &site.routes {
            let at = |listener: &&Listener| {
                let on = placed.on.as_ref().is_none_or(|on| on.contains(&listener.name));
                on && !listener.block.as_str().contains("redirect-to-https") && listener.port > 0
            };
            let found =
                frontends.iter().find_map(|f| f.listeners.iter().find(at).map(|listener| (f, listener)));
            let Some((frontend, listener)) = found else { continue };
            for sample in samples(&placed.route, &host, atoms) {
                if known.len() < MAX && known.insert((listener.name.clone(), sample.clone())) {
                    out.append(&expectation(&sample, frontend, listener, &judge));
                }
            }
        }
    }
    out.as_str().to_owned()
}

/// Whether requests are what atoms ask for. Regular expressions are made once, as the same ones are asked of every
/// request.
struct Judge<'a> {
    atoms: &'a [Atom],
    regexes: RefCell<HashMap<usize, Option<Regex>>>,
}

impl Judge<'_> {
    /// What the rules of a frontend say of a request.
    fn asked(&self, sample: &Sample, frontend: &Frontend, listener: &Listener) -> Outcome {
        let truth = |atom: usize| {
            of_listener(&self.atoms[atom], listener).unwrap_or_else(|| self.fulfils(sample, atom))
        };
        evaluate(&frontend.rules, &truth).outcome
    }

    fn fulfils(&self, sample: &Sample, number: usize) -> bool {
        let passes = |test: &TextTest, text: &str| match test.how {
            How::Regex => self.matches(number, text, || test.compiled()),
            _ => test.passes(text),
        };
        match &self.atoms[number] {
            Atom::Path(test) => passes(test, &sample.path),
            Atom::Host(test) => passes(test, &sample.host),
            Atom::Method(methods) => methods.contains(&sample.method),
            Atom::Source(networks) => {
                sample.client.is_some_and(|ip| networks.iter().any(|net| net.contains(&ip)))
            }
            Atom::Field(place, name, value) => {
                let is_it = |sent: &str| match value {
                    Some(Value::Regex(regex)) => self.matches(number, sent, || Regex::new(regex).ok()),
                    Some(value) => value.passes(sent),
                    None => true,
                };
                sample.fields(*place, name).any(is_it)
            }
            Atom::WebSocket => sample.websocket,
            Atom::Tls | Atom::Port(_) | Atom::Sni(_) | Atom::Rate(..) => false,
        }
    }

    /// Whether the regular expression of an atom is found in a text.
    fn matches(&self, number: usize, text: &str, make: impl FnOnce() -> Option<Regex>) -> bool {
        let mut regexes = self.regexes.borrow_mut();
        if regexes.len() >= MAX_REGEXES {
            regexes.clear();
        }
        let regex = regexes.entry(number).or_insert_with(make);
        regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

impl Sample {
    /// The values that it has under a name.
    fn fields<'s>(&'s self, place: Place, name: &'s str) -> impl Iterator<Item = &'s str> {
        let fields = match place {
            Place::Header => &self.headers,
            Place::Cookie => &self.cookies,
            Place::Query => &self.queries,
        };
        let same = move |other: &str| match place {
            Place::Header => other.eq_ignore_ascii_case(name),
            _ => other == name,
        };
        fields.iter().filter(move |(name, _)| same(name)).map(|(_, sent)| sent.as_str())
    }
}

impl Value {
    fn passes(&self, text: &str) -> bool {
        match self {
            Value::Exact(wanted) => text == wanted,
            Value::Prefix(wanted) => text.starts_with(wanted),
            Value::Regex(regex) => regex::Regex::new(regex).is_ok_and(|regex| regex.is_match(text)),
        }
    }

    /// A text that passes, if one is easily found.
    fn example(&self) -> Option<String> {
        match self {
            Value::Exact(text) | Value::Prefix(text) => Some(text.clone()),
            Value::Regex(regex) => {
                let bare = regex.trim_start_matches("(?i)").trim_start_matches('^').trim_end_matches('$');
                let plain = bare.replace('\\', "");
                let first = bare.trim_start_matches("(?:").split(['|', ')']).next().unwrap_or_default();
                let first = first.trim_matches(['^', '$']).replace('\\', "");
                [plain, first, "1".into(), "a".into()]
                    .into_iter()
                    .find(|text| self.passes(text) && is_plain(text))
            }
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Requests that a route may be for: one for each of its patterns, with its first conditions.
pub(super) fn samples(route: &Route, host: &str, atoms: &[Atom]) -> Vec<Sample> {
    let mut base = Sample { method: "GET".into(), host: host.to_owned(), ..Sample::default() };
    for condition in route.matches.first().into_iter().flatten() {
        match condition {
            Cond::Method(methods) => base.method = methods.first().cloned().unwrap_or_default(),
            Cond::Source(networks) => {
                base.client =
                    networks.first().map(|network| network.hosts().next().unwrap_or(network.addr()));
            }
            Cond::WebSocket => base.websocket = true,
            Cond::Field(Place::Header, name, value) if name == "host" => {
                let Some(host) = value.as_ref().and_then(Value::example) else { return Vec::new() };
                base.host = host.trim_start_matches('.').to_owned();
                if base.host.ends_with('.') || !base.host.contains('.') {
                    base.host = format!("{}.example.test", base.host.trim_end_matches('.'));
                }
            }
            Cond::Field(place, name, value) => {
                let text = match value {
                    None => Some("1".to_owned()),
                    Some(value) => value.example(),
                };
                let Some(text) = text else { return Vec::new() };
                let fields = match place {
                    Place::Header => &mut base.headers,
                    Place::Cookie => &mut base.cookies,
                    Place::Query => &mut base.queries,
                };
                fields.push((name.clone(), text));
            }
        }
    }
    let paths = route.patterns.iter().flat_map(|cell| match &cell.pattern {
        Pattern::Root => vec!["/".to_owned()],
        _ => path(&cell.holds.iter().filter_map(|atom| test(&atoms[*atom])).collect::<Vec<_>>()),
    });
    paths.map(|path| Sample { path, ..base.clone() }).collect()
}

fn test(atom: &Atom) -> Option<&TextTest> {
    match atom {
        Atom::Path(test) => Some(test),
        _ => None,
    }
}

/// A path for which all of these hold, if one is easily found.
fn path(tests: &[&TextTest]) -> Vec<String> {
    let (mut front, mut middle, mut back) = (String::from("/"), String::new(), String::new());
    for test in tests {
        match test.how {
            How::Exact => return vec![test.text.clone()],
            How::Begins => front.clone_from(&test.text),
            How::Ends => back.clone_from(&test.text),
            How::Regex => front = start_of(&test.text).filter(|start| !start.is_empty()).unwrap_or(front),
            How::Dir => middle = format!("/{}/", test.text.trim_matches('/')),
            How::Contains | How::Domain => middle.clone_from(&test.text),
        }
    }
    let good = |path: &String| {
        let plain =
            path.starts_with('/') && !path.contains("//") && !path.contains("/../") && !path.ends_with("/.");
        plain
            && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#%;\\\"{}|^<>`".contains(&b))
            && tests.iter().all(|test| test.passes(path))
    };
    let joined = |middle: &str| format!("{front}{middle}{back}").replace("//", "/");
    let more = ["", "x", "1", "/1", "1/", "/x/1"].iter().map(|end| joined(&format!("{middle}{end}")));
    let mut found: Vec<String> = more.filter(good).take(1).collect();
    // The same in another case, where that is the same.
    if let (Some(first), true) = (found.first(), tests.iter().all(|test| test.ignore_case)) {
        let upper = first.to_ascii_uppercase();
        if has_letters(first) && good(&upper) && upper != *first {
            found.push(upper);
        }
    }
    found
}

/// `expect GET "https://a.example/x" pool=app`
fn expectation(sample: &Sample, frontend: &Frontend, listener: &Listener, judge: &Judge<'_>) -> Block {
    let outcome = judge.asked(sample, frontend, listener);
    let (scheme, default) = match listener.tls {
        true => ("https", 443),
        false => ("http", 80),
    };
    let port = if listener.port == default { String::new() } else { format!(":{}", listener.port) };
    let encode = |text: &str| -> String {
        let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let query: Vec<String> =
        sample.queries.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let url = format!("{scheme}://{}{port}{}{query}", sample.host, sample.path);
    let mut head = "expect".to_owned();
    if sample.method != "GET" {
        head.push_str(&format!(" {}", sample.method));
    }
    head.push_str(&format!(" {} on={}", quoted(&url), word(&listener.name)));
    if let Some(client) = sample.client {
        head.push_str(&format!(" client-ip={}", quoted(&client.to_string())));
    }
    head.push_str(&match &outcome.last {
        Final::Pool(pool) => format!(" pool={}", word(pool)),
        Final::Redirect { status, .. } | Final::ToHttps { status } | Final::Respond { status, .. } => {
            format!(" status={status}")
        }
    });
    let mut inner = Block::default();
    sample
        .headers
        .iter()
        .for_each(|(name, value)| inner.line(format!("header {} {}", word(name), quoted(value))));
    sample
        .cookies
        .iter()
        .for_each(|(name, value)| inner.line(format!("cookie {} {}", word(name), quoted(value))));
    if sample.websocket {
        inner.line("websocket");
    }
    let mut out = Block::default();
    out.node(&head, &inner);
    out
}
