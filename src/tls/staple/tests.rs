//! Answers made by the `openssl` command, and what becomes of them.

use std::process::{Command, Stdio};

use super::*;
use crate::tls::listener::unix_now;

const DAY: i64 = 24 * 60 * 60;

/// A certificate, `leaf.pem`, that is its own authority, in a directory.
struct Desk {
    dir: tempfile::TempDir,
    leaf: CertificateDer<'static>,
}

impl Desk {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["site.test".to_owned()]).unwrap();
        let desk = Self { dir: tempfile::tempdir().unwrap(), leaf: made.cert.der().clone() };
        desk.write("leaf.pem", made.cert.pem().as_bytes());
        desk.write("leaf.key", made.signing_key.serialize_pem().as_bytes());
        desk
    }

    /// `None`, and a word about it, where there is no such command.
    fn with_openssl() -> Option<Self> {
        let there = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok();
        if !there {
            eprintln!("skipped: there is no `openssl` command");
        }
        there.then(Self::new)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What the authority answers that lists the certificate like this, for so many days.
    fn answer(&self, listed: Option<&str>, days: Option<&str>) -> Vec<u8> {
        let leaf = X509Certificate::from_der(&self.leaf).unwrap().1;
        let serial = data_encoding::HEXUPPER.encode(leaf.raw_serial());
        // The list has numbers, not signed ones.
        let serial = serial.strip_prefix("00").unwrap_or(&serial);
        let line = listed.map(|entry| format!("{entry}\t{serial}\tunknown\t/CN=site\n"));
        self.write("index.txt", line.unwrap_or_default().as_bytes());
        let mut openssl = Command::new("openssl");
        openssl.current_dir(self.dir.path()).args(["ocsp", "-noverify", "-index", "index.txt"]);
        openssl.args(["-CA", "leaf.pem", "-issuer", "leaf.pem", "-rsigner", "leaf.pem", "-rkey", "leaf.key"]);
        openssl.args(["-cert", "leaf.pem", "-respout", "answer.der"]);
        if let Some(days) = days {
            openssl.args(["-ndays", days]);
        }
        let made = openssl.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::read(self.dir.path().join("answer.der")).unwrap()
    }

    fn good(&self) -> Vec<u8> {
        self.answer(Some(VALID), Some("7"))
    }
}

const VALID: &str = "V\t391231235959Z\t";
const REVOKED: &str = "R\t391231235959Z\t240101000000Z";

#[test]
fn an_answer_is_shown_from_its_beginning_to_its_end() {
    let Some(desk) = Desk::with_openssl() else { return };
    let (good, now) = (desk.good(), unix_now());
    let until = judge(&good, &desk.leaf, now).unwrap();
    assert!((until - now - 7 * DAY).abs() < 60, "{until} {now}");
    assert_eq!(judge(&good, &desk.leaf, until - 1), Ok(until));
    assert_eq!(judge(&good, &desk.leaf, until), Err(Unfit::Late(until)));
    let Some(Answer::About(singles)) = answer(&good) else { panic!("it was judged") };
    let since = singles[0].since;
    assert_eq!(judge(&good, &desk.leaf, since - SKEW), Ok(until), "the authority's clock is ahead");
    assert_eq!(judge(&good, &desk.leaf, since - SKEW - 1), Err(Unfit::Early(since)));
}

#[test]
fn only_a_good_word_about_this_very_certificate_is_shown() {
    let Some(desk) = Desk::with_openssl() else { return };
    let judged = |bytes: &[u8]| judge(bytes, &desk.leaf, unix_now());
    assert_eq!(judged(&desk.answer(Some(REVOKED), Some("7"))), Err(Unfit::Revoked));
    assert_eq!(judged(&desk.answer(None, Some("7"))), Err(Unfit::Unknown));
    assert_eq!(judged(&desk.answer(Some(VALID), None)), Err(Unfit::Endless));
    let other = Desk::new();
    assert_eq!(judge(&desk.good(), &other.leaf, unix_now()), Err(Unfit::OtherCertificate));
    // SEQUENCE { ENUMERATED tryLater }
    assert_eq!(judged(&[0x30, 3, 0x0A, 1, 3]), Err(Unfit::Failed(3)));
}

#[test]
fn other_bytes_are_no_answer() {
    let Some(desk) = Desk::with_openssl() else { return };
    let judged = |bytes: &[u8]| judge(bytes, &desk.leaf, unix_now());
    let good = desk.good();
    for length in 0..good.len() {
        assert_eq!(judged(&good[..length]), Err(Unfit::NotOcsp), "{length} bytes");
    }
    assert_eq!(judged(&[&good[..], b"\n"].concat()), Err(Unfit::NotOcsp));
    assert_eq!(judged(b"-----BEGIN OCSP RESPONSE-----\n"), Err(Unfit::NotOcsp));
    assert_eq!(judged(&desk.leaf), Err(Unfit::NotOcsp));
    // A success that says nothing.
    assert_eq!(judged(&[0x30, 3, 0x0A, 1, 0]), Err(Unfit::NotOcsp));
    assert_eq!(judged(&vec![0x30; LIMIT + 1]), Err(Unfit::TooLong));
    // Whatever one byte is, it is judged.
    for at in 0..good.len() {
        let mut odd = good.clone();
        odd[at] ^= 0xFF;
        let _ = judged(&odd);
    }
}

#[test]
fn who_wrote_the_file_learns_what_is_wrong_and_how_to_mend_it() {
    let desk = Desk::new();
    let chain = desk.dir.path().join("leaf.pem");
    let judged = || read(&chain, &desk.leaf, unix_now());
    assert_eq!(judged(), Ok(None), "there is no file");
    let file = desk.write("leaf.pem.ocsp", b"hello");
    let problem = judged().unwrap_err();
    assert_eq!(problem.code, "LB615");
    assert_eq!(
        problem.message,
        format!("`{}` is not stapled: it is no OCSP response in DER", file.display())
    );
    let fetch = format!("-cert {} -url URL -respout {}`", chain.display(), file.display());
    assert!(problem.help.contains(&fetch), "{}", problem.help);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(judged().unwrap_err().message.contains("cannot be read"));
    std::fs::remove_dir(&file).unwrap();
    if Desk::with_openssl().is_some() {
        let good = desk.good();
        desk.write("leaf.pem.ocsp", &good);
        assert_eq!(judged().unwrap().unwrap().bytes, good);
        desk.write("leaf.pem.ocsp", &desk.answer(Some(REVOKED), Some("7")));
        let problem = judged().unwrap_err();
        assert!(problem.message.ends_with("it says that the certificate is revoked"), "{}", problem.message);
        assert!(problem.help.contains("put a new one into"), "{}", problem.help);
    }
}
