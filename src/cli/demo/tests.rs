//! The embedded servers over real sockets, and the file that is written for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// One request on a connection of its own; the whole answer as text.
fn ask(origin: &Origin, request: &str) -> String {
    let mut stream = TcpStream::connect(origin.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
    let head = format!("{line} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn cookie_of(answer: &str) -> String {
    let lower = answer.to_lowercase();
    let at = lower.find("set-cookie: ").expect("a session begins with a cookie") + "set-cookie: ".len();
    answer[at..].split(';').next().unwrap().to_owned()
}

#[test]
fn a_session_counts_on_its_own_server_and_on_no_other() {
    let (one, two) = (Origin::start("one").unwrap(), Origin::start("two").unwrap());
    let first = ask(&one, "GET /count");
    assert_eq!(body(&first), "one 1\n");
    let cookie = cookie_of(&first);
    let with_cookie = format!("GET /count\nCookie: other=1; {cookie}\r\n");
    assert_eq!(body(&ask(&one, &with_cookie)), "one 2\n");
    assert_eq!(body(&ask(&two, &with_cookie)), "two 1\n", "the other server does not know the session");
}

#[test]
fn the_page_shows_server_and_counter_and_asks_for_nothing_outside() {
    let one = Origin::start("one").unwrap();
    let page = ask(&one, "GET /");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains(r#"<span id="server">one</span>"#), "{page}");
    assert!(page.contains(r#"id="count">1</strong>"#), "{page}");
    assert!(!page.contains("{name}") && !page.contains("{count}"));
    assert!(!page.contains("http://") && !page.contains("https://"), "an outside asset");
}

#[test]
fn readiness_is_switched_by_post() {
    let one = Origin::start("one").unwrap();
    let status = |request| ask(&one, request)[9..12].to_owned();
    assert_eq!(status("GET /ready"), "200");
    assert_eq!(status("POST /ready?down"), "200");
    assert_eq!(status("GET /ready"), "503");
    assert_eq!(status("POST /ready?sideways"), "400");
    assert_eq!(status("GET /ready"), "503");
    assert_eq!(status("POST /ready?up"), "200");
    assert_eq!(status("GET /ready"), "200");
    assert_eq!(status("GET /nowhere"), "404");
}

#[test]
fn the_large_response_has_the_length_that_it_says() {
    let one = Origin::start("one").unwrap();
    let answer = ask(&one, "GET /large");
    let length = 64 << 20;
    assert!(answer.to_lowercase().contains(&format!("content-length: {length}\r\n")));
    assert_eq!(body(&answer).len(), length);
}

#[tokio::test]
async fn the_websocket_echoes_text_and_bytes_and_closes() {
    let one = Origin::start("one").unwrap();
    let (mut socket, answer) =
        tokio_tungstenite::connect_async(format!("ws://{}/ws", one.address())).await.unwrap();
    assert_eq!(answer.status(), 101);
    for message in [Message::text("hello"), Message::binary(vec![0, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_close());
}

#[test]
fn a_plain_request_to_the_websocket_path_is_refused() {
    let one = Origin::start("one").unwrap();
    assert!(ask(&one, "GET /ws").starts_with("HTTP/1.1 426"));
}

#[test]
fn a_dropped_server_is_gone() {
    let one = Origin::start("one").unwrap();
    let address = one.address();
    drop(one);
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn the_written_file_names_both_servers_and_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let demo = start(dir.path(), 0).await.unwrap();
    let text = std::fs::read_to_string(&demo.config_path).unwrap();
    for origin in &demo.origins {
        assert!(text.contains(&format!("server {} \"{}\"", origin.name(), origin.address())), "{text}");
        assert!(demo.instructions.contains(&origin.address().to_string()), "{}", demo.instructions);
    }
    assert!(text.contains(&format!("listen \"{}\"", demo.listen)));
    assert!(text.contains(&format!("control socket=\"{}\"", demo.socket.display())));
    for hole in ["{listen}", "{socket}", "{one}", "{two}"] {
        assert!(!text.contains(hole), "{hole} was not filled in");
    }
}

#[tokio::test]
async fn an_edited_file_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), 0).await.unwrap().config_path;
    let again = start(dir.path(), 0).await.unwrap().config_path;
    assert_eq!(first, again, "an untouched file is refreshed in place");

    let edited = std::fs::read_to_string(&first).unwrap().replace("interval=\"1s\"", "interval=\"9s\"");
    std::fs::write(&first, &edited).unwrap();
    let second = start(dir.path(), 0).await.unwrap().config_path;
    assert_ne!(first, second);
    assert_eq!(std::fs::read_to_string(&first).unwrap(), edited);

    std::fs::write(&second, [0xff, 0xfe]).unwrap();
    let third = start(dir.path(), 0).await.unwrap().config_path;
    assert!(third.ends_with("demo-3.kdl"), "{}", third.display());
}

#[tokio::test]
async fn a_port_in_use_is_not_taken() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let demo = start(dir.path(), taken.local_addr().unwrap().port()).await.unwrap();
    assert_ne!(demo.listen, taken.local_addr().unwrap());
}

#[test]
fn a_path_with_odd_characters_is_quoted_for_the_language() {
    assert_eq!(quoted(Path::new("/a b/\"c\"\\${d}")), "/a b/\\\"c\\\"\\\\$${d}");
}

#[tokio::test]
async fn a_deep_folder_gets_a_socket_that_the_kernel_takes() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("x".repeat(120));
    let demo = start(&deep, 0).await.unwrap();
    assert!(demo.config_path.starts_with(deep.canonicalize().unwrap()));
    assert!(demo.socket.as_os_str().len() <= MAX_SOCKET_PATH, "{}", demo.socket.display());
    let own = demo.socket.parent().unwrap();
    assert_eq!(std::fs::metadata(own).unwrap().permissions().mode() & 0o777, 0o700, "nobody else's");
    std::fs::remove_dir(own).unwrap();
}
