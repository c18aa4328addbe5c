//! Whole files: what an order of rules means is compared with what the routes that were made of it do.

use std::net::IpAddr;
use std::path::Path;

use super::import;
use crate::config;
use crate::config::model::{Action, Model};
use crate::config::source::MemLoader;
use crate::import::{Imported, Kind};
use crate::router::{Facts, HostRouter, NormalPath, PathRouter, RouteEntry};

const HEAD: &str = "defaults\n mode http\n timeout connect 5s\nfrontend f\n bind *:80\n";

fn run(text: &str) -> Imported {
    import(text, Path::new("haproxy.cfg"), &MemLoader::new())
}

/// A frontend with these lines, and the backends `a` to `d`.
fn with(lines: &str) -> Imported {
    let mut text = format!("{HEAD}{lines}\n");
    for name in ["a", "b", "c", "d"] {
        text.push_str(&format!("backend {name}\n server s1 10.0.0.1:80\n"));
    }
    run(&text)
}

fn model(config: &str) -> Model {
    let loaded = config::load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", config));
    match loaded.model {
        Some(model) => model,
        None => panic!("{}\n{config}", config::render::human(&loaded.report, &loaded.sources, false)),
    }
}

/// The verdict on the line that begins so.
fn verdict<'i>(imported: &'i Imported, begins: &str) -> (Kind, &'i str) {
    let line = imported.report.lines.iter().find(|line| line.text.starts_with(begins));
    line.map(|line| (line.verdict, line.note.as_str())).expect(begins)
}

#[derive(Debug, Clone)]
struct Ask {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<&'static str>,
}

impl Facts for Ask {
    fn method(&self) -> &str {
        self.method
    }
    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        match name {
            "x" => self.header.is_some_and(|value| test(value.as_bytes())),
            "host" => test(self.host.as_bytes()),
            _ => false,
        }
    }
    fn any_cookie(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
    fn query(&self) -> Option<&[u8]> {
        None
    }
    fn client_ip(&self) -> IpAddr {
        IpAddr::from([203, 0, 113, 9])
    }
    fn is_websocket(&self) -> bool {
        false
    }
}

/// Where lbd sends a request: a pool, or a status.
struct Lbd {
    hosts: HostRouter<PathRouter<String>>,
}

impl Lbd {
    fn new(model: &Model) -> Self {
        let mut sites = Vec::new();
        let mut default = None;
        for site in &model.sites {
            let entries = site.routes.iter().map(|route| RouteEntry {
                patterns: route.patterns.clone(),
                matches: route.matches.clone(),
                priority: route.priority,
                ignore_case: route.ignore_case,
                value: match &route.action {
                    Action::Pool(pool) => pool.to_string(),
                    Action::Redirect { status, .. } | Action::Respond { status, .. } => status.to_string(),
                    Action::Split(_) => unreachable!("no split is imported"),
                },
            });
            let router = PathRouter::build(entries.collect(), site.paths).expect("no ties");
            match site.hosts.is_empty() {
                true => default = Some(router),
                false => sites.push((site.hosts.iter().map(ToString::to_string).collect(), router)),
            }
        }
        Lbd { hosts: HostRouter::build(sites, default) }
    }

    fn asked(&self, ask: &Ask) -> &str {
        let path = NormalPath::parse(ask.path.as_bytes(), Default::default()).expect("a good path");
        let site = self.hosts.find(ask.host.as_bytes()).expect("a site");
        site.find(&path, ask).map_or("404", |found| found.value)
    }
}

/// A condition in HAProxy's words, and what it means.
type Term = (&'static str, fn(&Ask) -> bool);

const TERMS: &[Term] = &[
    ("path_beg /a", |r| r.path.starts_with("/a")),
    ("path_beg /ab", |r| r.path.starts_with("/ab")),
    ("path_beg /a/b", |r| r.path.starts_with("/a/b")),
    ("path_beg -i /A", |r| r.path.to_lowercase().starts_with("/a")),
    ("path_beg /c/", |r| r.path.starts_with("/c/")),
    ("path /a", |r| r.path == "/a"),
    ("path -i /c/x", |r| r.path.eq_ignore_ascii_case("/c/x")),
    ("hdr(x) 1", |r| r.header == Some("1")),
    ("hdr(x) 2", |r| r.header == Some("2")),
    ("req.hdr(x) -m found", |r| r.header.is_some()),
    ("method POST", |r| r.method == "POST"),
    ("method GET POST", |r| ["GET", "POST"].contains(&r.method)),
    ("hdr(host) -i h.test", |r| r.host == "h.test"),
    ("hdr_end(host) -i .test", |r| r.host.ends_with(".test")),
    ("hdr_beg(host) -i w.", |r| r.host.starts_with("w.")),
    ("src 203.0.113.0/24", |_| true),
    ("always_false", |_| false),
    // Searches come last: the first half of the files has none.
    ("path_end .x", |r| r.path.ends_with(".x")),
    ("path_end .y", |r| r.path.ends_with(".y")),
    ("path_sub b/", |r| r.path.contains("b/")),
    ("path_dir b", |r| r.path.split('/').skip(1).any(|part| part == "b")),
    ("path_reg ^/c/.*x$", |r| r.path.starts_with("/c/") && r.path.ends_with('x')),
];

const PATHS: &[&str] = &[
    "/", "/a", "/A", "/ab", "/abc", "/a/b", "/a/b/c", "/A/b/", "/c/", "/c/x", "/C/X", "/c/a.x", "/a.x",
    "/ab/q.y", "/z.x", "/z", "/c/b/q.x", "/b", "/b/ab/z",
];

fn requests() -> Vec<Ask> {
    let mut all = Vec::new();
    for host in ["h.test", "w.test", "other.example", "w.example"] {
        for path in PATHS {
            for method in ["GET", "POST", "PUT"] {
                for header in [None, Some("1"), Some("2"), Some("3")] {
                    all.push(Ask { host, path, method, header });
                }
            }
        }
    }
    all
}

/// `{ path_beg /a } !{ method POST } || …`, and what it means.
fn condition(rng: &mut fastrand::Rng, terms: usize) -> (String, Vec<Vec<(bool, usize)>>) {
    let mut text = String::new();
    let mut meaning = Vec::new();
    for alternative in 0..rng.usize(1..3) {
        text.push_str(if alternative > 0 { "|| " } else { "" });
        let mut all = Vec::new();
        for _ in 0..rng.usize(1..4) {
            let (not, term) = (rng.u8(0..4) == 0, rng.usize(0..terms));
            text.push_str(&format!("{}{{ {} }} ", if not { "!" } else { "" }, TERMS[term].0));
            all.push((not, term));
        }
        meaning.push(all);
    }
    (text, meaning)
}

/// Random frontends: the routes do what first match first does, or a line says that it could not be kept.
fn order_is_kept(seed: u64, files: usize, terms: usize) -> usize {
    let mut rng = fastrand::Rng::with_seed(seed);
    let requests = requests();
    let mut unsure = 0;
    for _ in 0..files {
        let mut lines = String::new();
        let mut rules = Vec::new();
        for _ in 0..rng.usize(1..6) {
            let (text, meaning) = condition(&mut rng, terms);
            let (line, result) = match rng.u8(0..6) {
                0 => ("http-request deny", "403".to_owned()),
                1 => ("redirect location /r code 301", "301".to_owned()),
                _ => {
                    let pool = ["a", "b", "c"][rng.usize(0..3)];
                    (
                        ["use_backend a", "use_backend b", "use_backend c"]
                            [["a", "b", "c"].iter().position(|p| *p == pool).unwrap()],
                        pool.to_owned(),
                    )
                }
            };
            lines.push_str(&format!(" {line} if {text}\n"));
            rules.push((line, meaning, result));
        }
        lines.push_str(" default_backend d\n");
        // HAProxy looks at http-request first, then at redirects, then at use_backend.
        rules.sort_by_key(|(line, ..)| {
            ["http", "redi", "use_"].iter().position(|begin| line.starts_with(begin))
        });
        let imported = with(&lines);
        let of_order = |line: &&crate::import::Line| line.note.contains("place in the order");
        let refused = imported.report.lines.iter().filter(|line| line.verdict == Kind::Refused);
        assert!(refused.into_iter().all(|line| of_order(&line)), "{lines}{}", imported.report.table());
        let lbd = Lbd::new(&model(&imported.config));
        let told = imported.report.lines.iter().any(|line| line.note.contains("place in the order"));
        unsure += usize::from(told);
        for request in requests.iter().filter(|_| !told) {
            let holds =
                |all: &Vec<(bool, usize)>| all.iter().all(|(not, term)| TERMS[*term].1(request) != *not);
            let first = rules.iter().find(|(_, meaning, _)| meaning.iter().any(holds));
            let expected = first.map_or("d", |(.., result)| result.as_str());
            assert_eq!(lbd.asked(request), expected, "{request:?}\n{lines}\n{}", imported.config);
        }
    }
    unsure
}

#[test]
fn the_first_rule_that_holds_decides_as_it_did() {
    // Only where case counts in one of two that overlap, and not in the other, there is no pattern for both.
    let unsure = order_is_kept(1, 60, 17);
    assert!(unsure < 8, "{unsure} of 60 files could not be kept");
}

#[test]
fn searches_keep_their_place_too_or_a_line_says_so() {
    let unsure = order_is_kept(2, 60, TERMS.len());
    assert!(unsure < 40, "{unsure} of 60 files could not be kept");
}

#[test]
fn a_small_file_reads_as_one_would_write_it() {
    let imported = with(
        " acl static path_beg /img /css\n acl static path_end .png\n use_backend a if static\n\
         use_backend b if { hdr(host) -i api.example.com }\n default_backend c",
    );
    assert_eq!(imported.report.count(Kind::Refused), 0, "{}", imported.report.table());
    let expected = "route (starts-with)\"/img\" (starts-with)\"/css\" (regex)#\"/.*\\.png\"# pool=a";
    assert!(imported.config.contains(expected), "{}", imported.config);
    assert!(imported.config.contains("site \"api.example.com\" {"), "{}", imported.config);
    assert!(imported.config.contains("// line 8: use_backend a if static"), "{}", imported.config);
    assert!(
        imported.config.contains("/-pool d {"),
        "a pool that nothing leads to is off: {}",
        imported.config
    );
}

#[test]
fn a_listener_that_only_redirects_is_said_so() {
    let imported = run("frontend f\n mode http\n bind :80\n bind :443 ssl crt a.pem\n\
         http-request redirect scheme https code 301 unless { ssl_fc }\n default_backend a\n\
         backend a\n mode http\n server s 10.0.0.1:80\n");
    let model = model(&imported.config);
    let redirects: Vec<_> =
        model.listeners.iter().filter_map(|l| l.redirect_to_https.map(|r| r.status)).collect();
    assert_eq!(redirects, [301], "{}", imported.config);
}

#[test]
fn verdicts_name_what_differs_and_what_to_do() {
    let imported = with(
        " http-request auth unless { src 10.0.0.0/8 }\n option forwardfor\n http-request set-header X-A b\n\
         acl odd url_ip 10.0.0.0/8\n use_backend a if odd\n use_backend bk_%[path] if TRUE\n whatever 1\n default_backend a",
    );
    let check = |begins: &str, kind: Kind, part: &str| {
        let (verdict, note) = verdict(&imported, begins);
        assert!(verdict == kind && note.contains(part), "{begins}: {verdict:?} {note}");
    };
    check("http-request auth", Kind::Refused, "`respond 403` stands here");
    check("option forwardfor", Kind::Approximated, "trust-forwarded");
    check("http-request set-header", Kind::Mapped, "request-headers");
    check("acl odd", Kind::Refused, "url_ip");
    check("use_backend a", Kind::Refused, "acl `odd`");
    check("use_backend bk_", Kind::Refused, "one route for each");
    check("whatever", Kind::Refused, "not known");
    check("default_backend", Kind::Mapped, "route");
}

#[test]
fn no_refused_line_lets_requests_through_in_silence() {
    let imported = with(
        " http-request auth unless { src 10.0.0.0/8 }\n http-request deny deny_status 999 if { path /x }\n\
         http-request tarpit if { nbsrv lt 1 }\n tcp-request connection reject if { src_is_bad }\n\
         http-request set-var(a) b\n default_backend a",
    );
    let lbd = Lbd::new(&model(&imported.config));
    let ask = Ask { host: "h.test", path: "/", method: "GET", header: None };
    assert_eq!(lbd.asked(&ask), "403", "{}", imported.config);
    assert_eq!(imported.report.count(Kind::Refused), 5, "{}", imported.report.table());
    assert_eq!(imported.report.lets_through.len(), 2, "{}", imported.report.table());
    assert!(
        imported.report.summary().contains("2 of them kept requests out"),
        "{}",
        imported.report.summary()
    );
    assert_eq!(imported.config.matches("// WARNING: line").count(), 2, "{}", imported.config);
    for begins in ["http-request tarpit", "tcp-request"] {
        assert!(verdict(&imported, begins).1.contains("GETS IN"), "{}", imported.report.table());
    }

    let passed =
        run("frontend f\n mode tcp\n bind :80\n tcp-request connection reject if { src 10.0.0.0/8 }\n\
         default_backend a\nbackend a\n mode tcp\n server s 10.0.0.1:80\n");
    assert_eq!(passed.report.lets_through.len(), 1, "{}", passed.report.table());
}

#[test]
fn edits_are_those_that_held_at_the_end() {
    let imported = with(
        " http-request set-header X-A 1\n http-request set-header X-A 2 if { path_beg /a }\n\
         http-request del-header X-B\n http-response set-header X-C 3\n default_backend a",
    );
    let model = model(&imported.config);
    let edits: Vec<String> = model.sites[0]
        .routes
        .iter()
        .map(|route| format!("{} {:?}", route.name, route.request_headers).to_lowercase())
        .collect();
    assert_eq!(edits.len(), 2, "{edits:?}");
    assert!(
        edits.iter().any(|e| e.starts_with("/a ") && e.contains("\"2\"") && !e.contains("\"1\"")),
        "{edits:?}"
    );
    assert!(
        edits.iter().any(|e| e.starts_with("/ ") && e.contains("\"1\"") && e.contains("x-b")),
        "{edits:?}"
    );
}

/// What a file may be made of.
const WORDS: &[&str] = &[
    "global",
    "defaults",
    "frontend f",
    "backend b",
    "listen l",
    "bind :80",
    "bind *:1-9",
    "server s 10.0.0.1:80 check",
    "acl a",
    "path_beg",
    "-i",
    "-f",
    "-m",
    "/x",
    "{",
    "}",
    "||",
    "!",
    "if",
    "unless",
    "use_backend",
    "http-request",
    "set-header",
    "deny",
    "redirect",
    "prefix",
    "cookie",
    "insert",
    "stick on src",
    "\"",
    "\\",
    "'",
    "#",
    "${A}",
    "%[",
    "%[path]",
    "\n",
    "\n",
    "\n",
    " ",
    "mode http",
    "option httpchk",
    "http-check expect",
    "!",
    "status",
    "path_reg",
    "[",
    "(",
    "balance",
    "hdr(",
    "é",
    "\t",
    "ssl",
    "crt",
    "timeout client",
    "5s",
    "stick-table type ip size 1k expire 1s store http_req_rate(0)",
    "track-sc0 src",
    "\u{f8ff}",
    "sc_http_req_rate(0) gt 1",
    "return",
    "string",
    "hdr_end(host)",
    ".",
    "..",
    "TRUE",
    "resolvers r",
    "nameserver a 1.2.3.4:53",
];

#[test]
fn whatever_is_read_nothing_panics_and_all_lines_have_a_verdict() {
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..300 {
        let text: String =
            (0..rng.usize(0..60)).map(|_| format!("{} ", WORDS[rng.usize(0..WORDS.len())])).collect();
        let began = std::time::Instant::now();
        let imported = run(&text);
        assert!(began.elapsed().as_secs() < 60, "{text}");
        for line in &imported.report.lines {
            assert!(line.verdict == Kind::Mapped || !line.note.is_empty(), "{line:?}");
        }
        assert!(imported.config.starts_with("/- kdl-version 2"), "{text:?}\n{}", imported.config);
        let kdl = ::kdl::KdlDocument::parse_v2(&imported.config);
        assert!(kdl.is_ok(), "{text:?}\n{}", imported.config);
    }
}
