//! Certificates of clients: those that our clients show, and the one that we show to servers.

use super::*;
use crate::config::model::ClientCa;

/// A listener that asks for certificates of `authority`.
fn asking(desk: &Desk, authority: &Desk, required: bool) -> Listener {
    let mut listener = listener(vec![desk.pair("site.pem", &["site.test"])], UnknownSni::Fallback);
    let ca = ClientCa { file: authority.path("ca.pem"), required, span: span() };
    listener.tls.as_mut().unwrap().client_ca = Some(ca);
    listener
}

/// A client that trusts `desk` and shows a certificate of `of`, if of any.
fn showing(desk: &Desk, of: Option<&Desk>) -> Arc<ClientConfig> {
    let settings = UpstreamTls {
        ca: Some(desk.path("ca.pem")),
        certificate: of.map(|of| of.pair("client.pem", &["client.test"])),
        ..trust(Verify::Full)
    };
    let mut report = Report::default();
    let config = upstream(&mut Store::new(), &settings, About { is_server: false, ..ABOUT }, &mut report);
    assert_eq!(report.findings, []);
    config.unwrap()
}

#[test]
fn a_client_must_be_of_the_authority_or_at_least_of_no_other() {
    let (desk, devices) = (Desk::new(), Desk::new());
    for (required, shown, good) in [
        (true, Some(&devices), true),
        (true, None, false),
        (true, Some(&desk), false),
        (false, Some(&devices), true),
        (false, None, true),
        (false, Some(&desk), false),
    ] {
        let config = serve(&mut Store::new(), &asking(&desk, &devices, required));
        let met = meet(&config, &showing(&desk, shown), "site.test");
        assert_eq!(met.is_ok(), good, "required {required}, shown {}: {met:?}", shown.is_some());
    }
}

#[test]
fn a_ticket_of_one_way_to_ask_is_worth_nothing_at_another() {
    let (desk, devices, others) = (Desk::new(), Desk::new(), Desk::new());
    let mut store = Store::new();
    let open = serve(&mut store, &asking(&desk, &devices, false));
    let strict = serve(&mut store, &asking(&desk, &devices, true));
    let nobody = showing(&desk, None);
    assert_eq!(meet(&open, &nobody, "site.test").unwrap().kind, HandshakeKind::Full);
    assert_eq!(meet(&open, &nobody, "site.test").unwrap().kind, HandshakeKind::Resumed);
    assert!(meet(&strict, &nobody, "site.test").is_err(), "its ticket says that no certificate was needed");
    let device = showing(&desk, Some(&devices));
    assert_eq!(meet(&strict, &device, "site.test").unwrap().kind, HandshakeKind::Full);
    assert_eq!(meet(&strict, &device, "site.test").unwrap().kind, HandshakeKind::Resumed);
    store.commit();
    // A renewed certificate of ours changes nothing for clients that were verified.
    let renewed = serve(&mut store, &asking(&desk, &devices, true));
    assert!(!Arc::ptr_eq(&strict, &renewed));
    assert_eq!(meet(&renewed, &device, "site.test").unwrap().kind, HandshakeKind::Resumed);
    store.commit();
    let changed = serve(&mut store, &asking(&desk, &others, true));
    assert!(
        meet(&changed, &device, "site.test").is_err(),
        "verified by an authority that is trusted no more"
    );
}

#[test]
fn a_bundle_for_clients_is_checked_and_kept_while_it_is_bad() {
    let (desk, devices) = (Desk::new(), Desk::new());
    let mut store = Store::new();
    let listener = asking(&desk, &devices, true);
    let good = serve(&mut store, &listener);
    store.commit();
    devices.write("ca.pem", "nothing");
    let mut report = Report::default();
    let kept = listener_config(&mut store, &listener, &[], at(Stage::Reload), &mut report).unwrap();
    assert!(Arc::ptr_eq(&good, &kept));
    assert_eq!(codes(&report), [("LB601", Severity::Warning)]);
    let mut report = Report::default();
    assert!(listener_config(&mut Store::new(), &listener, &[], ABOUT, &mut report).is_none());
    assert_eq!(codes(&report), [("LB601", Severity::Error)]);
}

#[test]
fn our_certificate_for_servers_is_swapped_when_its_file_changes() {
    let (desk, devices) = (Desk::new(), Desk::new());
    let config = serve(&mut Store::new(), &asking(&desk, &devices, true));
    let mut settings = UpstreamTls { ca: Some(desk.path("ca.pem")), ..trust(Verify::Full) };
    let mut store = Store::new();
    let mut client = |settings: &UpstreamTls| {
        let mut report = Report::default();
        let client = upstream(&mut store, settings, ABOUT, &mut report).expect("a client");
        store.commit();
        (client, report)
    };
    let (none, _) = client(&settings);
    assert!(meet(&config, &none, "site.test").is_err());
    settings.certificate = Some(devices.pair("client.pem", &["lbd.test"]));
    let (first, _) = client(&settings);
    assert!(meet(&config, &first, "site.test").is_ok());
    assert!(Arc::ptr_eq(&first, &client(&settings).0), "unchanged");
    devices.write("client.pem", "broken");
    let (kept, report) = client(&settings);
    assert!(Arc::ptr_eq(&first, &kept));
    assert_eq!(codes(&report), [("LB601", Severity::Warning)]);
    desk.pair("client.pem", &["lbd.test"]);
    std::fs::rename(desk.path("client.pem"), devices.path("client.pem")).unwrap();
    let (stranger, _) = client(&settings);
    assert!(meet(&config, &stranger, "site.test").is_err(), "the new certificate is of another authority");
}
