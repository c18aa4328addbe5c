//! Starts: with good files, with bad ones, with none; and what is on disk for them.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A state directory and a configuration directory that outlive one process.
struct Home {
    dir: PathBuf,
    _guard: tempfile::TempDir,
}

impl Home {
    fn new(text: &str) -> Self {
        let guard = tempfile::tempdir().unwrap();
        let home = Self { dir: guard.path().to_owned(), _guard: guard };
        home.write(text);
        home
    }

    fn write(&self, text: &str) {
        std::fs::write(self.dir.join("lbd.kdl"), text).unwrap();
    }

    fn options(&self) -> Options {
        Options { state_dir: Some(self.dir.join("state")), ..options(self.dir.join("lbd.kdl")) }
    }

    fn boot(&self) -> (Bench, Result<super::super::Applied, BootError>) {
        Bench::start(tempfile::tempdir().unwrap(), self.options())
    }

    /// Boots and publishes `texts` one after another, with `boot` for the first.
    fn run(&self, texts: &[&str]) -> Bench {
        let (bench, booted) = self.boot();
        booted.unwrap();
        for text in texts {
            self.write(text);
            bench.reload(Cause::Signal).unwrap();
        }
        bench
    }

    fn stored(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.join("state/generations")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn bad_files_at_start_run_the_last_good_generation() {
    let home = Home::new("server one");
    drop(home.run(&["server two"]));
    home.write("wrong");
    let (bench, booted) = home.boot();
    let applied = booted.unwrap();
    assert_eq!((applied.generation, bench.published()), (2, vec!["two".to_owned()]));
    let state = bench.handle.state();
    assert!(state.from_last_good);
    assert_eq!(state.rejected.as_ref().unwrap().reason, Reason::Findings);
    home.write("server three");
    bench.wait_for("three");
    let state = bench.handle.state();
    assert!(!state.from_last_good && state.rejected.is_none());
    assert_eq!((state.generation, state.history.last().unwrap().parent), (3, 2));
}

#[test]
fn restoring_the_last_good_files_after_such_a_start_is_no_reload() {
    let home = Home::new("server one");
    drop(home.run(&[]));
    home.write("wrong");
    let (bench, booted) = home.boot();
    booted.unwrap();
    home.write("server one");
    bench.wait("end of the rejection", || bench.handle.state().rejected.is_none());
    assert_eq!(bench.published(), ["one"]);
    assert!(!bench.handle.state().from_last_good);
}

#[test]
fn strict_starts_refuse_bad_files() {
    let home = Home::new("server one");
    drop(home.run(&[]));
    home.write("wrong");
    let strict = Options { strict: true, ..home.options() };
    let (bench, booted) = Bench::start(tempfile::tempdir().unwrap(), strict);
    assert!(matches!(booted, Err(BootError::Rejected(rejected)) if rejected.reason == Reason::Findings));
    assert_eq!(bench.published(), Vec::<String>::new());
}

#[test]
fn bad_files_without_a_last_good_generation_do_not_start() {
    let home = Home::new("wrong");
    assert!(matches!(home.boot().1, Err(BootError::Rejected(_))));
    assert_eq!(home.stored(), Vec::<String>::new());
}

#[test]
fn a_missing_main_file_is_never_guessed() {
    let home = Home::new("server one");
    drop(home.run(&[]));
    std::fs::remove_file(home.dir.join("lbd.kdl")).unwrap();
    assert!(matches!(home.boot().1, Err(BootError::Missing(_))));
}

#[test]
fn a_stored_generation_brings_its_includes() {
    let home = Home::new("include \"sites/*.kdl\"");
    std::fs::create_dir(home.dir.join("sites")).unwrap();
    std::fs::write(home.dir.join("sites/a.kdl"), "server a").unwrap();
    drop(home.run(&[]));
    std::fs::remove_dir_all(home.dir.join("sites")).unwrap();
    home.write("wrong");
    let (bench, booted) = home.boot();
    booted.unwrap();
    assert_eq!(bench.published(), ["a"]);
}

#[test]
fn a_restart_with_the_same_files_goes_on_under_the_same_number() {
    let home = Home::new("server one");
    drop(home.run(&["server two"]));
    let bench = home.run(&["server three"]);
    let numbers: Vec<u64> = bench.notebook.0.lock().unwrap().iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [2, 3]);
    let history: Vec<_> = bench.handle.state().history.iter().map(|info| info.number).collect();
    assert_eq!(history, [1, 2, 3]);
}

#[test]
fn as_many_generations_are_kept_as_asked() {
    let home = Home::new("server zero");
    let bench = home.run(&["server one", "server two", "server three", "server four"]);
    assert_eq!(home.stored(), ["3", "4", "5"], "the small language keeps three");
    assert_eq!(bench.handle.state().history.len(), 3);
}

#[test]
fn what_is_stored_is_exact_private_and_without_secrets() {
    let home = Home::new("server \"${file:secret.txt}\" // as it was");
    std::fs::write(home.dir.join("secret.txt"), "hush").unwrap();
    let bench = home.run(&[]);
    assert_eq!(bench.published(), ["hush"]);
    let generation = home.dir.join("state/generations/1");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&generation), 0o700);
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(&generation).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600);
        texts.push(std::fs::read_to_string(&path).unwrap());
    }
    assert_eq!(texts.len(), 2);
    assert!(texts.iter().any(|text| text == "server \"${file:secret.txt}\" // as it was"));
    assert!(texts.iter().all(|text| !text.contains("hush")));
    drop(bench);
    home.write("wrong");
    std::fs::write(home.dir.join("secret.txt"), "new").unwrap();
    assert_eq!(
        {
            let (bench, booted) = home.boot();
            booted.unwrap();
            bench.published()
        },
        ["new"],
        "secrets are read where they are"
    );
}

#[test]
fn what_is_half_stored_is_no_generation() {
    let home = Home::new("server one");
    drop(home.run(&["server two"]));
    let generations = home.dir.join("state/generations");
    std::fs::create_dir(generations.join(".new-9")).unwrap();
    std::fs::create_dir(generations.join("8")).unwrap();
    std::fs::write(generations.join("2/manifest.json"), "{").unwrap();
    home.write("wrong");
    let (bench, booted) = home.boot();
    assert_eq!(booted.unwrap().generation, 1);
    assert_eq!(bench.published(), ["one"]);
    home.write("server three");
    bench.wait_for("three");
    assert_eq!(bench.handle.state().generation, 9, "no number is used twice");
    bench.wait("clean directory", || !home.stored().contains(&".new-9".to_owned()));
}

#[test]
fn a_state_directory_that_cannot_be_written_keeps_nobody_from_starting() {
    let home = Home::new("server one");
    std::fs::write(home.dir.join("state"), "a file is in the way").unwrap();
    let bench = home.run(&["server two"]);
    assert_eq!(bench.published(), ["one", "two"]);
}
