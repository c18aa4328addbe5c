//! What happens with what was read.

use super::*;

#[test]
fn a_broken_file_changes_nothing_and_says_so_until_it_is_mended() {
    let bench = Bench::new("server one");
    bench.write("lbd.kdl", "server one\nwrong\nwrong 2\n");
    let rejected = bench.rejected();
    assert_eq!((rejected.reason, rejected.generation), (Reason::Findings, 1));
    assert!(rejected.message.contains("lbd.kdl:2:1 unknown node `wrong` (LB101)"), "{}", rejected.message);
    assert!(rejected.message.ends_with("and one more error"), "{}", rejected.message);
    let state = bench.handle.state();
    assert_eq!((state.generation, state.findings.report.findings.len()), (1, 2));
    assert_eq!(state.rejected_total, [("findings", 1)].into());
    bench.looked_after(|| shell(bench.dir.path(), "touch lbd.kdl", ""));
    bench.write("lbd.kdl", "server one\nserver two");
    bench.wait_for("one two");
    let state = bench.handle.state();
    assert!(state.rejected.is_none() && state.generation == 2);
    assert_eq!(state.rejected_total, [("findings", 1)].into(), "a touch is no second refusal");
    assert_eq!(state.history.last().unwrap().summary, "~1 pool +1 server");
    bench.wait_for_kinds(&["config.applied", "config.rejected", "config.applied"]);
}

#[test]
fn going_back_to_what_runs_is_no_reload() {
    let bench = Bench::new("server one");
    bench.write("lbd.kdl", "wrong");
    bench.rejected();
    bench.write("lbd.kdl", "server one");
    bench.wait("end of the rejection", || bench.handle.state().rejected.is_none());
    assert_eq!(bench.published(), ["one"]);
    bench.wait_for_kinds(&["config.applied", "config.rejected", "config.restored"]);
}

#[test]
fn a_syntax_error_is_refused_with_its_place() {
    let bench = Bench::new("server one");
    bench.write("lbd.kdl", "server one {\n");
    let rejected = bench.rejected();
    assert_eq!(rejected.reason, Reason::Findings);
    assert!(rejected.message.contains("lbd.kdl:1"), "{}", rejected.message);
}

#[test]
fn a_main_file_that_is_gone_leaves_the_old_world() {
    let bench = Bench::new("server one");
    std::fs::remove_file(bench.path("lbd.kdl")).unwrap();
    assert_eq!(bench.rejected().reason, Reason::Missing);
    bench.write("lbd.kdl", "server two");
    bench.wait_for("two");
}

#[test]
fn includes_are_watched_also_those_of_a_file_set_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let main = "include \"more/*.kdl\"\nserver main";
    shell(dir.path(), "mkdir more later; echo \"$TEXT\" > lbd.kdl; echo 'server a' > more/a.kdl", main);
    let bench = Bench::on(dir, Timing::default());
    assert_eq!(bench.published(), ["a main"]);
    bench.write("more/b.kdl", "server b");
    bench.wait_for("a b main");
    bench.write("more/.hidden.kdl", "wrong");
    std::fs::remove_file(bench.path("more/a.kdl")).unwrap();
    bench.wait_for("b main");
    bench.write("later/new.kdl", "wrong");
    bench.write("lbd.kdl", "include \"later/new.kdl\"");
    bench.rejected();
    bench.write("later/new.kdl", "server new");
    bench.wait_for("new");
    assert!(bench.handle.state().files.contains(&bench.path("later/new.kdl")));
}

#[test]
fn certificates_are_watched_through_links_and_a_bad_one_keeps_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let authority = || rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap().cert.pem();
    shell(
        dir.path(),
        "mkdir v1; echo \"$TEXT\" > v1/ca.pem; ln -s v1 data; ln -s data/ca.pem ca.pem",
        &authority(),
    );
    let ca = dir.path().join("ca.pem");
    std::fs::write(dir.path().join("lbd.kdl"), format!("ca \"{}\"\nserver one", ca.display())).unwrap();
    let bench = Bench::on(dir, Timing::default());
    let generation = |number| bench.wait("generation", || bench.handle.state().generation == number);
    shell(bench.dir.path(), "mkdir v2; echo \"$TEXT\" > v2/ca.pem; ln -sfn v2 data", &authority());
    generation(2);
    assert_eq!(bench.handle.state().history.last().unwrap().summary, "no change of meaning");
    shell(bench.dir.path(), "echo nothing > v2/ca.pem", "");
    generation(3);
    let findings = bench.handle.state().findings.clone();
    let unusable: Vec<_> =
        findings.report.findings.iter().filter(|finding| finding.code == "LB601").collect();
    assert_eq!(unusable.len(), 1);
    assert_eq!(unusable[0].severity, Severity::Warning);
    std::fs::remove_file(&ca).unwrap();
    bench.write("lbd.kdl", &format!("ca \"{}\"\nserver two", bench.path("other.pem").display()));
    assert_eq!(bench.rejected().reason, Reason::Tls);
    bench.write("other.pem", &authority());
    bench.reload(Cause::Signal).unwrap();
    bench.wait_for("two");
}

#[test]
fn asking_reloads_at_once_and_answers() {
    let bench = Bench::new("server one\nwatch-not");
    assert!(!bench.reload(Cause::Signal).unwrap().changed);
    bench.write("lbd.kdl", "server two\nwatch-not");
    let applied = bench.reload(Cause::Api { actor: "ann".into() }).unwrap();
    assert!(applied.changed);
    assert_eq!((applied.generation, applied.summary.as_str()), (2, "~1 pool +1 server -1 server"));
    let last = bench.handle.state().history.last().unwrap().clone();
    assert_eq!((last.cause.as_str(), last.actor.as_deref(), last.parent), ("api", Some("ann"), 1));
    assert_eq!(bench.events.since(0).last().unwrap().actor.as_deref(), Some("ann"));
    assert_eq!(bench.events.generation(), 2);
    bench.write("lbd.kdl", "wrong");
    assert_eq!(bench.reload(Cause::Signal).unwrap_err().reason, Reason::Findings);
    assert_eq!(bench.published(), ["one", "two"]);
}

#[test]
fn what_the_world_refuses_is_retried_when_asked_only() {
    let bench = Bench::new("server one");
    bench.write("lbd.kdl", "server unbindable");
    let rejected = bench.rejected();
    assert_eq!((rejected.reason, rejected.message.as_str()), (Reason::Apply, "port 80 is taken (LB701)"));
    bench.looked_after(|| shell(bench.dir.path(), "touch lbd.kdl", ""));
    let again = bench.reload(Cause::Api { actor: "ann".into() }).unwrap_err();
    assert_eq!((again.reason, again.since), (Reason::Apply, rejected.since));
    assert_eq!(bench.handle.state().rejected_total, [("apply", 2)].into());
    assert_eq!(bench.handle.state().generation, 1);
}

#[test]
fn nobody_watching_a_large_removal_needs_a_person() {
    let text = "max-removal 50\nserver a\nserver b\nserver c\n";
    let bench = Bench::new(text);
    bench.write("lbd.kdl", "max-removal 50\nserver a\n");
    let rejected = bench.rejected();
    assert_eq!(rejected.reason, Reason::Removal);
    assert!(rejected.message.contains("removes 67% of the servers"), "{}", rejected.message);
    bench.reload(Cause::Api { actor: "ann".into() }).unwrap();
    bench.wait_for("a");
    bench.write("lbd.kdl", "max-removal 50\nserver a\nserver b\n");
    bench.wait_for("a b");
    bench.write("lbd.kdl", "max-removal 50\nserver b\n");
    bench.wait_for("b");
}

#[test]
fn a_busy_neighbour_does_not_delay_an_edit() {
    let bench = Bench::new("server one");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (busy, log) = (stop.clone(), bench.path("access.log"));
    let neighbour = std::thread::spawn(move || {
        while !busy.load(Ordering::SeqCst) {
            std::fs::write(&log, "a line\n").unwrap();
        }
    });
    bench.write("lbd.kdl", "server two");
    bench.wait_for("two");
    stop.store(true, Ordering::SeqCst);
    neighbour.join().unwrap();
    assert_eq!(bench.published(), ["one", "two"]);
}

#[test]
fn handles_outlive_the_reloader() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lbd.kdl"), "server one").unwrap();
    let (reloader, handle) = Reloader::new(
        options(dir.path().join("lbd.kdl")),
        Arc::new(load),
        Arc::new(FsLoader),
        Notebook::default(),
        Events::new(),
    );
    drop(reloader);
    let rejected = runtime().block_on(handle.reload(Cause::Signal)).unwrap_err();
    assert_eq!(rejected.reason, Reason::Internal);
}

#[test]
fn a_panic_of_the_reader_is_a_refusal_and_no_more() {
    let bench = Bench::new("server one");
    bench.write("lbd.kdl", "panic");
    let rejected = bench.rejected();
    assert_eq!(rejected.reason, Reason::Internal);
    bench.looked_after(|| shell(bench.dir.path(), "touch lbd.kdl", ""));
    bench.write("lbd.kdl", "server two");
    bench.wait_for("two");
    assert_eq!(bench.handle.state().rejected_total, [("internal", 1)].into(), "not tried again and again");
}

/// A main file that reads differently each time, `changes` times.
struct Restless {
    changes: usize,
    reads: AtomicUsize,
}

impl Loader for Restless {
    fn read(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        let at = self.reads.fetch_add(1, Ordering::SeqCst).min(self.changes);
        Ok(format!("server n{at}").into_bytes())
    }
    fn glob(&self, _: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

fn boot_restless(changes: usize) -> (Result<super::super::Applied, BootError>, Notebook) {
    let notebook = Notebook::default();
    let files = Arc::new(Restless { changes, reads: AtomicUsize::new(0) });
    let (mut reloader, _handle) =
        Reloader::new(options("lbd.kdl".into()), Arc::new(load), files, notebook.clone(), Events::new());
    (runtime().block_on(reloader.boot()), notebook)
}

#[test]
fn only_what_was_read_twice_the_same_is_published() {
    let (booted, notebook) = boot_restless(5);
    booted.unwrap();
    assert_eq!(*notebook.0.lock().unwrap(), [(vec!["n5".to_owned()], 1)]);
}

#[test]
fn files_that_never_rest_are_refused() {
    let (booted, notebook) = boot_restless(usize::MAX);
    assert!(matches!(booted, Err(BootError::Rejected(rejected)) if rejected.reason == Reason::Unstable));
    assert!(notebook.0.lock().unwrap().is_empty());
}
