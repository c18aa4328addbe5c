//! What pipelines are shown: the example for them, their files, and the hooks.

use std::path::Path;
use std::process::Command;

use lbd::config::expectations;
use lbd::config::source::MemLoader;
use yaml_rust2::{Yaml, YamlLoader};

use super::text;
use crate::support::lbd_bin;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(path: &str) -> Yaml {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let mut documents = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

/// Every string in a document.
fn strings<'y>(yaml: &'y Yaml, all: &mut Vec<&'y str>) {
    match yaml {
        Yaml::String(text) => all.push(text),
        Yaml::Array(items) => items.iter().for_each(|item| strings(item, all)),
        Yaml::Hash(pairs) => pairs.values().for_each(|value| strings(value, all)),
        _ => {}
    }
}

/// Asserts that the parser of the command line takes it.
fn is_taken(line: &str, path: &str) {
    let words = line.split_whitespace().take_while(|word| *word != ">");
    if let Err(error) = lbd::cli::command().try_get_matches_from(words) {
        panic!("{path} shows `{line}`: {error}");
    }
}

#[test]
fn the_example_does_what_is_expected_of_it_and_all_of_it_is() {
    let done = Command::new(lbd_bin())
        .args(["test", "examples/ci", "--min-coverage", "100"])
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(0), "{}{}", text(&done.stdout), text(&done.stderr));
}

#[test]
fn the_commands_of_the_workflows_are_taken() {
    for (path, least) in [("examples/ci/github-actions.yml", 3), ("examples/ci/gitlab-ci.yml", 3)] {
        let document = yaml(path);
        let mut all = Vec::new();
        strings(&document, &mut all);
        let lines: Vec<&str> =
            all.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("lbd ")).collect();
        assert!(lines.len() >= least, "{path}: {lines:?}");
        lines.iter().for_each(|line| is_taken(line, path));
    }
}

/// The commands of lbd in a workflow, in their order.
fn commands(path: &str) -> Vec<String> {
    let document = yaml(path);
    let mut all = Vec::new();
    strings(&document, &mut all);
    let lines = all.iter().flat_map(|text| text.lines());
    lines.filter(|line| line.starts_with("lbd ")).map(str::to_owned).collect()
}

/// The commands of the hooks, with the arguments that the example gives them.
fn hooks() -> Vec<String> {
    let (known, used) = (yaml(".pre-commit-hooks.yaml"), yaml("examples/ci/pre-commit-config.yaml"));
    let mut found = Vec::new();
    for hook in used["repos"][0]["hooks"].as_vec().unwrap() {
        let of_id = known.as_vec().unwrap().iter().find(|one| one["id"] == hook["id"]).unwrap();
        let mut line = of_id["entry"].as_str().unwrap().to_owned();
        let words: Vec<&str> =
            hook["args"].as_vec().into_iter().flatten().map(|arg| arg.as_str().unwrap()).collect();
        // Without arguments it is given the files that changed.
        let words = if words.is_empty() { "balancer/lbd.kdl".to_owned() } else { words.join(" ") };
        line.push_str(&format!(" {words}"));
        found.push(line);
    }
    found
}

/// A checkout whose folder `balancer` is the example, with one text of its configuration in the place of another.
fn checkout(from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("balancer")).unwrap();
    for name in ["lbd.kdl", "routes.test.kdl"] {
        let text = std::fs::read_to_string(root().join("examples/ci").join(name)).unwrap();
        let text = if name == "lbd.kdl" { text.replace(from, to) } else { text };
        std::fs::write(dir.path().join("balancer").join(name), text).unwrap();
    }
    dir
}

/// The exit code of a line of shell, run where a pipeline would.
fn ran(line: &str, dir: &Path) -> Option<i32> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(&lbd_bin()).parent().unwrap().to_owned();
    let paths = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&paths))).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", line]).current_dir(dir).env("PATH", paths).env("GITHUB_ACTIONS", "true");
    shell.output().unwrap().status.code()
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn what_pipelines_run_passes_on_the_example_and_leaves_the_reports_that_they_upload() {
    let dir = checkout("", "");
    let mut count = 0;
    for line in ["examples/ci/github-actions.yml", "examples/ci/gitlab-ci.yml"].into_iter().flat_map(commands)
    {
        assert_eq!(ran(&line, dir.path()), Some(0), "{line}");
        count += 1;
    }
    for line in hooks() {
        assert_eq!(ran(&line, dir.path()), Some(0), "{line}");
        count += 1;
    }
    assert_eq!(count, 4 + 4 + 3);
    let sarif: serde_json::Value = serde_json::from_str(&read(dir.path(), "lbd.sarif")).unwrap();
    assert_eq!((&sarif["version"], &sarif["runs"][0]["results"]), (&"2.1.0".into(), &serde_json::json!([])));
    assert_eq!(read(dir.path(), "findings.json").trim(), "[]");
    for name in ["routes.xml", "findings.xml"] {
        assert!(read(dir.path(), name).starts_with("<?xml"), "{name}");
    }
}

#[test]
fn what_pipelines_run_stops_a_warning_an_error_and_a_route_that_changed() {
    let failing = |dir: &Path, path: &str| -> Vec<String> {
        commands(path).into_iter().filter(|line| ran(line, dir) != Some(0)).collect()
    };
    let (github, gitlab) = ("examples/ci/github-actions.yml", "examples/ci/gitlab-ci.yml");
    let warned = checkout("  health \"/ready\"\n}\npool api", "}\npool api");
    assert_eq!(failing(warned.path(), github), ["lbd lint --files no --warn-as-error balancer"]);
    let stopped = failing(warned.path(), gitlab);
    assert_eq!(stopped, ["lbd lint --files no --warn-as-error --format junit balancer > findings.xml"]);
    let sarif: serde_json::Value = serde_json::from_str(&read(warned.path(), "lbd.sarif")).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!((&result["ruleId"], place), (&"LB301".into(), &"balancer/lbd.kdl".into()));
    let issues: serde_json::Value = serde_json::from_str(&read(warned.path(), "findings.json")).unwrap();
    assert_eq!(issues[0]["location"]["path"], "balancer/lbd.kdl");
    assert!(read(warned.path(), "findings.xml").contains("LB301"));

    let wrong = checkout("pool shop {", "pol shop {");
    let stopped = failing(wrong.path(), github);
    assert!(stopped.iter().any(|line| line.contains("sarif")) && stopped.len() == 3, "{stopped:?}");

    let other = checkout("route \"/api\" pool=api", "route \"/api\" pool=shop");
    let stopped = failing(other.path(), gitlab);
    assert!(stopped.len() == 1 && stopped[0].starts_with("lbd test"), "{stopped:?}");
    let hooks: Vec<String> = hooks().into_iter().filter(|line| ran(line, other.path()) != Some(0)).collect();
    assert_eq!(hooks, ["lbd test balancer"]);
}

#[test]
fn the_hooks_that_are_used_exist_and_their_commands_are_taken() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let mut ids = Vec::new();
    for hook in hooks.as_vec().unwrap() {
        let [id, entry] = ["id", "entry"].map(|key| hook[key].as_str().unwrap());
        is_taken(&format!("{entry} lbd.kdl"), id);
        assert!(hook["name"].as_str().is_some() && hook["language"].as_str() == Some("rust"), "{hook:?}");
        ids.push(id.to_owned());
    }
    let used = yaml("examples/ci/pre-commit-config.yaml");
    for hook in used["repos"][0]["hooks"].as_vec().unwrap() {
        let id = hook["id"].as_str().unwrap();
        assert!(ids.iter().any(|known| known == id), "no hook is called {id}");
    }
}

#[test]
fn the_expectations_that_the_readme_shows_can_be_read() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```kdl expectations\n").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let block = block.split("\n```").next().unwrap();
        let read = expectations::read(Path::new("a.test.kdl"), &MemLoader::new().file("a.test.kdl", block));
        assert_eq!(read.report.findings, [], "{block}");
        assert!(!read.list.is_empty());
    }
}
