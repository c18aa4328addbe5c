//! Spans: what a collector is sent, what servers are told of the trace, and what becomes of it when the collector does
//! not take them.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message as _;
use rustix::process::Signal;
use rustls::{ServerConnection, StreamOwned};

use crate::support::secure::Authority;
use crate::support::{After, Client, DEADLINE, Daemon, Message, Nobody, Origin, Tail, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Takes everything.
fn collector() -> Origin {
    Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok("")
    })
}

fn sent(messages: &[Message]) -> Vec<ExportTraceServiceRequest> {
    messages.iter().map(|message| ExportTraceServiceRequest::decode(&*message.body).unwrap()).collect()
}

fn spans(messages: &[Message]) -> Vec<Span> {
    let resources = sent(messages).into_iter().flat_map(|message| message.resource_spans);
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind as i32).collect()
}

fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn says(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(attribute(&span.attributes, name), *value, "{name} of {span:#?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends it once so many spans have come, and with it whatever else would have come: that is sent at the end.
fn finish(mut daemon: Daemon, collector: &Origin, expected: usize) {
    eventually("the spans come", || {
        // Of a message that is being read the body is not there yet.
        let whole: Vec<_> =
            collector.requests().into_iter().filter(|message| !message.body.is_empty()).collect();
        (spans(&whole).len() >= expected).then_some(())
    });
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.log());
}

fn text(collector: SocketAddr, props: &str, server: SocketAddr) -> String {
    format!(
        "trace \"http://{collector}\" {props}\npool app {{ server one \"{server}\"; }}\nroute \"/shop\" name=shop pool=app\n"
    )
}

fn traceparent(sampled: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{sampled}\r\ntracestate: vendor=1\r\n")
}

fn count(daemon: &Daemon, result: &str) -> u64 {
    let page = crate::support::lbctl::said(daemon, &["metrics", "lbd_trace_spans_total"], "");
    let line = format!("lbd_trace_spans_total{{result=\"{result}\"}} ");
    let found = page.lines().find_map(|found| found.strip_prefix(&line)).unwrap_or_else(|| panic!("{page}"));
    found.parse().unwrap()
}

#[test]
fn a_request_and_its_attempt_are_told_and_the_server_is_told_of_them() {
    let (collector, server) = (collector(), Origin::echo("one"));
    let daemon = Daemon::run(&text(collector.address(), "", server.address()));
    let fields = format!("User-Agent: probe/1\r\n{}", traceparent("01"));
    let answer = Client::connect(daemon.address()).request("GET", "/shop/cart?secret=1", &fields, b"");
    assert_eq!(answer.status(), 200);
    finish(daemon, &collector, 2);
    let messages = collector.requests();
    assert_eq!((messages[0].line.as_str(), messages.len()), ("POST /v1/traces HTTP/1.1", 1));
    assert_eq!(messages[0].field("content-type"), Some("application/x-protobuf"));
    let spans = spans(&messages);
    let ([asked], [attempt]) = (&*of_kind(&spans, SpanKind::Server), &*of_kind(&spans, SpanKind::Client))
    else {
        panic!("{spans:#?}")
    };
    assert_eq!((hex(&asked.trace_id), hex(&asked.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((&attempt.trace_id, &attempt.parent_span_id), (&asked.trace_id, &asked.span_id));
    assert_eq!((asked.name.as_str(), attempt.name.as_str()), ("GET /shop", "GET"));
    assert_eq!((asked.trace_state.as_str(), attempt.trace_state.as_str()), ("vendor=1", "vendor=1"));
    says(
        asked,
        &[
            ("http.request.method", "GET"),
            ("http.route", "/shop"),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
            ("url.path", "/shop/cart"),
            ("client.address", "127.0.0.1"),
            ("server.address", "app.test"),
            ("network.protocol.version", "1.1"),
            ("user_agent.original", "probe/1"),
            ("lbd.route", "shop"),
            ("lbd.pool", "app"),
            ("lbd.server", "one"),
            ("lbd.why", "balanced"),
            ("lbd.retries", "0"),
        ],
    );
    let port = server.address().port().to_string();
    says(
        attempt,
        &[
            ("http.response.status_code", "200"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("lbd.server", "one"),
        ],
    );
    assert!(asked.status.is_none() && attempt.status.is_none());
    assert!(asked.start_time_unix_nano <= attempt.start_time_unix_nano, "{spans:#?}");
    assert!(attempt.end_time_unix_nano <= asked.end_time_unix_nano, "{spans:#?}");
    let server = &server.requests()[0];
    let told = format!("00-{TRACE}-{}-01", hex(&attempt.span_id));
    assert_eq!(server.values("traceparent"), [told.as_str()]);
    assert_eq!(server.values("tracestate"), ["vendor=1"]);
    assert!(!format!("{spans:?}").contains("secret"));
}

#[test]
fn each_attempt_is_told_with_what_became_of_it() {
    let (collector, nobody, server) = (collector(), Nobody::new(), Origin::echo("two"));
    let daemon = Daemon::run(&format!(
        "trace \"http://{}\"\npool app {{ server one \"{}\" weight=100; server two \"{}\" backup=#true; }}\n\
         route \"/\" pool=app {{ retry connect; }}\nroute \"/here\" {{ respond 503; }}\n",
        collector.address(),
        nobody.address(),
        server.address()
    ));
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(client.get("/here").status(), 503);
    finish(daemon, &collector, 4);
    let spans = spans(&collector.requests());
    let attempts = of_kind(&spans, SpanKind::Client);
    assert_eq!(attempts.len(), 2, "{spans:#?}");
    says(attempts[0], &[("lbd.server", "one"), ("error.type", "connect-failed")]);
    says(attempts[1], &[("lbd.server", "two"), ("http.request.resend_count", "1")]);
    let failed = |span: &Span| span.status.as_ref().is_some_and(|s| s.code == StatusCode::Error as i32);
    assert_eq!((failed(attempts[0]), failed(attempts[1])), (true, false));
    let asked = of_kind(&spans, SpanKind::Server);
    says(asked[0], &[("lbd.retries", "1"), ("lbd.server", "two")]);
    says(asked[1], &[("http.response.status_code", "503"), ("lbd.why", "lbd"), ("error.type", "503")]);
    assert_eq!((failed(asked[0]), failed(asked[1])), (false, true));
    let told = server.requests()[0].field("traceparent").unwrap().to_owned();
    assert!(told.contains(&hex(&attempts[1].span_id)), "{told}");
    assert_ne!(asked[0].trace_id, asked[1].trace_id);
}

#[test]
fn who_samples_is_as_the_file_says() {
    // What the file says; what the sender says; whether spans come.
    for (props, trusted, flags, wanted) in [
        ("sample=\"0%\"", false, None, false),
        ("sample=\"100%\"", false, None, true),
        ("sample=\"0%\" follow=all", false, Some("01"), true),
        ("sample=\"100%\" follow=all", false, Some("00"), false),
        ("sample=\"0%\" follow=trusted", false, Some("01"), false),
        ("sample=\"0%\" follow=trusted", true, Some("01"), true),
        ("sample=\"100%\" follow=trusted", false, Some("00"), true),
        ("sample=\"0%\" follow=none", true, Some("01"), false),
        ("sample=\"100%\" follow=none", true, Some("00"), true),
    ] {
        let (collector, server) = (collector(), Origin::echo("one"));
        let trust = if trusted { "trust-forwarded \"127.0.0.0/8\"\n" } else { "" };
        let daemon = Daemon::run(&(text(collector.address(), props, server.address()) + trust));
        let fields = flags.map(traceparent).unwrap_or_default();
        let answer = Client::connect(daemon.address()).request("GET", "/shop", &fields, b"");
        assert_eq!(answer.status(), 200);
        let expected = if wanted { 2 } else { 0 };
        finish(daemon, &collector, expected);
        let what = format!("{props} trusted {trusted} flags {flags:?}");
        assert_eq!(spans(&collector.requests()).len(), expected, "{what}");
        let seen = server.requests()[0].field("traceparent").unwrap().to_owned();
        assert!(seen.ends_with(if wanted { "-01" } else { "-00" }), "{what}: {seen}");
        assert_eq!(seen.contains(TRACE), flags.is_some(), "{what}: {seen}");
    }
}

#[test]
fn what_is_said_of_the_process_and_to_the_collector_is_what_the_file_says() {
    let (collector, server) = (collector(), Origin::echo("one"));
    let text = text(collector.address(), "service=edge", server.address());
    let more = "{ header \"authorization\" \"Bearer sesame\"; attribute \"deployment.environment.name\" \"test\"; }\n";
    let daemon = Daemon::run(&text.replacen('\n', &format!(" {more}"), 1));
    assert_eq!(Client::fetch(daemon.address(), "/shop").status(), 200);
    finish(daemon, &collector, 2);
    let messages = collector.requests();
    assert_eq!(messages[0].field("authorization"), Some("Bearer sesame"));
    let sent = sent(&messages);
    let resource = sent[0].resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name"), "edge");
    assert_eq!(attribute(&resource.attributes, "service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(attribute(&resource.attributes, "deployment.environment.name"), "test");
}

#[test]
fn a_collector_over_tls_is_believed_by_the_authorities_that_the_file_names() {
    let authority = Authority::new();
    let config = Arc::new(authority.server(&authority.issue("collector.pem", "collector.test"), &[]));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken: Arc<Mutex<Vec<Message>>> = Arc::default();
    let seen = Arc::clone(&taken);
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let _ = tcp.set_read_timeout(Some(DEADLINE));
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = std::io::BufReader::new(StreamOwned::new(connection, tcp));
            if let Ok(Some(mut message)) = Message::read_head(&mut stream)
                && message.read_body(&mut stream, Tail::AsSaid).is_ok()
            {
                seen.lock().unwrap().push(message);
                let stream = stream.get_mut();
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    let ca = authority.path("ca.pem");
    let daemon = Daemon::run(&format!(
        "trace \"https://127.0.0.1:{port}\" ca=\"{}\"\nroute \"/\" {{ respond 204; }}\n",
        ca.display()
    ));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 204);
    eventually("the spans come", || (!spans(&taken.lock().unwrap()).is_empty()).then_some(()));
}

#[test]
fn a_collector_that_fails_is_told_of_once_and_so_is_its_return() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let collector = Origin::scripted(move |message, wire| {
        wire.read_body(message)?;
        if state.load(std::sync::atomic::Ordering::SeqCst) {
            wire.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(After::Keep);
        }
        wire.ok("")
    });
    let daemon =
        Daemon::run(&format!("trace \"http://{}\"\nroute \"/\" {{ respond 204; }}\n", collector.address()));
    let events = |kind: &str| {
        let (_, found) = daemon.control("GET", &format!("/v1/events?since=0&follow=false&kind={kind}"));
        found.to_string().matches(&format!("\"{kind}\"")).count()
    };
    for round in 1..=2 {
        assert_eq!(Client::fetch(daemon.address(), "/").status(), 204);
        eventually("they are refused", || (count(&daemon, "failed") == round).then_some(()));
    }
    assert_eq!((events("trace.failed"), events("trace.recovered")), (1, 0));
    daemon.says("the collector takes no spans");
    assert!(daemon.log().contains("status 400"), "{}", daemon.log());
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 204);
    eventually("they are taken", || (count(&daemon, "exported") == 1).then_some(()));
    assert_eq!((events("trace.failed"), events("trace.recovered")), (1, 1));
}

#[test]
fn a_collector_that_hangs_holds_up_nobody_and_what_does_not_fit_is_counted() {
    // It takes connections and says nothing.
    let hung = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let daemon = Daemon::run(&format!(
        "trace \"http://{}\" queue=20 timeout=\"1h\"\nroute \"/\" {{ respond 204; }}\n",
        hung.local_addr().unwrap()
    ));
    let mut client = Client::connect(daemon.address());
    eventually("the queue is full", || {
        assert_eq!(client.get("/").status(), 204);
        (count(&daemon, "dropped") > 0).then_some(())
    });
    assert_eq!((count(&daemon, "exported"), count(&daemon, "failed")), (0, 0));
}

#[test]
fn a_collector_has_as_long_as_the_file_says() {
    let hung = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let daemon = Daemon::run(&format!(
        "trace \"http://{}\" timeout=\"200ms\"\nroute \"/\" {{ respond 204; }}\n",
        hung.local_addr().unwrap()
    ));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 204);
    daemon.says("no answer: within 200ms");
}

#[test]
fn tracing_goes_on_and_off_with_the_file() {
    let (collector, server) = (collector(), Origin::echo("one"));
    let off = format!("pool app {{ server one \"{}\"; }}\nroute \"/shop\" pool=app\n", server.address());
    let daemon = Daemon::run(&off);
    let ask = || {
        let answer = Client::connect(daemon.address()).request("GET", "/shop", &traceparent("01"), b"");
        assert_eq!(answer.status(), 200);
        server.requests().last().unwrap().field("traceparent").unwrap().to_owned()
    };
    let as_it_came = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(ask(), as_it_came);
    daemon.save(&text(collector.address(), "", server.address()));
    eventually("it is on", || (ask() != as_it_came).then_some(()));
    eventually("spans come", || (!spans(&collector.requests()).is_empty()).then_some(()));
    daemon.save(&off);
    eventually("it is off", || (ask() == as_it_came).then_some(()));
}
