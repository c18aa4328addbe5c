//! `lbd test`.

use std::fs;

use super::{lbd, text};

const ROUTES: &str = r#"expect "https://shop.example.com/api/v1" pool=api path="/v1"
expect "https://shop.example.com/" pool=app sticky=#true
expect "http://shop.example.com/" status=308
expect "https://other.example/" none
"#;

#[test]
fn what_holds_passes_and_what_does_not_is_drawn_with_the_route_that_won() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("routes.test.kdl"), ROUTES).unwrap();
    let done = lbd(folder.path(), &["test", "lbd.kdl"]);
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), ""), "{}", text(&done.stderr));
    let summary = text(&done.stderr);
    assert!(
        summary.starts_with("4 expectations: all hold; 2 of 3 routes and conditions reached (66 %) in "),
        "{summary}"
    );

    let wrong = ROUTES.replace("pool=api", "pool=ap").replace("status=308", "status=301");
    fs::write(folder.path().join("routes.test.kdl"), wrong).unwrap();
    let done = lbd(folder.path(), &["test", "."]);
    assert_eq!(done.status.code(), Some(1));
    let drawn = text(&done.stdout);
    let shown = [
        "error[expect]: expected pool ap, found pool api",
        "routes.test.kdl:1:",
        "help: did you mean `api`?",
        "lbd.kdl:7 takes it: /api, pool api",
        "help: `lbd explain --config lbd.kdl 'https://shop.example.com/api/v1'` tells the rest",
        "error[expect]: expected status 301, found status 308 to https://shop.example.com/",
    ];
    for part in shown {
        assert!(drawn.contains(part), "{part:?} is not in\n{drawn}");
    }
    assert!(text(&done.stderr).starts_with("4 expectations: 2 hold, 2 fail; "), "{}", text(&done.stderr));
}

#[test]
fn the_command_that_tells_the_rest_asks_the_same_request() {
    let folder = tempfile::tempdir().unwrap();
    let expected = "expect POST \"https://shop.example.com/\" client-ip=\"10.1.2.3\" pool=api { header x-it \"a's\"; }\n";
    fs::write(folder.path().join("routes.test.kdl"), expected).unwrap();
    let done = lbd(folder.path(), &["test", "."]);
    let command =
        "lbd explain --config lbd.kdl POST 'https://shop.example.com/' -H 'x-it: a'\\''s' --from 10.1.2.3";
    assert!(text(&done.stdout).contains(command), "{}", text(&done.stdout));
    let explained = std::process::Command::new("sh")
        .args(["-c", &command.replacen("lbd", "\"$LBD\"", 1)])
        .env("LBD", crate::support::lbd_bin())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = text(&explained.stdout);
    assert!(
        told.contains("POST https://shop.example.com/\nfrom      10.1.2.3"),
        "{told} {}",
        text(&explained.stderr)
    );
}

#[test]
fn routes_that_nothing_reaches_are_named_and_too_few_fail() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lbd.test.kdl"), ROUTES).unwrap();
    let done = lbd(folder.path(), &["test", "lbd.kdl", "--coverage", "--min-coverage", "60"]);
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "not reached: lbd.kdl:8 route testers\n"));
    let done = lbd(folder.path(), &["test", "lbd.kdl", "--min-coverage", "67"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("error: less than 67 % of the routes are reached"));
}

#[test]
fn results_are_written_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("routes.test.kdl"), ROUTES.replace("none", "pool=\"a<b\"")).unwrap();
    // A name that is none is found before anything is asked.
    assert_eq!(lbd(folder.path(), &["test", "."]).status.code(), Some(2));
    fs::write(folder.path().join("routes.test.kdl"), ROUTES.replace("none", "site=\"a<b\"")).unwrap();

    let done = lbd(folder.path(), &["test", ".", "--format", "junit"]);
    assert_eq!(done.status.code(), Some(1));
    let xml = text(&done.stdout);
    assert!(
        xml.contains("<testsuite name=\"routes.test.kdl\" tests=\"4\" failures=\"1\" errors=\"0\">"),
        "{xml}"
    );
    assert!(
        xml.contains("<testcase name=\"GET https://other.example/\" classname=\"routes.test.kdl\" file="),
        "{xml}"
    );
    assert!(xml.contains("<failure message=\"expected site a&lt;b, found no site\">"), "{xml}");
    assert_eq!(xml.matches("<testcase").count(), 4);

    let done = lbd(folder.path(), &["test", ".", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&told["expectations"], &told["failed"]), (&4.into(), &1.into()));
    let group = &told["configurations"][0];
    assert_eq!(group["files"][0]["expectations"][0]["route"], "/api");
    assert_eq!(group["not_reached"][0], "lbd.kdl:8 route testers");
}

#[test]
fn a_start_is_written_once_and_holds() {
    let folder = tempfile::tempdir().unwrap();
    let done = lbd(folder.path(), &["test", "--init", "lbd.kdl"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let written = fs::read_to_string(folder.path().join("routes.test.kdl")).unwrap();
    assert!(
        written.contains("expect \"https://shop.example.com/api\" pool=\"api\" path=\"/\"\n"),
        "{written}"
    );
    let done = lbd(folder.path(), &["test", "lbd.kdl", "--min-coverage", "100"]);
    assert_eq!(done.status.code(), Some(0), "{}{}", text(&done.stdout), text(&done.stderr));
    let again = lbd(folder.path(), &["test", "--init", "lbd.kdl"]);
    assert_eq!(again.status.code(), Some(2), "what a person wrote is not written over");
    let formatted = lbd(folder.path(), &["fmt", "--check", "routes.test.kdl"]);
    assert_eq!(formatted.status.code(), Some(0), "{}", text(&formatted.stdout));
}

#[test]
fn what_cannot_be_tested_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let done = lbd(folder.path(), &["test", "lbd.kdl"]);
    assert_eq!(done.status.code(), Some(2));
    let said = text(&done.stderr);
    assert!(said.contains("no file of expectations (*.test.kdl) beside lbd.kdl"), "{said}");
    assert!(said.contains("`lbd test --init lbd.kdl`"), "{said}");

    fs::write(folder.path().join("a.test.kdl"), "config \"none.kdl\"\nexpect \"/\" pol=app").unwrap();
    let done = lbd(folder.path(), &["test", "a.test.kdl"]);
    assert_eq!(done.status.code(), Some(2));
    let said = text(&done.stderr);
    assert!(said.contains("unknown property `pol`") && said.contains("did you mean `pool`?"), "{said}");
    assert!(said.contains("none.kdl does not load"), "{said}");
}

#[test]
fn expectations_beside_included_files_are_no_part_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("parts")).unwrap();
    fs::write(folder.path().join("main.kdl"), "listen \":80\"\ninclude \"parts/*.kdl\"").unwrap();
    let pool = "pool app { server \"10.0.0.1:80\"; health tcp; }\nroute \"/\" pool=app\n";
    fs::write(folder.path().join("parts/app.kdl"), pool).unwrap();
    fs::write(folder.path().join("parts/app.test.kdl"), "config \"../main.kdl\"\nexpect \"/\" pool=app")
        .unwrap();
    let done = lbd(folder.path(), &["test", "parts"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}
