//! Cookies in detail: what is set, what servers see, what is remembered while a stream is open.

use crate::proxying::config;
use crate::support::{After, Client, Daemon, Origin, eventually, websocket};
use serde_json::Value;

/// Sets cookies as an application does, and answers with the `Cookie` fields that it sees.
fn application(name: &'static str) -> Origin {
    Origin::scripted(move |message, wire| {
        wire.read_body(message)?;
        let seen = format!("{name} {}", message.values("cookie").join(" | "));
        wire.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nSet-Cookie: SID=abc; Path=/; Secure\r\nset-cookie: other=1; SID=x\r\n\r\n{seen}",
            seen.len()
        ))?;
        Ok(After::Keep)
    })
}

fn cookies(daemon: &Daemon, cookie: &str) -> String {
    let field = format!("Cookie: {cookie}\r\n");
    let answer = Client::connect(daemon.address()).request("GET", "/", &field, b"");
    answer.text().split_once(' ').map(|(_, seen)| seen.to_owned()).unwrap_or_default()
}

#[test]
fn a_mark_is_put_on_one_cookie_and_taken_off_it_again() {
    for (mode, other_shape) in [("prefix", "x.mark"), ("suffix", "mark~x")] {
        let origin = application("s0");
        let daemon = Daemon::run(&config(&[&origin], &format!("sticky cookie mode={mode} name=SID"), ""));
        let first = Client::fetch(daemon.address(), "/");
        let set = first.values("set-cookie");
        assert_eq!((set.len(), set[1]), (2, "other=1; SID=x"), "{set:?}");
        let (pair, attributes) = set[0].split_once(';').expect("attributes");
        assert_eq!(attributes, " Path=/; Secure");
        let value = pair.strip_prefix("SID=").expect("the cookie");
        assert_eq!(value.len(), "abc".len() + 45, "{value}");
        assert!(!value.contains("s0") && !value.contains("127"), "{value}");
        let check = |sent: &str, seen: &str| assert_eq!(cookies(&daemon, sent), seen, "{mode}: {sent}");
        check(&format!("a=1; SID={value};  b=2"), "a=1; SID=abc;  b=2");
        check(&format!("SID={value}; SID={value}"), "SID=abc; SID=abc");
        check(&format!("XSID={value}"), &format!("XSID={value}"));
        check(&format!("SID={other_shape}; SID=plain"), &format!("SID={other_shape}; SID=plain"));
    }
}

#[test]
fn marks_of_another_pool_are_taken_off_too() {
    let origins = [application("s0"), application("s1")];
    let kdl = format!(
        "pool a {{ server s0 \"{}\"; sticky cookie mode=suffix name=SID; }}\n\
         pool b {{ server s1 \"{}\"; sticky cookie name=NODE; }}\n\
         route \"/\" pool=a\nroute \"/b\" pool=b\n",
        origins[0].address(),
        origins[1].address()
    );
    let daemon = Daemon::run(&kdl);
    let first = Client::fetch(daemon.address(), "/");
    let pair = first.values("set-cookie")[0].split(';').next().expect("a cookie").to_owned();
    let field = format!("Cookie: {pair}; NODE=x\r\n");
    let answer = Client::connect(daemon.address()).request("GET", "/b", &field, b"");
    assert_eq!(answer.text(), "s1 SID=abc");
    let answer = Client::connect(daemon.address()).request("GET", "/", &field, b"");
    assert_eq!(answer.text(), "s0 SID=abc");
}

#[test]
fn an_answer_that_switches_protocols_is_marked_like_any_other() {
    let origin = Origin::scripted(|message, wire| {
        let key = message.field("sec-websocket-key").unwrap_or_default();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        wire.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Set-Cookie: SID=abc\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
        Ok(After::Close)
    });
    let pool = "sticky cookie mode=prefix name=SID\nsticky cookie name=NODE";
    let daemon = Daemon::run(&config(&[&origin], pool, ""));
    let (_socket, head) = websocket::open(daemon.address(), "/", "");
    let set = head.values("set-cookie");
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(set[0].starts_with("SID=") && set[0].ends_with("~abc"), "{set:?}");
    assert!(set[1].starts_with("NODE="), "{set:?}");
}

#[test]
fn the_browser_is_told_how_long_to_keep_a_cookie() {
    let origin = Origin::echo("s0");
    let daemon = Daemon::run(&config(&[&origin], "sticky cookie name=NODE max-age=\"7d\"", ""));
    let first = Client::fetch(daemon.address(), "/");
    let field = first.field("set-cookie").expect("a cookie");
    assert!(field.contains("; Max-Age=604800;"), "{field}");
}

#[test]
fn an_open_websocket_keeps_its_entry() {
    let origin = Origin::scripted(websocket_echo);
    let daemon = Daemon::run(&config(&[&origin], "sticky source-ip ttl=\"1s\"", ""));
    let entry = || -> Option<Value> {
        let (status, answer) = daemon.control("GET", "/v1/sticky/app");
        assert_eq!(status, 200, "{answer}");
        answer["entries"].as_array()?.first().cloned()
    };
    let (mut socket, _) = websocket::open(daemon.address(), "/", "");
    let held = eventually("it is older than its time", || {
        let entry = entry().expect("it is held");
        (entry["idle_ms"].as_u64()? >= 3000).then_some(entry)
    });
    assert_eq!((held["streams"].as_u64(), held["left_ms"].as_u64()), (Some(1), Some(0)));
    websocket::round_trip(&mut socket, "still here");
    drop(socket);
    eventually("it is forgotten once the stream is over", || entry().is_none().then_some(()));
}

fn websocket_echo(
    message: &mut crate::support::Message,
    wire: &mut crate::support::Wire,
) -> std::io::Result<After> {
    websocket::echo(message, wire)
}

#[test]
fn a_file_of_entries_that_is_torn_is_passed_over() {
    let origins = [Origin::echo("s0"), Origin::echo("s1")];
    let mut daemon = Daemon::run(&config(&origins.each_ref(), "sticky source-ip", ""));
    Client::fetch(daemon.address(), "/");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait(), Some(0));
    let file = daemon.config().with_file_name("state").join("sticky.entries");
    let whole = std::fs::read(&file).expect("the entries were written down");
    std::fs::write(&file, &whole[..whole.len() - 7]).unwrap();
    daemon.start_again();
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
    daemon.says("sticky entries are not remembered");
}

/// How many entries of its first table such a file holds.
fn written(file: &[u8]) -> u64 {
    let mut rest = file.strip_prefix(b"lbd sticky 1\n").expect("a file of entries");
    for _ in ["the pool's name", "what the table is by"] {
        let (length, text) = rest.split_first_chunk().expect("a length");
        rest = &text[usize::from(u16::from_be_bytes(*length))..];
    }
    u64::from_be_bytes(*rest.first_chunk().expect("a number"))
}

#[test]
fn a_crash_forgets_no_more_than_the_last_moments() {
    let origins = [Origin::echo("s0"), Origin::echo("s1")];
    let mut daemon = Daemon::run(&config(&origins.each_ref(), "sticky source-ip", ""));
    Client::fetch(daemon.address(), "/");
    let file = daemon.config().with_file_name("state").join("sticky.entries");
    // A file that was written before the client came holds none.
    eventually("the entry is written down", || (written(&std::fs::read(&file).ok()?) > 0).then_some(()));
    daemon.signal(rustix::process::Signal::KILL);
    assert_eq!(daemon.wait(), None, "it had no last word");
    daemon.start_again();
    let (_, answer) = daemon.control("GET", "/v1/sticky/app");
    assert_eq!(answer["total"], 1, "{answer}");
}

#[test]
fn a_key_that_signed_for_its_time_is_followed_by_another_while_the_daemon_runs() {
    let origins = [Origin::echo("s0"), Origin::echo("s1")];
    let mut daemon = Daemon::run(&config(&origins.each_ref(), "sticky cookie name=NODE", ""));
    let first = Client::fetch(daemon.address(), "/");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait(), Some(0));
    let file = daemon.config().with_file_name("state").join("sticky.keys");
    let text = std::fs::read_to_string(&file).expect("the keys were written down");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // Its 30 days end in a moment: when the daemon serves already.
    let made = format!("# made {}", now - 30 * 86_400 + 3);
    let (_, key) = text.split_once('\n').expect("a time and a key");
    std::fs::write(&file, format!("{made}\n{key}")).unwrap();
    daemon.start_again();
    let pair = |answer: &crate::support::Message| {
        answer.field("set-cookie").map(|field| field.split(';').next().unwrap_or_default().to_owned())
    };
    let old = pair(&first).expect("a cookie");
    let ask = |pair: &str| {
        Client::connect(daemon.address()).request("GET", "/", &format!("Cookie: {pair}\r\n"), b"")
    };
    let (new, answer) = eventually("cookies are signed anew", || {
        let answer = ask(&old);
        pair(&answer).map(|new| (new, answer))
    });
    let server = |answer: &crate::support::Message| answer.text().lines().next().map(str::to_owned);
    assert_eq!(server(&answer), server(&first), "the old one is still believed");
    let again = ask(&new);
    assert_eq!((server(&again), pair(&again)), (server(&first), None));
    let keys = std::fs::read_to_string(&file).unwrap();
    assert!(keys.ends_with(key) && keys.lines().count() == 3, "the new one comes first");
}
