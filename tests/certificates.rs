//! Certificates of clients, as servers learn of them, and lbd's own, as servers are shown it.

use std::net::SocketAddr;

use crate::support::secure::{Authority, SecureClient, curious_server};
use crate::support::{Client, Daemon, Origin, eventually};

/// A listener with TLS beside the plain one.
fn config(site: &Authority, tls: &str, origin: &Origin) -> String {
    format!(
        "listen \"127.0.0.1:0\" name=secure {{ tls {{ certificate \"{}\"\n{tls}\n }}; }}\n\
         pool app {{ server s0 \"{}\"; }}\nroute \"/\" pool=app\n",
        site.path("site.pem").display(),
        origin.address()
    )
}

fn client_ca(authority: &Authority, mode: &str) -> String {
    format!("client-ca \"{}\" mode={mode}", authority.path("ca.pem").display())
}

/// Where a listener was bound.
fn bound(daemon: &Daemon, name: &str) -> SocketAddr {
    let (status, answer) = daemon.control("GET", "/v1/status");
    assert_eq!(status, 200);
    let listeners = answer["listeners"].as_array().unwrap();
    let found = listeners.iter().find(|listener| listener["name"] == name).unwrap();
    found["address"].as_str().unwrap().parse().unwrap()
}

const FORGED: &str = "X-Client-Cert-Verified: true\r\nx-client_cert-subject: CN=admin\r\n\
                      X-CLIENT-CERT-SUBJECT: CN=root\r\nConnection: x-client-cert-subject\r\n";

#[test]
fn servers_are_told_who_the_client_is_and_no_client_can_say_so_itself() {
    let (site, devices, origin) = (Authority::new(), Authority::new(), Origin::echo("s0"));
    site.issue("site.pem", "site.test");
    let device = devices.issue("device.pem", "device 7");
    let daemon = Daemon::run(&config(&site, &client_ca(&devices, "request"), &origin));
    let secure = bound(&daemon, "secure");
    for (shown, verified, subject) in [(Some(&*device), "true", Some("CN=device 7")), (None, "false", None)] {
        let answer = SecureClient::connect(secure, &site, shown).get(FORGED).expect("an answer");
        assert_eq!(answer.status(), 200);
        let seen = origin.requests().pop().unwrap();
        assert_eq!(seen.field("x-client-cert-verified"), Some(verified));
        assert_eq!(seen.field("x-client-cert-subject"), subject);
        assert_eq!(seen.field("x-client_cert-subject"), None);
    }
    // Nor by the listener that asks for none.
    Client::connect(daemon.address()).request("GET", "/", FORGED, b"");
    let seen = origin.requests().pop().unwrap();
    assert_eq!(seen.values("x-client-cert-verified"), [""; 0]);
    assert_eq!(seen.values("x-client-cert-subject"), [""; 0]);
}

#[test]
fn where_a_certificate_is_required_nobody_comes_in_without_one() {
    let (site, devices, origin) = (Authority::new(), Authority::new(), Origin::echo("s0"));
    site.issue("site.pem", "site.test");
    let (device, stranger) =
        (devices.issue("device.pem", "device 7"), site.issue("stranger.pem", "device 7"));
    let daemon = Daemon::run(&config(&site, &client_ca(&devices, "require"), &origin));
    let secure = bound(&daemon, "secure");
    assert!(SecureClient::connect(secure, &site, None).get("").is_none());
    assert!(SecureClient::connect(secure, &site, Some(&stranger)).get("").is_none());
    assert_eq!(origin.requests().len(), 0);
    let answer = SecureClient::connect(secure, &site, Some(&device)).get("").expect("an answer");
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_connection_from_before_a_certificate_was_required_does_not_outlive_its_next_request() {
    let (site, devices, origin) = (Authority::new(), Authority::new(), Origin::echo("s0"));
    site.issue("site.pem", "site.test");
    let device = devices.issue("device.pem", "device 7");
    let daemon = Daemon::run(&config(&site, "", &origin));
    let secure = bound(&daemon, "secure");
    let mut before = SecureClient::connect(secure, &site, Some(&device));
    assert_eq!(before.get("").expect("an answer").status(), 200);
    daemon.save(&config(&site, &client_ca(&devices, "require"), &origin));
    eventually("a certificate is required", || {
        SecureClient::connect(secure, &site, None).get("").is_none().then_some(())
    });
    let answered = origin.requests().len();
    assert!(before.get("").is_none(), "it showed nothing, and nobody asked it to");
    assert_eq!(origin.requests().len(), answered);
    let mut after = SecureClient::connect(secure, &site, Some(&device));
    assert_eq!(after.get("").expect("an answer").status(), 200);
    // Another certificate of our own is no reason to prove anything anew.
    let generation = || daemon.control("GET", "/v1/config/generations").1.as_array().unwrap().len();
    let now = generation();
    site.issue("site.pem", "site.test");
    eventually("the renewed certificate is taken up", || (generation() != now).then_some(()));
    assert_eq!(after.get("").expect("an answer").status(), 200);
}

#[test]
fn servers_are_shown_our_certificate_and_the_new_one_once_it_is_renewed() {
    let (internal, clients) = (Authority::new(), Authority::new());
    let server = curious_server(&internal.issue("server.pem", "server.test"), &clients);
    let own = clients.issue("lbd.pem", "lbd one");
    let config = |certificate: &str| {
        format!(
            "pool app {{ server \"{server}\"; tls ca=\"{}\" {certificate}; }}\nroute \"/\" pool=app\n",
            internal.path("ca.pem").display()
        )
    };
    let daemon = Daemon::run(&config(""));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 502, "a server that wants one gets none");
    daemon.save(&config(&format!("certificate=\"{}\"", own.display())));
    let shows = |name: &str| {
        eventually("the server sees our certificate", || {
            let answer = Client::fetch(daemon.address(), "/");
            (answer.status() == 200 && answer.text().contains(name)).then_some(())
        });
    };
    shows("CN=lbd one");
    clients.issue("lbd.pem", "lbd two");
    shows("CN=lbd two");
}

#[test]
fn operators_see_which_certificates_are_in_use_and_can_have_them_read_again() {
    let (site, clients, origin) = (Authority::new(), Authority::new(), Origin::echo("s0"));
    site.issue("site.pem", "site.test");
    clients.issue("lbd.pem", "lbd one");
    // Nobody watches: only a reload that was asked for takes a file up.
    let config = config(&site, "", &origin).replace(
        "route \"/\"",
        &format!(
            "reload watch=#false\npool inner {{ server \"127.0.0.1:1\"; tls ca=\"{}\" certificate=\"{}\"; }}\n\
             route \"/inner\" pool=inner\nroute \"/\"",
            site.path("ca.pem").display(),
            clients.path("lbd.pem").display()
        ),
    );
    let daemon = Daemon::run(&config);
    let (status, all) = daemon.control("GET", "/v1/certificates");
    assert_eq!(status, 200, "{all}");
    let told =
        |at: usize| (all[at]["name"].as_str(), all[at]["used_by"][0].as_str(), all[at]["names"][0].as_str());
    assert_eq!(told(0), (Some("lbd"), Some("pool/inner"), Some("lbd-one")));
    assert_eq!(told(1), (Some("site"), Some("listen/secure"), Some("site.test")));
    assert!(all[0]["days_left"].as_i64().unwrap() > 1000, "{all}");
    let serial = || daemon.control("GET", "/v1/certificates/site").1[0]["serial"].clone();
    let before = serial();
    assert_eq!(before, daemon.control("GET", "/v1/certificates/SITE.test").1[0]["serial"]);
    assert_eq!(daemon.control("GET", "/v1/certificates/nobody").0, 404);
    site.issue("site.pem", "site.test");
    assert_eq!(serial(), before);
    let (status, done) = daemon.control("POST", "/v1/certificates/reload");
    assert_eq!((status, &done["changed"]), (200, &serde_json::Value::Bool(true)), "{done}");
    assert_ne!(serial(), before);
}
