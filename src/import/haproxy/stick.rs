//! `cookie`, `stick-table`, `stick on` and `appsession` as `sticky`.

use super::super::kdl::{quoted, word};
use super::super::verdict::Verdicts;
use super::section::Section;
use super::server::Server;
use super::units;
use super::words::Line;

/// What a table keeps, and for how long.
#[derive(Debug, Default)]
struct Table {
    entries: Option<u64>,
    ttl: Option<String>,
}

/// The `sticky` nodes of a pool, in HAProxy's order: the cookie first.
pub(super) fn sticky(section: &Section<'_>, servers: &[Server], verdicts: &mut Verdicts) -> Vec<String> {
    let mut nodes = Vec::new();
    if let Some(line) = section.last(&["cookie"]) {
        nodes.extend(cookie(line, section, servers, verdicts));
    }
    let mut table = Table::default();
    for line in section.all() {
        match line.word(0) {
            "stick-table" => table = read_table(line, verdicts),
            "appsession" => {
                let mut node = format!("sticky learn name={}", word(line.word(1)));
                if line.from(2).iter().any(|word| word == "mode" || word == "path-parameters") {
                    node.push_str(&format!(" parameter={}", word(&line.word(1).to_ascii_lowercase())));
                }
                let timeout =
                    line.words.iter().position(|word| word == "timeout").map(|at| line.word(at + 1));
                if let Some(ttl) = timeout.and_then(units::duration) {
                    node.push_str(&format!(" ttl={}", quoted(&ttl)));
                }
                nodes.push(node);
                verdicts.mapped(line.number, "sticky learn");
            }
            _ => {}
        }
    }
    let mut known = Vec::new();
    for line in section.all().filter(|line| line.word(0) == "stick") {
        match stick(line, section) {
            Ok(Some(node)) => {
                if !known.contains(&node) {
                    known.push(node.clone());
                    nodes.push(table.complete(node));
                }
                match line.word(1) {
                    "on" | "match" => verdicts.mapped(line.number, "sticky"),
                    _ => verdicts.mapped(line.number, "sticky learn"),
                }
            }
            Ok(None) => verdicts.mapped(line.number, "part of `sticky learn`"),
            Err(why) => verdicts.refused(line.number, why),
        }
        if line.words.iter().any(|word| word == "if" || word == "unless") {
            verdicts
                .approximated(line.number, "it holds for every request of the pool, without the condition");
        }
        if line.words.iter().any(|word| word == "table") {
            verdicts.approximated(line.number, "each pool has a table of its own");
        }
    }
    nodes
}

impl Table {
    fn complete(&self, mut node: String) -> String {
        if let Some(ttl) = &self.ttl {
            node.push_str(&format!(" ttl={}", quoted(ttl)));
        }
        if let Some(entries) = self.entries {
            node.push_str(&format!(" max-entries={entries}"));
        }
        node
    }
}

fn read_table(line: &Line, verdicts: &mut Verdicts) -> Table {
    let value = |key: &str| line.words.iter().position(|word| word == key).map(|at| line.word(at + 1));
    let table = Table {
        entries: value("size").and_then(|size| units::count(size, 100_000_000)),
        ttl: value("expire").and_then(units::duration),
    };
    if value("peers").is_some() {
        verdicts.approximated(line.number, "the table is not shared with other balancers");
    } else {
        verdicts.mapped(line.number, "ttl= and max-entries= of what uses it");
    }
    table
}

/// The node of a `stick` line; nothing for one that belongs to another.
fn stick(line: &Line, section: &Section<'_>) -> Result<Option<String>, String> {
    let how = line.word(1);
    if !matches!(how, "on" | "match" | "store-request" | "store-response") {
        return Err("`on`, `match`, `store-request` or `store-response` is due".into());
    }
    let fetch = line.word(2);
    let (key, converters) = fetch.split_once(',').unwrap_or((fetch, ""));
    let (name, arg) = key.split_once('(').map_or((key, ""), |(name, arg)| (name, arg.trim_end_matches(')')));
    let learned = |name: &str| {
        let stores = |line: &&Line| {
            line.word(0) == "stick" && line.word(1) == "store-response" && line.word(2).contains(name)
        };
        section.all().any(|line| stores(&line))
    };
    match name {
        "src" => {
            let bits = converters.strip_prefix("ipmask(").map(|rest| rest.trim_end_matches(')'));
            let mask =
                match bits.and_then(|bits| bits.split(',').next()).and_then(|bits| bits.parse::<u8>().ok()) {
                    Some(bits @ 1..=32) => format!(" mask-v4={bits}"),
                    _ => String::new(),
                };
            Ok(Some(format!("sticky source-ip{mask}")))
        }
        "hdr" | "req.hdr" | "req.fhdr" if !arg.is_empty() => {
            Ok(Some(format!("sticky header name={}", word(arg))))
        }
        "cookie" | "req.cook" | "cook" | "req.cookie" if !arg.is_empty() => {
            Ok(Some(format!("sticky learn name={}", word(arg))))
        }
        "set-cookie" | "res.cook" | "scook" | "resp.cook" if !arg.is_empty() => {
            let asked = section.all().any(|line| {
                line.word(0) == "stick"
                    && matches!(line.word(1), "on" | "match")
                    && line.word(2).contains(arg)
            });
            Ok((!asked).then(|| format!("sticky learn name={}", word(arg))))
        }
        "url_param" | "urlp" if !arg.is_empty() => {
            let from = if learned(arg) { "" } else { " from=parameter" };
            Ok(Some(format!("sticky learn name={}{from}", word(arg.split(',').next().unwrap_or(arg)))))
        }
        "res.hdr" | "shdr" if !arg.is_empty() => {
            Ok(Some(format!("sticky learn from=header name={}", word(arg))))
        }
        _ => Err(format!(
            "`{fetch}`: clients can be known by source-ip, a cookie, a header, or a session that answers give"
        )),
    }
}

/// `cookie NAME insert indirect nocache …`
fn cookie(line: &Line, section: &Section<'_>, servers: &[Server], verdicts: &mut Verdicts) -> Option<String> {
    let words = line.from(2);
    let has = |word: &str| words.iter().any(|other| other == word);
    let value = |key: &str| words.iter().position(|word| word == key).and_then(|at| words.get(at + 1));
    if !servers.iter().any(|server| server.settings.cookie) && !has("dynamic") {
        verdicts
            .approximated(line.number, "no server has a `cookie` value, so HAProxy keeps nobody: left out");
        return None;
    }
    let name = line.word(1);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        verdicts.refused(line.number, format!("`{name}` is no name of a cookie"));
        return None;
    }
    let mut node = format!("sticky cookie name={}", word(name));
    if has("prefix") {
        node.push_str(" mode=prefix");
        verdicts.approximated(
            line.number,
            "sticky cookie mode=prefix; marks of HAProxy are not known, such clients are balanced anew once",
        );
    } else {
        verdicts.approximated(
            line.number,
            "sticky cookie; its value is signed, so clients with HAProxy's own are balanced anew once",
        );
    }
    if has("rewrite") {
        verdicts.approximated(line.number, "lbd sets the cookie itself, no server need do it");
    }
    if has("preserve") {
        verdicts.approximated(line.number, "`preserve`: servers cannot end the stickiness");
    }
    if has("postonly") {
        verdicts.approximated(
            line.number,
            "`postonly`: the cookie is set at the first answer, whatever the method",
        );
    }
    if has("secure") {
        node.push_str(" secure=always");
    }
    if let Some(domain) = value("domain") {
        node.push_str(&format!(" domain={}", quoted(domain.trim_start_matches('.'))));
    }
    for (key, property) in [("maxidle", "max-idle"), ("maxlife", "max-life")] {
        if let Some(time) = value(key).and_then(|text| units::duration(&seconds(text))) {
            node.push_str(&format!(" {property}={}", quoted(&time)));
        }
    }
    for attribute in
        words.windows(2).filter(|pair| pair[0] == "attr").map(|pair| pair[1].to_ascii_lowercase())
    {
        match attribute.split_once('=') {
            Some(("samesite", value @ ("lax" | "strict" | "none"))) => {
                node.push_str(&format!(" same-site={value}"))
            }
            None if attribute == "partitioned" => node.push_str(" partitioned=#true"),
            _ => verdicts.approximated(line.number, format!("`attr {attribute}` is left out")),
        }
    }
    if section.option("persist").is_some() {
        node.push_str(" on-down=fail");
    }
    Some(node)
}

/// Bare numbers are seconds here, other than in `timeout`.
fn seconds(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_digit()) { format!("{text}s") } else { text.to_owned() }
}
