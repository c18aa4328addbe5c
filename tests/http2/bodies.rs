//! Bodies over HTTP/2: streamed both ways, with trailers, given up, stalled.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Frame;

use super::{front, speaking};
use crate::support::http2::{connect, empty, read, request, run, send, streamed, whole};
use crate::support::{After, Message, Origin, Wire, eventually};

/// Answers each chunk of the request with a chunk, as it comes; `STOP` ends the answer.
fn echo_of_chunks(_: &mut Message, wire: &mut Wire) -> std::io::Result<After> {
    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        let line = crate::support::message::read_line(wire.reader())?.unwrap_or_default();
        let length = usize::from_str_radix(&line, 16).unwrap_or_default();
        let mut data = vec![0; length + 2];
        wire.reader().read_exact(&mut data)?;
        if length == 0 {
            wire.send("0\r\n\r\n")?;
            return Ok(After::Close);
        }
        wire.send(format!("{line}\r\n"))?;
        wire.send(&data)?;
    }
}

#[test]
fn both_bodies_stream_at_once() {
    let origin = Origin::scripted(echo_of_chunks);
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let (body, frames) = streamed();
        let mut answer = client.send_request(request("POST", "/", frames)).await.unwrap();
        for n in 0..20 {
            let piece = Bytes::from(format!("piece {n}"));
            body.send(Frame::data(piece.clone())).unwrap();
            let back = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(back, piece, "each piece is back before the next one goes");
        }
        drop(body);
        assert_eq!(read(answer).await.unwrap().body.len(), 0, "no more than was sent");
    });
}

#[test]
fn large_bodies_pass_both_ways_unchanged_under_small_windows() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", message.body.len()))?;
        wire.send(&message.body)?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin], "", "");
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    run(async {
        let mut client = connect(daemon.address()).await;
        let answer = send(&mut client, request("POST", "/", whole(body.clone()))).await;
        assert!(answer.body == body, "{} bytes came back", answer.body.len());
    });
    assert_eq!(origin.requests()[0].field("content-length"), Some("3000000"));
}

#[test]
fn trailers_pass_both_ways() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n")?;
        wire.send("grpc-status: 0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n")?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin], "", "");
    let answer = run(async {
        let mut client = connect(daemon.address()).await;
        let (body, frames) = streamed();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", "yes".parse().unwrap());
        trailers.insert("authorization", "no".parse().unwrap());
        body.send(Frame::data(Bytes::from_static(b"data"))).unwrap();
        body.send(Frame::trailers(trailers)).unwrap();
        drop(body);
        send(&mut client, request("POST", "/", frames)).await
    });
    let trailers = answer.trailers.expect("trailers of the answer");
    assert_eq!((answer.body.as_ref(), trailers.len()), (&b"hi"[..], 2), "{trailers:?}");
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-sum"]),
        (&"0".parse().unwrap(), &"42".parse().unwrap())
    );
    let seen = &origin.requests()[0];
    assert_eq!((seen.text(), seen.trailers.len()), ("data", 1), "{seen:?}");
    assert_eq!(seen.trailers[0], ("x-end".to_owned(), "yes".to_owned()));
}

#[test]
fn a_client_that_gives_a_request_up_frees_its_server() {
    let freed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&freed);
    let origin = Origin::scripted(move |message, wire| {
        if message.target() == "/begun" {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
        }
        // Until lbd closes.
        let _ = wire.reader().read(&mut [0]);
        count.fetch_add(1, Ordering::SeqCst);
        Ok(After::Close)
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let answer = client.send_request(request("GET", "/begun", empty())).await.unwrap();
        drop(answer);
        client.ready().await.unwrap();
        let waiting = tokio::spawn(client.send_request(request("GET", "/silent", empty())));
        while origin.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        while freed.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        client.ready().await.expect("the connection lives");
    });
}

#[test]
fn bodies_that_nobody_reads_do_not_close_the_connections_window() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "body-limit \"1KiB\"");
    run(async {
        let mut client = connect(daemon.address()).await;
        // Three times the window of the connection in all.
        for n in 0..30 {
            client.ready().await.unwrap();
            let answer = client.send_request(request("POST", "/", whole(vec![b'x'; 100_000]))).await.unwrap();
            assert_eq!(answer.status(), 413, "POST {n}");
        }
        let answer = send(&mut client, request("POST", "/", whole("small"))).await;
        assert_eq!(answer.status, 200);
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_off_by_the_write_clock() {
    let stopped = Arc::new(AtomicBool::new(false));
    let (stop, most) = (Arc::clone(&stopped), 64 * 1024 * 1024);
    let origin = Origin::scripted(move |_, wire| {
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {most}\r\n\r\n"))?;
        let block = vec![b'x'; 64 * 1024];
        for _ in 0..most / block.len() {
            if wire.send(&block).is_err() {
                stop.store(true, Ordering::SeqCst);
                return Ok(After::Close);
            }
        }
        Ok(After::Close)
    });
    let daemon = speaking("protocols h2c; timeout write=\"300ms\"", &[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let answer = client.send_request(request("GET", "/", empty())).await.unwrap();
        while !stopped.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        assert!(read(answer).await.is_err(), "what was cut off does not look whole");
    });
    eventually("the server has its connection back", || stopped.load(Ordering::SeqCst).then_some(()));
}
