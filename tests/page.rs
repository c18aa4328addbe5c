//! The page of `status`: what is served to whom, news without asking, and changes for who has the token.

use std::io::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::proxying::config;
use crate::support::daemon::reserve_port;
use crate::support::{Client, Daemon, Message, Origin, eventually};

const TOKEN: &str = "correct-horse-battery-staple";

/// A daemon with a pool `app` of these servers and a `status` with more inside; where that is.
struct Site {
    daemon: Daemon,
    address: SocketAddr,
    kdl: String,
    _port: socket2::Socket,
}

impl Site {
    fn new(origins: &[&Origin], props: &str, inside: &str) -> Self {
        let (port, address) = reserve_port();
        let host = if props.contains("page=#false") { "" } else { "host app.test" };
        let kdl =
            format!("status \"{address}\" {props} {{\n{host}\n{inside}\n}}\n{}", config(origins, "", ""));
        let daemon = Daemon::run(&kdl);
        eventually("the status endpoint listens", || std::net::TcpStream::connect(address).ok());
        Self { daemon, address, kdl, _port: port }
    }

    /// With `operate`.
    fn operated(origins: &[&Origin]) -> Self {
        Self::new(origins, "", &format!("operate token=\"{TOKEN}\""))
    }

    fn ask(&self, method: &str, path: &str, fields: &str, body: &Value) -> Message {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Client::connect(self.address).request(method, path, fields, body.as_bytes())
    }

    fn get(&self, path: &str) -> Message {
        self.ask("GET", path, "", &Value::Null)
    }

    /// The stream, behind its head.
    fn listen(&self) -> Stream {
        let mut client = Client::connect(self.address);
        client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut reader = client.into_reader();
        let head = Message::read_head(&mut reader).unwrap().unwrap();
        assert_eq!((head.status(), head.field("content-type")), (200, Some("text/event-stream")), "{head:?}");
        Stream { reader, text: String::new() }
    }
}

/// A stream of events.
struct Stream {
    reader: std::io::BufReader<std::net::TcpStream>,
    text: String,
}

impl Stream {
    /// The next event of that name that `look` finds something in.
    fn until<T>(&mut self, name: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        let started = std::time::Instant::now();
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let data = event.strip_prefix(&format!("event: {name}\ndata: "));
                let found = data.and_then(|data| look(&serde_json::from_str(data).unwrap()));
                if let Some(found) = found {
                    return found;
                }
            }
            assert!(started.elapsed() < crate::support::DEADLINE, "no `{name}` tells it");
            let more = self.chunk();
            self.text.push_str(&String::from_utf8(more).unwrap());
        }
    }

    fn chunk(&mut self) -> Vec<u8> {
        use std::io::{BufRead as _, Read as _};
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).expect("the size of a chunk");
        let mut bytes = vec![0; length + 2];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }
}

fn server<'a>(look: &'a Value, name: &str) -> Option<&'a Value> {
    look["servers"].as_array()?.iter().find(|server| server["name"] == name)
}

fn wish(state: &str) -> Value {
    json!({ "state": state, "reason": "new kernel" })
}

const ADMIN: &str = "/v1/pools/app/servers/s0/admin";

#[test]
fn the_page_is_whole_and_lets_a_browser_run_nothing_else() {
    let origin = Origin::echo("a");
    let site = Site::new(&[&origin], "", "");
    let page = site.get("/");
    assert_eq!((page.status(), page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    let html = page.text();
    assert!(html.contains("</html>") && !html.contains("src=") && !html.contains("@import"), "one document");
    let small = site.ask("GET", "/", "Accept-Encoding: gzip, br\r\n", &Value::Null);
    assert_eq!(small.field("content-encoding"), Some("gzip"));
    let mut plain = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*small.body), &mut plain).unwrap();
    assert_eq!(plain, html);
    for (method, path) in [("POST", "/"), ("PUT", "/events"), ("DELETE", "/ready"), ("OPTIONS", "/")] {
        let refused = site.ask(method, path, "", &Value::Null);
        assert_eq!((refused.status(), refused.field("allow")), (405, Some("GET, HEAD")), "{method} {path}");
    }
    assert_eq!(site.ask("HEAD", "/", "", &Value::Null).status(), 200);
    for (path, status) in [("/live", 200), ("/ready", 200), ("/metrics", 200), ("/page", 404)] {
        assert_eq!(site.get(path).status(), status, "{path}");
    }
}

#[test]
fn without_a_page_there_are_the_probes_alone() {
    let origin = Origin::echo("a");
    let site = Site::new(&[&origin], "page=#false", "");
    eventually("it is ready", || (site.get("/ready").status() == 200).then_some(()));
    for path in ["/", "/events", "/v1", "/v1/routes"] {
        assert_eq!(site.get(path).status(), 404, "{path}");
    }
}

#[test]
fn only_the_networks_that_are_named_see_the_page() {
    let origin = Origin::echo("a");
    let site = Site::new(&[&origin], "", "allow-from \"192.0.2.0/24\"");
    for path in ["/", "/events", "/v1/routes"] {
        assert_eq!(site.get(path).status(), 403, "{path}");
    }
}

#[test]
fn a_browser_that_was_led_here_under_another_name_gets_nothing() {
    let origin = Origin::echo("a");
    let site = Site::operated(&[&origin]);
    let port = site.address.port();
    let ask = |method: &str, path: &str, host: &str| {
        let mut client = Client::connect(site.address);
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        ));
        client.read_head()
    };
    let own = ["127.0.0.1", "[::1]", "localhost", "app.localhost", "APP.test", "app.test.", "192.0.2.7"];
    for host in own.into_iter().flat_map(|host| [host.to_owned(), format!("{host}:{port}")]) {
        for path in ["/", "/events", "/v1/routes"] {
            assert_eq!(ask("GET", path, &host).status(), 200, "{host} {path}");
        }
    }
    for host in ["evil.test", "app.test.evil.test", "xapp.test", "localhost.evil.test", "127.0.0.1.evil.test"]
    {
        for (method, path) in [("GET", "/"), ("GET", "/events"), ("GET", "/v1/routes"), ("PUT", ADMIN)] {
            assert_eq!(ask(method, path, host).status(), 421, "{host} {method} {path}");
        }
        // Who probes and scrapes has other names for it, and is no browser.
        for path in ["/live", "/ready", "/metrics"] {
            assert_eq!(ask("GET", path, host).status(), 200, "{host} {path}");
        }
    }
    let mut refused = Client::connect(site.address);
    refused.send("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    let refused = refused.read(crate::support::Tail::AsSaid);
    assert!(refused.text().contains("`host`"), "{}", refused.text());
}

#[test]
fn news_come_without_asking() {
    let origins = [Origin::echo("a"), Origin::echo("b")];
    let site = Site::new(&origins.each_ref(), "", "");
    let mut stream = site.listen();
    stream.until("past", |past| (past[0]["pool"] == "app").then_some(()));
    stream.until("about", |about| (about["operate"] == "off" && about["ready"] == true).then_some(()));
    stream.until("look", |look| {
        (server(look, "s0")?["admin"]["state"] == "ready" && look["status"]["config"]["generation"] == 1)
            .then_some(())
    });
    let (status, answer) = site.daemon.control_with("PUT", ADMIN, &wish("drain"));
    assert_eq!(status, 202, "{answer}");
    let actor = stream.until("events", |events| {
        let begun = events.as_array()?.iter().find(|event| event["kind"] == "drain.begun")?;
        begun["actor"].as_str().map(str::to_owned)
    });
    assert!(!actor.is_empty() && actor != "page", "{actor}");
    stream.until("look", |look| (server(look, "s0")?["admin"]["reason"] == "new kernel").then_some(()));
    // Each reader gets them from the beginning.
    site.listen().until("events", |events| {
        events.as_array()?.iter().any(|event| event["kind"] == "drain.begun").then_some(())
    });
}

#[test]
fn so_many_pages_have_a_place_and_one_that_leaves_makes_room() {
    let origin = Origin::echo("a");
    let site = Site::new(&[&origin], "", "");
    let mut readers: Vec<Stream> = (0..16).map(|_| site.listen()).collect();
    let refused = site.get("/events");
    assert_eq!((refused.status(), refused.field("retry-after")), (503, Some("10")));
    assert_eq!(site.get("/live").status(), 200, "probes are answered all the same");
    drop(readers.pop());
    eventually("a place is free", || {
        let mut client = Client::connect(site.address);
        client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = Message::read_head(&mut client.into_reader()).unwrap()?;
        (head.status() == 200).then_some(())
    });
}

#[test]
fn who_only_looks_changes_nothing_and_sees_no_secret() {
    let origin = Origin::echo("a");
    let (port, address) = reserve_port();
    let secret = "k3y-of-a-partner";
    let text = format!(
        "status \"{address}\" {{ host app.test; }}\n{}route \"/keyed\" pool=app {{ match {{ header x-api-key \"{secret}\"; }}; }}\n",
        config(&[&origin], "", "")
    );
    let daemon = Daemon::run(&text);
    let site = Site { daemon, address, kdl: text, _port: port };
    eventually("it listens", || std::net::TcpStream::connect(address).ok());
    let routes = site.get("/v1/routes");
    assert!(routes.text().contains("header x-api-key = …"), "{}", routes.text());
    site.daemon.save(&format!(
        "{}route \"/x\" pool=ap {{ match {{ header x-api-key \"{secret}\"; }}; }}\n",
        site.kdl
    ));
    let report = eventually("the refusal is told", || {
        let report = site.get("/v1/config/report").text().to_owned();
        report.contains("LB103").then_some(report)
    });
    assert!(!report.contains(secret), "{report}");
    assert_eq!(site.get("/v1").text().matches("\"role\":\"read\"").count(), 1);
    for (method, path, status) in [
        ("PUT", ADMIN, 403),
        ("POST", "/v1/pools/app/servers/s0/check", 403),
        ("GET", "/v1/config/diff", 403),
        ("GET", "/v1/stream", 404),
        ("GET", "/v1/events", 404),
        ("GET", "/v1/config", 404),
        ("POST", "/v1/shutdown", 404),
        ("PUT", "/v1/log", 404),
    ] {
        let refused = site.ask(method, path, "", &wish("drain"));
        assert_eq!(refused.status(), status, "{method} {path}: {}", refused.text());
    }
    let (_, answer) = site.daemon.control("GET", "/v1/pools/app/servers/s0");
    assert_eq!(answer["admin"]["state"], "ready");
}

#[test]
fn who_has_the_token_drains_by_the_page_and_it_is_audited() {
    let origins = [Origin::echo("a"), Origin::echo("b"), Origin::echo("c")];
    let site = Site::operated(&origins.each_ref());
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for wrong in ["Authorization: Bearer no\r\n", "Authorization: Basic bm8=\r\n", "Cookie: token=no\r\n", ""]
    {
        let refused = site.ask("PUT", ADMIN, wrong, &wish("drain"));
        assert_eq!(refused.status(), 403, "{wrong}: {}", refused.text());
    }
    let elsewhere = format!("{bearer}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(site.ask("PUT", ADMIN, &elsewhere, &wish("drain")).status(), 403, "another site's script");
    let state = || site.daemon.control("GET", "/v1/pools/app/servers/s0").1["admin"].clone();
    assert_eq!(state()["state"], "ready");
    site.daemon.says("the page was refused");

    let tried = site.ask("PUT", ADMIN, &bearer, &json!({ "state": "drain", "dry_run": true }));
    let tried: Value = serde_json::from_slice(&tried.body).unwrap();
    assert_eq!(tried["effect"]["others"], json!(["s1", "s2"]));
    assert_eq!(state()["state"], "ready", "a dry run changes nothing");
    assert_eq!(site.ask("PUT", ADMIN, &bearer, &wish("drain")).status(), 202);
    let admin = state();
    assert_eq!((&admin["state"], &admin["actor"]), (&json!("drain"), &json!("page")), "{admin}");
    let (_, events) = site.daemon.control("GET", "/v1/events?follow=false&kind=drain.begun");
    assert_eq!(
        (&events["actor"], &events["data"]["reason"]),
        (&json!("page"), &json!("new kernel")),
        "{events}"
    );
    site.daemon.says("changed by an operator");
    // The guards are those of `lbctl`.
    let refused = site.ask("PUT", "/v1/pools/app/servers/s1/admin", &bearer, &wish("maint"));
    assert_eq!(refused.status(), 409, "{}", refused.text());
    assert_eq!(site.ask("PUT", ADMIN, &bearer, &wish("ready")).status(), 200);
    assert_eq!(state()["state"], "ready");
    for (method, path) in [("POST", "/v1/shutdown"), ("POST", "/v1/config/reload"), ("PUT", "/v1/log")] {
        assert_eq!(site.ask(method, path, &bearer, &json!({})).status(), 404, "{path} is for the socket");
    }
}

#[test]
fn a_client_that_says_half_a_request_keeps_nobody_from_the_page() {
    let origin = Origin::echo("a");
    let site = Site::new(&[&origin], "", "");
    let mut slow: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(site.address).unwrap()).collect();
    for stream in &mut slow {
        stream
            .write_all(
                b"PUT /v1/pools/app/servers/s0/admin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
            )
            .unwrap();
    }
    assert_eq!(Client::connect(site.address).get("/").status(), 200);
}
