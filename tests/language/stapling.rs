//! Answers of authorities about certificates (OCSP), as clients are shown them.

use std::path::Path;
use std::process::{Command, Stdio};

use super::listeners::{Certificates, SERVED, TLS12, TLS13};
use crate::support::{Daemon, eventually};

/// The authority's answer about a certificate that is its own authority: for so many days, good or `revoked`.
fn answer(pem: &Path, days: &str, revoked: bool) -> Vec<u8> {
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let serial = run(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(pem));
    let serial = String::from_utf8(serial).unwrap().trim().replace("serial=", "");
    let (state, since) = if revoked { ("R", "240101000000Z") } else { ("V", "") };
    let (index, made) = (pem.with_extension("index"), pem.with_extension("made"));
    std::fs::write(&index, format!("{state}\t391231235959Z\t{since}\t{serial}\tunknown\t/CN=app\n")).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["ocsp", "-noverify", "-ndays", days, "-index"]).arg(index);
    for option in ["-CA", "-issuer", "-rsigner", "-cert"] {
        openssl.arg(option).arg(pem);
    }
    run(openssl.arg("-rkey").arg(pem.with_extension("key")).arg("-respout").arg(&made));
    std::fs::read(made).unwrap()
}

#[test]
fn the_answer_beside_a_certificate_is_shown_with_it_as_it_comes_changes_and_goes() {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no `openssl` command");
        return;
    }
    let mut made = Certificates::new();
    let pem = made.make_as("app", "app.test");
    let beside = pem.with_extension("pem.ocsp");
    let put = |bytes: &[u8]| {
        let new = pem.with_extension("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, &beside).unwrap();
    };
    let listening = |ocsp: &str| {
        let key = pem.with_extension("key");
        let node = format!("certificate \"{}\" key=\"{}\" {ocsp}", pem.display(), key.display());
        Daemon::listening(&format!("tls {{ {node} }}"), SERVED)
    };
    let (default, staple, off) = (listening(""), listening("ocsp=staple"), listening("ocsp=off"));
    let shows = |expected: &[u8]| {
        for daemon in [&default, &staple] {
            for version in [TLS12, TLS13] {
                eventually("clients are shown what lies beside the certificate", || {
                    (made.stapled(daemon.address(), "app.test", version) == expected).then_some(())
                });
            }
        }
        assert_eq!(made.stapled(off.address(), "app.test", TLS13), b"");
    };
    shows(b"");
    for days in ["3", "5"] {
        let good = answer(&pem, days, false);
        put(&good);
        shows(&good);
        assert_eq!(made.stapled(listening("ocsp=off").address(), "app.test", TLS13), b"");
    }
    put(&answer(&pem, "7", true));
    shows(b"");
    let good = answer(&pem, "9", false);
    put(&good);
    shows(&good);
    std::fs::remove_file(&beside).unwrap();
    shows(b"");
}
