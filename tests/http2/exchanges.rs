//! One request each: what the server sees of it, and what the client gets.

use super::front;
use crate::support::http2::{connect, empty, get, read, request, run, send, whole};
use crate::support::{After, Nobody, Origin};

#[test]
fn a_request_reaches_the_server_as_one_of_http1() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "");
    let answer = run(async {
        let mut client = connect(daemon.address()).await;
        let mut request = request("GET", "/page?q=1", empty());
        for (name, value) in [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-own", "yes")] {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        send(&mut client, request).await
    });
    assert_eq!(answer.status, 200);
    assert_eq!(answer.fields["content-length"].to_str().unwrap(), answer.body.len().to_string());
    assert!(answer.fields.get("connection").is_none() && answer.fields.get("transfer-encoding").is_none());
    let seen = &origin.requests()[0];
    assert_eq!(seen.line, "GET /page?q=1 HTTP/1.1");
    assert_eq!((seen.field("host"), seen.field("cookie")), (Some("app.test"), Some("a=1; b=2")));
    assert_eq!((seen.field("x-own"), seen.field("te")), (Some("yes"), Some("trailers")));
    assert_eq!((seen.field("via"), seen.field("x-forwarded-for")), (Some("2.0 lbd"), Some("127.0.0.1")));
    assert_eq!((seen.field("content-length"), seen.field("transfer-encoding")), (None, None));
    assert!(seen.fields.iter().all(|(name, _)| !name.starts_with(':')), "{seen:?}");
}

#[test]
fn answers_without_a_body_have_none() {
    let origin = Origin::scripted(|message, wire| {
        let rest = match message.target() {
            "/204" => "204 No Content\r\nX-A: b\r\n\r\n",
            "/304" => "304 Not Modified\r\nContent-Length: 7\r\n\r\n",
            "/chunked" => "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            _ => "200 OK\r\nContent-Length: 7\r\n\r\n",
        };
        wire.send(format!("HTTP/1.1 {rest}"))?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let table = [
            ("GET", "/204", 204, None),
            ("GET", "/304", 304, Some("7")),
            ("HEAD", "/", 200, Some("7")),
            ("HEAD", "/chunked", 200, None),
        ];
        for (method, path, status, length) in table {
            let answer = send(&mut client, request(method, path, empty())).await;
            assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {path}");
            let said = answer.fields.get("content-length").map(|value| value.to_str().unwrap());
            assert_eq!(said, length, "{method} {path}");
        }
    });
}

#[test]
fn a_sticky_cookie_keeps_a_client_on_its_server() {
    let origins = [Origin::echo("s0"), Origin::echo("s1")];
    let daemon = front(&origins.each_ref(), "sticky cookie name=NODE", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let first = get(&mut client, "/").await;
        let cookie = first.fields["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(cookie.starts_with("NODE="), "{cookie}");
        for _ in 0..6 {
            let mut request = request("GET", "/", empty());
            request.headers_mut().insert("cookie", format!("own=1; {cookie}").parse().unwrap());
            let next = send(&mut client, request).await;
            assert_eq!(next.text().lines().next(), first.text().lines().next());
            assert!(next.fields.get("set-cookie").is_none(), "a good cookie is not set again");
        }
    });
    let seen: Vec<_> = origins.iter().flat_map(Origin::requests).collect();
    assert!(seen.iter().all(|message| !message.values("cookie").concat().contains("NODE")), "{seen:?}");
}

#[test]
fn a_dead_server_is_passed_over_and_a_reset_is_tried_elsewhere() {
    let dead = Nobody::new();
    let alive = Origin::echo("alive");
    let resets = Origin::scripted(|_, _| Ok(After::Reset));
    let pool = format!("server dead \"{}\"", dead.address());
    let daemon = front(&[&alive, &resets], &pool, "retry connect reset attempts=2");
    run(async {
        let mut client = connect(daemon.address()).await;
        for n in 0..6 {
            assert_eq!(get(&mut client, "/").await.status, 200, "GET {n}");
        }
        let mut refused = 0;
        for _ in 0..6 {
            let answer = send(&mut client, request("POST", "/", whole("once"))).await;
            refused += u32::from(answer.status == 502);
        }
        assert!(refused > 0, "a POST that may have had an effect is not sent again");
    });
    let (a, b) = (alive.requests(), resets.requests());
    assert_eq!(a.iter().chain(&b).filter(|message| message.method() == "POST").count(), 6);
}

#[test]
fn what_is_refused_is_refused_for_its_stream_only() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "body-limit \"1KiB\"\nmatch { header \"x-route\"; }");
    run(async {
        let mut client = connect(daemon.address()).await;
        assert_eq!(get(&mut client, "/").await.status, 404, "no route without the header");
        let routed = |mut request: hyper::Request<_>| {
            request.headers_mut().insert("x-route", "1".parse().unwrap());
            request
        };
        let large = send(&mut client, routed(request("POST", "/", whole(vec![b'x'; 2048])))).await;
        assert_eq!(large.status, 413);
        let mut other_host = routed(request("GET", "/", empty()));
        other_host.headers_mut().insert("host", "other.test".parse().unwrap());
        assert_eq!(send(&mut client, other_host).await.status, 400);
        let climbing = routed(request("GET", "/../../etc", empty()));
        assert_eq!(send(&mut client, climbing).await.status, 400);
        assert_eq!(send(&mut client, routed(request("GET", "/", empty()))).await.status, 200);
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_answer_that_breaks_off_is_reset_and_never_looks_whole() {
    let origin = Origin::scripted(|message, wire| {
        let framing =
            if message.target() == "/length" { "Content-Length: 10" } else { "Transfer-Encoding: chunked" };
        wire.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"))?;
        wire.send(if message.target() == "/length" { "half" } else { "4\r\nhalf\r\n" })?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        for path in ["/length", "/chunked"] {
            client.ready().await.unwrap();
            // The reset may overtake the head.
            if let Ok(answer) = client.send_request(request("GET", path, empty())).await {
                assert_eq!(answer.status(), 200);
                assert!(read(answer).await.is_err(), "{path} looks whole");
            }
        }
    });
}

#[test]
fn interim_answers_pass_to_those_who_asked() {
    let origin = Origin::scripted(|message, wire| {
        wire.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")?;
        wire.send("HTTP/1.1 100 Continue\r\n\r\n")?;
        wire.read_body(message)?;
        wire.ok("done")
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let tcp = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        let (client, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        for (expect, interim) in [(true, &[103, 100][..]), (false, &[103])] {
            let mut request = hyper::Request::builder().method("POST").uri("http://app.test/");
            if expect {
                request = request.header("expect", "100-continue");
            }
            let (mut answer, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
            let mut seen = Vec::new();
            while seen.len() < interim.len() {
                let next = std::future::poll_fn(|cx| answer.poll_informational(cx)).await.unwrap().unwrap();
                assert_eq!(next.headers().contains_key("link"), next.status() == 103);
                seen.push(next.status().as_u16());
            }
            assert_eq!(seen, interim);
            body.send_data("hello".into(), true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    });
    assert!(origin.requests().iter().all(|request| request.text() == "hello"));
}
