//! What the repository shows is exercised: the examples and each KDL block of the README, the manual pages and
//! `docs` are loaded, the commands that they show are parsed, and the finding that the README shows is the one
//! that a reader would get.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use lbd::config::source::FsLoader;
use lbd::config::{self, render};

use super::reference::roff;

/// The workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Loads a file; the rendered report when there is anything to report.
fn load(path: &Path) -> Result<config::model::Model, String> {
    let loaded = config::load(path, &FsLoader);
    let report = render::human(&loaded.report, &loaded.sources, false);
    loaded.model.filter(|_| loaded.report.findings.is_empty()).ok_or(report)
}

/// Files directly in `examples`, and the main file of each folder there.
fn examples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let path = if path.is_dir() { path.join("lbd.kdl") } else { path };
        assert!(path.exists(), "{} is no example", path.display());
        found.push(path);
    }
    found.sort();
    assert!(found.len() > 5, "{found:?}");
    found
}

/// The blocks of a Markdown text that are fenced as `language`.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let rest = text.split(fence.as_str()).skip(1);
    rest.map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
}

#[test]
fn every_example_loads() {
    for path in examples() {
        if let Err(report) = load(&path) {
            panic!("{}:\n{report}", path.display());
        }
    }
}

#[test]
fn the_demonstration_loads_without_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let demo = runtime.block_on(lbd::cli::demo::start(dir.path(), 0)).unwrap();
    if let Err(report) = load(&demo.config_path) {
        panic!("{report}");
    }
}

#[test]
fn every_example_begins_with_what_it_shows() {
    for path in examples() {
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().find(|line| *line != "/- kdl-version 2").unwrap_or_default();
        assert!(first.starts_with("// "), "{} begins with {first:?}", path.display());
    }
}

#[test]
fn the_readme_links_every_example() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for path in examples() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("({name})")), "the README does not name {name}");
    }
}

/// Every text that users read, with its path: README, `docs`, and the manual pages.
fn texts() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    for folder in ["docs", "man"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        paths.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The blocks of a text in a language, whether it is Markdown or a page.
fn blocks_of(path: &str, text: &str, language: &str) -> Vec<String> {
    if path.ends_with(".md") {
        blocks(text, language).into_iter().map(str::to_owned).collect()
    } else {
        roff::blocks(text, language)
    }
}

#[test]
fn every_kdl_block_that_is_shown_loads() {
    for (path, text) in texts() {
        let blocks = blocks_of(&path, &text, "kdl");
        let least = match path.as_str() {
            "README.md" => 2,
            "man/lbd.kdl.5" | "docs/reference.md" => 4,
            _ => 0,
        };
        assert!(blocks.len() >= least, "{path}: {blocks:?}");
        for block in blocks {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("lbd.kdl");
            std::fs::write(&file, &block).unwrap();
            if let Err(report) = load(&file) {
                panic!("{path}: {report}\nin\n{block}");
            }
        }
    }
}

/// The words of a command line, as a shell takes them apart: blanks, both quotes, comments.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Parses a command line with the parser of the command that it calls; nothing when it calls another one.
fn parse(line: &str) -> Option<Result<(), String>> {
    let mut words = words(line);
    // What the shell does with the output is not the command's.
    let end = words.iter().position(|word| ["<", ">", "|", "&"].contains(&word.as_str()));
    words.truncate(end.unwrap_or(words.len()));
    // Who else runs it, or where, is not the command's either.
    let inside = ["docker", "kubectl"].contains(&words.first().map_or("", String::as_str));
    let start = words.iter().position(|word| if inside { word == "lbctl" } else { word != "sudo" });
    words.drain(..start.unwrap_or(0));
    let command = match words.first().map(String::as_str) {
        Some("lbd") => lbd::cli::command(),
        Some("lbctl") => lbctl::args::Cli::command(),
        _ => return None,
    };
    let parsed = command.try_get_matches_from(words).map(drop);
    // `--help` and `--version` are answers, not mistakes.
    Some(parsed.or_else(|error| if error.exit_code() == 0 { Ok(()) } else { Err(error.to_string()) }))
}

#[test]
fn every_command_that_is_shown_is_one_that_the_commands_take() {
    let mut seen = Vec::new();
    for (path, text) in texts() {
        let shown = blocks_of(&path, &text, "sh");
        let lines = shown.iter().flat_map(|block| block.lines());
        // In running text: `lbctl ready app/one`. Options in brackets make it a synopsis.
        let prose = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
        let prose =
            prose.filter(|code| code.contains(' ') && !code.contains('[') && !path.starts_with("man/lb"));
        for line in lines.chain(prose) {
            match parse(line) {
                Some(Err(error)) => panic!("{path} shows `{line}`: {error}"),
                Some(Ok(())) => seen.push(line.to_owned()),
                None => {}
            }
        }
    }
    assert!(seen.len() > 10 && seen.iter().any(|line| line.starts_with("lbctl drain")), "{seen:?}");
}

#[test]
fn a_command_that_does_not_exist_would_be_noticed() {
    assert!(matches!(parse("lbctl server drian app/one"), Some(Err(_))));
    assert!(matches!(parse("lbd run --nonsense x"), Some(Err(_))));
    assert!(matches!(parse("lbctl drain 'app/one' --reason \"two words\" # talk"), Some(Ok(()))));
    assert!(parse("curl http://127.0.0.1").is_none());
    assert!(matches!(parse("sudo lbctl drian app/one"), Some(Err(_))));
    assert!(matches!(parse("kubectl exec deploy/lbd -- lbctl statsu"), Some(Err(_))));
}

#[test]
fn no_block_hides_from_the_tests() {
    for (path, text) in texts().into_iter().filter(|(path, _)| path.ends_with(".md")) {
        let mut open = false;
        for fence in text.lines().filter_map(|line| line.strip_prefix("```")) {
            let known =
                ["kdl", "kdl expectations", "sh", "text", "json", "yaml", "rust", "diff"].contains(&fence);
            assert!(known || (open && fence.is_empty()), "{path}: a block of `{fence}`, which no test reads");
            open = !open;
        }
        // What can be run stands in a block whose commands are tried.
        for line in blocks(&text, "text").iter().flat_map(|block| block.lines()) {
            let hidden = ["lbd ", "lbctl "].iter().any(|start| line.starts_with(start));
            assert!(
                !hidden || parse(line).is_none_or(|parsed| parsed.is_err()),
                "{path}: `{line}` is a command"
            );
        }
        // Programs of the repository are where they are said to be.
        for line in blocks(&text, "sh").iter().flat_map(|block| block.lines()) {
            let words = words(line);
            let program = words.iter().find(|word| !word.contains('='));
            let ours = program.filter(|word| {
                ["packaging/", "benches/", "tests/", "examples/"].iter().any(|start| word.starts_with(start))
            });
            assert!(ours.is_none_or(|file| root().join(file).exists()), "{path}: there is no {ours:?}");
        }
    }
}

#[test]
fn the_book_names_all_its_pages_and_every_link_leads_somewhere() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for (path, text) in texts() {
        let page = Path::new(&path);
        if let (true, Some(name)) = (path.starts_with("docs/"), page.file_name().and_then(|n| n.to_str())) {
            let named =
                !name.ends_with(".md") || name == "SUMMARY.md" || summary.contains(&format!("({name})"));
            assert!(named, "docs/SUMMARY.md does not name {name}");
        }
        let folder = root().join(page.parent().unwrap_or(Path::new("")));
        let prose = text.split("```").step_by(2);
        let links =
            prose.flat_map(|prose| prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
        for link in links.filter(|link| path.ends_with(".md") && !link.contains("://")) {
            let file = link.split('#').next().unwrap_or(link);
            assert!(file.is_empty() || folder.join(file).exists(), "{path} links {link}, which is not there");
        }
    }
}

#[test]
fn the_finding_that_the_readme_shows_is_the_real_one() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown = blocks(&readme, "text")[0];
    let smallest = blocks(&readme, "kdl")[0];
    let server = "server \"127.0.0.1:9001\"";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lbd.kdl");
    std::fs::write(&path, smallest.replace(server, &format!("{server} wieght=5"))).unwrap();
    let report = load(&path).expect_err("a word that does not exist");
    let report = report.replace(&format!("{}/", dir.path().display()), "");
    for line in shown.lines() {
        assert!(
            report.lines().any(|real| real.trim_end() == line.trim_end()),
            "{line:?} is not in\n{report}"
        );
    }
}

#[test]
fn the_commands_of_the_readme_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let checks = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let commands = blocks(&readme, "sh");
    assert_eq!(commands[..2], ["cargo run --release -- demo", "cargo test --workspace"]);
    assert!(checks.contains(commands[1]), ".ci/run runs the README's test command");
}

#[test]
fn every_reason_of_an_answer_is_in_the_table_of_symptoms() {
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let source = std::fs::read_to_string(root().join("src/proxy/failure.rs")).unwrap();
    let rows = source.lines().filter(|line| line.trim_start().starts_with("Self::") && line.contains("=> ("));
    let reasons: Vec<&str> = rows.filter_map(|row| row.split('"').nth(1)).collect();
    assert!(reasons.len() > 25, "{reasons:?}");
    let missing: Vec<_> = reasons.iter().filter(|reason| !page.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md does not say what {missing:?} mean");
}

#[test]
fn the_thingworx_example_sends_each_path_where_the_product_wants_it() {
    let model = load(&root().join("examples/thingworx.kdl")).unwrap_or_else(|report| panic!("{report}"));
    let site = model.sites.last().expect("the default site");
    let mut routed: Vec<(String, String)> = Vec::new();
    for route in &site.routes {
        let config::model::Action::Pool(pool) = &route.action else { panic!("{route:?}") };
        let patterns = route.patterns.iter().map(|pattern| (pattern.to_string(), pool.to_string()));
        routed.extend(patterns);
    }
    routed.sort();
    let rows = [
        ("/", "platform"),
        ("/Thingworx/Composer/apps/flow", "flow"),
        ("/Thingworx/Flow", "flow"),
        ("/Thingworx/Lookups", "flow"),
        ("/Thingworx/Oauths", "flow"),
        ("/Thingworx/Subsystems/EventProcessingSubsystem/Subscriptions", "flow"),
        ("/Thingworx/Triggers", "flow"),
        ("/Thingworx/VWS", "connection-server"),
        ("/Thingworx/WS", "connection-server"),
        ("/Thingworx/WSTunnelClient", "connection-server"),
        ("/Thingworx/WSTunnelServer", "connection-server"),
        ("/enterprise/v1/fetchconfig", "flow"),
    ];
    let wanted: Vec<_> = rows.map(|(path, pool)| (path.to_owned(), pool.to_owned())).into();
    assert_eq!(routed, wanted);
    assert!(site.paths.ignore_case && site.paths.merge_slashes);
}
