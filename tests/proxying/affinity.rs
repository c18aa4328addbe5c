//! Stickiness: a client keeps its server, and the cookie that says so is nobody else's business.

use super::{config, front_with};
use crate::support::{CHECKED_OFTEN, Client, Daemon, Message, Origin, eventually};

/// Three servers that say their name, and a daemon that is ready to use each of them.
fn three(pool: &str) -> ([Origin; 3], Daemon) {
    let origins = [Origin::echo("s0"), Origin::echo("s1"), Origin::echo("s2")];
    let daemon = front_with(&origins.each_ref(), &format!("health \"/ready\" {CHECKED_OFTEN}\n{pool}"), "");
    eventually("all three take new clients", || {
        let answer = Client::fetch(daemon.address(), "/");
        (answer.status() == 200 && origins.iter().all(|o| !o.requests().is_empty())).then_some(())
    });
    (origins, daemon)
}

fn who(answer: &Message) -> &str {
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text().lines().next().unwrap_or_default()
}

fn cookie(answer: &Message) -> Option<&str> {
    answer.field("set-cookie").and_then(|field| field.split(';').next())
}

fn visit(daemon: &Daemon, cookie: &str) -> Message {
    Client::connect(daemon.address()).request("GET", "/", &format!("Cookie: {cookie}\r\n"), b"")
}

#[test]
fn a_client_with_a_cookie_stays_on_its_server() {
    let (_origins, daemon) = three("sticky cookie name=NODE");
    for _ in 0..6 {
        let first = Client::fetch(daemon.address(), "/");
        let pass = cookie(&first).expect("the first answer brings the cookie");
        assert!(pass.starts_with("NODE="), "{pass}");
        for _ in 0..10 {
            let next = visit(&daemon, pass);
            assert_eq!(who(&next), who(&first));
            assert_eq!(cookie(&next), None, "a good cookie is not set again");
        }
    }
}

#[test]
fn the_cookie_has_the_attributes_that_were_asked_for_and_tells_nothing() {
    let (origins, daemon) = three("sticky cookie name=NODE same-site=strict path=\"/app\"");
    let first = Client::fetch(daemon.address(), "/");
    let field = first.field("set-cookie").expect("a cookie");
    let attributes: Vec<String> = field.split("; ").skip(1).map(str::to_lowercase).collect();
    for wanted in ["path=/app", "httponly", "samesite=strict"] {
        assert!(attributes.iter().any(|a| a == wanted), "{field}");
    }
    assert!(!attributes.iter().any(|a| a == "secure"), "auto means: only over https; {field}");
    for origin in &origins {
        let port = origin.address().port().to_string();
        assert!(!field.contains(&port) && !field.contains("s0") && !field.contains("127.0.0.1"), "{field}");
    }
}

#[test]
fn the_cookie_never_reaches_a_server() {
    let (origins, daemon) = three("sticky cookie name=NODE");
    let first = Client::fetch(daemon.address(), "/");
    let pass = cookie(&first).expect("a cookie").to_owned();
    let seen = |fields: &str| {
        let answer = Client::connect(daemon.address()).request("GET", "/", fields, b"");
        let node = who(&answer);
        let origin = &origins[node[1..].parse::<usize>().unwrap()];
        let mut request = origin.requests().pop().expect("asked");
        request.fields.retain(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        request.fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(seen(&format!("Cookie: {pass}\r\n")), Vec::<String>::new());
    assert_eq!(seen(&format!("Cookie: a=1; {pass}; b=2\r\n")), ["a=1; b=2"]);
    assert_eq!(seen(&format!("Cookie: {pass}; a=1\r\n")), ["a=1"]);
    assert_eq!(seen(&format!("Cookie: a=1\r\nCookie: {pass}\r\nCookie: b=2\r\n")).join("; "), "a=1; b=2");
    assert_eq!(seen("Cookie: NODE=forged; a=1\r\n"), ["a=1"]);
    assert_eq!(seen("Cookie: XNODE=1; NODEX=2\r\n"), ["XNODE=1; NODEX=2"]);
}

#[test]
fn a_forged_cookie_is_ignored_and_mended() {
    let (_origins, daemon) = three("sticky cookie name=NODE");
    let good = Client::fetch(daemon.address(), "/");
    let good = cookie(&good).expect("a cookie").to_owned();
    let mut bent = good.clone().into_bytes();
    let last = bent.len() - 1;
    bent[last] = if bent[last] == b'A' { b'Q' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    for forged in ["NODE=s0", "NODE=", "NODE=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &bent] {
        let answer = visit(&daemon, forged);
        let new = cookie(&answer).unwrap_or_else(|| panic!("{forged} is mended")).to_owned();
        assert_eq!(who(&visit(&daemon, &new)), who(&answer));
    }
}

#[test]
fn a_client_whose_server_went_down_is_moved_once_and_stays_there() {
    let (origins, daemon) = three("sticky cookie name=NODE");
    let first = Client::fetch(daemon.address(), "/");
    let pass = cookie(&first).expect("a cookie");
    let home = who(&first);
    origins[home[1..].parse::<usize>().unwrap()].set_ready(false);
    let moved = eventually("the client is moved", || {
        let answer = visit(&daemon, pass);
        (who(&answer) != home).then_some(answer)
    });
    let pass = cookie(&moved).expect("the move brings a new cookie");
    for _ in 0..5 {
        assert_eq!(who(&visit(&daemon, pass)), who(&moved));
    }
}

#[test]
fn a_killed_server_costs_its_clients_no_error() {
    let (origins, daemon) = three("sticky cookie name=NODE");
    let first = Client::fetch(daemon.address(), "/");
    let pass = cookie(&first).expect("a cookie");
    let home = who(&first);
    origins[home[1..].parse::<usize>().unwrap()].stop();
    let moved = visit(&daemon, pass);
    assert_ne!(who(&moved), home);
    assert!(cookie(&moved).is_some());
}

#[test]
fn with_on_down_fail_a_client_is_told_and_not_moved() {
    let (origins, daemon) = three("sticky cookie name=NODE on-down=fail");
    let first = Client::fetch(daemon.address(), "/");
    let pass = cookie(&first).expect("a cookie");
    let home = &origins[who(&first)[1..].parse::<usize>().unwrap()];
    home.set_ready(false);
    let answer =
        eventually("the server is down", || Some(visit(&daemon, pass)).filter(|a| a.status() != 200));
    assert_eq!(answer.status(), 503);
    home.set_ready(true);
    eventually("it is back", || (visit(&daemon, pass).status() == 200).then_some(()));
}

#[test]
fn a_client_without_cookies_keeps_its_server_by_address() {
    let origins = [Origin::echo("s0"), Origin::echo("s1"), Origin::echo("s2")];
    let daemon = Daemon::run(&config(&origins.each_ref(), "sticky source-ip ttl=\"1h\"", ""));
    let first = Client::fetch(daemon.address(), "/");
    for _ in 0..10 {
        let next = Client::fetch(daemon.address(), "/");
        assert_eq!(who(&next), who(&first));
        assert_eq!(cookie(&next), None);
    }
}
