//! The layers of the house, kept by looking at every path in the source.
//!
//! The tables here are the design: an import that they do not allow is a change of design, to be made here
//! first, in a commit of its own. Test modules are exempt.

use std::path::{Path, PathBuf};

mod scan;

use scan::Source;

/// Who may import whom, bottom up. `observe` only counts, so all that lives above it may count.
const LAYERS: &[(&str, &[&str])] = &[
    ("router", &[]),
    ("observe", &[]),
    ("config", &["router"]),
    ("pool", &["observe"]),
    ("limit", &[]),
    ("state", &["pool"]),
    ("tls", &["config"]),
    ("snapshot", &["config", "router", "tls", "pool", "limit", "observe"]),
    // The snapshot hands on plain values of the model as they are: edits of heads, addresses, log settings.
    ("proxy", &["router", "pool", "limit", "snapshot", "observe", "config::model"]),
    ("explain", &["router", "config", "pool", "tls", "snapshot", "proxy"]),
    ("health", &["pool", "snapshot", "observe"]),
    ("drain", &["pool", "snapshot", "observe"]),
    ("discover", &["pool", "snapshot", "observe", "config::model"]),
    ("cluster", &["pool", "snapshot", "observe"]),
    ("otlp", &["observe", "config::model"]),
    ("reload", &["config", "tls", "snapshot", "proxy", "health", "observe"]),
    ("control", &["router", "pool", "snapshot", "reload", "drain", "observe"]),
    // Its page asks what `lbctl` asks, of the same handlers.
    ("admin", &["pool", "snapshot", "reload", "observe", "config::model", "control"]),
    (
        "daemon",
        &[
            "router", "observe", "config", "pool", "tls", "snapshot", "proxy", "explain", "health", "drain",
            "discover", "cluster", "otlp", "reload", "control", "admin", "state",
        ],
    ),
    ("import", &["config", "router"]),
    ("cli", &["config", "router", "tls", "explain", "reload", "import", "daemon"]),
    ("main", &["cli"]),
];

/// What a module must never name, and where it may all the same.
const NEVER: &[(&str, &str, &[&str])] = &[
    ("router", "tokio", &[]),
    ("router", "std::net::TcpStream", &[]),
    ("config", "tokio", &[]),
    ("config", "std::fs", &["src/config/source.rs"]),
    ("import", "tokio", &[]),
    ("import", "std::fs", &[]),
    ("config", "Instant", &[]),
    ("config", "SystemTime", &[]),
    ("pool", "kdl", &[]),
    ("limit", "tokio", &[]),
    ("snapshot", "tokio::net", &[]),
    ("snapshot", "std::fs", &[]),
    ("proxy", "kdl", &[]),
    ("proxy", "lbctl", &[]),
    ("health", "lbctl", &[]),
    ("drain", "lbctl", &[]),
    ("discover", "lbctl", &[]),
    ("reload", "lbctl", &[]),
];

/// Where tasks may be spawned: they have an owner.
const SPAWNERS: &[&str] = &[
    "src/daemon",                    // owns every task and thread
    "src/health",                    // the reconciler owns the checkers
    "src/discover",                  // the registry owns the questions
    "src/proxy/accept.rs",           // the accept loop owns the connections
    "src/proxy/exchange/mirror.rs",  // a copy that nobody waits for, bounded in number and time
    "src/proxy/http2/client.rs",     // the worker owns its connections to servers
    "src/proxy/http2/connection.rs", // a connection owns the tunnels of its streams
    "src/proxy/http2/seats.rs",      // a worker owns the tasks that run exchanges of streams
    "src/proxy/worker.rs",           // and what is left of them at the end
    "src/admin",                     // its accept loop, on the steering thread
    "src/control",                   // its accept loop, on the steering thread
    "src/cli/demo/origin.rs",        // the embedded server's accept loop
];

#[test]
fn every_import_points_down_the_layer_table() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        wrong.extend(source.violations(LAYERS));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_module_has_its_row_in_the_layer_table() {
    for source in sources("src") {
        let module = source.module();
        let known = module == "lib" || LAYERS.iter().any(|(name, _)| *name == module);
        assert!(known, "{}: `{module}` has no row in LAYERS", source.name);
    }
}

#[test]
fn the_layer_table_has_no_circle() {
    for (at, (module, imports)) in LAYERS.iter().enumerate() {
        for import in *imports {
            let import = import.split("::").next().unwrap_or_default();
            let below = LAYERS[..at].iter().any(|(name, _)| *name == import);
            assert!(below, "`{module}` may import `{import}`, which stands beside or above it");
        }
    }
}

#[test]
fn no_module_names_what_it_must_never_contain() {
    for source in sources("src") {
        for (module, word, except) in NEVER {
            if source.module() == *module && !except.contains(&source.name.as_str()) {
                let lines = source.lines_naming(word);
                assert!(lines.is_empty(), "{}:{}: `{module}` must never name {word}", source.name, lines[0]);
            }
        }
    }
}

#[test]
fn there_is_one_atomic_pointer() {
    for source in sources("src") {
        for word in ["ArcSwap", "ArcSwapAny", "ArcSwapOption", "ArcSwapWeak"] {
            let lines = source.lines_naming(word);
            let here = lines.is_empty() || source.name == "src/snapshot/current.rs";
            assert!(here, "{}:{}: {word} belongs to src/snapshot/current.rs", source.name, lines[0]);
        }
    }
}

#[test]
fn tasks_are_spawned_by_their_owners_only() {
    for source in sources("src") {
        let allowed = SPAWNERS.iter().any(|place| source.name.starts_with(place));
        for word in ["tokio::spawn", "task::spawn", "spawn_local"] {
            let lines = source.lines_naming(word);
            assert!(allowed || lines.is_empty(), "{}:{}: {word} has no owner here", source.name, lines[0]);
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for source in ["src", "lbctl/src", "tests", "benches"].into_iter().flat_map(sources) {
        assert!(source.text.starts_with("//! "), "{} does not open with //!", source.name);
    }
}

#[test]
fn lbctl_does_not_depend_on_lbd() {
    let manifest = std::fs::read_to_string(root().join("lbctl/Cargo.toml")).unwrap();
    let mut lines = manifest.lines().filter(|line| !line.starts_with("description"));
    let named = lines.find(|line| line.split(['=', '.', ' ', ']', '"']).any(|word| word == "lbd"));
    assert_eq!(named, None, "lbctl/Cargo.toml");
    for source in sources("lbctl/src") {
        assert_eq!(source.lines_naming("lbd::"), Vec::<usize>::new(), "{}", source.name);
    }
}

/// The workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, sorted.
fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} has no source");
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        Source::new(name, std::fs::read_to_string(path).unwrap())
    };
    let all: Vec<Source> = files.into_iter().map(read).collect();
    let tests: Vec<String> = all.iter().flat_map(Source::test_modules).collect();
    all.into_iter().map(|source| source.exempt_if(&tests)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
