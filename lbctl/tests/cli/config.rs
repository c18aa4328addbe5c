//! `lbctl config`: what is refused, planned and sent.

use super::{Script, assert_output, problem};

#[test]
fn a_refused_reload_shows_the_report() {
    let mut problem: lbctl::protocol::Problem =
        serde_json::from_str(&problem("config-rejected", 422)).unwrap();
    problem.rendered = Some("the report\n".into());
    let script = Script::new(vec![("POST /v1/config/reload", 422, serde_json::to_string(&problem).unwrap())]);
    let stderr = "the report\nerror: because config-rejected\n  help: do this, or --force\n";
    assert_output(&script.run(&["config", "reload"]), 1, "", stderr);
}

fn planned(more: &str) -> String {
    format!(r#"{{"generation":42,"changed":true,"plan":"p42-1","summary":"~1 pool"{more}}}"#)
}

#[test]
fn a_plan_says_by_its_exit_code_that_there_are_changes() {
    let script = Script::new(vec![("POST /v1/config/plan", 200, planned(""))]);
    let stdout = "generation 42 -> new: ~1 pool\n";
    let stderr = "apply: lbctl config apply --plan p42-1 --confirm-within 5m\n";
    assert_output(&script.run(&["config", "plan"]), 0, stdout, stderr);
    assert_output(&script.run(&["config", "plan", "--exit-code"]), 10, stdout, stderr);
    assert_eq!(script.asked()[0], "POST /v1/config/plan {}");
    assert_eq!(script.run(&["config", "apply", "--max-errors", "5%"]).status.code(), Some(2));
}

#[test]
fn what_a_candidate_includes_is_sent_when_the_daemon_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    for (name, text) in [("new.kdl", "main"), ("conf.d/a.kdl", "one"), ("conf.d/.hidden.kdl", "no")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let wanted = r#","wanted":["conf.d/*.kdl","conf.d/a.kdl","none.kdl"]"#;
    let script = Script::new(vec![("POST /v1/config/plan", 200, planned(wanted))]);
    let output = script.run(&["config", "plan", dir.path().join("new.kdl").to_str().unwrap()]);
    assert_output(&output, 1, "", "error: the daemon asks for more and more files\n");
    let sent = r#""main":"main","files":{"conf.d/a.kdl":"one","none.kdl":null},"globs":{"conf.d/*.kdl":["conf.d/a.kdl"]}"#;
    assert!(script.asked()[1].contains(sent), "{:?}", script.asked());
}
