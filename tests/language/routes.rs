//! Conditions, answers, comparison of paths, and what sites and routes allow, change and repeat.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::{bound, count, fields, serve};
use crate::proxying::config;
use crate::support::{Client, Daemon, Message, Origin, Tail, eventually, websocket};

fn status(daemon: &Daemon, method: &str, target: &str, fields: &str) -> u16 {
    Client::connect(daemon.address()).request(method, target, fields, b"").status()
}

/// A daemon where 201 says that the conditions hold, and 202 that they do not.
fn where_holds(conditions: &str) -> Daemon {
    Daemon::run(&format!(
        "route \"/\" name=yes {{ match {{ {conditions} }}; respond 201; }}\nroute \"/\" name=no {{ respond 202; }}\n"
    ))
}

#[test]
fn a_condition_on_the_method_holds_for_that_method_alone() {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let rows = methods.map(|method| {
        format!("route \"/{method}\" name=m-{method} {{ match {{ method {method} }}; respond 201; }}\n")
            .to_lowercase()
            .replace(&format!("method {}", method.to_lowercase()), &format!("method {method}"))
    });
    let daemon = Daemon::run(&(rows.concat() + "route \"/\" { respond 202; }\n"));
    for method in methods {
        for route in methods {
            let wanted = if method == route { 201 } else { 202 };
            let target = format!("/{}", route.to_lowercase());
            assert_eq!(status(&daemon, method, &target, ""), wanted, "{method} at {route}");
        }
    }
}

#[test]
fn all_conditions_of_a_match_must_hold() {
    let rows = [
        ("cookie beta", "Cookie: beta=1\r\n", "/"),
        ("cookie beta \"2\"", "Cookie: beta=2\r\n", "/"),
        ("query v \"2\"", "", "/?v=2"),
        ("header x-b (prefix)\"pre\"", "X-B: prefix\r\n", "/"),
        ("method GET", "", "/"),
    ];
    for (condition, fields, target) in rows {
        let daemon = where_holds(&format!("header x-a; {condition}").replace("header x-a; header", "header"));
        assert_eq!(status(&daemon, "GET", target, &format!("X-A: 1\r\n{fields}")), 201, "{condition}");
        let other = if condition.starts_with("method") { "POST" } else { "GET" };
        assert_eq!(status(&daemon, other, "/?v=3", "X-A: 1\r\nCookie: gamma=2\r\n"), 202, "{condition}");
    }
    let elsewhere = where_holds("method GET; client-ip \"192.0.2.0/24\"");
    assert_eq!(status(&elsewhere, "GET", "/", ""), 202);
    let plain = where_holds("method GET; websocket");
    assert_eq!(status(&plain, "GET", "/", ""), 202);
    let not = where_holds("method GET; websocket #false");
    assert_eq!(status(&not, "GET", "/", ""), 201);
}

#[test]
fn a_condition_on_a_field_holds_only_with_it() {
    let daemon = where_holds("query any; header x-b");
    assert_eq!(status(&daemon, "GET", "/?any=1", "X-B: 1\r\n"), 201);
    assert_eq!(status(&daemon, "GET", "/?any=1", ""), 202);
}

#[test]
fn a_redirect_has_the_status_and_the_port_that_it_is_given() {
    for code in [301, 302, 303, 307, 308] {
        let daemon =
            Daemon::run(&format!("route \"/\" {{ redirect \"https://{{host}}/x\" status={code}; }}\n"));
        let answer = Client::fetch(daemon.address(), "/old");
        assert_eq!((answer.status(), answer.field("location")), (code, Some("https://app.test/x")));
        let listen = format!("redirect-to-https port=8443 status={code}");
        let daemon = Daemon::listening(&listen, "route \"/\" { respond 200; }\n");
        let answer = Client::fetch(daemon.address(), "/a?b=c");
        assert_eq!((answer.status(), answer.field("location")), (code, Some("https://app.test:8443/a?b=c")));
    }
}

#[test]
fn an_answer_of_lbds_own_has_the_type_that_it_is_given() {
    let daemon = Daemon::run("route \"/\" { respond 200 body=\"{}\" content-type=\"application/json\"; }\n");
    let answer = Client::fetch(daemon.address(), "/");
    assert_eq!((answer.field("content-type"), answer.text()), (Some("application/json"), "{}"));
}

/// The statuses at these targets; 404 where no route is meant.
fn at(nodes: &str, targets: &[&str]) -> Vec<u16> {
    let daemon = Daemon::run(nodes);
    targets.iter().map(|target| status(&daemon, "GET", target, "")).collect()
}

#[test]
fn paths_are_compared_as_the_file_says() {
    let route = "route \"/one/two\" { respond 200; }\n";
    assert_eq!(at(&format!("paths ignore-case=#true\n{route}"), &["/ONE/two", "/one//two"]), [200, 404]);
    assert_eq!(at(&format!("paths merge-slashes=#true\n{route}"), &["/one//two", "/ONE/two"]), [200, 404]);
    assert_eq!(
        at(&format!("paths encoded-slash=reject\n{route}"), &["/one/two", "/one/two/a%2Fb"]),
        [200, 400]
    );
    assert_eq!(at(&format!("paths encoded-slash=keep\n{route}"), &["/one/two/a%2Fb"]), [200]);
    let of_route =
        "route \"/one/two\" ignore-case=#true { respond 200; }\nroute \"/three\" { respond 200; }\n";
    assert_eq!(at(of_route, &["/ONE/two", "/THREE"]), [200, 404]);
    let of_site = format!("site \"app.test\" {{ paths ignore-case=#true; {} }}\n", route.trim());
    assert_eq!(at(&of_site, &["/ONE/two"]), [200]);
}

#[test]
fn of_routes_that_are_equal_the_greater_priority_wins() {
    for (priority, wanted) in [(-1, 202), (1, 201)] {
        let daemon = Daemon::run(&format!(
            "route \"/\" name=a priority={priority} {{ match {{ header x-a }}; respond 201; }}\n\
             route \"/\" name=b {{ match {{ header x-b }}; respond 202; }}\n\
             route \"/\" {{ respond 404; }}\n"
        ));
        assert_eq!(status(&daemon, "GET", "/", "X-A: 1\r\nX-B: 1\r\n"), wanted);
    }
}

#[test]
fn logs_call_a_route_by_its_name() {
    let daemon = Daemon::run("log { access to=stdout; }\nroute \"/\" name=front-page { respond 200; }\n");
    assert_eq!(status(&daemon, "GET", "/", ""), 200);
    super::says(&daemon, "\"route\":\"front-page\"");
}

#[test]
fn a_site_guards_all_of_its_routes() {
    let inside = |node: &str| {
        let daemon =
            Daemon::run(&format!("site \"app.test\" {{ {node}; route \"/\" {{ respond 200; }} }}\n"));
        status(&daemon, "GET", "/", "")
    };
    assert_eq!(inside("allow-from \"192.0.2.0/24\""), 403);
    assert_eq!(inside("allow-from \"127.0.0.0/8\""), 200);
    assert_eq!(inside("deny-from \"127.0.0.0/8\""), 403);
    let origin = Origin::echo("a");
    let server = origin.address();
    let pool = format!("pool app {{ server \"{server}\"; }}\n");
    let daemon =
        Daemon::run(&format!("{pool}site \"app.test\" {{ body-limit \"10B\"; route \"/\" pool=app; }}\n"));
    let post = |body: &[u8]| Client::connect(daemon.address()).request("POST", "/", "", body).status();
    assert_eq!((post(b"0123456789"), post(b"0123456789A")), (200, 413));
}

#[test]
fn a_site_edits_the_fields_of_all_of_its_routes() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&format!(
        "pool app {{ server \"{}\"; }}\nsite \"app.test\" {{\n request-headers {{ set x-from \"site\"; }}\n \
         response-headers {{ set x-to \"client\"; add x-many \"1\"; add x-many \"2\"; }}\n route \"/\" pool=app\n}}\n",
        origin.address()
    ));
    let answer: Message = Client::fetch(daemon.address(), "/");
    assert_eq!(answer.field("x-to"), Some("client"));
    assert_eq!(answer.values("x-many"), ["1", "2"]);
    assert_eq!(fields(&origin, "x-from"), ["site"]);
}

#[test]
fn a_site_and_a_route_stand_on_the_listeners_that_they_name() {
    let daemon = Daemon::run(
        "listen \"127.0.0.1:0\" name=back\n\
         site \"app.test\" { on back; route \"/\" { respond 201; } }\n\
         route \"/back\" { on back; respond 202; }\nroute \"/\" { respond 200; }\n",
    );
    let back = bound(&daemon, "back");
    let ask = |address, host: &str, target: &str| {
        let mut client = Client::connect(address);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.read(Tail::AsSaid).status()
    };
    assert_eq!((ask(back, "app.test", "/"), ask(daemon.address(), "app.test", "/")), (201, 200));
    assert_eq!((ask(back, "other.test", "/back"), ask(daemon.address(), "other.test", "/back")), (202, 200));
}

#[test]
fn requests_that_are_split_by_request_go_both_ways() {
    let (a, b) = (Origin::echo("a"), Origin::echo("b"));
    let daemon = Daemon::run(&format!(
        "pool a {{ server \"{}\"; }}\npool b {{ server \"{}\"; }}\n\
         route \"/\" {{ split by=request {{ to a; to b; }}; }}\n",
        a.address(),
        b.address()
    ));
    let mut client = Client::connect(daemon.address());
    for _ in 0..64 {
        assert_eq!(client.get("/").status(), 200);
    }
    assert!(!a.requests().is_empty() && !b.requests().is_empty());
}

/// Answers every request with this status line.
fn always(line: &'static str) -> Origin {
    Origin::scripted(move |_, wire| {
        wire.send(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"))?;
        Ok(crate::support::After::Keep)
    })
}

#[test]
fn another_server_is_tried_for_the_answers_that_the_file_lists() {
    for line in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let code = &line[..3];
        let (bad, good) = (always(line), Origin::echo("good"));
        // The odd one out stands beside it, so that a list is not an on and off.
        let daemon =
            Daemon::run(&config(&[&bad, &good], "", &format!("retry {code} attempts=1 budget=\"100%\"")));
        assert_eq!(count(&daemon, 8, "GET"), 8, "{code}");
        assert!(!bad.requests().is_empty());
    }
}

#[test]
fn a_server_that_is_too_slow_is_left_for_another() {
    let (release, wait) = channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let slow = Origin::scripted(move |_, wire| {
        let _ = wait.lock().unwrap().recv_timeout(crate::support::DEADLINE);
        wire.ok("late")
    });
    let good = Origin::echo("good");
    let route = "retry timeout budget=\"100%\"; timeout response=\"300ms\"";
    let daemon = Daemon::run(&config(&[&slow, &good], "", route));
    // On a busy machine the good one may be too slow as well, but not each time.
    let mut numbers = 0..;
    eventually("a request that the slow one had is answered", || {
        let target = format!("/{}", numbers.next()?);
        let answered = status(&daemon, "GET", &target, "") == 200;
        (answered && slow.requests().iter().any(|request| request.target() == target)).then_some(())
    });
    drop(release);
}

#[test]
fn attempts_and_methods_are_bounded_as_the_file_says() {
    for (attempts, wanted) in [(1, 503), (3, 200)] {
        let bad = [always("503 No"), always("503 No"), always("503 No")];
        let good = Origin::echo("good");
        let all = [&bad[0], &bad[1], &bad[2], &good];
        let daemon =
            Daemon::run(&config(&all, "", &format!("retry 503 attempts={attempts} budget=\"100%\"")));
        assert_eq!(status(&daemon, "GET", "/", ""), wanted, "{attempts}");
    }
    for (all, wanted) in [("#true", 8), ("#false", 4)] {
        let (bad, good) = (always("503 No"), Origin::echo("good"));
        let route = format!("retry 503 budget=\"100%\" all={all}");
        let daemon = Daemon::run(&config(&[&bad, &good], "", &route));
        assert_eq!(count(&daemon, 8, "POST"), wanted, "{all}");
    }
}

#[test]
fn a_body_that_stalls_and_a_stream_that_is_too_old_are_cut() {
    let stalls = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")?;
            let mut rest = Vec::new();
            std::io::Read::read_to_end(wire.reader(), &mut rest)?;
            Ok(crate::support::After::Close)
        }
    });
    let clocks = "timeout idle=\"300ms\" tunnel-max=\"300ms\" tunnel-idle=off";
    let daemon = Daemon::run(&config(&[&stalls], "", clocks));
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(client.read_head().status(), 200);
    assert_eq!(client.read_until("begin"), "begin");
    assert!(client.is_closed());
    let mut socket = websocket::opened(daemon.address(), "/ws");
    let cut = std::time::Instant::now();
    while let Ok(message) = socket.read() {
        assert!(message.is_close(), "{message:?}");
    }
    assert!(cut.elapsed() < crate::support::DEADLINE / 2, "it was cut, not given up");
}

#[test]
fn a_template_gives_its_nodes_to_a_route_and_a_site() {
    let daemon = Daemon::run(
        "template closed { deny-from \"127.0.0.0/8\"; }\n\
         site \"app.test\" { use closed; route \"/\" { respond 200; } }\n\
         site \"b.test\" { route \"/\" { use closed; respond 200; }; route \"/open\" { respond 200; } }\n",
    );
    assert_eq!(status(&daemon, "GET", "/", ""), 403);
    let mut client = Client::connect(daemon.address());
    for (target, wanted) in [("/", 403), ("/open", 200)] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: b.test\r\n\r\n"));
        assert_eq!(client.read(Tail::AsSaid).status(), wanted, "{target}");
    }
}

#[test]
fn a_connection_that_is_not_made_in_time_is_given_up() {
    let full = serve::full();
    let text = format!(
        "pool app {{ server \"{}\"; }}\nroute \"/\" pool=app {{ timeout connect=\"200ms\"; retry connect attempts=0; }}\n",
        full.address()
    );
    let daemon = Daemon::run(&text);
    let status = Client::fetch(daemon.address(), "/").status();
    assert!(status == 504 || status == 502, "{status}");
}
