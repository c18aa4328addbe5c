//! What is said about certificates that can be used.

use rcgen::{CustomExtension, DnType, SanType};

use super::*;

/// Findings about a pair, by code, with the message of the first.
fn check(pair: &Certificate, about: About<'_>) -> (Vec<(&'static str, Severity)>, String) {
    let listener = listener(vec![pair.clone()], UnknownSni::Fallback);
    let mut report = Report::default();
    let config = listener_config(&mut Store::new(), &listener, &[], about, &mut report);
    assert!(config.is_some(), "{report:?}");
    let first = report.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
    (codes(&report), first)
}

fn says(pair: &Certificate, code: &'static str, words: &str) {
    let (codes, message) = check(pair, ABOUT);
    assert_eq!(codes, [(code, Severity::Warning)], "{message}");
    assert!(message.contains(words), "{message}");
}

/// A certificate of `desk` that `change` was done to, in a file with its key and what `after` gives.
fn odd(desk: &Desk, change: impl FnOnce(&mut CertificateParams), after: &str) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["odd.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    change(&mut params);
    let chain = params.signed_by(&key, &desk.authority).unwrap().pem();
    let path = desk.write("odd.pem", &(chain + after + &key.serialize_pem()));
    certificate(&path, &path)
}

#[test]
fn a_certificate_without_a_name_that_counts() {
    let desk = Desk::new();
    let nameless = odd(&desk, |params| params.subject_alt_names.clear(), "");
    says(&nameless, "LB604", "no subject alternative name");
    assert_eq!(
        check(&nameless, About { is_server: false, ..ABOUT }).0,
        [],
        "nobody looks for a client's name"
    );
    assert_eq!(check(&odd(&desk, |_| (), ""), ABOUT).0, []);
}

#[test]
fn a_chain_that_is_out_of_order_too_long_or_too_short() {
    let (desk, other) = (Desk::new(), Desk::new());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "stranger");
    let stranger = params.signed_by(&KeyPair::generate().unwrap(), &other.authority).unwrap().pem();
    says(&odd(&desk, |_| (), &stranger), "LB605", "certificate 2 did not issue certificate 1");
    says(&odd(&desk, |_| (), &desk.authority.pem()), "LB605", "includes the root");
    // SEQUENCE { SEQUENCE { caIssuers, [6] "http://ca/" } }
    let mut issuer = vec![0x30, 0x18, 0x30, 0x16, 0x06, 0x08, 0x2B, 6, 1, 5, 5, 7, 0x30, 2, 0x86, 0x0A];
    issuer.extend_from_slice(b"http://ca/");
    let access = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], issuer);
    says(&odd(&desk, |params| params.custom_extensions.push(access), ""), "LB605", "is alone in its file");
}

#[test]
fn a_public_certificate_that_browsers_find_too_long() {
    let desk = Desk::new();
    let logged = || CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], vec![4, 0]);
    let long = odd(&desk, |params| params.custom_extensions.push(logged()), "");
    says(&long, "LB606", "days");
    let short = |params: &mut CertificateParams| {
        params.custom_extensions.push(logged());
        params.not_before = params.not_after - Duration::from_secs(397 * 86_400);
    };
    let short = odd(&desk, short, "");
    assert_eq!(check(&short, ABOUT).0, []);
}

#[test]
fn weak_keys_and_signatures_anywhere_in_a_chain() {
    let weak = |name: &str| {
        let pem = pem::Pem::parse(name.as_bytes()).unwrap();
        inspect::remarks(&pem.certificates).into_iter().map(|r| (r.code, r.says)).collect::<Vec<_>>()
    };
    let small = weak(include_str!("rsa1024.pem"));
    assert!(small.iter().any(|(code, says)| *code == "LB606" && says.contains("1024 bits")), "{small:?}");
    let sha1 = weak(include_str!("sha1.pem"));
    assert!(sha1.iter().any(|(code, says)| *code == "LB606" && says.contains("SHA-1")), "{sha1:?}");
    let old = weak(include_str!("v1.pem"));
    assert!(old.iter().any(|(code, says)| *code == "LB604" && says.contains("X.509 V1")), "{old:?}");
}

#[test]
fn a_key_that_others_may_read() {
    let desk = Desk::new();
    let pair = desk.pair("site.pem", &["site.test"]);
    for (mode, expected) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(mode)).unwrap();
        let (codes, message) = check(&pair, ABOUT);
        assert_eq!(codes == [("LB607", Severity::Warning)], expected, "{mode:o}: {codes:?}");
        assert_eq!(message.contains(&format!("mode {mode:04o}")), expected, "{message}");
    }
}

#[test]
fn a_server_by_address_that_is_in_no_trusted_certificate() {
    let desk = Desk::new();
    let own = |address: &str| {
        let mut params = CertificateParams::new(vec!["twx.test".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress(address.parse().unwrap()));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    };
    let path = desk.write("servers.pem", &(own("10.0.0.1") + &own("::1")));
    let check = |servers: &str, tls: &str, expected: usize| {
        let text = format!(
            "listen \":80\"\nroute \"/\" pool=app\npool app {{ {servers}; health tcp; tls ca=\"{}\" {tls}; }}",
            path.display()
        );
        let loaded = crate::config::testing::load_text(&text);
        let (model, mut report) = (loaded.model.expect("a model"), loaded.report);
        prepare(&mut Store::new(), &model, Stage::Start, &mut report);
        assert_eq!(codes(&report), vec![("LB609", Severity::Warning); expected], "{servers} {tls}");
    };
    check("server \"10.0.0.1:1\"; server \"[::1]:1\"", "", 0);
    check("server \"10.0.0.1:1\"; server \"10.0.0.2:1\"; server \"[::2]:1\"", "", 2);
    check("server \"10.0.0.2:1\"", "server-name=\"twx.test\"", 0);
    check("server \"twx.test:1\"", "", 0);
    desk.write("servers.pem", &(own("10.0.0.1") + &desk.authority.pem()));
    check("server \"10.0.0.2:1\"", "", 0);
}

#[test]
fn a_rule_that_is_allowed_is_silent_and_one_that_is_denied_is_an_error() {
    let desk = Desk::new();
    let pair = desk.pair("site.pem", &["site.test"]);
    std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (lint, expected) in [
        ("", vec![("LB607", Severity::Warning)]),
        ("lint { allow LB607 because=\"a test\"; }", vec![]),
        ("lint { deny LB607; }", vec![("LB607", Severity::Error)]),
        ("lint cert-expiry=\"400d\" { allow LB607 because=\"a test\"; }", vec![("LB603", Severity::Warning)]),
    ] {
        let text = format!(
            "listen \":443\" {{ tls {{ certificate \"{}\"; }}; }}\nroute \"/\" {{ respond 200; }}\n{lint}",
            pair.chain.display()
        );
        let loaded = crate::config::testing::load_text(&text);
        let (model, mut report) = (loaded.model.expect("a model"), loaded.report);
        prepare(&mut Store::new(), &model, Stage::Start, &mut report);
        assert_eq!(codes(&report), expected, "{lint}");
    }
}

#[test]
fn an_answer_of_the_authority_that_is_not_fit_prevents_no_start() {
    let desk = Desk::new();
    let pair = desk.pair("site.pem", &["site.test"]);
    assert_eq!(check(&pair, ABOUT).0, [], "there need not be one");
    desk.write("site.pem.ocsp", "hello");
    says(&pair, "LB615", "is not stapled: it is no OCSP response");
    assert_eq!(check(&Certificate { staple: false, ..pair }, ABOUT).0, [], "nobody wants it");
}
