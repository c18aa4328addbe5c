//! Which servers are believed.

use super::*;

/// The server side with one certificate of `desk` for `names`.
fn server(desk: &Desk, names: &[&str]) -> Arc<ServerConfig> {
    let pair = desk.pair("server.pem", names);
    serve(&mut Store::new(), &listener(vec![pair], UnknownSni::Fallback))
}

fn client(store: &mut Store, settings: &UpstreamTls) -> Arc<ClientConfig> {
    let mut report = Report::default();
    let config = upstream(store, settings, ABOUT, &mut report);
    assert_eq!(report.findings, []);
    config.unwrap()
}

#[test]
fn each_way_to_verify_believes_what_it_says() {
    let (ours, strangers) = (Desk::new(), Desk::new());
    let ca = Some(ours.path("ca.pem"));
    let named = server(&ours, &["tw1.test", "127.0.0.1"]);
    let stranger = server(&strangers, &["tw1.test", "127.0.0.1"]);
    for (verify, name, good, believes_stranger) in [
        (Verify::Full, "tw1.test", true, false),
        (Verify::Full, "127.0.0.1", true, false),
        (Verify::Full, "127.0.0.2", false, false),
        (Verify::Full, "tw2.test", false, false),
        (Verify::Chain, "tw2.test", true, false),
        (Verify::Chain, "127.0.0.2", true, false),
        (Verify::None, "tw2.test", true, true),
    ] {
        let settings = UpstreamTls { ca: ca.clone(), ..trust(verify) };
        let client = client(&mut Store::new(), &settings);
        let met = meet(&named, &client, name);
        assert_eq!(met.is_ok(), good, "{verify:?} {name}: {met:?}");
        assert_eq!(meet(&stranger, &client, name).is_ok(), believes_stranger, "{verify:?} {name}");
    }
}

#[test]
fn an_expired_server_is_only_believed_without_verification() {
    let desk = Desk::new();
    let (chain, key) = desk.issue_with(&["tw1.test"], &rcgen::PKCS_ECDSA_P256_SHA256, -2);
    let path = desk.write("old.pem", &(chain + &key));
    let mut report = Report::default();
    let listener = listener(vec![certificate(&path, &path)], UnknownSni::Fallback);
    let config = listener_config(&mut Store::new(), &listener, &[], at(Stage::Reload), &mut report).unwrap();
    for (verify, good) in [(Verify::Full, false), (Verify::Chain, false), (Verify::None, true)] {
        assert_eq!(meet(&config, &desk.client(verify), "tw1.test").is_ok(), good, "{verify:?}");
    }
}

#[test]
fn a_self_signed_server_is_trusted_by_naming_its_own_certificate() {
    let desk = Desk::new();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["self.test".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let chain = params.self_signed(&key).unwrap().pem();
        let path = desk.write("self.pem", &(chain.clone() + &key.serialize_pem()));
        let pair = certificate(&path, &path);
        let config = serve(&mut Store::new(), &listener(vec![pair], UnknownSni::Fallback));
        let settings = UpstreamTls { ca: Some(desk.write("trust.pem", &chain)), ..trust(Verify::Full) };
        let client = client(&mut Store::new(), &settings);
        assert!(meet(&config, &client, "self.test").is_ok(), "{is_ca:?}");
        assert!(meet(&config, &client, "other.test").is_err(), "{is_ca:?}: the name still counts");
    }
}

#[test]
fn the_system_trusts_no_stranger() {
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        println!("skipped: this system has no trusted authorities");
        return;
    }
    let desk = Desk::new();
    let client = client(&mut Store::new(), &trust(Verify::Full));
    assert!(meet(&server(&desk, &["tw1.test"]), &client, "tw1.test").is_err());
}

#[test]
fn sessions_are_resumed_over_reloads_and_forgotten_when_trust_changes() {
    let desk = Desk::new();
    let server = server(&desk, &["tw1.test"]);
    let mut store = Store::new();
    let settings = UpstreamTls { ca: Some(desk.path("ca.pem")), ..trust(Verify::Full) };
    let first = client(&mut store, &settings);
    assert_eq!(meet(&server, &first, "tw1.test").unwrap().kind, HandshakeKind::Full);
    store.commit();
    let second = client(&mut store, &settings);
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(meet(&server, &second, "tw1.test").unwrap().kind, HandshakeKind::Resumed);
    let none = client(&mut store, &UpstreamTls { verify: Verify::Chain, ..settings });
    assert_eq!(meet(&server, &none, "tw1.test").unwrap().kind, HandshakeKind::Full);
}

#[test]
fn a_bundle_that_goes_bad_keeps_the_old_one_with_a_warning() {
    let desk = Desk::new();
    let mut store = Store::new();
    let settings = UpstreamTls { ca: Some(desk.path("ca.pem")), ..trust(Verify::Full) };
    let good = client(&mut store, &settings);
    store.commit();
    for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        desk.write("ca.pem", text);
        store.begin();
        let mut report = Report::default();
        let kept = upstream(&mut store, &settings, ABOUT, &mut report).unwrap();
        assert!(Arc::ptr_eq(&good, &kept));
        assert_eq!(codes(&report), [("LB601", Severity::Warning)]);
        let mut report = Report::default();
        assert!(upstream(&mut Store::new(), &settings, ABOUT, &mut report).is_none());
        assert_eq!(codes(&report), [("LB601", Severity::Error)]);
        assert_eq!(report.findings[0].span, Some(span()));
    }
}
