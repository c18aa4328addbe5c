//! What is said about certificate files, and when it keeps a configuration from loading.

use super::*;

/// The findings about one pair of files at start.
fn check(chain: &Path, key: &Path, stage: Stage) -> Report {
    let listener = listener(vec![certificate(chain, key)], UnknownSni::Fallback);
    let mut report = Report::default();
    let config = listener_config(&mut Store::new(), &listener, &[], at(stage), &mut report);
    assert_eq!(config.is_none(), report.has_errors());
    report
}

fn check_text(desk: &Desk, text: &str) -> Report {
    let path = desk.write("site.pem", text);
    check(&path, &path, Stage::Start)
}

/// One error of `code` at the node, whose message has `says` and whose help has `helps`.
fn assert_error(report: &Report, code: &str, says: &str, helps: &str) {
    let [finding] = &report.findings[..] else { panic!("one finding, not {report:?}") };
    assert_eq!((finding.code, finding.severity, finding.span), (code, Severity::Error, Some(span())));
    assert!(finding.message.contains(says), "{}", finding.message);
    assert!(finding.help.iter().any(|help| help.contains(helps)), "{:?}", finding.help);
    assert_eq!(finding.subject.as_deref(), Some("listen/https"));
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let desk = Desk::new();
    let (chain, key) = desk.issue(&["site.test"]);
    let missing = desk.path("missing.pem");
    assert_error(&check(&missing, &missing, Stage::Start), "LB601", "missing.pem` does not exist", "create");
    let good = desk.write("chain.pem", &chain);
    assert_error(&check(&good, &missing, Stage::Start), "LB601", "private key file", "create the file");
    assert_error(&check(desk.dir.path(), &good, Stage::Start), "LB601", "cannot be read", "readable");
    assert_error(&check_text(&desk, "hello"), "LB601", "is not PEM", "BEGIN");
    assert_error(&check_text(&desk, &chain), "LB601", "no private key is in", "key=");
    assert_error(&check_text(&desk, &key), "LB601", "no certificate is in", "first argument");
    let cut = &chain[..chain.len() - 30];
    assert_error(&check_text(&desk, cut), "LB601", "END CERTIFICATE", "copy the whole");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_error(&check_text(&desk, &(chain.clone() + &encrypted)), "LB601", "is encrypted", "openssl pkey");
    let noise = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    assert_error(&check_text(&desk, &(noise + &key)), "LB601", "cannot be parsed", "openssl x509");
    let der = desk.path("site.der");
    std::fs::write(&der, leaf(&good)).unwrap();
    assert_error(&check(&der, &der, Stage::Start), "LB601", "binary", "-inform der");
}

#[test]
fn a_key_must_belong_to_the_certificate() {
    let desk = Desk::new();
    let ((chain, key), (_, other)) = (desk.issue(&["site.test"]), desk.issue(&["other.test"]));
    assert_error(&check_text(&desk, &(chain.clone() + &other)), "LB602", "does not belong", "openssl pkey");
    assert_eq!(check_text(&desk, &(other + &key + &chain)).findings, [], "the fitting key is found");
    let wrong_order = desk.authority.pem() + &chain + &key;
    assert_error(&check_text(&desk, &wrong_order), "LB602", "does not belong", "certificate 2 of the file");
}

#[test]
fn dates_are_errors_at_start_and_warnings_later() {
    let desk = Desk::new();
    for (days, start, reload) in [
        (-2, Some(Severity::Error), Some(Severity::Warning)),
        (0, Some(Severity::Warning), Some(Severity::Warning)),
        (12, Some(Severity::Warning), Some(Severity::Warning)),
        (40, None, None),
    ] {
        let (chain, key) = desk.issue_with(&["site.test"], &rcgen::PKCS_ECDSA_P256_SHA256, days);
        let path = desk.write("site.pem", &(chain + &key));
        for (stage, expected) in [(Stage::Start, start), (Stage::Reload, reload)] {
            let expected: Vec<_> = expected.map(|severity| ("LB603", severity)).into_iter().collect();
            let report = check(&path, &path, stage);
            assert_eq!(codes(&report), expected, "{days} days, {stage:?}");
            if days == 12 {
                assert!(report.findings[0].message.contains("expires in 12 days (20"));
            }
        }
    }
}

#[test]
fn a_listener_needs_a_certificate_and_a_site_can_bring_it() {
    let listener = listener(Vec::new(), UnknownSni::Fallback);
    let mut report = Report::default();
    assert!(listener_config(&mut Store::new(), &listener, &[], at(Stage::Start), &mut report).is_none());
    assert_error(&report, "LB610", "has no certificate", "certificate \"FILE\"");
    let desk = Desk::new();
    let site = Site {
        error_pages: Vec::new(),
        hosts: vec!["site.test".into()],
        paths: crate::router::PathOptions::default(),
        certificates: vec![desk.pair("site.pem", &["site.test"])],
        routes: Vec::new(),
        place: Place { file: Arc::default(), line: 1 },
    };
    let mut report = Report::default();
    let config =
        listener_config(&mut Store::new(), &listener, &[&site], at(Stage::Start), &mut report).unwrap();
    assert_eq!(report.findings, []);
    assert!(meet(&config, &desk.client(Verify::Full), "site.test").is_ok());
}

#[test]
fn a_certificate_for_no_site_is_told_where_every_host_is_known() {
    let desk = Desk::new();
    let own = desk.pair("own.pem", &["site.test"]);
    let other = desk.pair("other.pem", &["other.test", "*.more.test"]);
    let listener = listener(vec![own, other], UnknownSni::Fallback);
    let found = |hosts: &[&str]| {
        let site = Site {
            error_pages: Vec::new(),
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
            paths: crate::router::PathOptions::default(),
            certificates: Vec::new(),
            routes: Vec::new(),
            place: Place { file: Arc::default(), line: 1 },
        };
        let mut report = Report::default();
        listener_config(&mut Store::new(), &listener, &[&site], at(Stage::Start), &mut report).unwrap();
        codes(&report)
    };
    assert_eq!(found(&["site.test"]), [("LB612", Severity::Warning)]);
    assert_eq!(found(&["site.test", "other.test"]), []);
    assert_eq!(found(&["site.test", "a.more.test"]), []);
    assert_eq!(found(&["*.test"]), [("LB215", Severity::Warning)], "the wildcard may be any of them");
    assert_eq!(found(&["site.test", "10.0.0.1"]), [], "of addresses nobody knows");
    assert_eq!(found(&[]), [], "every host");
}

#[test]
fn a_pair_that_goes_bad_keeps_the_old_one_with_a_warning() {
    let desk = Desk::new();
    let (chain, key) = desk.issue(&["site.test"]);
    let (chain_path, key_path) = (desk.write("site.pem", &chain), desk.write("site.key", &key));
    let listener = listener(vec![certificate(&chain_path, &key_path)], UnknownSni::Fallback);
    let mut store = Store::new();
    let good = serve(&mut store, &listener);
    store.commit();
    let renewed = desk.issue(&["site.test"]);
    let expired = desk.issue_with(&["site.test"], &rcgen::PKCS_ECDSA_P256_SHA256, -5);
    for (code, chain_text, key_text) in [
        ("LB602", &renewed.0, &key),
        ("LB601", &renewed.0, &String::new()),
        ("LB603", &expired.0, &expired.1),
    ] {
        desk.write("site.pem", chain_text);
        desk.write("site.key", key_text);
        store.begin();
        let mut report = Report::default();
        let kept = listener_config(&mut store, &listener, &[], at(Stage::Reload), &mut report).unwrap();
        assert!(Arc::ptr_eq(&good, &kept), "{code}");
        assert_eq!(codes(&report), [(code, Severity::Warning)]);
        assert!(report.findings[0].help[1].contains("was there before"));
        store.commit();
    }
    desk.write("site.pem", &renewed.0);
    desk.write("site.key", &renewed.1);
    store.begin();
    let new = serve(&mut store, &listener);
    assert!(!Arc::ptr_eq(&good, &new));
}
