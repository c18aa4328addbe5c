//! What is explained is what happens: generated requests over real sockets, to the real daemon with what the examples
//! say, whose servers tell which pool they belong to and what they were sent.

use std::collections::BTreeMap;
use std::path::Path;

use lbd::config::source::FsLoader;
use lbd::config::{self, model::Model};
use lbd::explain::{Outcome, Question, World};

use crate::support::{Client, Daemon, Message, Origin, Tail, eventually};

/// Requests to each example.
const EACH: usize = 70;

/// The example with its listeners turned off and its servers on this machine, and a server for each pool.
fn runnable(name: &str) -> (String, BTreeMap<String, Origin>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let model = config::load(&path, &FsLoader).model.expect("an example loads");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let origins: BTreeMap<String, Origin> =
        model.pools.keys().map(|name| (name.to_string(), Origin::echo("origin"))).collect();
    for pool in model.pools.values() {
        for (at, server) in pool.servers.iter().enumerate() {
            let (written, address) =
                (format!("{}:{}", server.host, server.port), origins[&*pool.name].address());
            // One without a name would have that of its neighbour.
            let name = if *server.name == *written { format!("s{at} ") } else { String::new() };
            text = text.replace(&format!("\"{written}\""), &format!("{name}\"{address}\""));
        }
    }
    // The daemon of a test has a listener of its own; TLS, and ports that only checks use, are not what is asked here.
    for (from, to) in [
        ("\nlisten ", "\n/-listen "),
        ("\nstatus ", "\n/-status "),
        ("\nerror-page ", "\n/-error-page "),
        ("    tls ca", "    /-tls ca"),
        ("  error-page ", "  /-error-page "),
        (" port=8000 tls=#false", ""),
        ("/- kdl-version 2\n", ""),
    ] {
        text = text.replace(from, to);
    }
    (text, origins)
}

/// Paths, hosts, methods and fields that the routes care about, and some that nobody does.
struct Words {
    paths: Vec<String>,
    hosts: Vec<String>,
}

impl Words {
    fn of(model: &Model) -> Self {
        let routes = || model.sites.iter().flat_map(|site| &site.routes);
        let patterns = routes().flat_map(|route| &route.patterns).map(|pattern| pattern.as_str().to_owned());
        let paths = patterns.map(|path| path.replace(['{', '}', '*', '^', '$'], "")).chain(["/".to_owned()]);
        let hosts = model.sites.iter().flat_map(|site| &site.hosts).map(|host| host.replace('*', "any"));
        Self { paths: paths.collect(), hosts: hosts.chain(["other.test".to_owned()]).collect() }
    }

    fn request(&self, random: &mut fastrand::Rng) -> (String, String, String, Vec<(String, String)>) {
        let any = |list: &[String], random: &mut fastrand::Rng| list[random.usize(..list.len())].clone();
        let mut path = any(&self.paths, random);
        for _ in 0..random.usize(..3) {
            let tails = [
                "/x", "X", "/", "//y", "/../z", "/%41b", "/a;b=c", "/.", "/%2e%2e", "/%2f", "?a=1&b=2", "?",
                "%zz", "/Ab",
            ];
            let tail = tails[random.usize(..tails.len())];
            if path.contains('?') && tail.starts_with('/') {
                path.insert_str(0, tail)
            } else {
                path.push_str(tail)
            }
        }
        if random.usize(..4) == 0 {
            path = if random.bool() { path.to_uppercase() } else { path.to_lowercase() };
        }
        let methods = ["GET", "GET", "POST", "DELETE", "OPTIONS"];
        let mut fields = Vec::new();
        for (name, value) in [
            ("x-canary", "1"),
            ("Cookie", "beta=1; lbd-side=zz"),
            ("X-Api-Key", "k"),
            ("x-forwarded-for", "1.2.3.4"),
            ("Via", "1.0 a"),
        ] {
            if random.usize(..4) == 0 {
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
        (methods[random.usize(..methods.len())].to_owned(), any(&self.hosts, random), path, fields)
    }
}

fn ask(daemon: &Daemon, method: &str, host: &str, path: &str, fields: &[(String, String)]) -> Message {
    let mut client = Client::connect(daemon.address());
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"));
    client.read(Tail::AsSaid)
}

fn agree(name: &str, seed: u64) -> usize {
    let (text, origins) = runnable(name);
    let daemon = Daemon::run(&text);
    let model = config::load(&daemon.config(), &FsLoader).model.expect("the daemon runs it");
    let words = Words::of(&model);
    let world = World::of(model).unwrap();
    let all_up = || {
        let (_, servers) = daemon.control("GET", "/v1/servers");
        let up = |server: &serde_json::Value| server["health"]["state"] == "up";
        servers.as_array().filter(|servers| servers.iter().all(up)).map(drop)
    };
    eventually("every server passes its check", all_up);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut forwarded = 0;
    for _ in 0..EACH {
        let (method, host, path, fields) = words.request(&mut random);
        let question = Question {
            method: method.clone(),
            headers: [vec![("Host".to_owned(), host.clone())], fields.clone()].concat(),
            client_ip: [127, 0, 0, 1].into(),
            listener: Some("front".to_owned()),
            ..Question::get(path.clone())
        };
        let what = format!("{name}: {method} {path} of {host} with {fields:?}");
        let told = world.ask(&question).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let answer = ask(&daemon, &method, &host, &path, &fields);
        match &told.outcome {
            Outcome::Forward { target, host, fields } => {
                forwarded += 1;
                assert_eq!(answer.status(), 200, "{what}: {told:?}");
                let pools = told.pools();
                let got = pools.iter().find_map(|pool| got(&origins[*pool], &answer));
                let got = got.unwrap_or_else(|| panic!("{what}: not {pools:?}: {}", answer.text()));
                assert_eq!(
                    (got.target(), got.field("host")),
                    (target.as_str(), Some(host.as_str())),
                    "{what}"
                );
                let told = fields.iter().map(|field| (field.name.clone(), field.value.clone()));
                assert_eq!(sorted(got.fields.clone()), sorted(told), "{what}");
            }
            Outcome::Redirect { status, location } => {
                let answered = (answer.status(), answer.field("location"));
                assert_eq!(answered, (*status, Some(location.as_str())), "{what}");
            }
            Outcome::Respond { status } | Outcome::Refuse { status, .. } => {
                assert_eq!(answer.status(), *status, "{what}: {told:?}");
            }
            Outcome::Pass => panic!("{what}: {told:?}"),
        }
    }
    forwarded
}

/// What the server was sent that gave this answer: it tells the `X-Request-Id`.
fn got(origin: &Origin, answer: &Message) -> Option<Message> {
    // Checks come between, and are requests like others here.
    let is_it =
        |request: &Message| request.field("x-request-id").is_some_and(|id| answer.text().contains(id));
    origin.requests().into_iter().rev().find(is_it)
}

/// Fields that are the same each time, but for `Host`.
fn sorted(fields: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let fields = fields.into_iter().map(|(name, value)| (name.to_lowercase(), value));
    let mut fields: Vec<_> = fields.filter(|(name, _)| name != "x-request-id" && name != "host").collect();
    fields.sort();
    fields
}

#[test]
fn what_is_explained_is_what_the_daemon_does() {
    let examples = ["thingworx.kdl", "canary.kdl", "edge-rules/lbd.kdl", "haproxy-prefixes.kdl"];
    let forwarded: usize = examples.iter().zip(1..).map(|(name, seed)| agree(name, seed)).sum();
    assert!(forwarded > EACH, "only {forwarded} requests reached a server");
}
