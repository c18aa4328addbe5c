//! `http-request`, `http-response`, `redirect`: what is done with requests before a backend is chosen.
//!
//! <https://docs.haproxy.org/2.6/configuration.html#4.2-http-request>

use super::expr::{Atom, Expr};
use super::rule::{Act, Edit, Final, Header};
use super::template::template;

/// What a line does, and how that differs.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) acts: Vec<Act>,
    pub(super) differs: Vec<String>,
    /// What the verdict says when nothing differs.
    pub(super) note: String,
}

type Read = Result<Done, String>;

/// Where the condition of a line begins: its `if` or `unless`, not before `from`.
pub(super) fn condition_at(words: &[String], from: usize) -> usize {
    let is = |word: &String| word == "if" || word == "unless";
    words.iter().skip(from).position(is).map_or(words.len(), |at| at + from)
}

fn done(act: Act, note: &str) -> Read {
    Ok(Done { acts: vec![act], differs: Vec::new(), note: note.to_owned() })
}

fn nothing(note: &str) -> Read {
    Ok(Done { note: note.to_owned(), ..Done::default() })
}

fn differs(mut done: Done, how: &str) -> Done {
    done.differs.push(how.to_owned());
    done
}

fn respond(status: u16) -> Act {
    Act::Final(Final::Respond { status, body: None, content_type: None })
}

/// How many words the action itself has, so that the value `if` is no condition.
pub(super) fn arity(action: &str) -> usize {
    match action {
        "set-header" | "add-header" | "replace-header" | "replace-value" | "replace-path" | "replace-uri"
        | "replace-pathq" => 3,
        "del-header" | "set-path" | "set-query" | "set-uri" | "set-method" => 2,
        _ => 1,
    }
}

/// `http-request ACTION …`, without its condition, which is `when`.
pub(super) fn request(words: &[String], when: &Expr, atoms: &[Atom]) -> Read {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let action = word(0);
    let plain = action.split('(').next().unwrap_or(action);
    match plain {
        "deny" | "block" => deny(words),
        "reject" => {
            done(respond(403), "answers 403").map(|d| differs(d, "403 instead of a closed connection"))
        }
        "silent-drop" => done(respond(403), "answers 403").map(|d| differs(d, "403 instead of silence")),
        "tarpit" => {
            done(respond(500), "answers 500").map(|d| differs(d, "500 at once, not after `timeout tarpit`"))
        }
        "return" => returned(words),
        "redirect" => redirect(&words[1..]),
        "set-header" | "add-header" => set_header(plain == "add-header", word(1), word(2), when, atoms),
        "del-header" if word(2) == "-m" => {
            Err("only a whole name can be removed: write one `remove` for each".into())
        }
        "del-header" => header_name(word(1))
            .and_then(|name| done(Act::Edit(Edit::Request(Header::Remove(name))), "request-headers remove")),
        "set-path" => set_path(word(1)),
        "replace-path" | "replace-pathq" | "replace-uri" => replace_path(word(1), word(2)),
        "set-uri" if matches!(word(1), "%[pathq]" | "%[capture.req.uri]") => {
            nothing("servers get path and query anyway")
        }
        "track-sc" | "track-sc0" | "track-sc1" | "track-sc2" => match word(1) {
            "src" => nothing("see the condition on its rate"),
            other => Err(format!("`rate-limit key=` has no `{other}`; write the limit by hand")),
        },
        "wait-for-handshake"
        | "disable-l7-retry"
        | "set-log-level"
        | "set-nice"
        | "set-tos"
        | "set-mark"
        | "strict-mode"
        | "set-priority-class"
        | "set-priority-offset"
        | "wait-for-body" => Ok(differs(nothing("left out")?, "left out: lbd routes the same without it")),
        "capture" => Ok(differs(nothing("left out")?, "write `log { capture header:NAME; }`")),
        "normalize-uri" => Ok(differs(
            nothing("left out")?,
            "lbd always resolves dot segments and decodes what needs no encoding",
        )),
        other => Err(refusal(other)),
    }
}

fn refusal(action: &str) -> String {
    let advice = match action {
        "auth" => {
            "lbd asks for no passwords: let the application do it, or put an authenticating proxy in between"
        }
        "set-var" | "unset-var" => "lbd has no variables; say in each route what depended on it",
        "set-query" => "the client's query is kept; let the application read it",
        "set-uri" => "use `rewrite path=` and `host=`",
        "set-src" => "`trust-forwarded` finds the client's address in X-Forwarded-For",
        "set-dst" | "set-dst-port" => {
            "lbd forwards to the servers of a pool only; for a forward proxy keep HAProxy"
        }
        "set-method" => "the method stays as it is",
        "replace-header" | "replace-value" => {
            "set the field to a whole value with `request-headers { set … }`"
        }
        "cache-use" | "cache-store" => "lbd does not cache; keep a cache beside it",
        "use-service" | "lua" => "lbd runs no programs; make a server of it",
        "do-resolve" => "`discover` takes servers from DNS",
        "sc-inc-gpc0" | "sc-inc-gpc1" | "sc-set-gpt0" | "track-sc3" => {
            "only plain rates by address are known: `rate-limit`"
        }
        _ => "lbd has no counterpart; take it out",
    };
    format!("`{action}`: {advice}")
}

/// `deny [deny_status 429] [content-type T] [string S]`
fn deny(words: &[String]) -> Read {
    answer(words, 403, &["deny_status", "status"])
}

/// `return [status 200] [content-type T] [string S]`
fn returned(words: &[String]) -> Read {
    answer(words, 200, &["status"])
}

fn answer(words: &[String], default: u16, statuses: &[&str]) -> Read {
    let (mut status, mut body, mut content_type) = (default, None, None);
    let mut more = Vec::new();
    let mut at = 1;
    while let Some(key) = words.get(at) {
        let value = words.get(at + 1).map_or("", String::as_str);
        at += 2;
        match key.as_str() {
            key if statuses.contains(&key) => {
                let number = value.parse().ok().filter(|status| (200..600).contains(status));
                status = number
                    .ok_or_else(|| format!("`{value}` is no status that lbd can answer (200 to 599)"))?;
            }
            "content-type" => content_type = Some(value.to_owned()),
            "string" => body = Some(value.to_owned()),
            "lf-string" if !value.contains('%') => body = Some(value.to_owned()),
            "lf-string" => return Err("`respond body=` takes no variables; write a fixed text".into()),
            "hdr" => {
                let text = words.get(at).map_or("", String::as_str);
                at += 1;
                let filled = template(text)?;
                more.push(Act::Edit(Edit::Response {
                    header: Header::Add(header_name(value)?, filled.text),
                    always: true,
                }));
            }
            "default-errorfiles" => at -= 1,
            "errorfile" | "errorfiles" | "file" | "lf-file" => {
                return Err(format!("`{key}`: put the text into `respond {status} body=\"…\"`"));
            }
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    if matches!(status, 204 | 205 | 304) {
        body = None;
    }
    let content_type = content_type.filter(|_| body.is_some());
    more.push(Act::Final(Final::Respond { status, body, content_type }));
    Ok(Done { acts: more, differs: Vec::new(), note: format!("respond {status}") })
}

/// `redirect location|prefix|scheme TO [code N] [drop-query] …`, without the first word.
pub(super) fn redirect(words: &[String]) -> Read {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let (kind, to) = (word(0), word(1));
    let mut result = Done { note: "redirect".into(), ..Done::default() };
    let (mut status, mut drop_query) = (302, false);
    let mut at = 2;
    while at < words.len() {
        match word(at) {
            "code" => {
                status = word(at + 1).parse().unwrap_or(0);
                at += 1;
            }
            "drop-query" => drop_query = true,
            "keep-query" => {
                result.differs.push("the query is part of the location only for `prefix` and `scheme`".into())
            }
            "append-slash" => result.differs.push("no slash is appended".into()),
            "ignore-empty" => {}
            "set-cookie" | "clear-cookie" => {
                result.differs.push(format!(
                    "`{}` is left out: add `response-headers {{ add Set-Cookie … }}`",
                    word(at)
                ));
                at += 1;
            }
            other => return Err(format!("`{other}` is not understood")),
        }
        at += 1;
    }
    if ![301, 302, 303, 307, 308].contains(&status) {
        return Err("a redirect has the status 301, 302, 303, 307 or 308".into());
    }
    let query = if drop_query { "" } else { "{query}" };
    let last = match kind {
        "scheme" if to == "https" && !drop_query => {
            result.note = "redirect to https".into();
            Final::ToHttps { status }
        }
        "scheme" => {
            Final::Redirect { location: format!("{}://{{host}}{{path}}{query}", template(to)?.text), status }
        }
        "prefix" | "location" => {
            let filled = template(to)?;
            result.differs.extend(filled.differs.into_iter().map(str::to_owned));
            let rest = if kind == "location" { String::new() } else { format!("{{path}}{query}") };
            // `prefix /` means the path as it is.
            let text = if kind == "prefix" && filled.text == "/" { String::new() } else { filled.text };
            Final::Redirect { location: format!("{text}{rest}"), status }
        }
        _ => return Err("`location`, `prefix` or `scheme` is due".into()),
    };
    if matches!(&last, Final::Redirect { location, .. } if location.is_empty()) {
        return Err("a redirect goes somewhere".into());
    }
    result.acts.push(Act::Final(last));
    Ok(result)
}

fn header_name(name: &str) -> Result<String, String> {
    const OURS: &[&str] = &[
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let lower = name.to_ascii_lowercase();
    match () {
        () if name.is_empty() || !name.bytes().all(token) => {
            Err(format!("`{name}` is no name of a header field"))
        }
        () if OURS.contains(&lower.as_str()) => {
            Err(format!("lbd writes `{lower}` itself; take the line out"))
        }
        () => Ok(name.to_owned()),
    }
}

fn set_header(add: bool, name: &str, value: &str, when: &Expr, atoms: &[Atom]) -> Read {
    let name = header_name(name)?;
    let lower = name.to_ascii_lowercase();
    let of_tls = |wanted: &Expr| matches!(wanted, Expr::Atom(atom) if atoms.get(*atom) == Some(&Atom::Tls));
    match (lower.as_str(), value) {
        ("x-forwarded-for", "%[src]" | "%ci") => {
            return nothing("lbd writes X-Forwarded-For itself");
        }
        ("x-real-ip" | "x-client-ip" | "true-client-ip", "%[src]" | "%ci") => {
            return Err(format!(
                "lbd gives the client's address in X-Forwarded-For; let the servers read that instead of {name}"
            ));
        }
        ("x-forwarded-port", "%[dst_port]" | "%fp") => return nothing("lbd writes X-Forwarded-Port itself"),
        ("x-forwarded-host", v) if v.to_ascii_lowercase().contains("hdr(host)") => {
            return nothing("lbd writes X-Forwarded-Host itself");
        }
        ("x-forwarded-proto", "https") if of_tls(when) => {
            return nothing("lbd writes X-Forwarded-Proto itself");
        }
        ("x-forwarded-proto", "http") if matches!(when, Expr::Not(inner) if of_tls(inner)) => {
            return nothing("lbd writes X-Forwarded-Proto itself");
        }
        ("x-request-id" | "x-unique-id" | "x-correlation-id", v)
            if v.contains("unique-id") || v.contains("uuid") || v == "%ID" =>
        {
            let done = nothing("lbd names each request in X-Request-Id")?;
            return Ok(if lower == "x-request-id" {
                done
            } else {
                differs(done, "the name of the request is in X-Request-Id")
            });
        }
        _ => {}
    }
    let filled = template(value)?;
    let mut done = Done { note: "request-headers".into(), ..Done::default() };
    done.differs.extend(filled.differs.into_iter().map(str::to_owned));
    if lower == "host" {
        if filled.text.contains("{path}") || filled.text.contains("{query}") || filled.text.is_empty() {
            return Err("neither path nor query can stand in a host".into());
        }
        done.acts.push(Act::Edit(Edit::Rewrite("host", filled.text)));
        done.note = "rewrite host=".into();
        return Ok(done);
    }
    let header = if add { Header::Add(name, filled.text) } else { Header::Set(name, filled.text) };
    done.acts.push(Act::Edit(Edit::Request(header)));
    Ok(done)
}

fn set_path(to: &str) -> Read {
    for (before, after) in [("%[path,regsub(^", ",/)]"), ("%[path,regsub(\"^", "\",\"/\")]")] {
        if let Some(prefix) = to.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) {
            return strip(prefix);
        }
    }
    let filled = template(to)?;
    if filled.text.contains("{query}") || filled.text.contains(['?', '#', ' ']) {
        return Err("the client's query is kept as it is; a path has none".into());
    }
    if !filled.text.starts_with('/') && !filled.text.starts_with("{path}") {
        return Err("a path begins with /".into());
    }
    done(Act::Edit(Edit::Rewrite("path", filled.text)), "rewrite path=")
}

/// A beginning that is cut off; anything else needs parameters, and so a pattern of its own.
fn replace_path(from: &str, to: &str) -> Read {
    let from = from.strip_prefix('^').unwrap_or(from);
    let from = from.strip_suffix('$').unwrap_or(from);
    for rest in ["/(.*)", "(/.*)", "(/|$)(.*)"] {
        let whole = if rest == "(/.*)" { "\\1" } else { "/\\1" };
        let whole = if rest == "(/|$)(.*)" { "/\\2" } else { whole };
        if let (Some(prefix), true) = (from.strip_suffix(rest), to == whole) {
            return strip(prefix);
        }
    }
    Err(format!(
        "write it with parameters: `route \"/old/{{*rest}}\" pool=… {{ rewrite path=\"/new/{{rest}}\"; }}` for `{from}`"
    ))
}

fn strip(prefix: &str) -> Read {
    let prefix = prefix.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.~".contains(c);
    if prefix.len() < 2 || !prefix.starts_with('/') || !prefix.chars().all(plain) {
        return Err("only a plain beginning of the path can be cut off: `rewrite strip-prefix=`".into());
    }
    let made = done(Act::Edit(Edit::Rewrite("strip-prefix", prefix.to_owned())), "rewrite strip-prefix=")?;
    Ok(differs(made, "it is cut off by whole segments, also where nothing follows it"))
}

/// `http-response ACTION …`, and `http-after-response`, for which `always` is true.
pub(super) fn response(words: &[String], always: bool) -> Read {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let action = word(0).split('(').next().unwrap_or_default();
    let header = match action {
        "set-header" | "add-header" => {
            let (name, filled) = (header_name(word(1))?, template(word(2))?);
            if action == "add-header" {
                Header::Add(name, filled.text)
            } else {
                Header::Set(name, filled.text)
            }
        }
        "del-header" if word(2) != "-m" => Header::Remove(header_name(word(1))?),
        "allow" => return nothing("answers pass anyway"),
        "set-log-level" | "set-nice" | "set-tos" | "set-mark" | "strict-mode" | "capture" => {
            return Ok(differs(nothing("left out")?, "left out: answers are the same without it"));
        }
        other => return Err(refusal(other)),
    };
    done(Act::Edit(Edit::Response { header, always }), "response-headers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn acts(text: &str) -> Vec<Act> {
        request(&words(text), &Expr::Is(true), &[]).map(|done| done.acts).unwrap_or_default()
    }

    #[test]
    fn redirects_say_where() {
        let to = |text: &str| match redirect(&words(text)).map(|done| done.acts) {
            Ok(acts) => format!("{acts:?}"),
            Err(why) => why,
        };
        assert!(
            to("prefix https://a.example code 301")
                .contains("\"https://a.example{path}{query}\", status: 301")
        );
        assert!(
            to("prefix https://a.example drop-query").contains("\"https://a.example{path}\", status: 302")
        );
        assert!(to("location /new code 308").contains("\"/new\", status: 308"));
        assert!(to("scheme https").contains("ToHttps { status: 302 }"));
        assert!(to("location /x code 200").contains("301"));
        assert!(to("nowhere").contains("due"));
    }

    #[test]
    fn paths_are_replaced_and_shortened() {
        let strip = |text: &str| acts(text) == [Act::Edit(Edit::Rewrite("strip-prefix", "/api".into()))];
        assert!(strip("replace-path ^/api/(.*) /\\1"));
        assert!(strip("replace-path /api(/.*) \\1"));
        assert!(strip("set-path %[path,regsub(^/api/,/)]"));
        assert_eq!(acts("set-path /base%[path]"), [Act::Edit(Edit::Rewrite("path", "/base{path}".into()))]);
        assert_eq!(acts("replace-path /a/(.*)/b /\\1"), []);
    }
}
