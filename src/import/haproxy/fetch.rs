//! What a criterion asks for: `path_beg -i /api`, `hdr(host) example.com`, `src -f file`.
//!
//! A fetch, perhaps with converters, a way of comparing, and values. What lbd's `match` cannot ask is an error with
//! advice.

use std::path::Path;

use super::expr::{Atom, Atoms, Expr, How, Place, RateOf, TextTest, Value, network};
use crate::config::source::Loader;
use crate::router::{Pattern, PatternKind, ValueMatch};

/// The most values of one criterion.
const MAX_VALUES: usize = 1000;

/// Where `-f` is looked for.
pub(super) struct Files<'a> {
    pub(super) loader: &'a dyn Loader,
    pub(super) folder: &'a Path,
    /// `ca-base` and `crt-base`.
    pub(super) ca_base: String,
    pub(super) crt_base: String,
}

impl Files<'_> {
    /// A file of authorities, below `ca-base` unless it is absolute.
    pub(super) fn authority(&self, path: &str) -> String {
        below(&self.ca_base, path)
    }

    /// A certificate, below `crt-base` unless it is absolute.
    pub(super) fn certificate(&self, path: &str) -> String {
        below(&self.crt_base, path)
    }

    /// The values in a file, one a line.
    fn values(&self, path: &str) -> Result<Vec<String>, String> {
        let bytes = self
            .loader
            .read(&self.folder.join(path))
            .map_err(|error| format!("cannot read `{path}`: {error}"))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let values = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(values.map(str::to_owned).take(MAX_VALUES + 1).collect())
    }
}

fn below(base: &str, path: &str) -> String {
    if base.is_empty() || path.starts_with(['/', '@']) {
        path.to_owned()
    } else {
        format!("{}/{path}", base.trim_end_matches('/'))
    }
}

/// A criterion in its parts.
struct Criterion {
    name: String,
    arg: String,
    how: Option<How>,
    found: bool,
    ignore_case: bool,
    values: Vec<String>,
    differs: Vec<String>,
}

type Read = Result<(Expr, Vec<String>), String>;

/// Reads `hdr_beg(host) -i www. img.`: the condition, and how it differs from HAProxy's.
pub(super) fn criterion(words: &[String], atoms: &mut Atoms, files: &Files<'_>) -> Read {
    let mut criterion = parse(words, files)?;
    let expr = meaning(&mut criterion, atoms)?;
    Ok((expr, criterion.differs))
}

fn parse(words: &[String], files: &Files<'_>) -> Result<Criterion, String> {
    let fetch = words.first().ok_or("the criterion is missing")?;
    let mut chain = split_chain(fetch);
    let first = chain.remove(0);
    let (full, arg) = match first.split_once('(') {
        Some((name, arg)) => (name, arg.trim_end_matches(')')),
        None => (first, ""),
    };
    let full =
        full.strip_prefix("req.").map_or(full, |rest| if rest.starts_with("ssl_") { full } else { rest });
    let (name, how) = suffix(full);
    let mut c = Criterion {
        name: name.to_owned(),
        arg: arg.split(',').next().unwrap_or_default().trim_matches(['"', '\'']).to_owned(),
        how,
        found: false,
        ignore_case: false,
        values: Vec::new(),
        differs: Vec::new(),
    };
    for converter in chain {
        match converter {
            "lower" | "upper" => c.ignore_case = true,
            "url_dec" | "url_dec()" | "host_only" => {}
            _ if converter.starts_with("field(1,") || converter.starts_with("word(1,") => {
                c.differs.push(format!("`{converter}` is taken to cut off the port"));
            }
            _ => {
                return Err(format!(
                    "the converter `{converter}` has no counterpart; compare the plain value"
                ));
            }
        }
    }
    let mut at = 1;
    while let Some(flag) = words.get(at).filter(|word| word.starts_with('-') && word.len() > 1) {
        at += 1;
        match flag.as_str() {
            "-i" => c.ignore_case = true,
            "-n" | "-u" => at += usize::from(flag == "-u"),
            "-f" => {
                c.values.extend(files.values(words.get(at).ok_or("`-f` needs a file")?)?);
                at += 1;
            }
            "-m" => {
                let method = words.get(at).ok_or("`-m` needs a way to compare")?;
                at += 1;
                match method.as_str() {
                    "found" => c.found = true,
                    "bool" | "int" | "ip" => {}
                    other => {
                        c.how = Some(how_of(other).ok_or_else(|| format!("`-m {other}` has no counterpart"))?)
                    }
                }
            }
            "--" => break,
            "-M" => return Err("maps have no counterpart; write one route for each value".into()),
            _ => {
                at -= 1;
                break;
            }
        }
    }
    c.values.extend(words.iter().skip(at).cloned());
    if c.values.len() > MAX_VALUES {
        return Err(format!("more than {MAX_VALUES} values"));
    }
    Ok(c)
}

/// `path,lower` and `hdr(a,b),lower` at the commas outside parentheses.
fn split_chain(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `path_beg` is `path` compared by its beginning.
fn suffix(name: &str) -> (&str, Option<How>) {
    const BASES: &[&str] =
        &["path", "hdr", "fhdr", "cook", "url_param", "urlp", "url", "base", "ssl_fc_sni", "hdr_ip"];
    match name.rsplit_once('_') {
        Some((base, end)) if BASES.contains(&base) => match how_of(end) {
            Some(how) => (base, Some(how)),
            None => (name, None),
        },
        _ => (name, None),
    }
}

fn how_of(word: &str) -> Option<How> {
    Some(match word {
        "str" => How::Exact,
        "beg" => How::Begins,
        "end" => How::Ends,
        "sub" => How::Contains,
        "dir" => How::Dir,
        "dom" => How::Domain,
        "reg" => How::Regex,
        _ => return None,
    })
}

fn meaning(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    match c.name.as_str() {
        "path" => paths(c, atoms),
        "url" => {
            c.differs.push("only the path is compared, not the query".into());
            paths(c, atoms)
        }
        "hdr" | "fhdr" if c.arg.eq_ignore_ascii_case("host") => hosts(c, atoms),
        "ssl_fc_sni" => {
            c.differs.push("the Host of the request is compared instead of the name in the TLS hello".into());
            hosts(c, atoms)
        }
        "hdr" | "fhdr" => header(c, atoms),
        "hdr_cnt" | "fhdr_cnt" => counted(c, atoms),
        "cook" => field(c, Place::Cookie, atoms),
        "url_param" | "urlp" => field(c, Place::Query, atoms),
        "method" => methods(c, atoms),
        "src" => sources(c, atoms),
        "dst_port" => ports(c, atoms),
        "ssl_fc" => Ok(boolean(c, atoms.number(Atom::Tls))),
        "always_true" | "proto_http" => Ok(Expr::Is(!zero(c))),
        "always_false" => Ok(Expr::Is(zero(c))),
        "req.ssl_hello_type" | "req_ssl_hello_type" => Ok(Expr::Is(true)),
        "req.ssl_sni" | "req_ssl_sni" => texts(c, atoms, Atom::Sni),
        _ => rates(c, atoms),
    }
}

fn zero(c: &Criterion) -> bool {
    c.values.first().is_some_and(|value| value == "0" || value == "false")
}

fn boolean(c: &Criterion, atom: usize) -> Expr {
    if zero(c) { Expr::Atom(atom).not() } else { Expr::Atom(atom) }
}

fn tests(c: &Criterion) -> impl Iterator<Item = TextTest> + '_ {
    let how = c.how.unwrap_or(How::Exact);
    c.values.iter().map(move |text| TextTest { how, text: text.clone(), ignore_case: c.ignore_case })
}

fn texts(c: &Criterion, atoms: &mut Atoms, atom: fn(TextTest) -> Atom) -> Result<Expr, String> {
    if c.values.is_empty() {
        return Err("there is no value to compare with".into());
    }
    Ok(Expr::Or(tests(c).map(|test| Expr::Atom(atoms.number(atom(test)))).collect()).known(&|_| None))
}

fn paths(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    if c.found {
        return Ok(Expr::Is(true));
    }
    if c.how == Some(How::Domain) {
        return Err("path_dom has no counterpart; use path_reg".into());
    }
    let mut any = Vec::new();
    for mut test in tests(c).collect::<Vec<_>>() {
        if test.text.contains(super::super::kdl::ENV) {
            return Err("a path from the environment cannot be put in order; write it out".into());
        }
        match test.how {
            // Every path begins with a slash, and no path with anything else.
            How::Begins if "/".starts_with(test.text.as_str()) => any.push(Expr::Is(true)),
            How::Exact | How::Begins if !test.text.starts_with('/') => any.push(Expr::Is(false)),
            How::Ends | How::Contains if test.text.is_empty() => any.push(Expr::Is(true)),
            _ => {
                if matches!(test.how, How::Exact | How::Begins) {
                    test.text = test.text.replace('{', "%7B").replace('}', "%7D");
                }
                check_path(&test)?;
                bounded(&test, atoms)?;
                any.push(Expr::Atom(atoms.number(Atom::Path(test))));
            }
        }
    }
    if any.is_empty() {
        return Err("there is no path to compare with".into());
    }
    Ok(Expr::Or(any).known(&|_| None))
}

/// Patterns are compared with each other: there is a most.
fn bounded(test: &TextTest, atoms: &Atoms) -> Result<(), String> {
    let literal = |test: &TextTest| matches!(test.how, How::Exact | How::Begins);
    let same = |atom: &&Atom| matches!(atom, Atom::Path(other) if literal(other) == literal(test));
    let most = if literal(test) { 400 } else { 48 };
    match atoms.all.iter().filter(same).count() < most {
        true => Ok(()),
        false => Err(format!("more than {most} conditions of this kind on paths; write the routes by hand")),
    }
}

/// Whether lbd takes it as a pattern.
fn check_path(test: &TextTest) -> Result<(), String> {
    let parsed = match test.how {
        How::Exact => Pattern::parse(PatternKind::Exact, &test.text),
        How::Begins => Pattern::parse(PatternKind::StartsWith, &test.text),
        _ => Pattern::parse(PatternKind::Regex, &super::paths::regex_of(test)),
    };
    parsed.map(|_| ()).map_err(|error| format!("`{}` cannot be a pattern: {error}", test.text))
}

fn hosts(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    if c.found {
        return Ok(Expr::Is(true));
    }
    for value in &mut c.values {
        if let Some((host, port)) = value.rsplit_once(':')
            && !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && c.how.is_none_or(|how| how != How::Regex)
        {
            c.differs.push("the port in the host is not compared".into());
            *value = host.to_owned();
        }
    }
    // Hosts have no case.
    if c.how != Some(How::Regex) {
        c.ignore_case = true;
        c.values.iter_mut().for_each(|value| value.make_ascii_lowercase());
    } else {
        c.values.iter().try_for_each(|value| ValueMatch::regex(value).map(|_| ()))?;
    }
    let mut any = Vec::new();
    for test in tests(c).collect::<Vec<_>>() {
        let name = test.text.trim_start_matches('.').to_owned();
        let with = |how, text: String| TextTest { how, text, ignore_case: true };
        let below = with(How::Ends, format!(".{name}"));
        match test.how {
            How::Ends if !test.text.starts_with('.') && name.contains('.') => {
                c.differs.push(format!(
                    "the host {name} and those below it; not what merely ends in these letters"
                ));
                any.extend([with(How::Exact, name), below]);
            }
            How::Domain if name.contains('.') => {
                c.differs.push(format!("the host {name} and those below it; not within a longer name"));
                any.extend([with(How::Exact, name), below]);
            }
            _ => any.push(test),
        }
    }
    if any.is_empty() {
        return Err("there is no host to compare with".into());
    }
    Ok(Expr::Or(any.into_iter().map(|test| Expr::Atom(atoms.number(Atom::Host(test)))).collect())
        .known(&|_| None))
}

fn header(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    let upgrade = |c: &Criterion, name: &str, value: &str| {
        c.arg.eq_ignore_ascii_case(name)
            && c.values.len() == 1
            && c.values.iter().all(|v| v.eq_ignore_ascii_case(value))
    };
    if upgrade(c, "upgrade", "websocket") || upgrade(c, "connection", "upgrade") {
        c.differs.push("it holds for a whole WebSocket handshake".into());
        return Ok(Expr::Atom(atoms.number(Atom::WebSocket)));
    }
    if c.arg.eq_ignore_ascii_case("cookie")
        && c.how == Some(How::Contains)
        && let [value] = c.values.as_slice()
        && let Some((name, start)) = value.split_once('=')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    {
        c.differs.push("the cookie of that name is compared, not the text of the field".into());
        let value = (!start.is_empty()).then(|| Value::Prefix(start.to_owned()));
        return Ok(Expr::Atom(atoms.number(Atom::Field(Place::Cookie, name.to_owned(), value))));
    }
    if c.arg.eq_ignore_ascii_case("x-client-cert-verified")
        || c.arg.eq_ignore_ascii_case("x-client-cert-subject")
    {
        return Err("lbd sets this field itself".into());
    }
    field(c, Place::Header, atoms)
}

/// `hdr_cnt(x) gt 0`, `eq 0`.
fn counted(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    let words: Vec<&str> = c.values.iter().map(String::as_str).collect();
    let present = Atom::Field(Place::Header, c.arg.clone(), None);
    match words.as_slice() {
        ["gt", "0"] | ["ge", "1"] => Ok(Expr::Atom(atoms.number(present))),
        ["eq", "0"] | ["0"] | ["lt", "1"] => Ok(Expr::Atom(atoms.number(present)).not()),
        _ => Err("the number of fields cannot be a condition, only whether there is one".into()),
    }
}

fn field(c: &mut Criterion, place: Place, atoms: &mut Atoms) -> Result<Expr, String> {
    if c.arg.is_empty() {
        return Err("it needs the name of a field".into());
    }
    let name = if place == Place::Header { c.arg.to_ascii_lowercase() } else { c.arg.clone() };
    let values: Vec<Value> = tests(c).map(|test| test.value()).collect();
    let value = match values.as_slice() {
        _ if c.found => None,
        [] => return Err("there is no value to compare with".into()),
        [one] => Some(one.clone()),
        _ => {
            let parts: Vec<String> = tests(c).map(|test| test.regex()).collect();
            let case = if c.ignore_case { "(?i)" } else { "" };
            Some(Value::Regex(format!("{case}(?:{})", parts.join("|"))))
        }
    };
    if let Some(Value::Regex(regex)) = &value {
        ValueMatch::regex(regex).map_err(|why| format!("lbd cannot read this regular expression: {why}"))?;
    }
    if place == Place::Header
        && value.is_some()
        && c.name == "hdr"
        && c.how.is_none_or(|how| how != How::Contains)
    {
        c.differs.push("a field with several values between commas is compared as a whole".into());
    }
    Ok(Expr::Atom(atoms.number(Atom::Field(place, name, value))))
}

fn methods(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    const KNOWN: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let mut methods: Vec<String> = c.values.iter().map(|value| value.to_ascii_uppercase()).collect();
    methods.sort();
    methods.dedup();
    // No CONNECT reaches a route.
    methods.retain(|method| method != "CONNECT");
    if let Some(unknown) = methods.iter().find(|method| !KNOWN.contains(&method.as_str())) {
        return Err(format!("lbd has no condition for the method {unknown}"));
    }
    if methods.is_empty() {
        return Ok(Expr::Is(false));
    }
    Ok(Expr::Atom(atoms.number(Atom::Method(methods))))
}

fn sources(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    let networks: Option<Vec<_>> = c.values.iter().map(|value| network(value)).collect();
    match networks {
        Some(networks) if !networks.is_empty() => Ok(Expr::Atom(atoms.number(Atom::Source(networks)))),
        _ => Err("a source is an address or a network such as 10.0.0.0/8".into()),
    }
}

fn ports(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    let words: Vec<&str> = c.values.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u16>().map_err(|_| "a port is a number".to_owned());
    let ranges = match words.as_slice() {
        ["gt", n] => vec![(number(n)?.saturating_add(1), u16::MAX)],
        ["ge", n] => vec![(number(n)?, u16::MAX)],
        ["lt", n] => vec![(0, number(n)?.saturating_sub(1))],
        ["le", n] => vec![(0, number(n)?)],
        ["eq", rest @ ..] | rest => {
            let range = |text: &&str| match text.split_once(':') {
                Some((low, high)) => Ok((number(low)?, number(high)?)),
                None => number(text).map(|n| (n, n)),
            };
            rest.iter().map(range).collect::<Result<_, String>>()?
        }
    };
    Ok(Expr::Atom(atoms.number(Atom::Port(ranges))))
}

/// `sc_http_req_rate(0) gt 20` and its kin; all that is left is refused.
fn rates(c: &mut Criterion, atoms: &mut Atoms) -> Result<Expr, String> {
    let plain: String = c.name.chars().filter(|c| !c.is_ascii_digit()).collect();
    let of = match plain.as_str() {
        "sc_http_req_rate" | "src_http_req_rate" => RateOf::Requests,
        "sc_conn_cur" | "src_conn_cur" => RateOf::Connections,
        _ => return Err(advice(&c.name)),
    };
    let words: Vec<&str> = c.values.iter().map(String::as_str).collect();
    let limit = match words.as_slice() {
        ["gt", n] => n.parse().ok(),
        ["ge", n] => n.parse::<u64>().ok().and_then(|n| n.checked_sub(1)),
        _ => None,
    };
    let limit = limit.filter(|n| *n > 0).ok_or("a rate is compared with `gt` and a number")?;
    Ok(Expr::Atom(atoms.number(Atom::Rate(of, limit))))
}

fn advice(name: &str) -> String {
    let advice = match name {
        "http_auth" | "http_auth_group" => {
            "lbd asks for no passwords: let the application do it, or put an authenticating proxy in between"
        }
        "nbsrv" | "connslots" | "queue" | "avg_queue" | "be_conn" => {
            "lbd sends to `backup` servers, waits in `queue`, or answers 503 by itself"
        }
        "var" => "lbd has no variables; say the condition itself",
        "ssl_c_verify" | "ssl_c_used" | "ssl_fc_has_crt" => {
            "`client-ca` of a listener of its own, and `on`, do this"
        }
        "query" | "pathq" | "base" | "body" | "url_ip" | "url_port" => {
            "compare path, `query NAME` or host by themselves"
        }
        "hdr_ip" | "hdr_val" => "compare it as text, or let `trust-forwarded` find the client's address",
        "dst" => "give the addresses listeners of their own, and use `on`",
        _ => "take it out, or say it with path, host, method, header, cookie, query or source",
    };
    format!("lbd has no condition for `{name}`; {advice}")
}
