//! What is written, and what it parses to.

use proptest::prelude::*;

use super::*;
use crate::proxy::http1::{HeadLimits, Status, parse_request, parse_response};

fn request(text: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let status = parse_request(text.as_bytes(), &HeadLimits::default(), &mut head).unwrap();
    assert_eq!(status, Status::Complete(text.len()));
    head
}

fn written(lines: &str, plan: &RequestPlan<'_>) -> String {
    let head = request(&format!("GET /in HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    let mut out = Vec::new();
    write_request(&head, &RequestPlan { path: b"/out", ..*plan }, &mut out);
    let text = String::from_utf8(out).unwrap();
    let rest = text.strip_prefix("GET /out HTTP/1.1\r\nHost: a\r\n").unwrap();
    rest.strip_suffix("\r\n").unwrap().to_owned()
}

fn response(lines: &str, plan: &ResponsePlan<'_>) -> String {
    let text = format!("HTTP/1.1 200 Fine\r\n{lines}\r\n");
    let mut head = ResponseHead::new();
    parse_response(text.as_bytes(), &HeadLimits::default(), &mut head).unwrap();
    let mut out = Vec::new();
    write_response(&head, plan, &mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("HTTP/1.1 200 Fine\r\n").unwrap().strip_suffix("\r\n").unwrap().to_owned()
}

#[test]
fn what_goes_on_as_it_came_is_written_as_if_it_were_put_together() {
    let heads = [
        "GET /a?b HTTP/1.1\r\nHost: a:1\r\nX-A: 1\r\nVia: 1.1 b\r\nX-B: 2\r\n\r\n",
        "GET /a? HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nX-A: 1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nX-A: 1\r\n\r\n",
        "GET http://a/b?c HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n",
        "GET http://a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n",
        "\r\nGET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n",
    ];
    for text in heads {
        let once = request(text);
        let mut slowly = RequestHead::new();
        slowly.scan = 1;
        parse_request(text.as_bytes(), &HeadLimits::default(), &mut slowly).unwrap();
        let wanted = |head: &RequestHead, path: Option<&[u8]>, host: Option<&[u8]>| {
            let path = path.unwrap_or(head.path());
            let drop_known = KnownSet::of(&[Known::Via]);
            let plan = RequestPlan { path, query: head.query(), host, drop_known, ..RequestPlan::default() };
            let mut out = Vec::new();
            write_request(head, &plan, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (path, host) in [(None, None), (Some(&b"/other"[..]), None), (None, Some(&b"other"[..]))] {
            let (path, host) = (path, host);
            assert_eq!(wanted(&once, path, host), wanted(&slowly, path, host), "{text} {path:?} {host:?}");
        }
    }
}

#[test]
fn order_case_and_bytes_are_kept() {
    let lines = "x-a: 1\r\nX-B:  two  words\r\nx-A: 2\r\nEmpty:\r\n";
    assert_eq!(written(lines, &RequestPlan::default()), "x-a: 1\r\nX-B: two  words\r\nx-A: 2\r\nEmpty: \r\n");
}

#[test]
fn the_request_line_and_the_host_follow_the_plan() {
    let line = |text: &str, plan: &RequestPlan<'_>| {
        let mut out = Vec::new();
        write_request(&request(text), plan, &mut out);
        String::from_utf8(out).unwrap()
    };
    let plan = RequestPlan { path: b"/p", query: Some(b"q=1"), ..RequestPlan::default() };
    assert_eq!(
        line("PUT /x HTTP/1.1\r\nA: b\r\nhOST: H:1\r\n\r\n", &plan),
        "PUT /p?q=1 HTTP/1.1\r\nhOST: H:1\r\nA: b\r\n\r\n"
    );
    assert_eq!(
        line("GET http://B/ HTTP/1.1\r\nHost: b\r\n\r\n", &plan),
        "GET /p?q=1 HTTP/1.1\r\nHost: B\r\n\r\n"
    );
    let plan = RequestPlan { query: Some(b""), host: Some(b"s:8080"), ..plan };
    assert_eq!(line("GET / HTTP/1.0\r\n\r\n", &plan), "GET /p? HTTP/1.1\r\nHost: s:8080\r\n\r\n");
    assert_eq!(line("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &plan), "GET /p? HTTP/1.1\r\nHost: s:8080\r\n\r\n");
}

#[test]
fn what_concerns_one_connection_does_not_travel() {
    let table = [
        ("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nX: 1\r\n", "X: 1\r\n"),
        ("Proxy-Connection: keep-alive\r\nTE: gzip\r\n", ""),
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n", ""),
        (
            "Connection: X-Hop , close\r\nconnection: x-hop2\r\nx-hop: 1\r\nX-Hop2: 2\r\nX-Hop3: 3\r\n",
            "X-Hop3: 3\r\n",
        ),
        ("Content-Length: 5\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", ""),
        ("TE: Trailers\r\nConnection: te\r\n", "TE: trailers\r\nConnection: TE\r\n"),
        (
            "Content_Length: 5\r\nTransfer_Encoding: chunked\r\nHost_: b\r\nX_a: 1\r\n",
            "Host_: b\r\nX_a: 1\r\n",
        ),
    ];
    for (lines, expected) in table {
        assert_eq!(written(lines, &RequestPlan::default()), expected, "{lines:?}");
    }
}

#[test]
fn connection_cannot_strip_what_a_server_must_see() {
    let lines = "Connection: Host, Cookie, Authorization, Content-Length, X-Forwarded-For, Forwarded, X-Tenant, \
                 X-Other\r\nCookie: a=1\r\nAuthorization: b\r\nX-Forwarded-For: 1\r\nForwarded: for=1\r\n\
                 X-Tenant: t\r\nX-Other: o\r\nContent-Length: 3\r\n";
    let plan = RequestPlan {
        keep: Names::Strs(&["x-tenant"]),
        framing: FramingLine::Length(3),
        extra: b"X-Other: ours\r\n",
        ..RequestPlan::default()
    };
    assert_eq!(
        written(lines, &plan),
        "Cookie: a=1\r\nAuthorization: b\r\nX-Forwarded-For: 1\r\nForwarded: for=1\r\nX-Tenant: t\r\n\
         X-Other: ours\r\nContent-Length: 3\r\n"
    );
}

#[test]
fn planned_names_go_in_every_spelling() {
    let owned = ["x-secret".to_owned()];
    let plan = RequestPlan {
        drop_known: KnownSet::of(&[Known::XForwardedFor, Known::XForwardedProto]),
        drop: Names::from(&owned[..]),
        ..RequestPlan::default()
    };
    let lines = "X-Forwarded-For: 1\r\nX_FORWARDED_FOR: 2\r\nX-Forwarded_For: 3\r\nx-forwarded-proto: https\r\n\
                 X-Secret: 4\r\nx_secret: 5\r\nX-Secrets: 6\r\nX-Forwarded-Host: h\r\n";
    assert_eq!(written(lines, &plan), "X-Secrets: 6\r\nX-Forwarded-Host: h\r\n");
}

#[test]
fn our_cookies_do_not_reach_the_server() {
    let names = [Arc::<str>::from("lb")];
    let plan = RequestPlan { strip_cookies: Names::from(&names[..]), ..RequestPlan::default() };
    let table = [
        ("Cookie: a=1; lb=x; b=2\r\ncookie: lb=y\r\nCOOKIE: c=3\r\n", "Cookie: a=1; b=2\r\nCOOKIE: c=3\r\n"),
        ("Cookie: lb=x\r\nA: b\r\n", "A: b\r\n"),
        ("Cookie: LB=x\r\n", "Cookie: LB=x\r\n"),
    ];
    for (lines, expected) in table {
        assert_eq!(written(lines, &plan), expected);
    }
}

#[test]
fn framing_and_connection_are_what_the_plan_says() {
    let websocket = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n";
    let table = [
        (FramingLine::Length(0), ConnectionLine::None, "", "Content-Length: 0\r\n"),
        (
            FramingLine::Chunked,
            ConnectionLine::Close,
            "",
            "Transfer-Encoding: chunked\r\nConnection: close\r\n",
        ),
        (FramingLine::Omit, ConnectionLine::KeepAlive, "", "Connection: keep-alive\r\n"),
        (
            FramingLine::Omit,
            ConnectionLine::Close,
            "TE: trailers\r\n",
            "TE: trailers\r\nConnection: close, TE\r\n",
        ),
        (
            FramingLine::Omit,
            ConnectionLine::Upgrade,
            websocket,
            "Sec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
    ];
    for (framing, connection, lines, expected) in table {
        let plan = RequestPlan { framing, connection, ..RequestPlan::default() };
        assert_eq!(written(lines, &plan), expected);
    }
}

#[test]
fn responses_lose_their_hop_and_gain_our_lines() {
    let plan = ResponsePlan {
        drop_known: KnownSet::of(&[Known::Server]),
        drop: Names::Strs(&["x-powered-by"]),
        framing: FramingLine::Chunked,
        connection: ConnectionLine::Close,
        extra: b"Set-Cookie: lb=1\r\n",
    };
    let lines = "Server: s\r\nContent-Length: 5\r\nX-Powered-By: p\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
                 Connection: keep-alive, X-Hop, Set-Cookie\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nUpgrade: h2c\r\nETag: e\r\n";
    assert_eq!(
        response(lines, &plan),
        "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: e\r\nSet-Cookie: lb=1\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n"
    );
}

#[test]
fn a_list_value_is_appended_on_one_line() {
    let head = request(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1, 2\r\nx-forwarded-for:\r\nX-FORWARDED-FOR: 3\r\n\r\n",
    );
    let mut out = Vec::new();
    append_list_value("X-Forwarded-For", head.all_known(Known::XForwardedFor), b"4", &mut out);
    append_list_value("Via", head.all_known(Known::Via), b"1.1 lbd", &mut out);
    assert_eq!(out, b"X-Forwarded-For: 1, 2, 3, 4\r\nVia: 1.1 lbd\r\n");
}

proptest! {
    /// One request in, one request out, with the same fields but those of the connection.
    #[test]
    fn what_is_written_parses_to_the_same_fields(
        fields in proptest::collection::vec(("[A-Za-z][A-Za-z0-9-]{0,12}", "[!-~\u{e9}]{0,8}( [!-~]{1,8})?"), 0..12),
        path in "/[a-z0-9/%;=.~-]{0,20}",
        hops in proptest::collection::vec("[a-z-]{1,6}", 0..3),
        length in proptest::option::of(any::<u32>()),
    ) {
        let special = |name: &str| Known::of(name.as_bytes()) != Known::Other;
        let fields: Vec<_> = fields.into_iter().filter(|(name, _)| !special(name)).collect();
        let mut text = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n", hops.join(", "));
        for (name, value) in &fields {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(length) = length {
            text += &format!("Content-Length: {length}\r\n");
        }
        let head = request(&(text + "\r\n"));
        let plan = RequestPlan { path: head.path(), framing: head.framing().into(), ..RequestPlan::default() };
        let mut out = Vec::new();
        write_request(&head, &plan, &mut out);
        let mut again = RequestHead::new();
        let status = parse_request(&out, &HeadLimits::default(), &mut again);
        prop_assert_eq!(status, Ok(Status::Complete(out.len())));
        prop_assert_eq!((again.method(), again.path()), (head.method(), head.path()));
        prop_assert_eq!((again.authority(), again.framing()), (head.authority(), head.framing()));
        let other = |head: &RequestHead| -> Vec<(Vec<u8>, Vec<u8>)> {
            head.fields()
                .filter(|field| field.known == Known::Other)
                .map(|field| (field.name.to_vec(), field.value.to_vec()))
                .collect()
        };
        let mut expected = other(&head);
        expected.retain(|(name, _)| !hops.iter().any(|hop| name.eq_ignore_ascii_case(hop.as_bytes())));
        prop_assert_eq!(other(&again), expected);
    }
}
