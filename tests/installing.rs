//! What a user installs: versions, completions, and what stands in `packaging`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lbd::config::source::FsLoader;
use lbd::config::{self, render};
use yaml_rust2::{Yaml, YamlLoader};

use crate::proxying;
use crate::support::{Daemon, Origin, lbctl, lbd_bin};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn output(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect("it can be started");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn both_programs_tell_version_commit_build_and_features() {
    for program in [lbd_bin(), lbctl::bin()] {
        let name = program.file_name().unwrap().to_str().unwrap().to_owned();
        let first = format!("{name} {}", env!("CARGO_PKG_VERSION"));
        assert_eq!(output(&program, &["-V"]).trim_end(), first);
        let long = output(&program, &["--version"]);
        let words: Vec<&str> = long.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(words, [name.as_str(), "commit", "built", "features"], "{long}");
        assert!(long.starts_with(&first) && long.lines().all(|line| line.contains(' ')), "{long}");
    }
}

/// What bash offers for the last of these words.
fn offered(script: &str, words: &[&str], socket: &Path) -> Vec<String> {
    let text = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={}\n{} {} '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
        if words[0] == "lbctl" { "_lbctl_named" } else { "_lbd" },
        words[0],
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let beside = lbctl::bin().parent().unwrap().to_owned();
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &text]).env("PATH", path).env("LBD_SOCKET", socket);
    let output = bash.output().expect("bash can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_the_names_of_servers() {
    // Where no bash is, there is nothing to ask.
    if Command::new("bash").arg("--version").output().is_err() {
        return;
    }
    let nowhere = Path::new("/nonexistent/control.sock");
    let lbd = output(&lbd_bin(), &["completions", "bash"]);
    assert_eq!(offered(&lbd, &["lbd", "doc"], nowhere), ["doctor"]);
    assert_eq!(offered(&lbd, &["lbd", "run", "--stat"], nowhere), ["--state-dir"]);
    let script = output(&lbctl::bin(), &["completions", "bash"]);
    assert_eq!(offered(&script, &["lbctl", "dra"], nowhere), ["drain"]);
    assert_eq!(offered(&script, &["lbctl", "drain", "app/"], nowhere), [""; 1], "nobody serves");
    let origin = Origin::echo("s0");
    let daemon = Daemon::run(&proxying::config(&[&origin, &origin], "", ""));
    let socket = daemon.config().with_file_name("control.sock");
    assert_eq!(offered(&script, &["lbctl", "drain", "app/"], &socket), ["app/s0", "app/s1"]);
    assert_eq!(offered(&script, &["lbctl", "pool", "show", ""], &socket).last().unwrap(), "app");
}

#[test]
fn completions_are_made_for_every_shell_that_the_package_serves() {
    for program in [lbd_bin(), lbctl::bin()] {
        let name = program.file_name().unwrap().to_str().unwrap().to_owned();
        for (shell, word) in [("zsh", "#compdef"), ("fish", "complete -c"), ("bash", "complete -F")] {
            let script = output(&program, &["completions", shell]);
            assert!(
                script.contains(&format!("{word} {}", if shell == "bash" { "" } else { name.as_str() })),
                "{shell}"
            );
        }
    }
}

fn load(path: &Path) -> config::model::Model {
    let loaded = config::load(path, &FsLoader);
    let report = render::human(&loaded.report, &loaded.sources, false);
    assert!(loaded.report.findings.is_empty(), "{report}");
    loaded.model.expect("a model")
}

fn load_text(text: &str) -> config::model::Model {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lbd.kdl");
    std::fs::write(&path, text).unwrap();
    load(&path)
}

#[test]
fn what_is_configured_at_first_loads_and_opens_no_more_than_it_says() {
    let package = load(&root().join("packaging/deb/lbd.kdl"));
    let addresses = package.listeners.iter().map(|listener| listener.address);
    let addresses: Vec<_> = addresses.chain(package.status.iter().map(|status| status.address)).collect();
    assert!(!addresses.is_empty());
    for address in addresses {
        assert!(address.ip.is_some_and(|ip| ip.is_loopback()), "{address} is reachable from outside");
    }
    let image = load(&root().join("packaging/docker/lbd.kdl"));
    let dockerfile = read("Dockerfile");
    for port in [image.listeners[0].address.port, image.status.expect("a status").address.port] {
        let exposed = dockerfile.lines().find(|line| line.starts_with("EXPOSE")).unwrap();
        assert!(exposed.split(' ').any(|word| word == port.to_string()), "{exposed}");
    }
}

/// The manifests by kind.
fn manifests() -> BTreeMap<String, Yaml> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("packaging/kubernetes")).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in YamlLoader::load_from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        {
            found.insert(document["kind"].as_str().expect("a kind").to_owned(), document);
        }
    }
    found
}

#[test]
fn the_manifests_of_kubernetes_agree_with_the_configuration_in_them() {
    let all = manifests();
    let kdl = all["ConfigMap"]["data"]["lbd.kdl"].as_str().expect("a configuration");
    let model = load_text(kdl);
    let status = model.status.expect("a status");
    let spec = &all["Deployment"]["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    let ports: BTreeMap<&str, i64> = container["ports"]
        .as_vec()
        .unwrap()
        .iter()
        .map(|port| (port["name"].as_str().unwrap(), port["containerPort"].as_i64().unwrap()))
        .collect();
    assert_eq!(ports["http"], i64::from(model.listeners[0].address.port));
    assert_eq!(ports["status"], i64::from(status.address.port));
    for (probe, path) in [("livenessProbe", &status.live), ("readinessProbe", &status.ready)] {
        let get = &container[probe]["httpGet"];
        assert_eq!((get["path"].as_str(), get["port"].as_str()), (Some(&**path), Some("status")), "{probe}");
    }
    let grace = spec["terminationGracePeriodSeconds"].as_i64().unwrap();
    let needed = status.drain_delay.as_secs() + 30;
    assert!(grace >= i64::try_from(needed).unwrap(), "{grace} s, and the end may take {needed}");
    let mounts = container["volumeMounts"].as_vec().unwrap();
    let config = mounts.iter().find(|mount| mount["name"].as_str() == Some("config")).unwrap();
    assert!(config["subPath"].is_badvalue(), "LB805: a file that is mounted alone never changes");
    let selector = &all["Deployment"]["spec"]["selector"]["matchLabels"];
    for kind in ["PodDisruptionBudget", "Service"] {
        let spec = &all[kind]["spec"]["selector"];
        let labels = if kind == "Service" { spec } else { &spec["matchLabels"] };
        assert_eq!(labels, selector, "{kind}");
    }
    let files = all["Kustomization"]["resources"].as_vec().unwrap();
    assert_eq!(files.len() + 1, std::fs::read_dir(root().join("packaging/kubernetes")).unwrap().count());
}

#[test]
fn the_unit_the_package_and_the_image_name_the_same_places() {
    let (unit, build, image) =
        (read("packaging/systemd/lbd.service"), read("packaging/deb/build"), read("Dockerfile"));
    for program in ["/usr/bin/lbd", "/usr/bin/lbctl"] {
        assert!(
            unit.contains(program) && build.contains(&program[1..]) && image.contains(program),
            "{program}"
        );
    }
    assert!(unit.contains("run /etc/lbd/lbd.kdl") && build.contains("etc/lbd/lbd.kdl"));
    assert!(unit.contains("StateDirectory=lbd") && image.contains("LBD_STATE_DIR=/var/lib/lbd"));
    let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
    assert!(read("packaging/deb/debian/postinst").contains(&format!("balancer\" {user}\n")));
}
