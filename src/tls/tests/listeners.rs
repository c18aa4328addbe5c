//! What clients of a listener are shown.

use super::*;

#[test]
fn the_name_decides_exact_before_wildcard_before_the_first() {
    let desk = Desk::new();
    let first = desk.pair("first.pem", &["first.test"]);
    let exact = desk.pair("exact.pem", &["a.wild.test"]);
    let wild = desk.pair("wild.pem", &["*.wild.test", "Other.Test"]);
    let config = serve(
        &mut Store::new(),
        &listener(vec![first.clone(), wild.clone(), exact.clone()], UnknownSni::Fallback),
    );
    let anybody = desk.client(Verify::None);
    for (name, expected) in [
        ("first.test", &first),
        ("a.wild.test", &exact),
        ("b.wild.test", &wild),
        ("B.Wild.Test", &wild),
        ("other.test", &wild),
        ("x.b.wild.test", &first),
        ("wild.test", &first),
        ("unknown.test", &first),
        ("127.0.0.1", &first),
    ] {
        let met = meet(&config, &anybody, name).unwrap();
        assert!(met.leaf == leaf(&expected.chain), "{name}");
        assert_eq!(met.alpn.as_deref(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn unknown_names_can_be_refused() {
    let desk = Desk::new();
    let known = desk.pair("known.pem", &["known.test"]);
    let config = serve(&mut Store::new(), &listener(vec![known], UnknownSni::Reject));
    let anybody = desk.client(Verify::None);
    assert!(meet(&config, &anybody, "known.test").is_ok());
    assert!(meet(&config, &anybody, "unknown.test").is_err());
    assert!(meet(&config, &anybody, "127.0.0.1").is_err(), "no name is no known name");
}

#[test]
fn one_name_can_have_an_rsa_and_an_ecdsa_certificate() {
    let desk = Desk::new();
    let (chain, key) = desk.issue_with(&["two.test"], &rcgen::PKCS_RSA_SHA256, 365);
    let path = desk.write("rsa.pem", &(chain + &key));
    let (rsa, ecdsa) = (certificate(&path, &path), desk.pair("ecdsa.pem", &["two.test"]));
    let config = serve(&mut Store::new(), &listener(vec![ecdsa.clone(), rsa.clone()], UnknownSni::Fallback));
    let any = desk.client(Verify::Full);
    assert!(meet(&config, &any, "two.test").unwrap().leaf == leaf(&ecdsa.chain));
    let only_rsa = only_rsa(&any);
    for name in ["two.test", "unknown.test"] {
        assert!(meet(&config, &only_rsa, name).unwrap().leaf == leaf(&rsa.chain), "{name}");
    }
}

/// A client that believes everybody, but understands RSA signatures only.
fn only_rsa(like: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    struct Rsa;
    impl ServerCertVerifier for Rsa {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]
        }
    }
    let mut config = ClientConfig::clone(like);
    config.dangerous().set_certificate_verifier(Arc::new(Rsa));
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

#[test]
fn a_session_is_resumed_by_ticket_also_after_the_certificate_changed() {
    let desk = Desk::new();
    let pair = desk.pair("site.pem", &["site.test"]);
    let mut store = Store::new();
    let listener = listener(vec![pair.clone()], UnknownSni::Fallback);
    let before = serve(&mut store, &listener);
    store.commit();
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let mut client = ClientConfig::clone(&desk.client(Verify::Full));
        if version == TlsVersion::V1_2 {
            client = only_tls12(&client);
        }
        let client = Arc::new(client);
        assert_eq!(meet(&before, &client, "site.test").unwrap().kind, HandshakeKind::Full);
        assert_eq!(meet(&before, &client, "site.test").unwrap().kind, HandshakeKind::Resumed);
        desk.pair("site.pem", &["site.test"]);
        let after = serve(&mut store, &listener);
        store.commit();
        assert!(!Arc::ptr_eq(&before, &after));
        assert_eq!(meet(&after, &client, "site.test").unwrap().kind, HandshakeKind::Resumed);
        let newcomer = meet(&after, &desk.client(Verify::Full), "site.test").unwrap();
        assert_eq!(newcomer.kind, HandshakeKind::Full);
        assert!(newcomer.leaf == leaf(&pair.chain), "newcomers see the new certificate");
    }
}

fn only_tls12(like: &ClientConfig) -> ClientConfig {
    let provider = like.crypto_provider().clone();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let everybody = verifier::ServerVerifier::new(None, false, like.crypto_provider());
    config.dangerous().set_certificate_verifier(Arc::new(everybody));
    config
}

#[test]
fn the_least_version_is_kept() {
    let desk = Desk::new();
    let mut listener = listener(vec![desk.pair("site.pem", &["site.test"])], UnknownSni::Fallback);
    let client = desk.client(Verify::Full);
    let old = Arc::new(only_tls12(&client));
    let config = serve(&mut Store::new(), &listener);
    assert_eq!(meet(&config, &client, "site.test").unwrap().version, ProtocolVersion::TLSv1_3);
    assert_eq!(meet(&config, &old, "site.test").unwrap().version, ProtocolVersion::TLSv1_2);
    listener.tls.as_mut().unwrap().min_version = TlsVersion::V1_3;
    let config = serve(&mut Store::new(), &listener);
    assert!(meet(&config, &old, "site.test").is_err());
    assert_eq!(meet(&config, &client, "site.test").unwrap().version, ProtocolVersion::TLSv1_3);
}

#[test]
fn what_did_not_change_is_the_same_object() {
    let desk = Desk::new();
    let mut store = Store::new();
    let listener = listener(vec![desk.pair("site.pem", &["site.test"])], UnknownSni::Fallback);
    let first = serve(&mut store, &listener);
    store.commit();
    let text = std::fs::read_to_string(desk.path("site.pem")).unwrap();
    desk.write("site.pem", &text);
    assert!(Arc::ptr_eq(&first, &serve(&mut store, &listener)));
}

#[test]
fn keys_come_in_every_form_and_in_their_own_file() {
    let desk = Desk::new();
    let client = desk.client(Verify::Full);
    for (algorithm, inner) in
        [(&rcgen::PKCS_RSA_SHA256, "RSA PRIVATE KEY"), (&rcgen::PKCS_ECDSA_P256_SHA256, "EC PRIVATE KEY")]
    {
        let (chain, pkcs8) = desk.issue_with(&["form.test"], algorithm, 365);
        let chain = desk.write("chain.pem", &chain);
        for (form, text) in [("PKCS#8", pkcs8.clone()), (inner, unwrap_pkcs8(&pkcs8, inner))] {
            let pair = certificate(&chain, &desk.write("key.pem", &text));
            let config = serve(&mut Store::new(), &listener(vec![pair], UnknownSni::Fallback));
            assert!(meet(&config, &client, "form.test").is_ok(), "{form}");
        }
    }
}

/// The key inside PKCS#8, as the older form of PEM.
fn unwrap_pkcs8(text: &str, label: &str) -> String {
    use x509_parser::der_parser::parse_der;
    let pem = pem::Pem::parse(text.as_bytes()).unwrap();
    let (_, outer) = parse_der(pem.keys[0].secret_der()).unwrap();
    let inner = outer.as_sequence().unwrap()[2].as_slice().unwrap().to_vec();
    let lines: Vec<String> = data_encoding::BASE64
        .encode(&inner)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
