//! What a client cannot do to us: be many, be large, be slow.

use super::*;
use lbctl::protocol::{Event, LAGGED};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

#[test]
fn a_large_body_is_refused() {
    run(async |daemon| {
        let body = "x".repeat((1 << 20) + 1);
        let refused = daemon.refused(Method::POST, "/v1/routes/explain", &body).await;
        assert_eq!(refused, ("body-too-large".into(), 413, 2));
    });
}

#[test]
fn the_seventeenth_client_is_told() {
    run(async |daemon| {
        let mut held = Vec::new();
        for _ in 0..16 {
            held.push(daemon.client.lines("/v1/events").await.unwrap());
        }
        assert_eq!(daemon.refused(Method::GET, "/v1", "").await, ("too-many-clients".into(), 503, 1));
        held.pop();
        // The place is free as soon as the daemon has seen the client go.
        while daemon.client.get::<serde_json::Value>("/v1").await.is_err() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_reader_that_falls_behind_is_told_and_cut() {
    run(async |daemon| {
        let mut lines = daemon.client.lines("/v1/events").await.unwrap();
        let text = "x".repeat(1000);
        let emit =
            || daemon.context.events.emit("server.up", "app/a", serde_json::json!({ "text": text }), None);
        emit();
        let first: Event = lines.next().await.unwrap().unwrap();
        assert_eq!(first.seq, 1);
        // The daemon writes only while the test awaits: all of these come at once for it.
        for _ in 0..2 * crate::observe::RING {
            emit();
        }
        let last: Event = lines.next().await.unwrap().unwrap();
        assert_eq!((last.kind.as_str(), last.missed), (LAGGED, Some(crate::observe::RING as u64)));
        assert!(lines.next::<Event>().await.unwrap().is_none());
    });
}

#[test]
fn a_flood_within_the_ring_arrives_whole() {
    run(async |daemon| {
        let mut lines = daemon.client.lines("/v1/events").await.unwrap();
        for _ in 0..crate::observe::RING {
            daemon.context.events.emit("server.up", "app/a", serde_json::json!({}), None);
        }
        for seq in 1..=crate::observe::RING as u64 {
            let event: Event = lines.next().await.unwrap().unwrap();
            assert_eq!((event.seq, event.kind.as_str()), (seq, "server.up"));
        }
    });
}

#[test]
fn nonsense_is_answered_and_harms_nobody() {
    run(async |daemon| {
        for bytes in ["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
            let mut raw = UnixStream::connect(daemon.client.socket()).await.unwrap();
            raw.write_all(bytes.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            raw.read_to_end(&mut answer).await.unwrap();
        }
        daemon.get::<serde_json::Value>("/v1").await;
    });
}

#[test]
fn when_the_socket_closes_replies_leave_and_the_file_goes() {
    run(async |daemon| {
        let path = daemon.dir.path().join("other.sock");
        let settings = SocketSettings {
            path: path.clone(),
            mode: 0o600,
            group: None,
            access: Access::ByRole,
            replace: false,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let bound = bind(&settings).unwrap();
        let serving = serve(Rc::clone(&daemon.context), bound, Grants::default(), async {
            let _ = stopped.await;
        });
        let asking = async {
            let other = client(&path);
            let mut stream = other.lines("/v1/events").await.unwrap();
            other.get::<serde_json::Value>("/v1").await.unwrap();
            stop.send(()).unwrap();
            let ended = stream.next::<Event>().await;
            assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
            assert!(!path.exists());
        };
        tokio::join!(serving, asking);
    });
}
