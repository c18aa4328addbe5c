//! A value of a node as the type that the schema asks for: the one conversion that the check and the
//! readers share, so that neither accepts what the other refuses.

use std::time::Duration;

use ipnet::IpNet;

use super::super::diagnostic::Diagnostic;
use super::super::model::{Key, ListenAddress, StatusSet, TextMatch};
use super::super::node::{Scalar, Value};
use super::super::schema::Type;
use super::{ConnectAddress, Invalid, Rate};

/// A value as its type. `None` inside means `off`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Typed {
    /// Any.
    Any,
    /// Bool.
    Bool(bool),
    /// Int.
    Int(Option<i64>),
    /// Duration.
    Duration(Option<Duration>),
    /// Size.
    Size(Option<u64>),
    /// Percent.
    Percent(Option<f64>),
    /// Status.
    Status(StatusSet),
    /// Cidr.
    Cidr(IpNet),
    /// Address.
    Address(ListenAddress),
    /// Upstream.
    Upstream(ConnectAddress),
    /// Rate.
    Rate(Rate),
    /// Key.
    Key(Key),
    /// Mode.
    Mode(u32),
    /// Match.
    Match(TextMatch),
    /// Choice: the word as the schema has it.
    Word(&'static str),
    /// Every kind of string, normalised where its type says so; `None` is a file that is `off`.
    Text(Option<String>),
}

/// The finding about a value that is refused; boxed, because most values are not.
pub(crate) type Refused = Box<Diagnostic>;

/// Converts `value` to `ty`, or says what is wrong with it. `on` names the node and, for a property, its key.
pub(crate) fn convert(value: &Value, ty: Type, on: &str) -> Result<Typed, Refused> {
    if let Some(annotation) = &value.ty {
        let allowed = annotations(ty);
        if !allowed.contains(&annotation.value.as_str()) {
            return Err(annotation_error(value, &annotation.value, allowed, on).into());
        }
    }
    match ty {
        Type::Any => Ok(Typed::Any),
        Type::Bool => boolean(value, on),
        Type::Int { min, max, off } => integer(value, ty, (min, max, off), on),
        Type::Choice { now, later } => choice(value, now, later, on),
        Type::Status => {
            let number = matches!(value.scalar, Scalar::Integer(_)).then(|| plain(&value.scalar));
            let text = number.map_or_else(|| text_of(value, ty, on).map(str::to_owned), Ok)?;
            mend(super::statuses(&text), value, ty, on).map(Typed::Status)
        }
        _ => text_of(value, ty, on).and_then(|text| textual(text, value, ty, on)),
    }
}

/// The type in words: "expected a duration".
pub(crate) fn describe(ty: Type) -> &'static str {
    match ty {
        Type::Any => "a value",
        Type::Text | Type::Match => "a string",
        Type::Bool => "#true or #false",
        Type::Int { off: false, .. } => "a whole number",
        Type::Int { off: true, .. } => "a whole number or off",
        Type::Duration { off: false, .. } => "a duration with a unit",
        Type::Duration { off: true, .. } => "a duration with a unit, or off",
        Type::Size { off: false } => "a size with a unit",
        Type::Size { off: true } => "a size with a unit, or off",
        Type::Rate => "a rate",
        Type::Percent { off: false } => "a percentage",
        Type::Percent { off: true } => "a percentage or off",
        Type::Status => "a status or a range of statuses",
        Type::Cidr => "a network",
        Type::Address => "an address to listen on",
        Type::Upstream => "the address of a server",
        Type::Host | Type::HostName => "a host name",
        Type::Name => "a name",
        Type::ServerName => "a server's name or address",
        Type::Token => "a name without blanks",
        Type::HeaderName => "the name of a header",
        Type::HeaderValue => "the value of a header",
        Type::Account => "the name of a user or group",
        Type::File { off: false } => "a file",
        Type::File { off: true } => "a file or off",
        Type::Glob => "a file or a wildcard",
        Type::Path => "a path",
        Type::Pattern => "a path pattern",
        Type::Key => "a key",
        Type::Probe => "a path, tcp, grpc or websocket",
        Type::Mode => "a file mode",
        Type::Rule => "the code of a rule",
        Type::Pool => "the name of a pool",
        Type::Listener => "the name of a listener",
        Type::Choice { .. } => "one of some words",
    }
}

/// Annotations that mean something on a value of this type.
fn annotations(ty: Type) -> &'static [&'static str] {
    match ty {
        Type::Pattern => &["prefix", "exact", "regex", "starts-with"],
        Type::Match => &["exact", "prefix", "regex"],
        _ => &[],
    }
}

fn annotation_error(value: &Value, given: &str, allowed: &[&str], on: &str) -> Diagnostic {
    let span = value.ty.as_ref().map_or(value.span, |ty| ty.span);
    let error = Diagnostic::error("LB102", span, format!("unknown annotation `({given})` on {on}"));
    match allowed {
        [] => error.label("means nothing here").help("remove it"),
        _ => {
            let list: Vec<_> = allowed.iter().map(|a| format!("({a})")).collect();
            error.label("unknown annotation").help(format!("there are {}", list.join(", ")))
        }
    }
}

fn boolean(value: &Value, on: &str) -> Result<Typed, Refused> {
    match &value.scalar {
        Scalar::Bool(b) => Ok(Typed::Bool(*b)),
        Scalar::String { text, expanded: true, .. } if text == "true" || text == "#true" => {
            Ok(Typed::Bool(true))
        }
        Scalar::String { text, expanded: true, .. } if text == "false" || text == "#false" => {
            Ok(Typed::Bool(false))
        }
        Scalar::String { text, .. } if ["yes", "on", "true"].contains(&text.as_str()) => {
            Err(word_for_bool(value, "#true", on).into())
        }
        Scalar::String { text, .. } if ["no", "off", "false"].contains(&text.as_str()) => {
            Err(word_for_bool(value, "#false", on).into())
        }
        _ => Err(expected(value, Type::Bool, on).help("write `#true` or `#false`").into()),
    }
}

fn word_for_bool(value: &Value, keyword: &str, on: &str) -> Diagnostic {
    let message = format!("expected #true or #false for {on}, found {}", show(value));
    Diagnostic::error("KDL015", value.span, message)
        .label("a word, not a boolean")
        .help(format!("write `{keyword}`"))
        .fix(value.span, keyword)
}

fn integer(value: &Value, ty: Type, (min, max, off): (i64, i64, bool), on: &str) -> Result<Typed, Refused> {
    let number = match &value.scalar {
        Scalar::Integer(n) => *n,
        Scalar::String { text, .. } if off && text == "off" => return Ok(Typed::Int(None)),
        Scalar::String { text, expanded: true, .. } => text
            .trim()
            .parse()
            .map_err(|_| expected(value, ty, on).help("the text that `${}` gave is no whole number"))?,
        Scalar::String { text, .. } if !value.secret && text.parse::<i128>().is_ok() => {
            let message = format!("expected {} for {on}, found a string", describe(ty));
            let error = Diagnostic::error("LB102", value.span, message).label("a string");
            let help = format!("write {text} without quotes");
            return Err(error.help(help).fix(value.span, text.clone()).into());
        }
        _ => return Err(expected(value, ty, on).into()),
    };
    match i64::try_from(number).ok().filter(|n| (min..=max).contains(n)) {
        Some(n) => Ok(Typed::Int(Some(n))),
        None => {
            let message = format!("{} is out of range for {on}", show(value));
            Err(Diagnostic::error("LB102", value.span, message).label(format!("from {min} to {max}")).into())
        }
    }
}

fn choice(value: &Value, now: &'static [&'static str], later: &[&str], on: &str) -> Result<Typed, Refused> {
    let text = plain(&value.scalar);
    if let Some(word) = now.iter().find(|word| **word == text) {
        return Ok(Typed::Word(word));
    }
    if later.contains(&text.as_str()) {
        let message = format!("{} for {on} is not in this version of lbd", show(value));
        return Err(Diagnostic::error("LB100", value.span, message)
            .label("not in this version")
            .help(format!("this version has {}", list(now)))
            .into());
    }
    let message = format!("{} is nothing that {on} knows", show(value));
    let error = Diagnostic::error("LB102", value.span, message).label("unknown word");
    let folded = now.iter().copied().find(|word| word.eq_ignore_ascii_case(&text));
    let error = match folded.or_else(|| super::super::suggest::closest(&text, now.iter().copied())) {
        Some(near) => error.help(format!("did you mean `{near}`?")).fix(value.span, near),
        None => error.help(format!("one of {}", list(now))),
    };
    Err(error.into())
}

fn textual(text: &str, value: &Value, ty: Type, on: &str) -> Result<Typed, Refused> {
    let is_off = text == "off";
    match ty {
        Type::Duration { off: true, .. } if is_off => Ok(Typed::Duration(None)),
        Type::Size { off: true } if is_off => Ok(Typed::Size(None)),
        Type::Percent { off: true } if is_off => Ok(Typed::Percent(None)),
        Type::File { off: true } if is_off => Ok(Typed::Text(None)),
        Type::Duration { zero, .. } => {
            let duration = mend(super::duration(text), value, ty, on)?;
            if duration.is_zero() && !zero {
                return Err(invalid(&Invalid::new("zero makes no sense here"), value, ty, on).into());
            }
            Ok(Typed::Duration(Some(duration)))
        }
        Type::Size { .. } => mend(super::size(text), value, ty, on).map(|s| Typed::Size(Some(s))),
        Type::Percent { .. } => mend(super::percent(text), value, ty, on).map(|p| Typed::Percent(Some(p))),
        Type::Cidr => mend(super::network(text), value, ty, on).map(Typed::Cidr),
        Type::Address => mend(super::listen_address(text), value, ty, on).map(Typed::Address),
        Type::Upstream => mend(super::upstream_address(text), value, ty, on).map(Typed::Upstream),
        Type::Rate => mend(super::rate(text), value, ty, on).map(Typed::Rate),
        Type::Key => mend(key(text), value, ty, on).map(Typed::Key),
        Type::Mode => mend(super::file_mode(text), value, ty, on).map(Typed::Mode),
        Type::Match => mend(text_match(text, value), value, ty, on).map(Typed::Match),
        _ => mend(string(text, ty), value, ty, on).map(|t| Typed::Text(Some(t))),
    }
}

/// Types that stay strings.
fn string(text: &str, ty: Type) -> Result<String, Invalid> {
    match ty {
        Type::Host => super::host(text),
        Type::HostName => super::host_or_name(text),
        Type::Name | Type::Pool | Type::Listener => name(text, ty),
        Type::ServerName | Type::File { .. } | Type::Glob | Type::Account if text.is_empty() => {
            Err(Invalid::new("it is empty"))
        }
        Type::Token => super::cookie_token(text),
        Type::HeaderName => super::header_name(text),
        Type::HeaderValue => super::header_value(text),
        Type::Probe if ["tcp", "grpc", "websocket"].contains(&text) => Ok(text.to_owned()),
        Type::Path | Type::Probe => path(text),
        Type::Rule => rule(text),
        _ => Ok(text.to_owned()),
    }
}

fn name(text: &str, ty: Type) -> Result<String, Invalid> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    // A listener without a name is known by its address.
    if starts && text.bytes().all(good) || ty == Type::Listener && super::listen_address(text).is_ok() {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let invalid = Invalid::new("names are a-z, 0-9 and . _ - and begin with a letter or digit");
    Err(match lower != text && name(&lower, ty).is_ok() {
        true => invalid.write(lower),
        false => invalid,
    })
}

fn path(text: &str) -> Result<String, Invalid> {
    match text {
        _ if !text.starts_with('/') => Err(Invalid::new("a path begins with /").write(format!("/{text}"))),
        _ if text.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'#') => {
            Err(Invalid::new("blanks, control characters and # cannot stand in a path"))
        }
        _ => Ok(text.to_owned()),
    }
}

fn rule(text: &str) -> Result<String, Invalid> {
    let digits = text.strip_prefix("LB").or_else(|| text.strip_prefix("KDL"));
    match digits.is_some_and(|d| d.len() == 3 && d.bytes().all(|b| b.is_ascii_digit())) {
        true => Ok(text.to_owned()),
        false => Err(Invalid::new("rules are named like LB204")),
    }
}

fn key(text: &str) -> Result<Key, Invalid> {
    match text.split_once(':') {
        None if text == "source-ip" => Ok(Key::SourceIp),
        None if text == "path" => Ok(Key::Path),
        None if text == "host" => Ok(Key::Host),
        Some(("header", name)) => super::header_name(name).map(|n| Key::Header(n.into())),
        Some(("cookie", name)) => super::cookie_token(name).map(|n| Key::Cookie(n.into())),
        Some(("query", name)) if !name.is_empty() => Ok(Key::Query(name.into())),
        _ => Err(Invalid::new("keys are source-ip, header:NAME, cookie:NAME, query:NAME, path, host")
            .write("header:x-api-key")),
    }
}

fn text_match(text: &str, value: &Value) -> Result<TextMatch, Invalid> {
    match value.ty.as_ref().map(|ty| ty.value.as_str()) {
        Some("prefix") => Ok(TextMatch::Prefix(text.to_owned())),
        Some("regex") => Ok(TextMatch::Regex(text.to_owned())),
        _ => Ok(TextMatch::Exact(text.to_owned())),
    }
}

/// A number of bytes with a unit; small ones are hardly meant as bytes.
fn sizes(number: &str) -> String {
    match number.parse::<u64>() {
        Ok(bytes) if bytes >= 1024 => format!("write \"{}\"", super::show_size(bytes)),
        _ => format!("write \"{number}KiB\" or \"{number}MiB\""),
    }
}

fn text_of<'v>(value: &'v Value, ty: Type, on: &str) -> Result<&'v str, Refused> {
    match &value.scalar {
        Scalar::String { text, .. } => Ok(text),
        scalar => {
            let error = expected(value, ty, on);
            let number = plain(scalar);
            let unit = matches!(scalar, Scalar::Integer(n) if *n >= 0);
            let error = match ty {
                Type::Duration { .. } if unit => error.help(format!("write \"{number}s\" or \"{number}ms\"")),
                Type::Size { .. } if unit => error.help(sizes(&number)),
                Type::Percent { .. } if unit => error.help(format!("write \"{number}%\"")),
                Type::Rate if unit => error.help(format!("write \"{number}/s\"")),
                Type::Address if unit => {
                    error.help(format!("write \":{number}\"")).fix(value.span, format!("\":{number}\""))
                }
                Type::Mode if unit => error.help(format!("write \"{number:0>4}\"")),
                _ if unit => {
                    error.help(format!("write \"{number}\"")).fix(value.span, format!("\"{number}\""))
                }
                _ => error,
            };
            Err(error.into())
        }
    }
}

fn expected(value: &Value, ty: Type, on: &str) -> Diagnostic {
    let message = format!("expected {} for {on}, found {}", describe(ty), show(value));
    Diagnostic::error("LB102", value.span, message).label(format!("not {}", describe(ty)))
}

fn mend<T>(result: Result<T, Invalid>, value: &Value, ty: Type, on: &str) -> Result<T, Refused> {
    result.map_err(|error| invalid(&error, value, ty, on).into())
}

fn invalid(error: &Invalid, value: &Value, ty: Type, on: &str) -> Diagnostic {
    let code = if ty == Type::HeaderValue { "LB709" } else { "LB102" };
    let message = format!("expected {} for {on}, found {}", describe(ty), show(value));
    let diagnostic = Diagnostic::error(code, value.span, message);
    if value.secret {
        // The reason may quote the text.
        return diagnostic.label("what `${file:}` gave does not fit");
    }
    let diagnostic = diagnostic.label(error.why.clone());
    match &error.write {
        Some(write) => diagnostic.help(format!("write \"{write}\"")),
        None => diagnostic,
    }
}

/// The value for a message; what came from a secret file is not shown.
fn show(value: &Value) -> String {
    match &value.scalar {
        _ if value.secret => "a secret value".into(),
        Scalar::String { text, .. } => format!("`{}`", text.escape_debug()),
        scalar => format!("`{}`", plain(scalar)),
    }
}

/// The value as plain text, without quotes.
pub(crate) fn plain(scalar: &Scalar) -> String {
    match scalar {
        Scalar::String { text, .. } => text.clone(),
        Scalar::Integer(n) => n.to_string(),
        Scalar::Decimal(d) => d.to_string(),
        Scalar::Bool(b) => format!("#{b}"),
        Scalar::Null => "#null".into(),
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}
