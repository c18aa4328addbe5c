//! From the table of the language to its reference: once as a table for the web, once as a list for a page.

use lbd::config::schema::{ArgSpec, EXPECTATIONS, NodeSpec, Peers, PropSpec, SCHEMA, Since, Type};

/// Under which heading a node is told, and what the heading says.
const CHAPTERS: [(&str, &[&str]); 6] = [
    ("Files and text", &["include", "let", "template", "use", "defaults"]),
    ("Listeners", &["listen"]),
    ("Sites and routes", &["site", "route"]),
    ("Pools", &["pool"]),
    ("The process", &["status", "control", "log", "trace", "reload", "resolver"]),
    ("Lint", &["lint"]),
];

/// The reference as Markdown with tables.
pub(crate) fn tables() -> String {
    let mut out = String::new();
    for (chapter, nodes) in chapters() {
        out.push_str(&format!("## {chapter}\n\n"));
        for node in nodes {
            out.push_str(&format!("### `{}`\n\n{}\n\n", shape(node), meaning(node)));
            if node.props.is_empty() {
                continue;
            }
            out.push_str("| property | value | default | meaning | elsewhere |\n|---|---|---|---|---|\n");
            for prop in node.props {
                let name = format!("`{}`", prop.name);
                let cells = [name, value(prop), default(prop), prop_meaning(prop), elsewhere(prop.peers)];
                let cells = cells.map(|cell| cell.replace('|', "\\|"));
                out.push_str(&format!("| {} |\n", cells.join(" | ").replace("|  |", "| |")));
            }
            out.push('\n');
        }
    }
    out
}

/// The reference as Markdown with definitions.
pub(crate) fn definitions() -> String {
    let mut out = String::new();
    for (chapter, nodes) in chapters() {
        out.push_str(&format!("# {chapter}\n\n"));
        nodes.iter().for_each(|node| define(node, &mut out));
    }
    out
}

/// The nodes of expectations, with definitions.
pub(crate) fn expectations() -> String {
    let mut out = String::new();
    EXPECTATIONS.iter().for_each(|node| define(node, &mut out));
    out
}

fn define(node: &NodeSpec, out: &mut String) {
    out.push_str(&format!("## `{}`\n\n{}\n\n", shape(node), meaning(node)));
    for prop in node.props {
        let meaning = capital(prop_meaning(prop).trim_end_matches('.'));
        let elsewhere = match elsewhere(prop.peers) {
            none if none.is_empty() => none,
            names => format!(" Elsewhere: {names}."),
        };
        out.push_str(&format!(
            "`{}=` {}\n:   {meaning}. Default: {}.{elsewhere}\n\n",
            prop.name,
            value(prop),
            default(prop),
        ));
    }
}

/// Every node of the table, in the chapter where a reader looks for it.
fn chapters() -> Vec<(&'static str, Vec<&'static NodeSpec>)> {
    let told = |node: &NodeSpec, top: &[&str]| {
        top.contains(&node.name) && (node.parents.contains(&"root") || node.name == "use")
    };
    let mut chapters: Vec<(&str, Vec<&NodeSpec>)> = CHAPTERS.map(|(name, _)| (name, Vec::new())).into();
    for node in SCHEMA {
        let own = CHAPTERS.iter().position(|(_, top)| told(node, top));
        let chapter = own.unwrap_or_else(|| chapter_of(node, 0));
        chapters[chapter].1.push(node);
    }
    chapters
}

/// The chapter of the last of its parents that is not the top level: a node that sites share with pools
/// is told with the pools' other nodes only when it stands in nothing else.
fn chapter_of(node: &NodeSpec, depth: usize) -> usize {
    assert!(depth < 8, "`{}` stands inside itself", node.name);
    let parent = node.parents.iter().find(|parent| **parent != "root").expect("a place");
    let (name, place) = parent.split_once('@').map_or((*parent, None), |(name, place)| (name, Some(place)));
    if let Some(chapter) = CHAPTERS.iter().position(|(_, top)| top.contains(&name)) {
        return chapter;
    }
    let of_place = |spec: &&NodeSpec| place.is_none_or(|place| spec.parents.contains(&place));
    let parent = SCHEMA.iter().filter(|spec| spec.name == name).find(of_place).expect("the parent is a node");
    chapter_of(parent, depth + 1)
}

/// The node as it is written: `server NAME-OR-ADDRESS [ADDRESS]`.
fn shape(node: &NodeSpec) -> String {
    let args = node.args.iter().map(|arg| match (arg.optional, arg.repeat) {
        (false, false) => format!(" {}", placeholder(arg)),
        (false, true) => format!(" {}...", placeholder(arg)),
        (true, false) => format!(" [{}]", placeholder(arg)),
        (true, true) => format!(" [{}...]", placeholder(arg)),
    });
    format!("{}{}", node.name, args.collect::<String>())
}

fn placeholder(arg: &ArgSpec) -> String {
    arg.name.to_uppercase().replace(' ', "-")
}

fn meaning(node: &NodeSpec) -> String {
    let places: Vec<String> = node
        .parents
        .iter()
        .map(|parent| match (*parent, parent.split_once('@')) {
            ("root", _) => "at the top level".to_owned(),
            (_, Some((name, place))) => format!("in `{name}` of `{place}`"),
            (name, None) => format!("in `{name}`"),
        })
        .collect();
    let how_often = if node.many { "may be repeated" } else { "at most once" };
    let mut out = format!("{} Stands {}; {how_often}.", node.doc.replace('*', "\\*"), places.join(", "));
    for arg in node.args {
        out.push_str(&format!(" *{}*: {}.", placeholder(arg), values(arg.ty)));
    }
    let elsewhere = elsewhere(node.peers);
    if !elsewhere.is_empty() {
        out.push_str(&format!(" Elsewhere: {elsewhere}."));
    }
    if node.since == Since::NotYet {
        out.push_str(" **Not in this version**: refused by name.");
    }
    out
}

fn default(prop: &PropSpec) -> String {
    if prop.default.is_empty() { prop.without.to_owned() } else { format!("`{}`", prop.default) }
}

/// The names that other balancers have for it: "HAProxy `maxconn`; Envoy `max_requests`".
fn elsewhere(peers: Peers) -> String {
    let names = |list: &str| {
        let name = |name: &str| match name.strip_suffix(" (Plus)") {
            Some(name) => format!("`{name}` (Plus)"),
            None => format!("`{name}`"),
        };
        list.split(", ").map(name).collect::<Vec<_>>().join(", ")
    };
    let all = [("HAProxy", peers.haproxy), ("nginx", peers.nginx), ("Envoy", peers.envoy)];
    let known = all.iter().filter(|(_, list)| !list.is_empty());
    known.map(|(peer, list)| format!("{peer} {}", names(list))).collect::<Vec<_>>().join("; ")
}

/// What may be written, with what a number counts.
fn value(prop: &PropSpec) -> String {
    match prop.unit {
        "" => values(prop.ty),
        unit => values(prop.ty).replacen("a whole number", &format!("a whole number ({unit})"), 1),
    }
}

fn prop_meaning(prop: &PropSpec) -> String {
    let doc = prop.doc.replace('*', "\\*");
    match (prop.since, doc.is_empty()) {
        (Since::Implemented, _) => doc,
        (Since::NotYet, true) => "**Not in this version**".to_owned(),
        (Since::NotYet, false) => format!("{doc}. **Not in this version**"),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What may be written for a type.
fn values(ty: Type) -> String {
    let or_off = |text: &str, off: bool| if off { format!("{text}, or `off`") } else { text.to_owned() };
    let fixed = match ty {
        Type::Choice { now, later } => return choice(now, later),
        Type::Int { min, max, off } => return or_off(&format!("a whole number, {}", bounds(min, max)), off),
        Type::Duration { zero, off } => {
            let text = "a duration such as `\"250ms\"`, `\"5s\"`, `\"1h30m\"`";
            return or_off(&if zero { format!("{text}, or `\"0s\"`") } else { text.to_owned() }, off);
        }
        Type::Size { off } => return or_off("a size such as `\"64KiB\"`, `\"10MB\"`", off),
        Type::Percent { off } => return or_off("a share such as `\"5%\"`", off),
        Type::File { off } => return or_off("a file, relative to the file that names it", off),
        Type::Any => "a string, a number, `#true` or `#false`",
        Type::Text => "a string",
        Type::Match => "a string to compare with; `(prefix)` and `(regex)` before it say how",
        Type::Bool => "`#true` or `#false`",
        Type::Rate => "a rate such as `\"100/s\"`, `\"1000/m\"`",
        Type::Status => "a status or several: `200`, `\"200-299\"`, `\"200,204\"`",
        Type::Cidr => "a network such as `\"10.0.0.0/8\"`, or an address",
        Type::Address => "an address to listen on: `\":80\"`, `\"127.0.0.1:80\"`, `\"[::1]:80\"`",
        Type::Upstream => "the address of a server: `\"app1:8080\"`, `\"10.0.0.1:8080\"`",
        Type::Host => "a host: `\"shop.example.com\"`, `\"*.example.com\"`",
        Type::HostName => "a host without a wildcard",
        Type::Name => "a name: lower-case letters, digits and `. _ -`",
        Type::ServerName => "a name, or the address when that is all there is",
        Type::Token => "the name of a cookie or of a query parameter",
        Type::HeaderName => "the name of a header field",
        Type::HeaderValue => "the value of a header field",
        Type::Account => "a user or group of the operating system",
        Type::Glob => "files, by name or by wildcard",
        Type::Path => "a path that starts with `/`",
        Type::Pattern => {
            "a pattern: `\"/api\"`, `(exact)\"/\"`, `(regex)\"/v[0-9]+\"`, `(starts-with)\"/img-\"`"
        }
        Type::Key => "`source-ip`, `header:NAME`, `cookie:NAME`, `query:NAME`, `path` or `host`",
        Type::Probe => "a path to ask for, or a kind of probe such as `tcp`",
        Type::Mode => "a file mode in octal, quoted",
        Type::Rule => "a lint rule such as `LB204`",
        Type::Pool => "the name of a pool",
        Type::Listener => "the name of a listener",
        #[allow(unreachable_patterns, reason = "a type that has no words here yet is shown by its own name")]
        other => return format!("{other:?}").to_lowercase(),
    };
    fixed.to_owned()
}

fn choice(now: &[&str], later: &[&str]) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if later.is_empty() {
        words(now)
    } else {
        format!("{}; not in this version: {}", words(now), words(later))
    }
}

fn bounds(min: i64, max: i64) -> String {
    match (min, max) {
        (min, max) if max == i64::from(u32::MAX) => format!("at least {min}"),
        (min, max) if min == i64::from(i32::MIN) && max == i64::from(i32::MAX) => "also negative".to_owned(),
        (min, max) => format!("{min} to {max}"),
    }
}
