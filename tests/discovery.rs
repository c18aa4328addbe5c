//! Names: servers that come and go with the answers of a real name server, and what a missing answer does not do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{CHECKED_OFTEN, CHECKED_ONCE, Client, Daemon, Dns, Origin, eventually, websocket};

const IPS: [&str; 4] = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];

/// Everything to the pool `app`, with these nodes in it.
fn config(dns: &Dns, resolver: &str, pool: &str) -> String {
    format!("{}pool app {{\n{pool}\n}}\nroute \"/\" pool=app\n", dns.resolver(resolver))
}

fn servers(daemon: &Daemon) -> Vec<Value> {
    let (status, pool) = daemon.control("GET", "/v1/pools/app");
    assert_eq!(status, 200, "{pool}");
    pool["servers"].as_array().unwrap().clone()
}

/// The servers that DNS names.
fn named(daemon: &Daemon) -> Vec<Value> {
    let mut servers = servers(daemon);
    servers.retain(|server| server["unnamed"] != true);
    servers
}

fn names(daemon: &Daemon) -> Vec<String> {
    named(daemon).iter().map(|server| server["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the pool has exactly these servers.
fn await_names(daemon: &Daemon, expected: &[String]) {
    eventually(&format!("the servers {expected:?}"), || (names(daemon) == *expected).then_some(()));
}

/// Waits until it has servers of these addresses and no others.
fn await_ips(daemon: &Daemon, port: u16, ips: &[&str]) {
    let expected: Vec<String> = ips.iter().map(|ip| format!("{ip}:{port}")).collect();
    await_names(daemon, &expected);
}

/// Lines of a hosts file that name each of these `app.test`.
fn hosts(ips: &[&str]) -> Vec<String> {
    ips.iter().map(|ip| format!("{ip} app.test")).collect()
}

fn set(dns: &Dns, ips: &[&str]) {
    let lines = hosts(ips);
    dns.set(&lines.iter().map(String::as_str).collect::<Vec<_>>());
}

fn start(ips: &[&str], ttl: u32) -> Option<Dns> {
    let lines = hosts(ips);
    Dns::start(&lines.iter().map(String::as_str).collect::<Vec<_>>(), ttl)
}

fn said(daemon: &Daemon, what: &str) -> usize {
    daemon.log().matches(what).count()
}

/// Runs `change` while clients ask without a pause; every answer must be 200.
fn under_load(daemon: &Daemon, change: impl FnOnce()) {
    let (done, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for kept in [true, true, false] {
            let (done, requests) = (&done, &requests);
            scope.spawn(move || {
                let mut client = Client::connect(daemon.address());
                while !done.load(Ordering::SeqCst) {
                    if !kept {
                        client = Client::connect(daemon.address());
                    }
                    let answer = client.get("/");
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    requests.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(change));
        done.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    let requests = requests.load(Ordering::SeqCst);
    println!("{requests} requests, none failed");
    assert!(requests > 20);
}

#[test]
fn a_rolling_change_of_answers_fails_no_request() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..2], 1) else { return };
    let pool = format!("discover \"app.test:{port}\" kind=a\nhealth \"/ready\" {CHECKED_ONCE}");
    let daemon = Daemon::run_with(2, &config(&dns, "", &pool));
    await_ips(&daemon, port, &IPS[..2]);
    eventually("both are ready", || {
        servers(&daemon).iter().all(|server| server["eligible"] == "ready").then_some(())
    });
    under_load(&daemon, || {
        // One by one, then all at once, and back.
        for ips in [&IPS[1..3], &IPS[2..], &IPS[..2], &IPS[2..], &IPS[..]] {
            set(&dns, ips);
            await_ips(&daemon, port, ips);
        }
    });
    eventually("all four get requests", || {
        Client::fetch(daemon.address(), "/");
        origins.iter().all(|origin| !origin.requests().is_empty()).then_some(())
    });
}

#[test]
fn a_name_server_that_is_killed_changes_nothing_and_is_missed_once() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(mut dns) = start(&IPS[..2], 1) else { return };
    let pool = format!("discover \"app.test:{port}\"");
    let daemon = Daemon::run(&config(&dns, "", &pool));
    await_ips(&daemon, port, &IPS[..2]);
    under_load(&daemon, || {
        dns.kill();
        eventually("the failure is shown", || {
            let (_, status) = daemon.control("GET", "/v1/status");
            let name = status["unresolved"].get(0)?;
            assert_eq!((&name["name"], &name["known"]), (&json!("app.test"), &json!(2)));
            Some(())
        });
        await_ips(&daemon, port, &IPS[..2]);
        dns.start_again(&["127.0.0.4 app.test"], &[]);
        await_ips(&daemon, port, &IPS[2..3]);
    });
    assert_eq!(daemon.control("GET", "/v1/status").1["unresolved"], Value::Null);
    daemon.says("resolves again");
    assert_eq!((said(&daemon, "name does not resolve"), said(&daemon, "resolves again")), (1, 1));
}

#[test]
fn a_name_that_has_no_answer_delays_no_start_and_is_503_until_it_has() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&[], 1) else { return };
    let daemon = Daemon::run(&config(&dns, "", &format!("discover \"app.test:{port}\"")));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 503);
    set(&dns, &IPS[..1]);
    eventually("it serves", || (Client::fetch(daemon.address(), "/").text() == IPS[0]).then_some(()));
}

#[test]
fn a_ttl_shorter_than_refresh_is_honoured_and_one_that_is_longer_is_cut() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let source = format!("\"app.test:{port}\"");
    // Where each says it: the resolver, or the pool.
    let cases = [
        (1, "refresh=\"1h\"", format!("discover {source}")),
        (1, "", format!("discover {source} refresh=\"1h\"")),
        (3600, "refresh=\"1s\"", format!("discover {source}")),
        (3600, "", format!("discover {source} refresh=\"1s\"")),
    ];
    for (ttl, resolver, pool) in cases {
        let Some(dns) = start(&IPS[..1], ttl) else { return };
        let daemon = Daemon::run(&config(&dns, resolver, &pool));
        await_ips(&daemon, port, &IPS[..1]);
        set(&dns, &IPS[1..2]);
        await_ips(&daemon, port, &IPS[1..2]);
    }
}

#[test]
fn an_answer_is_not_asked_for_again_before_it_ends() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..1], 3600) else { return };
    let second = format!("discover \"app.test:{port}\" refresh=\"1h\"\ndiscover \"other.test:{port}\"");
    let daemon = Daemon::run(&config(&dns, "refresh=\"1s\"", &second));
    await_ips(&daemon, port, &IPS[..1]);
    dns.set(&["127.0.0.3 app.test", "127.0.0.4 other.test"]);
    // The other name, asked for each second, is known; this one still is what it was.
    await_ips(&daemon, port, &["127.0.0.2", "127.0.0.4"]);
}

#[test]
fn the_preferred_family_is_used_alone() {
    let ips = ["127.0.0.2", "::1"];
    let origins = Origin::neighbours(ips);
    let port = origins[0].address().port();
    let (v4, v6) = (format!("127.0.0.2:{port}"), format!("[::1]:{port}"));
    let Some(dns) = start(&ips, 1) else { return };
    let cases =
        [("prefer=v6", vec![v6.clone()]), ("prefer=v4", vec![v4.clone()]), ("prefer=any", vec![v4, v6])];
    for (prefer, expected) in cases {
        let pool = format!("discover \"app.test:{port}\"");
        let daemon = Daemon::run(&config(&dns, prefer, &pool));
        await_names(&daemon, &expected);
        let answer = Client::fetch(daemon.address(), "/");
        assert!(expected.iter().any(|name| name.contains(answer.text())), "{answer:?}");
    }
}

#[test]
fn services_bring_ports_weights_and_priorities() {
    let [heavy, light, backup] = [Origin::echo("heavy"), Origin::echo("light"), Origin::echo("backup")];
    let port = |origin: &Origin| origin.address().port();
    let record = |origin: &Origin, priority, weight| {
        format!("--srv-host=_http._tcp.app.test,node.test,{},{priority},{weight}", port(origin))
    };
    let records = [record(&heavy, 10, 3), record(&light, 10, 1), record(&backup, 20, 1)];
    let node = ["127.0.0.1 node.test"];
    let Some(mut dns) = Dns::start_with(&node, 1, &records.each_ref().map(String::as_str)) else { return };
    let pool = format!(
        "discover \"_http._tcp.app.test\" kind=srv\nbalance round-robin\nhealth \"/ready\" {CHECKED_OFTEN}"
    );
    let daemon = Daemon::run(&config(&dns, "", &pool));
    let shown = |server: &Value| {
        let name = server["name"].as_str().unwrap().to_owned();
        (name, server["weight"].as_u64().unwrap(), server["backup"].as_bool().unwrap())
    };
    let at = |origin: &Origin| origin.address().to_string();
    let mut expected = [(at(&heavy), 3, false), (at(&light), 1, false), (at(&backup), 1, true)];
    expected.sort();
    eventually("all are known and ready", || {
        let servers = servers(&daemon);
        let known: Vec<_> = servers.iter().map(shown).collect();
        (known == expected && servers.iter().all(|server| server["eligible"] == "ready")).then_some(())
    });
    for _ in 0..40 {
        assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
    }
    let count = |origin: &Origin| origin.requests().len();
    assert_eq!((count(&heavy), count(&light), count(&backup)), (30, 10, 0));
    heavy.set_ready(false);
    light.set_ready(false);
    eventually("the backup serves", || {
        Client::fetch(daemon.address(), "/").text().starts_with("backup").then_some(())
    });
    dns.kill();
    dns.start_again(&node, &[&record(&light, 5, 7)]);
    eventually("only one is left", || {
        let known: Vec<_> = named(&daemon).iter().map(shown).collect();
        (known == [(at(&light), 7, false)]).then_some(())
    });
}

#[test]
fn sticky_clients_stay_while_others_come_and_go() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..2], 1) else { return };
    let daemon =
        Daemon::run(&config(&dns, "", &format!("discover \"app.test:{port}\"\nsticky cookie name=N")));
    await_ips(&daemon, port, &IPS[..2]);
    let mut clients = Vec::new();
    while !clients.iter().any(|(_, ip): &(String, String)| ip == IPS[1]) {
        let answer = Client::fetch(daemon.address(), "/");
        let cookie = answer.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie");
        clients.push((format!("Cookie: {cookie}\r\n"), answer.text().to_owned()));
    }
    for ips in [&IPS[..], &IPS[1..3], &IPS[1..]] {
        set(&dns, ips);
        await_ips(&daemon, port, ips);
        for (cookie, ip) in clients.iter().filter(|(_, ip)| ip == IPS[1]) {
            let answer = Client::connect(daemon.address()).request("GET", "/", cookie, b"");
            assert_eq!(answer.text(), ip);
        }
    }
}

#[test]
fn a_reload_amid_changes_keeps_what_was_found_and_who_is_gone_finishes() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..1], 1) else { return };
    let text = |word: &str, more: &str| {
        let pool =
            format!("discover \"app.test:{port}\" hold=\"5s\"\n{more}\nhealth \"/ready\" {CHECKED_ONCE}");
        config(&dns, "", &pool) + &format!("route (exact)\"/word\" {{ respond 200 body=\"{word}\"; }}\n")
    };
    let daemon = Daemon::run(&text("0", ""));
    eventually("it serves", || (Client::fetch(daemon.address(), "/").status() == 200).then_some(()));
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    under_load(&daemon, || {
        let more = ["balance random", "", "discover \"none.test:1\"", ""];
        for (edit, (ips, more)) in
            [&IPS[1..2], &IPS[2..3], &IPS[3..], &IPS[1..3]].into_iter().zip(more).enumerate()
        {
            let word = edit.to_string();
            set(&dns, ips);
            daemon.save(&text(&word, more));
            eventually("the edit is live", || {
                (Client::fetch(daemon.address(), "/word").text() == word).then_some(())
            });
            assert!(!names(&daemon).is_empty());
            await_ips(&daemon, port, ips);
        }
    });
    let (_, close) = websocket::read_to_close(&mut socket);
    assert_eq!(close, Some((1012, "its name no longer leads to it".to_owned())), "closed in order, not cut");
}

#[test]
fn a_server_is_found_by_a_host_name_and_follows_it() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..1], 1) else { return };
    let daemon = Daemon::run(&config(&dns, "", &format!("server one \"app.test:{port}\"")));
    let serves = |ip| {
        eventually("it serves", || (Client::fetch(daemon.address(), "/").text() == ip).then_some(()));
    };
    serves(IPS[0]);
    set(&dns, &IPS[2..3]);
    serves(IPS[2]);
    assert_eq!(names(&daemon), ["one"]);
}

#[test]
fn a_name_that_is_gone_empties_the_pool_only_when_it_says_so() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    for (on_failure, stays) in [("keep-last", true), ("empty", false)] {
        let Some(dns) = start(&IPS[..1], 1) else { return };
        let pool = format!("discover \"app.test:{port}\" on-failure={on_failure}");
        let daemon = Daemon::run(&config(&dns, "", &pool));
        await_ips(&daemon, port, &IPS[..1]);
        set(&dns, &[]);
        eventually("the failure is said", || (said(&daemon, "name does not resolve") > 0).then_some(()));
        if stays {
            // For far longer than a change takes to be live.
            assert!((0..200).all(|_| Client::fetch(daemon.address(), "/").text() == IPS[0]));
        } else {
            await_ips(&daemon, port, &[]);
            assert_eq!(Client::fetch(daemon.address(), "/").status(), 503);
        }
    }
}

#[test]
fn a_wish_for_a_found_server_holds_when_it_returns() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..2], 1) else { return };
    let daemon = Daemon::run(&config(&dns, "", &format!("discover \"app.test:{port}\" hold=\"0s\"")));
    await_ips(&daemon, port, &IPS[..2]);
    let found = &servers(&daemon)[0];
    assert_eq!(found["origin"], format!("app.test:{port}"), "{found}");
    let path = format!("/v1/pools/app/servers/127.0.0.2:{port}/admin");
    let (status, _) = daemon.control_with("PUT", &path, &json!({ "state": "maint" }));
    assert_eq!(status, 200);
    set(&dns, &IPS[1..2]);
    await_ips(&daemon, port, &IPS[1..2]);
    set(&dns, &IPS[..2]);
    await_ips(&daemon, port, &IPS[..2]);
    assert_eq!(servers(&daemon)[0]["admin"]["state"], "maint");
    for _ in 0..4 {
        assert_eq!(Client::fetch(daemon.address(), "/").text(), IPS[1]);
    }
}

#[test]
fn what_comes_and_goes_is_an_event() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..1], 1) else { return };
    let daemon = Daemon::run(&config(&dns, "", &format!("discover \"app.test:{port}\" hold=\"0s\"")));
    let said = |kind: &str, ip: &str| {
        let (_, event) = daemon.control("GET", &format!("/v1/events?since=0&follow=false&kind={kind}"));
        let data =
            json!({ "pool": "app", "server": format!("{ip}:{port}"), "source": format!("app.test:{port}") });
        (event["data"] == data).then_some(())
    };
    eventually("the first is said to be there", || said("server.discovered", IPS[0]));
    set(&dns, &IPS[1..2]);
    eventually("it is said to be gone", || said("server.gone", IPS[0]));
    await_ips(&daemon, port, &IPS[1..2]);
}

#[test]
fn an_answer_that_leaves_a_server_out_once_costs_its_clients_nothing() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..2], 1) else { return };
    let pool = format!(
        "discover \"app.test:{port}\"\nbalance round-robin\nsticky cookie name=N\ndrain close-rate=\"1000/s\"\n\
         health \"/ready\" {CHECKED_ONCE}"
    );
    let daemon = Daemon::run(&config(&dns, "", &pool));
    await_ips(&daemon, port, &IPS[..2]);
    let cookie = eventually("a client of the second", || {
        let answer = Client::fetch(daemon.address(), "/");
        let cookie = answer.field("set-cookie")?.split(';').next()?.to_owned();
        (answer.text() == IPS[1]).then(|| format!("Cookie: {cookie}\r\n"))
    });
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", &cookie);
    websocket::round_trip(&mut socket, "before");
    for _ in 0..2 {
        set(&dns, &IPS[..1]);
        await_ips(&daemon, port, &IPS[..1]);
        assert!(
            (0..10).all(|_| Client::fetch(daemon.address(), "/").text() == IPS[0]),
            "new clients go elsewhere"
        );
        let page = Client::connect(daemon.address()).request("GET", "/", &cookie, b"");
        assert_eq!((page.text(), page.field("set-cookie")), (IPS[1], None), "its own stay");
        websocket::round_trip(&mut socket, "meanwhile");
        set(&dns, &IPS[..2]);
        await_ips(&daemon, port, &IPS[..2]);
    }
    websocket::round_trip(&mut socket, "after");
    eventually("new clients come again", || {
        (Client::fetch(daemon.address(), "/").text() == IPS[1]).then_some(())
    });
    assert_eq!(daemon.control("GET", "/v1/operations").1, json!([]), "nothing was drained");
    eventually("both changes are told twice", || {
        ((said(&daemon, "it takes no new clients"), said(&daemon, "leads to it again")) == (2, 2))
            .then_some(())
    });
}

#[test]
fn who_is_left_out_for_longer_than_the_hold_is_drained() {
    let origins = Origin::neighbours(IPS);
    let port = origins[0].address().port();
    let Some(dns) = start(&IPS[..2], 1) else { return };
    let pool =
        format!("discover \"app.test:{port}\" hold=\"1s\"\nbalance round-robin\ndrain close-rate=\"1000/s\"");
    let daemon = Daemon::run(&config(&dns, "", &pool));
    await_ips(&daemon, port, &IPS[..2]);
    let mut sockets = [(); 2].map(|()| websocket::open(daemon.address(), "/ws", "").0);
    set(&dns, &IPS[..1]);
    let at = |ip: &str| format!("/v1/connections?server={ip}:{port}");
    eventually("it is closed", || (daemon.control("GET", &at(IPS[1])).1["total"] == 0).then_some(()));
    assert_eq!(daemon.control("GET", &at(IPS[0])).1["total"], 1);
    let ends = sockets.iter_mut().filter_map(|socket| {
        let sent = socket.send(tokio_tungstenite::tungstenite::Message::text("there?"));
        let open = sent.is_ok() && matches!(socket.read(), Ok(message) if message.is_text());
        (!open).then_some(())
    });
    assert_eq!(ends.count(), 1);
}
