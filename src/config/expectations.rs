//! What a `*.test.kdl` expects of a configuration: requests, and what must become of each.
//!
//! The same KDL, with the same findings, includes and constants; only its table of nodes is another one
//! ([`schema::EXPECTATIONS`]). Nothing here looks at the configuration.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Place, Report, Span, Spanned};
use super::model::TextMatch;
use super::reader::{Block, Cx, Reader};
use super::source::{Loader, Sources};
use super::values::typed::Typed;
use super::{on_reader_thread, schema, syntax};
use crate::router::ValueMatch;

/// How the name of such a file ends.
pub const SUFFIX: &str = ".test.kdl";

/// What one file set expects.
#[derive(Debug)]
pub struct Expectations {
    /// The configuration that it names, relative to the working directory.
    pub config: Option<Spanned<PathBuf>>,
    /// Everything that is expected, in order.
    pub list: Vec<Expectation>,
    /// Findings.
    pub report: Report,
    /// The files that were read.
    pub sources: Sources,
}

/// One request and what must become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: Spanned<String>,
    /// The listener that it comes to.
    pub on: Option<String>,
    /// Who connects.
    pub client_ip: Option<IpAddr>,
    /// Fields of the request, cookies among them.
    pub headers: Vec<(String, String)>,
    /// Whether it opens a WebSocket.
    pub websocket: bool,
    /// What must be; at least one.
    pub wants: Vec<Spanned<Want>>,
    /// Where it was written.
    pub place: Place,
}

/// Something that must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// No site or no route takes it.
    Nothing,
    /// This pool gets it.
    Pool(String),
    /// This server is hashed to.
    Server(String),
    /// Whether clients stay on their servers.
    Sticky(bool),
    /// This route takes it.
    Route(String),
    /// This site does.
    Site(String),
    /// lbd answers this.
    Status(u16),
    /// A redirect leads there.
    Location(String),
    /// The server is asked for this.
    Path(String),
    /// The server is sent this as `Host`.
    Host(String),
    /// The server is sent this field.
    Sends(String, Option<TextMatch>),
    /// The server is not sent this field.
    Drops(String),
    /// The answer gets this field.
    Answers(String, Option<TextMatch>),
}

/// Reads the file set that begins at `path`.
pub fn read(path: &Path, loader: &dyn Loader) -> Expectations {
    on_reader_thread(|| {
        let (nodes, mut report, sources) = syntax::read(path, loader);
        schema::check_in(schema::EXPECTATIONS, &nodes, &mut report);
        let cx = Cx::over(schema::EXPECTATIONS, &sources, &report);
        let root = Block::root(&cx, &nodes);
        let config = root.one("config").and_then(|node| {
            let file = node.arg(0, Typed::text)?;
            Some(Spanned::new(cx.file(&file.value, file.span), file.span))
        });
        // What was refused may have been what is expected.
        let whole = !report.has_errors();
        let list = root.all("expect").into_iter().filter_map(|node| expectation(node, whole)).collect();
        report.findings.extend(cx.into_findings());
        report.sort();
        Expectations { config, list, report, sources }
    })
}

fn expectation(node: Reader<'_>, whole: bool) -> Option<Expectation> {
    let mut words = node.args(Typed::text);
    let is_url = |word: &Spanned<String>| word.value.contains("://") || word.value.starts_with('/');
    let Some(at) = words.iter().take(2).position(is_url) else {
        // What is no text was refused already.
        if let Some(word) = words.last().filter(|_| words.len() == node.arg_count()) {
            let finding = Diagnostic::error("LB102", word.span, "`expect` needs a URL").label("no URL");
            node.cx
                .push(finding.help("write `https://host/path`, or `/path` for any host of the default site"));
        }
        return None;
    };
    let rest = words.split_off(at + 1);
    let url = words.pop()?;
    let method = words.pop().map_or_else(|| "GET".to_owned(), |word| word.value);
    let mut wants = wants(node);
    for word in rest {
        if word.value == "none" {
            wants.push(Spanned::new(Want::Nothing, word.span));
        } else {
            let message = format!("`{}` behind the URL means nothing", word.value);
            let help = "`none` may stand there; a method stands before the URL";
            node.cx.push(Diagnostic::error("LB102", word.span, message).label("not `none`").help(help));
        }
    }
    if wants.is_empty() && whole {
        let finding = Diagnostic::error("LB102", node.span(), "`expect` expects nothing");
        node.cx.push(finding.label("and then?").help("say what must be: `pool=app`, `status=308`, `none`"));
    }
    Some(Expectation {
        method,
        on: node.get("on", Typed::text),
        client_ip: node.get("client-ip", Typed::network).map(|network| network.addr()),
        headers: given(node.block()),
        websocket: node.block().holds("websocket"),
        wants,
        place: node.place(),
        url,
    })
}

/// The fields of the request; all cookies are one, as browsers send them.
fn given(block: Block<'_>) -> Vec<(String, String)> {
    let pair = |node: Reader<'_>| Some((node.arg(0, Typed::text)?.value, node.arg(1, Typed::text)?.value));
    let mut headers: Vec<_> = block.all("header").into_iter().filter_map(pair).collect();
    let cookies = block.all("cookie").into_iter().filter_map(pair);
    let cookies: Vec<String> = cookies.map(|(name, value)| format!("{name}={value}")).collect();
    if !cookies.is_empty() {
        headers.push(("cookie".to_owned(), cookies.join("; ")));
    }
    headers
}

fn wants(node: Reader<'_>) -> Vec<Spanned<Want>> {
    let mut wants = Vec::new();
    let mut text = |key: &'static str, want: fn(String) -> Want| {
        if let (Some(value), Some(span)) = (node.get(key, Typed::text), node.written(key)) {
            wants.push(Spanned::new(want(value), span));
        }
    };
    text("pool", Want::Pool);
    text("server", Want::Server);
    text("route", Want::Route);
    text("site", Want::Site);
    text("location", Want::Location);
    text("path", Want::Path);
    text("host", Want::Host);
    if let (Some(status), Some(span)) = (node.get("status", Typed::int), node.written("status")) {
        wants.push(Spanned::new(Want::Status(status), span));
    }
    if let (Some(sticky), Some(span)) = (node.get("sticky", Typed::bool), node.written("sticky")) {
        wants.push(Spanned::new(Want::Sticky(sticky), span));
    }
    let block = node.block();
    wants.extend(block.all("sends").into_iter().filter_map(|node| field(node, Want::Sends)));
    wants.extend(block.all("answers").into_iter().filter_map(|node| field(node, Want::Answers)));
    let dropped = block.all("drops").into_iter().filter_map(|node| node.arg(0, Typed::text));
    wants.extend(dropped.map(|name| Spanned::new(Want::Drops(name.value), name.span)));
    wants
}

fn field(node: Reader<'_>, want: fn(String, Option<TextMatch>) -> Want) -> Option<Spanned<Want>> {
    let name = node.arg(0, Typed::text)?;
    let value = node.arg(1, Typed::text_match);
    if let Some(Spanned { value: TextMatch::Regex(regex), span }) = &value
        && let Err(error) = ValueMatch::regex(regex)
    {
        node.cx.push(Diagnostic::error("LB206", *span, format!("not a regular expression: {error}")));
    }
    let span = value.as_ref().map_or(name.span, |value| Span { start: name.span.start, ..value.span });
    Some(Spanned::new(want(name.value, value.map(|value| value.value)), span))
}

/// Whether a value is what was written.
pub fn passes(wanted: &TextMatch, found: &str) -> bool {
    match wanted {
        TextMatch::Exact(text) => found == text,
        TextMatch::Prefix(text) => found.starts_with(text),
        TextMatch::Regex(text) => ValueMatch::regex(text).is_ok_and(|regex| regex.is_match(found.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::MemLoader;
    use super::*;

    fn read_text(text: &str) -> Expectations {
        read(Path::new("routes.test.kdl"), &MemLoader::new().file("routes.test.kdl", text))
    }

    /// Codes with what is said, in reading order.
    fn findings(text: &str) -> Vec<String> {
        let read = read_text(text);
        read.report.findings.iter().map(|f| format!("{} {}", f.code, f.message)).collect()
    }

    #[test]
    fn an_expectation_is_a_request_and_what_must_become_of_it() {
        let read = read_text(
            "let host \"twx.example.com\"\n\
             expect POST \"https://${host}/Flow?a=1\" pool=flow sticky=#true client-ip=\"10.0.0.9\" on=\":443\" {\n\
             cookie a \"1\"; cookie b \"2\"; header X-Canary yes; websocket\n\
             sends x-forwarded-proto \"https\"; drops x-secret; answers set-cookie (prefix)\"side=\"\n}\n\
             expect \"/\" none\nexpect \"http://a/\" status=308 location=\"https://a/\"",
        );
        assert_eq!(read.report.findings, []);
        let [flow, nothing, redirect] = &read.list[..] else { panic!("{:?}", read.list) };
        assert_eq!(
            (flow.method.as_str(), flow.url.value.as_str()),
            ("POST", "https://twx.example.com/Flow?a=1")
        );
        let fields = [("x-canary", "yes"), ("cookie", "a=1; b=2")];
        assert_eq!(flow.headers, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((flow.client_ip, flow.on.as_deref()), (Some([10, 0, 0, 9].into()), Some(":443")));
        let wants: Vec<_> = flow.wants.iter().map(|want| &want.value).collect();
        let side = TextMatch::Prefix("side=".to_owned());
        assert_eq!(
            wants,
            [
                &Want::Pool("flow".to_owned()),
                &Want::Sticky(true),
                &Want::Sends("x-forwarded-proto".to_owned(), Some(TextMatch::Exact("https".to_owned()))),
                &Want::Answers("set-cookie".to_owned(), Some(side)),
                &Want::Drops("x-secret".to_owned()),
            ]
        );
        assert!(flow.websocket && !nothing.websocket);
        assert_eq!((nothing.method.as_str(), &nothing.wants[0].value), ("GET", &Want::Nothing));
        assert_eq!(redirect.wants.len(), 2);
    }

    #[test]
    fn every_mistake_says_what_is_meant() {
        let check = |text: &str, wanted: &[&str]| assert_eq!(findings(text), wanted, "{text}");
        check("expct \"/\" none", &["LB101 unknown node `expct` at the top level"]);
        check("expect \"/\" pol=app", &["LB101 unknown property `pol` on `expect`"]);
        check("expect \"/\"", &["LB102 `expect` expects nothing"]);
        check("expect GET POST pool=a", &["LB102 `expect` needs a URL"]);
        check("expect \"/\" nothing pool=a", &["LB102 `nothing` behind the URL means nothing"]);
        check("expect \"/\" pool=a { header x-a; }", &["LB102 `header` needs value: a string"]);
        check("expect \"/\" status=99", &["LB102 `99` is out of range for `status` of `expect`"]);
        let regex = findings("expect \"/\" { sends x-a (regex)\"(\"; }");
        assert!(regex.len() == 1 && regex[0].starts_with("LB206 "), "{regex:?}");
    }

    #[test]
    fn the_configuration_is_named_relative_to_the_file() {
        let loader = MemLoader::new().file("a/b.test.kdl", "config \"../lbd.kdl\"\nexpect \"/\" none");
        let read = read(Path::new("a/b.test.kdl"), &loader);
        assert_eq!(read.config.map(|config| config.value), Some(PathBuf::from("a/../lbd.kdl")));
    }
}
