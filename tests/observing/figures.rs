//! What a scrape says after something happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::support::daemon::reserve_port;
use crate::support::secure::{Authority, SecureClient};
use crate::support::{CHECKED_OFTEN, Client, DEADLINE, Daemon, Nobody, Origin, Tail, eventually, websocket};

/// A daemon whose metrics can be scraped.
pub(super) struct Scraped {
    pub(super) daemon: Daemon,
    pub(super) status: SocketAddr,
    _port: socket2::Socket,
}

impl Scraped {
    pub(super) fn run(kdl: &str) -> Self {
        let (port, status) = reserve_port();
        let daemon = Daemon::run(&format!("status \"{status}\"\n{kdl}"));
        Self { daemon, status, _port: port }
    }

    /// The page in a format, by what a scraper accepts.
    fn page(&self, accept: &str) -> (String, String) {
        let ask = || std::net::TcpStream::connect(self.status).ok().map(drop);
        eventually("the status endpoint listens", ask);
        let accept = format!("Accept: {accept}\r\nConnection: close\r\n");
        let answer = Client::connect(self.status).request("GET", "/metrics", &accept, b"");
        assert_eq!(answer.status(), 200);
        (answer.field("content-type").unwrap_or_default().to_owned(), answer.text().to_owned())
    }

    /// The values of a page, by name and labels.
    pub(super) fn figures(&self) -> BTreeMap<String, f64> {
        let (_, page) = self.page("text/plain");
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (name.to_owned(), value.parse().unwrap())
            })
            .collect()
    }

    /// Waits until a figure has this value: an exchange is counted when its answer is out.
    pub(super) fn becomes(&self, name: &str, expected: f64) {
        eventually(&format!("{name} is {expected}"), || {
            (self.figures().get(name).copied().unwrap_or_default() == expected).then_some(())
        });
    }
}

#[test]
fn a_request_is_counted_where_it_came_in_and_where_it_went() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok("0123456789")
    });
    let scraped = Scraped::run(&format!(
        "pool app {{ server s1 \"{}\"; }}\nsite \"app.test\" {{ route \"/\" pool=app name=all; }}\n",
        origin.address()
    ));
    let mut client = Client::connect(scraped.daemon.address());
    assert_eq!(client.request("POST", "/one", "", b"12345").status(), 200);
    assert_eq!(client.get("/two").status(), 200);
    assert_eq!(Client::connect(scraped.daemon.address()).get("/").status(), 200);
    let other = "GET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";
    let mut stranger = Client::connect(scraped.daemon.address());
    assert_eq!(stranger.send(other).read(Tail::AsSaid).status(), 404);
    scraped.becomes("lbd_listener_requests_total{listener=\"front\",class=\"4xx\"}", 1.0);
    scraped.becomes("lbd_listener_requests_total{listener=\"front\",class=\"2xx\"}", 3.0);
    let figures = scraped.figures();
    for (name, expected) in [
        ("lbd_listener_failures_total{listener=\"front\",reason=\"no-route\"}", 1.0),
        ("lbd_listener_body_bytes_total{listener=\"front\",direction=\"in\"}", 5.0),
        ("lbd_listener_request_duration_seconds_count{listener=\"front\"}", 4.0),
        ("lbd_route_requests_total{site=\"app.test\",route=\"all\",class=\"2xx\"}", 3.0),
        ("lbd_route_requests_total{site=\"app.test\",route=\"all\",class=\"4xx\"}", 0.0),
        ("lbd_route_body_bytes_total{site=\"app.test\",route=\"all\",direction=\"out\"}", 30.0),
        ("lbd_route_request_duration_seconds_bucket{site=\"app.test\",route=\"all\",le=\"+Inf\"}", 3.0),
        ("lbd_pool_requests_total{pool=\"app\"}", 3.0),
        ("lbd_pool_responses_total{pool=\"app\",class=\"2xx\"}", 3.0),
        ("lbd_pool_servers{pool=\"app\"}", 1.0),
        ("lbd_pool_ready_servers{pool=\"app\"}", 1.0),
        ("lbd_server_requests_total{pool=\"app\",server=\"s1\"}", 3.0),
        ("lbd_server_responses_total{pool=\"app\",server=\"s1\",class=\"2xx\"}", 3.0),
        ("lbd_server_response_duration_seconds_count{pool=\"app\",server=\"s1\"}", 3.0),
        ("lbd_config_generation", 1.0),
        ("lbd_events_total{event=\"config.applied\"}", 1.0),
    ] {
        assert_eq!(figures.get(name), Some(&expected), "{name}");
    }
    let connects = figures["lbd_server_connect_duration_seconds_count{pool=\"app\",server=\"s1\"}"];
    assert!((1.0..=3.0).contains(&connects), "{connects}");
    assert!(figures["process_cpu_seconds_total"] > 0.0 && figures["process_open_fds"] > 5.0);
}

#[test]
fn a_scraper_gets_the_format_that_it_reads_best() {
    let scraped = Scraped::run("route \"/\" { respond 200; }\n");
    let (kind, page) = scraped.page("application/openmetrics-text; version=1.0.0, text/plain;q=0.5");
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(
        page.ends_with("\n# EOF\n") && page.contains("\n# TYPE lbd_listener_accepted counter\n"),
        "{page}"
    );
    let (kind, page) = scraped.page("text/plain");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        !page.contains("# EOF") && page.contains("\n# TYPE lbd_listener_accepted_total counter\n"),
        "{page}"
    );
}

#[test]
fn figures_go_on_over_a_reload_and_leave_with_what_they_are_of() {
    let text = |routes: &str| format!("route \"/\" {{ respond 200; }}\n{routes}");
    let scraped = Scraped::run(&text("route \"/gone\" { respond 204; }\n"));
    assert_eq!(Client::fetch(scraped.daemon.address(), "/").status(), 200);
    assert_eq!(Client::fetch(scraped.daemon.address(), "/gone").status(), 204);
    let kept = "lbd_route_requests_total{site=\"default\",route=\"/\",class=\"2xx\"}";
    let gone = "lbd_route_requests_total{site=\"default\",route=\"/gone\",class=\"2xx\"}";
    scraped.becomes(gone, 1.0);
    scraped.daemon.save(&format!("status \"{}\"\n{}", scraped.status, text("")));
    scraped.becomes("lbd_config_generation", 2.0);
    let figures = scraped.figures();
    assert_eq!((figures.get(kept), figures.get(gone)), (Some(&1.0), None));
}

#[test]
fn what_a_session_carried_is_counted_while_it_is_open_and_after() {
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let scraped =
        Scraped::run(&format!("pool app {{ server s1 \"{}\"; }}\nroute \"/\" pool=app\n", origin.address()));
    let (mut socket, _) = websocket::open(scraped.daemon.address(), "/", "");
    for text in ["one", "two", "three"] {
        websocket::round_trip(&mut socket, text);
    }
    let messages =
        |way| format!("lbd_server_session_messages_total{{pool=\"app\",server=\"s1\",direction=\"{way}\"}}");
    scraped.becomes(&messages("out"), 3.0);
    let figures = scraped.figures();
    assert_eq!(figures["lbd_server_open_sessions{pool=\"app\",server=\"s1\"}"], 1.0);
    assert_eq!(figures["lbd_listener_sessions{listener=\"front\"}"], 1.0);
    let bytes = figures["lbd_server_session_bytes_total{pool=\"app\",server=\"s1\",direction=\"in\"}"];
    assert!(bytes > 10.0, "{bytes}");
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    scraped.becomes("lbd_server_open_sessions{pool=\"app\",server=\"s1\"}", 0.0);
    let figures = eventually("the end is counted, whichever side was first", || {
        let figures = scraped.figures();
        let ends = figures.iter().filter(|(name, _)| name.starts_with("lbd_listener_session_ends_total{"));
        (ends.map(|(_, count)| count).sum::<f64>() == 1.0).then_some(figures)
    });
    assert_eq!(figures["lbd_server_sessions_total{pool=\"app\",server=\"s1\"}"], 1.0);
    assert_eq!((figures[&messages("in")], figures[&messages("out")]), (3.0, 3.0));
}

#[test]
fn what_a_server_fails_at_is_counted_by_reason() {
    let nobody = Nobody::new();
    let (dead, alive) = (nobody.address(), Origin::echo("alive"));
    let scraped = Scraped::run(&format!(
        "pool app {{ server dead \"{dead}\"; }}\npool checked {{ server s1 \"{}\"; health \"/ready\" {CHECKED_OFTEN}; }}\n\
         route \"/\" pool=app\nroute \"/checked\" pool=checked\n",
        alive.address()
    ));
    assert_eq!(Client::fetch(scraped.daemon.address(), "/").status(), 502);
    let refused = "lbd_server_connect_failures_total{pool=\"app\",server=\"dead\",reason=\"connect-failed\"}";
    scraped.becomes(refused, 1.0);
    scraped.becomes("lbd_listener_failures_total{listener=\"front\",reason=\"connect-failed\"}", 1.0);
    let turns =
        |to: &str| format!("lbd_server_transitions_total{{pool=\"checked\",server=\"s1\",to=\"{to}\"}}");
    eventually("checks find it well", || (scraped.figures()[&turns("up")] >= 1.0).then_some(()));
    alive.set_ready(false);
    eventually("checks find it down", || (scraped.figures()[&turns("down")] >= 1.0).then_some(()));
    let figures = scraped.figures();
    assert_eq!(figures["lbd_server_up{pool=\"checked\",server=\"s1\"}"], 0.0);
    assert_eq!(figures["lbd_pool_ready_servers{pool=\"checked\"}"], 0.0);
    assert!(figures["lbd_server_checks_total{pool=\"checked\",server=\"s1\",result=\"failed\"}"] >= 10.0);
    assert!(figures["lbd_events_total{event=\"server.down\"}"] >= 1.0);
}

#[test]
fn waits_are_measured_apart_from_the_servers_own_time() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::scripted(move |_, wire| {
        let _ = gone.lock().unwrap().recv_timeout(DEADLINE);
        wire.ok("held")
    });
    let scraped = Scraped::run(&format!(
        "pool app {{ server s1 \"{}\" max-requests=1; queue size=5 timeout=\"60s\"; }}\nroute \"/\" pool=app\n",
        origin.address()
    ));
    let ask = || {
        let mut client = Client::connect(scraped.daemon.address());
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        client
    };
    let mut first = ask();
    eventually("the server has the first", || (origin.requests().len() == 1).then_some(()));
    let mut second = ask();
    scraped.becomes("lbd_pool_queued_requests{pool=\"app\"}", 1.0);
    go.send(()).unwrap();
    assert_eq!(first.read(Tail::AsSaid).status(), 200);
    go.send(()).unwrap();
    assert_eq!(second.read(Tail::AsSaid).status(), 200);
    scraped.becomes("lbd_server_response_duration_seconds_count{pool=\"app\",server=\"s1\"}", 2.0);
    let figures = scraped.figures();
    assert_eq!(figures["lbd_pool_queue_duration_seconds_count{pool=\"app\"}"], 1.0);
    let waited = figures["lbd_pool_queue_duration_seconds_sum{pool=\"app\"}"];
    let first_byte = figures["lbd_pool_first_byte_seconds_sum{pool=\"app\"}"];
    let server = figures["lbd_server_response_duration_seconds_sum{pool=\"app\",server=\"s1\"}"];
    assert!(waited > 0.0 && server + waited <= first_byte, "{waited} of {first_byte}, the server {server}");
}

#[test]
fn handshakes_and_the_end_of_certificates_are_told() {
    let authority = Authority::new();
    let file = authority.issue("app.pem", "app.test");
    let (port, status) = reserve_port();
    let daemon = Daemon::listening(
        &format!("tls {{ certificate \"{}\"; }}", file.display()),
        &format!("status \"{status}\"\nroute \"/\" {{ respond 200; }}\n"),
    );
    let scraped = Scraped { daemon, status, _port: port };
    let mut client = SecureClient::connect(scraped.daemon.address(), &authority, None);
    assert_eq!(client.get("").unwrap().status(), 200);
    let full = "lbd_listener_tls_handshakes_total{listener=\"front\",result=\"full\"}";
    scraped.becomes(full, 1.0);
    let mut plain = Client::connect(scraped.daemon.address());
    plain.send("GET / HTTP/1.1\r\n\r\n");
    let failed = "lbd_listener_tls_handshakes_total{listener=\"front\",result=\"failed\"}";
    eventually("it is no handshake", || (scraped.figures()[failed] >= 1.0).then_some(()));
    let figures = scraped.figures();
    let ends: Vec<_> =
        figures.iter().filter(|(name, _)| name.starts_with("lbd_certificate_expiry")).collect();
    assert!(matches!(ends[..], [(name, end)] if name.contains("\"app\"") && *end > 1.7e9), "{ends:?}");
}
