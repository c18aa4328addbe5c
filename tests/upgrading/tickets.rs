//! TLS sessions: whom one process let in, the next lets in without another whole handshake.

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::upgrade;
use crate::support::Daemon;
use crate::support::daemon::reserve_port;
use crate::support::secure::{Authority, SecureClient};

#[test]
fn sessions_are_resumed_by_the_process_that_takes_over() {
    let authority = Authority::new();
    let certificate = authority.issue("site.pem", "localhost");
    let (_reserved, address) = reserve_port();
    let daemon = Daemon::run(&format!(
        "listen \"{address}\" name=secure {{ tls {{ certificate \"{}\"; }}; }}\nroute \"/\" {{ respond 200; }}\n",
        certificate.display()
    ));
    let clients = [&TLS13, &TLS12].map(|version| authority.client(version));
    let shaken = || {
        clients.each_ref().map(|client| {
            let mut connection = SecureClient::of(address, client.clone());
            // Tickets come before the answer.
            assert_eq!(connection.get("").map(|answer| answer.status()), Some(200));
            connection.handshake()
        })
    };
    assert_eq!(shaken(), [Some(HandshakeKind::Full); 2]);
    assert_eq!(shaken(), [Some(HandshakeKind::Resumed); 2]);
    for round in 0..2 {
        upgrade(&daemon);
        assert_eq!(shaken(), [Some(HandshakeKind::Resumed); 2], "after upgrade {round}");
    }
}
