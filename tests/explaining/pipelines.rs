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
