//! Chains of certificates that `lbd lint --fix` puts in order, in the file where they lie.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::command::Desk;
use super::pages::fixtures;

const LISTEN: &str = "listen \":443\" { tls { certificate \"live.pem\"; }; }\nroute \"/\" { respond 200; }\n";

/// A configuration with a link to one of the fixtures.
fn desk(file: &str) -> Desk {
    let desk = Desk::with("lbd.kdl", LISTEN);
    fixtures::write(desk.path());
    fs::set_permissions(desk.path().join(file), fs::Permissions::from_mode(0o400)).unwrap();
    symlink(file, desk.path().join("live.pem")).unwrap();
    desk
}

/// The sections of a file, each with its fences.
fn sections(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let end = begin + rest[begin..].find("\n-----END ").unwrap() + 1;
        let end = end + rest[end..].find('\n').map_or(rest.len() - end, |at| at + 1);
        found.push(&rest[begin..end]);
        rest = &rest[end..];
    }
    found
}

#[test]
fn certificates_change_places_and_the_key_stays_and_is_not_shown() {
    for (file, code, key, order) in
        [("shuffled.pem", "LB605", 3, [0, 2, 1, 3]), ("reversed.pem", "LB602", 0, [0, 3, 2, 1])]
    {
        let desk = desk(file);
        let before = desk.read(file);
        let plain = desk.lint(&["--format", "plain", "lbd.kdl"]);
        assert!(plain.stdout.contains(code) && plain.stderr.contains("(1 fixable with --fix)"), "{plain:?}");

        let shown = desk.lint(&["--diff", "lbd.kdl"]);
        let json = desk.lint(&["--format", "json", "lbd.kdl"]).stdout;
        assert!(shown.stdout.starts_with("--- live.pem\n+++ live.pem (fixed)\n@@ -"), "{shown:?}");
        let secret = sections(&before)[key].lines().nth(1).unwrap().to_owned();
        assert!(sections(&before)[key].contains("PRIVATE KEY"));
        for text in [&shown.stdout, &json, &desk.lint(&["--format", "sarif", "lbd.kdl"]).stdout] {
            assert!(text.contains("BEGIN CERTIFICATE") && !text.contains(&secret), "{text}");
        }
        assert_eq!(desk.read(file), before, "--diff writes nothing");

        let fixed = desk.lint(&["--fix", "lbd.kdl"]);
        assert_eq!((fixed.code, fixed.stdout.as_str()), (Some(0), ""), "{fixed:?}");
        assert!(fixed.stderr.starts_with("1 fixed in live.pem\n"), "{}", fixed.stderr);
        let old = sections(&before);
        assert_eq!(sections(&desk.read(file)), order.map(|at| old[at]), "{file}");
        let about = fs::metadata(desk.path().join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o400);
        assert!(fs::symlink_metadata(desk.path().join("live.pem")).unwrap().is_symlink());
        let again = desk.lint(&["--fix", "lbd.kdl"]);
        assert!(again.stderr.starts_with("lbd.kdl: nothing to report"), "{again:?}");
    }
}

#[test]
fn the_texts_and_the_files_that_they_name_are_mended_together_or_not_at_all() {
    let desk = desk("shuffled.pem").and("lbd.kdl", &LISTEN.replace("\":443\"", ":443"));
    let before = desk.read("shuffled.pem");
    // What comes by standard input leaves by standard output.
    let piped = desk.lint_with(&["--fix", "-"], &[], &desk.read("lbd.kdl"));
    assert!(piped.stdout.starts_with("listen \":443\""), "{piped:?}");
    assert_eq!(desk.read("shuffled.pem"), before);
    let fixed = desk.lint(&["--fix", "lbd.kdl"]);
    assert!(fixed.stderr.starts_with("2 fixed in lbd.kdl, live.pem\n"), "{fixed:?}");
    assert_eq!(desk.read("lbd.kdl"), LISTEN);
    assert_ne!(desk.read("shuffled.pem"), before);
}
