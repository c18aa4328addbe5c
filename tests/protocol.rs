//! The description of the control protocol is true: it has every call that the daemon answers and no other, and what the
//! daemon answers over its socket is what the description says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::reference::endpoints::{ENDPOINTS, QUERY, Reply};
use crate::reference::openapi::{check, document};
use crate::support::secure::Authority;
use crate::support::{CHECKED_ONCE, Client, DEADLINE, Daemon, Origin, eventually, websocket};

/// A path with its parameters left open.
fn shape(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "*".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The calls that the table of the daemon answers, read from its source.
fn answered() -> BTreeSet<(String, String)> {
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/dispatch.rs"));
    let source = source.unwrap();
    let (calls, _) = source.split_once("/// A path that does not exist").expect("the table ends");
    let mut found = BTreeSet::new();
    let mut below = "";
    for line in calls.lines().map(str::trim) {
        if line.starts_with("async fn configuration") {
            below = "/config";
        }
        let Some((method, rest)) = line.strip_prefix("(\"").and_then(|line| line.split_once("\", [")) else {
            continue;
        };
        let (parts, _) = rest.split_once("])").expect("a pattern ends");
        let parts = parts.split(", ").filter(|part| !part.is_empty());
        let parts = parts.map(|part| part.strip_prefix('"').map_or("*", |part| part.trim_end_matches('"')));
        let path: String = parts.map(|part| format!("/{part}")).collect();
        found.insert((method.to_owned(), format!("/v1{below}{path}")));
    }
    found
}

#[test]
fn every_call_that_the_daemon_answers_is_described_and_no_other() {
    let described =
        ENDPOINTS.iter().map(|one| (one.method.to_owned(), shape(one.path))).collect::<BTreeSet<_>>();
    assert!(described.len() == ENDPOINTS.len() && described.len() > 40);
    assert_eq!(described, answered());
    for (name, _) in QUERY {
        assert!(ENDPOINTS.iter().any(|one| one.query.contains(name)), "nobody takes {name}");
    }
}

#[test]
fn the_page_names_every_call() {
    let page = include_str!("../docs/control-api.md");
    for one in ENDPOINTS {
        let row = format!("| `{} {}` | {} | {} |", one.method, one.path, one.role, one.about);
        assert!(page.contains(&row), "docs/control-api.md lacks\n{row}");
    }
    for kind in lbctl::protocol::Kind::ALL {
        let problem = lbctl::protocol::Problem::new(kind, "");
        let key = problem.kind.rsplit('/').next().unwrap();
        assert!(
            page.contains(&format!("| `{key}` | {} |", problem.status)),
            "docs/control-api.md lacks `{key}`"
        );
    }
}

/// A daemon with something of everything.
struct Scene {
    daemon: Daemon,
    origin: Origin,
    _site: Authority,
    document: Value,
    /// What stands for the parameters of paths.
    names: BTreeMap<&'static str, String>,
    asked: BTreeSet<(&'static str, &'static str)>,
}

impl Scene {
    fn new() -> Self {
        let site = Authority::new();
        let origin = Origin::scripted(|message, wire| match message.target() {
            "/ws" => websocket::echo(message, wire),
            _ => wire.ok("hello"),
        });
        let kdl = format!(
            "listen \"127.0.0.1:0\" name=secure {{ tls {{ certificate \"{}\"; }}; }}\n\
             pool app {{ server s0 \"{1}\"; server s1 \"{1}\"; sticky source-ip; health \"/ready\" {CHECKED_ONCE}; }}\n\
             route \"/\" pool=app\n",
            site.issue("site.pem", "site.test").display(),
            origin.address()
        );
        let daemon = Daemon::run(&kdl);
        eventually("a server is up", || (Client::fetch(daemon.address(), "/").status() == 200).then_some(()));
        let names = BTreeMap::from([
            ("pool", "app".to_owned()),
            ("server", "s0".to_owned()),
            ("name", "site".to_owned()),
        ]);
        Self { daemon, origin, _site: site, document: document(), names, asked: BTreeSet::new() }
    }

    /// Calls, and compares the answer with the description.
    fn ask(&mut self, method: &'static str, path: &'static str, query: &str, body: &Value) -> Value {
        let one =
            ENDPOINTS.iter().find(|one| (one.method, one.path) == (method, path)).expect("it is described");
        let mut target = format!("{path}{query}");
        for (name, value) in &self.names {
            target = target.replace(&format!("{{{name}}}"), value);
        }
        let (status, answer) = self.daemon.control_with(method, &target, body);
        let accepted = matches!(one.reply, Reply::Accepted(_)) && status == 202;
        assert!(status == 200 || accepted, "{method} {target}: {status} {answer}");
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let schema = &operation["responses"][status.to_string()]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} answers JSON: {operation}");
        check(&self.document, schema, &answer, &format!("{method} {path}"))
            .unwrap_or_else(|error| panic!("{error}"));
        self.asked.insert((method, path));
        answer
    }

    /// The first line of an answer that does not end.
    fn follow(&mut self, path: &'static str, query: &str) {
        let mut target = format!("{path}{query}");
        for (name, value) in &self.names {
            target = target.replace(&format!("{{{name}}}"), value);
        }
        let mut stream = UnixStream::connect(self.daemon.config().with_file_name("control.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: lbd\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let first = lines.find(|line| line.starts_with('{')).expect("a line of JSON");
        let content = &self.document["paths"][path]["get"]["responses"]["200"]["content"];
        let schema = &content["application/x-ndjson"]["schema"];
        let value = serde_json::from_str(&first).unwrap();
        check(&self.document, schema, &value, path).unwrap_or_else(|error| panic!("{error}"));
        self.asked.insert(("GET", path));
    }
}

/// What is asked without changing anything, and needs nothing in particular.
const LOOKS: [&str; 19] = [
    "/v1",
    "/v1/status",
    "/v1/log",
    "/v1/pools",
    "/v1/pools/{pool}",
    "/v1/servers",
    "/v1/pools/{pool}/servers/{server}",
    "/v1/routes",
    "/v1/sticky",
    "/v1/sticky/{pool}",
    "/v1/config",
    "/v1/config/expanded",
    "/v1/config/model",
    "/v1/config/report",
    "/v1/config/generations",
    "/v1/config/generations/{number}",
    "/v1/certificates",
    "/v1/certificates/{name}",
    "/v1/operations",
];

/// A WebSocket and the request that opened it; names the server that has it.
fn look_at_a_stream(scene: &mut Scene) {
    let connections = eventually("the WebSocket is listed", || {
        let found = scene.ask("GET", "/v1/connections", "?kind=websocket", &Value::Null);
        found["connections"].as_array().is_some_and(|all| !all.is_empty()).then_some(found)
    });
    let one = &connections["connections"][0];
    scene.names.insert("id", one["id"].as_str().unwrap().to_owned());
    scene.names.insert("server", one["server"].as_str().unwrap().to_owned());
    scene.ask("GET", "/v1/connections/{id}", "", &Value::Null);
    let request = scene.origin.requests().pop().unwrap().field("x-request-id").unwrap().to_owned();
    scene.names.insert("id", request);
    scene.ask("GET", "/v1/requests/{id}", "", &Value::Null);
}

fn look_at_generations(scene: &mut Scene) {
    scene.names.insert("number", "1".to_owned());
    LOOKS.into_iter().for_each(|path| drop(scene.ask("GET", path, "", &Value::Null)));
    eventually("the generation is kept", || {
        let answer = scene.daemon.control("GET", "/v1/config/generations/1/files");
        (answer.0 == 200).then_some(())
    });
    scene.ask("GET", "/v1/config/generations/{number}/files", "", &Value::Null);
    scene.ask("GET", "/v1/config/diff", "?from=1&to=1", &Value::Null);
}

/// What changes little, or says what it would change.
fn change(scene: &mut Scene) {
    scene.ask("POST", "/v1/routes/explain", "", &json!({ "method": "GET", "url": "http://app.test/" }));
    scene.ask("POST", "/v1/pools/{pool}/servers/{server}/check", "", &Value::Null);
    scene.ask("PUT", "/v1/pools/{pool}/servers/{server}/weight", "", &json!({ "weight": "50%" }));
    scene.ask("DELETE", "/v1/pools/{pool}/servers/{server}/weight", "", &Value::Null);
    scene.ask("POST", "/v1/pools/{pool}/rebalance", "", &json!({ "dry_run": true }));
    scene.ask("POST", "/v1/sticky/{pool}/move", "", &json!({ "from": "s0", "to": "s1", "dry_run": true }));
    scene.ask("DELETE", "/v1/sticky/{pool}", "?all=true&dry_run=true", &Value::Null);
    scene.ask("PUT", "/v1/log", "", &json!({ "filter": "debug", "for": "1m" }));
    scene.ask("POST", "/v1/config/reload", "", &Value::Null);
    scene.ask("POST", "/v1/certificates/reload", "", &Value::Null);
    let text = std::fs::read_to_string(scene.daemon.config()).unwrap();
    let offer = json!({ "offer": { "main": format!("{text}\nroute \"/more\" pool=app\n") } });
    scene.ask("POST", "/v1/config/plan", "", &offer);
}

/// A drain that goes on, because the server still has a stream.
fn drain(scene: &mut Scene) {
    let drain = json!({ "state": "drain", "close": "nobody", "deadline": "1h", "force": true });
    let changed = scene.ask("PUT", "/v1/pools/{pool}/servers/{server}/admin", "", &drain);
    scene.names.insert("id", changed["operation"]["id"].as_str().expect("an operation").to_owned());
    scene.ask("GET", "/v1/operations/{id}", "", &Value::Null);
    scene.ask("POST", "/v1/operations/{id}/pause", "", &Value::Null);
    scene.ask("POST", "/v1/operations/{id}/resume", "", &Value::Null);
    scene.follow("/v1/operations/{id}/events", "");
}

#[test]
fn what_the_daemon_answers_is_what_the_description_says() {
    let mut scene = Scene::new();
    let stream = websocket::opened(scene.daemon.address(), "/ws");
    look_at_a_stream(&mut scene);
    look_at_generations(&mut scene);
    change(&mut scene);
    drain(&mut scene);
    scene.follow("/v1/events", "?since=0");
    scene.follow("/v1/stream", "?every=1s");
    let wrong = scene.daemon.control("GET", "/v1/pools/nobody").1;
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    check(&scene.document, &problem, &wrong, "problem").unwrap_or_else(|error| panic!("{error}"));
    drop(stream);
    let gets = ENDPOINTS.iter().filter(|one| one.method == "GET").map(|one| one.path);
    let asked: BTreeSet<_> = scene.asked.iter().map(|(_, path)| *path).collect();
    let left: Vec<_> = gets.filter(|path| !asked.contains(path)).collect();
    // Text, and entries of a table that may have none.
    assert_eq!(left, ["/v1/metrics", "/v1/sticky/{pool}/export"]);
}

#[test]
fn an_answer_that_is_not_described_would_be_noticed() {
    let document = document();
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let good = json!({ "type": "x", "title": "x", "status": 404, "detail": "x" });
    let noticed = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        check(&document, &schema, &changed, "x").is_err()
    };
    assert_eq!(check(&document, &schema, &good, "x"), Ok(()));
    assert!(noticed("status", json!("404")) && noticed("news", json!(1)) && noticed("help", json!([1])));
    assert!(check(&document, &schema, &json!({ "type": "x" }), "x").is_err());
}
