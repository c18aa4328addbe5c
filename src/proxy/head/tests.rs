//! Heads that mean something, built without a parser.

use super::*;

fn sealed(line: (&str, Version), fields: &[(&str, &str)]) -> Result<RequestHead, ParseError> {
    let mut head = RequestHead::new();
    head.set_line(line.0.as_bytes(), b"/", line.1);
    head.push(b"Host", b"a");
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes());
    }
    head.seal().map(|()| head)
}

const GET: (&str, Version) = ("GET", Version::Http11);
const OLD: (&str, Version) = ("GET", Version::Http10);

#[test]
fn connections_stay_open_as_version_and_options_say() {
    let table: &[((&str, Version), &str, bool)] = &[
        (GET, "", true),
        (GET, "keep-alive", true),
        (GET, "x, Close", false),
        (GET, "keep-alive, close", false),
        (GET, "closed", true),
        (OLD, "", false),
        (OLD, "Keep-Alive", true),
        (OLD, "keep-alive, close", false),
    ];
    for &(line, option, expected) in table {
        let head = sealed(line, &[("Connection", option)]).unwrap();
        assert_eq!(head.keep_alive(), expected, "{line:?} {option}");
    }
    let head = sealed(GET, &[("Connection", "keep-alive"), ("connection", "close")]).unwrap();
    assert!(!head.keep_alive());
}

#[test]
fn connection_options_are_few_and_tokens() {
    let many = |count: usize| vec!["x"; count].join(",");
    assert!(sealed(GET, &[("Connection", &many(64))]).is_ok());
    let table = [many(65), "a b".to_owned(), "a;b".to_owned(), "\"close\"".to_owned()];
    for option in &table {
        assert_eq!(sealed(GET, &[("Connection", option)]).err(), Some(ParseError::BadConnection), "{option}");
    }
    let head = sealed(GET, &[("Connection", " , close,,X-A ,")]).unwrap();
    let options: Vec<_> = head.connection_options().collect();
    assert_eq!(options, [&b"close"[..], b"X-A"]);
    assert!(head.connection_names_fields());
    assert!(!sealed(GET, &[("Connection", "close, TE, upgrade")]).unwrap().connection_names_fields());
}

#[test]
fn an_upgrade_needs_its_option_and_a_new_enough_version() {
    let offer = [("Connection", "Upgrade"), ("Upgrade", "h2c")];
    assert_eq!(sealed(GET, &offer).unwrap().upgrade(), Some(&b"h2c"[..]));
    assert_eq!(sealed(OLD, &offer).unwrap().upgrade(), None);
    assert_eq!(sealed(GET, &offer[1..]).unwrap().upgrade(), None);
    assert_eq!(sealed(GET, &offer[..1]).unwrap().upgrade(), None);
    let twice = [("Upgrade", "websocket"), ("Upgrade", "h2c")];
    assert_eq!(sealed(GET, &twice).err(), Some(ParseError::RepeatedField));
}

#[test]
fn only_a_whole_handshake_is_a_websocket() {
    let whole = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "WebSocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let head = sealed(GET, &whole).unwrap();
    assert!(head.is_websocket());
    assert_eq!(head.websocket_key(), Some(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]));
    assert!(!sealed(OLD, &whole).unwrap().is_websocket());
    assert!(!sealed(("POST", Version::Http11), &whole).unwrap().is_websocket());
    for missing in 0..whole.len() {
        let mut fields = whole.to_vec();
        fields.remove(missing);
        assert!(!sealed(GET, &fields).unwrap().is_websocket(), "without {}", whole[missing].0);
    }
    let wrong = [
        (1, "websocket, h2c"),
        (1, "h2c"),
        (2, "8"),
        (2, "13, 8"),
        (3, "short=="),
        (3, "dGhlIHNhbXBsZSBub25jZQ=a"),
        (3, "dGhlIHNhbXBsZSBub25jZ!=="),
    ];
    for (place, value) in wrong {
        let mut fields = whole;
        fields[place].1 = value;
        assert!(!sealed(GET, &fields).unwrap().is_websocket(), "{value}");
    }
    let with_body = [&whole[..], &[("Content-Length", "1")]].concat();
    assert!(!sealed(GET, &with_body).unwrap().is_websocket());
}

#[test]
fn only_a_new_client_waits_for_continue() {
    let expect = |line, value| sealed(line, &[("Expect", value)]).unwrap().expects_continue();
    assert!(expect(GET, "100-Continue"));
    assert!(!expect(OLD, "100-continue"));
    assert!(!expect(GET, "200-ok"));
}

#[test]
fn a_cleared_head_knows_nothing_of_the_last_request() {
    let mut head =
        sealed(GET, &[("Content-Length", "5"), ("Connection", "close"), ("Cookie", "a=1")]).unwrap();
    head.clear();
    head.set_line(b"PUT", b"/x?y", Version::Http11);
    head.push(b"Host", b"b");
    head.seal().unwrap();
    assert_eq!((head.method(), head.path(), head.query()), ("PUT", &b"/x"[..], Some(&b"y"[..])));
    assert_eq!((head.framing(), head.keep_alive(), head.field_count()), (BodyFraming::None, true, 1));
    assert!(!head.any_cookie("a", &mut |_| true));
}

fn answer(status: u16, version: Version, fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new();
    head.set_line(status, b"", version);
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes());
    }
    head.seal().unwrap();
    head
}

#[test]
fn a_server_that_declares_an_impossible_body_is_not_asked_again() {
    type Given = &'static [(&'static str, &'static str)];
    const LENGTH: (&str, &str) = ("Content-Length", "5");
    const CHUNKED: (&str, &str) = ("Transfer-Encoding", "chunked");
    let table: &[(u16, Given, bool)] = &[
        (200, &[LENGTH], true),
        (204, &[], true),
        (204, &[("Content-Length", "0")], true),
        (204, &[LENGTH], false),
        (204, &[CHUNKED], false),
        (100, &[LENGTH], false),
        (304, &[LENGTH], true),
        (304, &[CHUNKED], true),
        (200, &[("Connection", "close")], false),
    ];
    for &(status, fields, expected) in table {
        assert_eq!(answer(status, Version::Http11, fields).keep_alive(), expected, "{status} {fields:?}");
    }
    assert!(!answer(200, Version::Http10, &[LENGTH]).keep_alive());
    assert!(answer(200, Version::Http10, &[LENGTH, ("Connection", "keep-alive")]).keep_alive());
}

#[test]
fn protocols_are_switched_by_a_101_only() {
    let fields = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(answer(101, Version::Http11, &fields).upgrade(), Some(&b"websocket"[..]));
    assert_eq!(answer(200, Version::Http11, &fields).upgrade(), None);
    assert_eq!(answer(101, Version::Http10, &fields).upgrade(), None);
    assert_eq!(answer(101, Version::Http11, &fields[1..]).upgrade(), None);
}

#[test]
fn every_error_has_a_status_and_a_sentence_of_its_own() {
    for (index, error) in ParseError::ALL.iter().enumerate() {
        assert!((400..=599).contains(&error.status()), "{error:?}");
        assert_eq!(error.to_string(), error.reason());
        let same = ParseError::ALL.iter().filter(|other| other.reason() == error.reason()).count();
        assert_eq!(same, 1, "{index}: {error}");
    }
}
