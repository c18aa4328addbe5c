//! Changes that operators ask for: disk and memory never part, and what is not confirmed comes back.

use super::*;
use crate::reload::{Answer, Ask, By, Confirmation, Limits, Offer, Refusal, Source};

fn by() -> By {
    By { actor: "ann".into(), reason: Some("a test".into()) }
}

fn offer(files: &[(&str, &str)]) -> Source {
    let files = files.iter().map(|(path, text)| ((*path).into(), Some((*text).to_owned()))).collect();
    Source::Offer(Offer { files, ..Offer::default() })
}

fn apply(source: Source) -> Ask {
    Ask::Apply { source, by: by(), confirm: None, force: false, id: None }
}

fn apply_within(source: Source, within: Duration) -> Ask {
    let confirm = Some(Confirmation { within, limits: Limits::default() });
    Ask::Apply { source, by: by(), confirm, force: false, id: None }
}

fn rollback(to: Option<u64>) -> Ask {
    Ask::Rollback { to, by: by(), force: false }
}

/// With a state directory in `state`.
fn keeping(text: &str) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lbd.kdl"), text).unwrap();
    start(dir)
}

fn start(dir: tempfile::TempDir) -> Bench {
    let (main, state_dir) = (dir.path().join("lbd.kdl"), Some(dir.path().join("state")));
    let (bench, booted) = Bench::start(dir, Options { state_dir, ..options(main) });
    booted.expect("it boots");
    bench
}

impl Bench {
    fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        self.runtime.block_on(self.handle.ask(ask))
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn last(&self) -> String {
        self.published().last().cloned().unwrap_or_default()
    }

    /// What lies in the directory of the configuration.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "state")
            .collect();
        names.sort();
        names
    }

    /// Ends the process and starts another on the same directories.
    fn again(self) -> Self {
        let Self { dir, handle, .. } = self;
        drop(handle);
        start(dir)
    }
}

#[test]
fn a_plan_changes_nothing_and_names_what_it_lacks() {
    let bench = keeping("server one\nwatch-not");
    let text = "include \"more.kdl\"\nserver two\nwatch-not";
    let lacking = bench.ask(Ask::Plan { source: offer(&[("lbd.kdl", text)]) }).unwrap();
    assert_eq!(lacking.wanted, ["more.kdl"]);
    let source = offer(&[("lbd.kdl", text), ("more.kdl", "server three")]);
    let planned = bench.ask(Ask::Plan { source }).unwrap();
    assert!(planned.changed && planned.next.is_some());
    assert_eq!(planned.plan.to_string(), "~1 pool +2 servers -1 server");
    assert_eq!((bench.last().as_str(), bench.names()), ("one", vec!["lbd.kdl".to_owned()]));
    let refused = bench.ask(Ask::Plan { source: offer(&[("lbd.kdl", "wrong")]) }).unwrap_err();
    assert!(refused.to_string().contains("lbd.kdl:1:1 unknown node `wrong`"), "{refused}");
    assert!(bench.handle.state().rejected.is_none(), "the files are as good as before");
}

#[test]
fn what_is_applied_is_what_runs_and_what_the_files_say() {
    let bench = keeping("include \"more/*.kdl\" optional=#true\nserver one");
    std::fs::create_dir(bench.path("more")).unwrap();
    let main = "include \"more/*.kdl\"\nserver two";
    let globs = [("more/*.kdl".into(), vec!["more/a.kdl".into(), "more/b.kdl".into()])].into();
    let files = [("lbd.kdl", main), ("more/a.kdl", "server a"), ("more/b.kdl", "server b")]
        .map(|(path, text)| (path.into(), Some(text.to_owned())));
    let done = bench.ask(apply(Source::Offer(Offer { files: files.into(), globs }))).unwrap();
    assert_eq!((done.generation, done.written.len(), bench.last().as_str()), (2, 3, "a b two"));
    assert_eq!((bench.text("lbd.kdl").as_str(), bench.text("more/b.kdl").as_str()), (main, "server b"));
    let globs = [("more/*.kdl".into(), vec!["more/b.kdl".into()])].into();
    let files = [("lbd.kdl", main), ("more/b.kdl", "server c")].map(|(p, t)| (p.into(), Some(t.to_owned())));
    bench.ask(apply(Source::Offer(Offer { files: files.into(), globs }))).unwrap();
    assert_eq!(bench.last(), "c two");
    assert!(!bench.path("more/a.kdl").exists(), "the set is replaced as a whole");
    let info = bench.handle.state().history.last().cloned().unwrap();
    assert_eq!(
        (info.cause.as_str(), info.actor.as_deref(), info.reason.as_deref()),
        ("apply", Some("ann"), Some("a test"))
    );
    assert!(!bench.reload(Cause::Signal).unwrap().changed, "the files are what runs");
    let done = bench.ask(rollback(Some(2))).unwrap();
    assert_eq!((done.generation, bench.last().as_str()), (4, "a b two"));
    assert_eq!(bench.text("more/a.kdl"), "server a", "and comes back as a whole");
    assert!(!bench.reload(Cause::Signal).unwrap().changed);
}

#[test]
fn a_failure_at_any_step_leaves_the_old_files_and_the_old_generation() {
    let bench = keeping("server one\nwatch-not");
    let check = |source: Source, expected: &str| {
        let refused = bench.ask(apply(source)).unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!((bench.text("lbd.kdl").as_str(), bench.last().as_str()), ("server one\nwatch-not", "one"));
        assert_eq!((bench.handle.state().generation, bench.names()), (1, vec!["lbd.kdl".to_owned()]));
        assert!(!bench.path("state/unconfirmed.json").exists());
    };
    check(offer(&[("lbd.kdl", "wrong")]), "unknown node");
    check(offer(&[("lbd.kdl", "server unbindable")]), "port 80 is taken");
    let text = "include \"none/x.kdl\"\nserver two";
    check(offer(&[("lbd.kdl", text), ("none/x.kdl", "server x")]), "cannot write");
    let id = Ask::Apply {
        source: offer(&[("lbd.kdl", "server two")]),
        by: by(),
        confirm: None,
        force: false,
        id: Some("p1-00000000".into()),
    };
    assert!(matches!(bench.ask(id), Err(Refusal::Guard(..))), "a plan that is no longer true");
}

#[test]
fn an_edit_that_does_not_run_is_written_over_by_force_only() {
    let bench = keeping("server one\nwatch-not");
    bench.write("lbd.kdl", "wrong, and somebody's");
    let source = || offer(&[("lbd.kdl", "server two\nwatch-not")]);
    let refused = bench.ask(apply(source())).unwrap_err();
    assert!(matches!(&refused, Refusal::Guard(text, _) if text.contains("was edited")), "{refused}");
    assert_eq!(bench.text("lbd.kdl"), "wrong, and somebody's");
    let forced = Ask::Apply { source: source(), by: by(), confirm: None, force: true, id: None };
    bench.ask(forced).unwrap();
    assert_eq!((bench.last().as_str(), bench.text("lbd.kdl").as_str()), ("two", "server two\nwatch-not"));
}

#[test]
fn what_nobody_confirms_comes_back() {
    let bench = keeping("server one");
    bench.ask(apply_within(offer(&[("lbd.kdl", "server two")]), Duration::from_millis(300))).unwrap();
    bench.wait("the return", || bench.handle.state().unconfirmed.is_none());
    assert_eq!(bench.published(), ["one", "two", "one"]);
    assert_eq!(bench.text("lbd.kdl"), "server one");
    let info = bench.handle.state().history.last().cloned().unwrap();
    assert_eq!((info.number, info.cause.as_str()), (3, "return"));
    assert_eq!(info.reason.as_deref(), Some("nobody confirmed it in time"));
    assert!(!bench.path("state/unconfirmed.json").exists());
    assert!(!bench.reload(Cause::Signal).unwrap().changed);
}

#[test]
fn what_is_confirmed_stays_and_what_waits_can_be_rolled_back_at_once() {
    let bench = keeping("server one\nwatch-not");
    let hour = Duration::from_secs(3600);
    let two = || offer(&[("lbd.kdl", "server two\nwatch-not")]);
    bench.ask(apply_within(two(), hour)).unwrap();
    assert_eq!((bench.last().as_str(), bench.text("lbd.kdl").as_str()), ("two", "server two\nwatch-not"));
    assert_eq!(bench.handle.state().unconfirmed.as_ref().map(|waits| waits.previous), Some(1));
    assert!(matches!(bench.ask(apply(two())), Err(Refusal::Conflict(..))), "one after the other");
    bench.ask(rollback(None)).unwrap();
    assert_eq!((bench.last().as_str(), bench.text("lbd.kdl").as_str()), ("one", "server one\nwatch-not"));
    bench.ask(apply_within(two(), hour)).unwrap();
    bench.ask(Ask::Confirm { by: by() }).unwrap();
    assert!(bench.handle.state().unconfirmed.is_none() && !bench.path("state/unconfirmed.json").exists());
    assert!(matches!(bench.ask(Ask::Confirm { by: by() }), Err(Refusal::Conflict(..))));
    bench.ask(rollback(None)).unwrap();
    assert_eq!(bench.last(), "one", "a rollback goes to what ran before");
    let kinds: Vec<_> = bench.events.since(0).iter().map(|event| event.kind).collect();
    assert!(
        ["config.unconfirmed", "config.returned", "config.confirmed"].iter().all(|kind| kinds.contains(kind)),
        "{kinds:?}"
    );
}

#[test]
fn a_change_of_the_files_confirms_what_was_applied_before() {
    let bench = keeping("server one\nwatch-not");
    bench
        .ask(apply_within(offer(&[("lbd.kdl", "server two\nwatch-not")]), Duration::from_secs(3600)))
        .unwrap();
    bench.write("lbd.kdl", "server three\nwatch-not");
    bench.reload(Cause::Signal).unwrap();
    assert!(bench.handle.state().unconfirmed.is_none());
    assert_eq!(bench.last(), "three");
}

#[test]
fn a_file_that_was_spoilt_meanwhile_is_left_alone_and_what_ran_before_runs() {
    let bench = keeping("server one\nwatch-not");
    bench
        .ask(apply_within(offer(&[("lbd.kdl", "server two\nwatch-not")]), Duration::from_secs(3600)))
        .unwrap();
    bench.write("lbd.kdl", "wrong, and somebody's");
    bench.ask(rollback(None)).unwrap();
    assert_eq!((bench.last().as_str(), bench.text("lbd.kdl").as_str()), ("one", "wrong, and somebody's"));
    assert!(bench.handle.state().pinned.is_some(), "files and memory differ, and it is said");
}

#[test]
fn a_restart_waits_on_or_takes_back() {
    let bench = keeping("server one\nwatch-not");
    bench
        .ask(apply_within(offer(&[("lbd.kdl", "server two\nwatch-not")]), Duration::from_secs(3600)))
        .unwrap();
    let bench = bench.again();
    assert_eq!(bench.last(), "two");
    let waits = bench.handle.state().unconfirmed.clone().expect("it waits on");
    assert_eq!((waits.previous, waits.by), (1, by()));
    bench.ask(rollback(None)).unwrap();
    assert_eq!(bench.text("lbd.kdl"), "server one\nwatch-not");
    bench
        .ask(apply_within(offer(&[("lbd.kdl", "server two\nwatch-not")]), Duration::from_secs(3600)))
        .unwrap();
    // Its time passes while nothing runs.
    let kept = bench.text("state/unconfirmed.json");
    let until: serde_json::Value = serde_json::from_str(&kept).unwrap();
    bench.write("state/unconfirmed.json", &kept.replace(&until["until_ms"].to_string(), "1000"));
    let bench = bench.again();
    assert_eq!((bench.last().as_str(), bench.text("lbd.kdl").as_str()), ("one", "server one\nwatch-not"));
    assert!(bench.handle.state().unconfirmed.is_none());
}

#[test]
fn a_process_that_ends_between_two_renames_leaves_a_way_back() {
    let bench = keeping("server one\nwatch-not");
    let main = bench.path("lbd.kdl");
    let edits = serde_json::json!([{ "path": main, "old": "server one\nwatch-not", "new": "server half" }]);
    let kept = serde_json::json!({
        "version": 1, "until_ms": null, "generation": 0, "previous": 1,
        "by": { "actor": "", "reason": null }, "edits": edits,
    });
    bench.write("lbd.kdl", "server half");
    bench.write("state/unconfirmed.json", &kept.to_string());
    let bench = bench.again();
    assert_eq!((bench.last().as_str(), bench.text("lbd.kdl").as_str()), ("one", "server one\nwatch-not"));
    assert!(!bench.path("state/unconfirmed.json").exists());
}

#[test]
fn a_pinned_generation_runs_whatever_the_files_say() {
    let bench = keeping("server one\nwatch-not");
    bench.write("lbd.kdl", "server two\nwatch-not");
    bench.reload(Cause::Signal).unwrap();
    let done = bench.ask(Ask::Pin { generation: 1, until_change: false, by: by() }).unwrap();
    assert_eq!((done.generation, bench.last().as_str()), (3, "one"));
    assert_eq!(bench.text("lbd.kdl"), "server two\nwatch-not", "the files are left alone");
    bench.write("lbd.kdl", "server three\nwatch-not");
    let refused = bench.reload(Cause::Signal).unwrap_err();
    assert_eq!(refused.reason, Reason::Pinned);
    assert!(bench.handle.state().rejected.is_none());
    let bench = bench.again();
    assert_eq!(bench.last(), "one", "over a restart too");
    assert_eq!(bench.handle.state().pinned.as_ref().map(|pin| pin.generation), Some(1));
    assert!(matches!(bench.ask(apply(Source::Files)), Err(Refusal::Conflict(..))));
    bench.ask(Ask::Unpin { by: by() }).unwrap();
    assert_eq!(bench.last(), "three");
    assert!(bench.handle.state().pinned.is_none());
    bench.ask(Ask::Pin { generation: 3, until_change: true, by: by() }).unwrap();
    assert_eq!(bench.last(), "one");
    bench.write("lbd.kdl", "server four\nwatch-not");
    bench.reload(Cause::Signal).unwrap();
    assert_eq!((bench.last().as_str(), bench.handle.state().pinned.is_none()), ("four", true));
    assert!(matches!(
        bench.ask(Ask::Pin { generation: 99, until_change: false, by: by() }),
        Err(Refusal::Unknown(_))
    ));
}

#[test]
fn generations_are_compared_and_shown() {
    let bench = keeping("server one\nwatch-not");
    bench.write("lbd.kdl", "server two\nwatch-not");
    bench.reload(Cause::Signal).unwrap();
    let diff = |from, to| bench.ask(Ask::Diff { from, to }).unwrap().plan.to_string();
    assert_eq!(diff(Some(1), Some(2)), "~1 pool +1 server -1 server");
    assert_eq!(diff(Some(2), Some(2)), "no change of meaning");
    assert_eq!(diff(Some(1), None), "~1 pool +1 server -1 server");
    bench.write("lbd.kdl", "server two\nserver three\nwatch-not");
    assert_eq!(diff(None, None), "~1 pool +1 server");
    let texts = bench.ask(Ask::Texts { generation: 1 }).unwrap().texts;
    assert_eq!(texts[&bench.path("lbd.kdl")], "server one\nwatch-not");
}
