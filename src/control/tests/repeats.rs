//! Requests that are sent twice.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn reload(daemon: &Daemon, key: &str, query: &str) -> String {
    let mut raw = tokio::net::UnixStream::connect(daemon.client.socket()).await.unwrap();
    let head = format!(
        "POST /v1/config/reload?{query} HTTP/1.1\r\nhost: x\r\nidempotency-key: {key}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    raw.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    raw.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn a_post_with_the_same_key_is_done_once() {
    run(async |daemon| {
        let first = reload(daemon, "one", "").await;
        assert!(first.starts_with("HTTP/1.1 200 ") && first.contains("\"generation\":43"), "{first}");
        let body = |answer: &str| answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        assert_eq!(body(&reload(daemon, "one", "").await), body(&first));
        assert_eq!(daemon.world.asked.borrow().len(), 1);
        assert_eq!(daemon.kinds(), ["config.reload"], "what is not done again is not told again");
        reload(daemon, "two", "").await;
        assert_eq!(daemon.world.asked.borrow().len(), 2, "another key is another request");
        let other = reload(daemon, "one", "reason=x").await;
        assert!(other.starts_with("HTTP/1.1 422 ") && other.contains("key-reused"), "{other}");
        let long = reload(daemon, &"x".repeat(256), "").await;
        assert!(long.starts_with("HTTP/1.1 400 "), "{long}");
        assert_eq!(daemon.world.asked.borrow().len(), 2);
    });
}

#[test]
fn a_refusal_is_remembered_as_well() {
    run(async |daemon| {
        daemon.world.broken.set(true);
        assert!(reload(daemon, "k", "").await.starts_with("HTTP/1.1 422 "));
        daemon.world.broken.set(false);
        let again = reload(daemon, "k", "").await;
        assert!(again.contains("config-rejected"), "{again}");
    });
}
