//! `lbd fmt` as people and pipelines call it.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{fs, str};

use crate::support::lbd_bin;

const UNTIDY: &str = "listen   \":80\"\npool a{\nserver \"127.0.0.1:1\" // one\n}\nroute \"/\" pool = a\n";
const TIDY: &str = "listen \":80\"\npool a {\n  server \"127.0.0.1:1\" // one\n}\nroute \"/\" pool=a\n";

fn fmt(args: &[&str], folder: &Path) -> Output {
    Command::new(lbd_bin()).arg("fmt").args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn a_file_is_formatted_where_it_lies_with_its_mode_and_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("real.kdl");
    fs::write(&file, UNTIDY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.kdl", folder.path().join("lbd.kdl")).unwrap();

    let done = fmt(&["lbd.kdl"], folder.path());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stderr), "lbd.kdl: formatted\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), TIDY);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(folder.path().join("lbd.kdl").is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");

    let again = fmt(&["lbd.kdl"], folder.path());
    assert_eq!((again.status.code(), text(&again.stderr)), (Some(0), ""));
}

#[test]
fn check_names_what_is_untidy_in_a_directory_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("pools")).unwrap();
    fs::write(folder.path().join("lbd.kdl"), TIDY).unwrap();
    fs::write(folder.path().join("pools/a.kdl"), UNTIDY).unwrap();
    fs::write(folder.path().join("pools/notes.txt"), "  { ").unwrap();
    fs::write(folder.path().join(".hidden.kdl"), "{").unwrap();

    let checked = fmt(&["--check", "."], folder.path());
    assert_eq!((checked.status.code(), text(&checked.stdout)), (Some(1), "./pools/a.kdl\n"));
    assert_eq!(fs::read_to_string(folder.path().join("pools/a.kdl")).unwrap(), UNTIDY);

    let shown = fmt(&["--diff", "pools/a.kdl"], folder.path());
    assert_eq!(shown.status.code(), Some(1));
    let diff = text(&shown.stdout);
    assert!(diff.starts_with("--- pools/a.kdl\n+++ pools/a.kdl (formatted)\n@@"), "{diff}");
    assert!(diff.contains("\n-pool a{\n") && diff.contains("\n+pool a {\n"), "{diff}");

    assert_eq!(fmt(&["."], folder.path()).status.code(), Some(0));
    assert_eq!(fmt(&["--check", "."], folder.path()).status.code(), Some(0));
}

#[test]
fn an_editor_pipes_a_text_through() {
    let mut child = Command::new(lbd_bin())
        .args(["fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(UNTIDY.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), TIDY));
}

#[test]
fn a_file_that_does_not_parse_is_left_as_it_is_and_the_others_are_formatted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.kdl"), "pool a {").unwrap();
    fs::write(folder.path().join("b.kdl"), UNTIDY).unwrap();

    let done = fmt(&["a.kdl", "b.kdl", "none.kdl"], folder.path());
    assert_eq!(done.status.code(), Some(2));
    let said = text(&done.stderr);
    assert!(said.contains("KDL008") && said.contains("a.kdl: not formatted"), "{said}");
    assert!(said.contains("error: cannot read none.kdl: No such file"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("a.kdl")).unwrap(), "pool a {");
    assert_eq!(fs::read_to_string(folder.path().join("b.kdl")).unwrap(), TIDY);
}
