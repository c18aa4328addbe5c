//! The ways in which editors and deployments save a file: each is seen, and twice in a row.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Client, Daemon, eventually};

fn text(word: &str) -> String {
    format!("route \"/\" {{ respond 200 body=\"{word}\"; }}\n")
}

/// Runs the included file through one way of saving, twice. `prepare` may turn it into a link first; it gives
/// the file that stands in `conf`.
fn is_seen(way: &str, prepare: impl Fn(&Path), save: impl Fn(&Path, &str)) {
    // Not below /tmp: editors treat files there in another way.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let conf = dir.path().join("conf");
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("site.kdl"), text("zero")).unwrap();
    prepare(&conf);
    let daemon = Daemon::run(&format!("include \"{}/site.kdl\"\n", conf.display()));
    for word in ["first", "second"] {
        save(&conf, word);
        eventually(&format!("{way}: {word} is live"), || {
            (Client::fetch(daemon.address(), "/").text() == word).then_some(())
        });
    }
}

fn site(conf: &Path) -> PathBuf {
    conf.join("site.kdl")
}

fn nothing(_: &Path) {}

#[test]
fn written_in_place() {
    is_seen("in place", nothing, |conf, word| fs::write(site(conf), text(word)).unwrap());
}

#[test]
fn renamed_over() {
    is_seen("rename", nothing, |conf, word| {
        fs::write(conf.join("site.tmp"), text(word)).unwrap();
        fs::rename(conf.join("site.tmp"), site(conf)).unwrap();
    });
}

#[test]
fn deleted_and_made_anew() {
    is_seen("anew", nothing, |conf, word| {
        fs::remove_file(site(conf)).unwrap();
        fs::write(site(conf), text(word)).unwrap();
    });
}

#[test]
fn edited_by_sed() {
    is_seen("sed -i", nothing, |conf, word| {
        let script = format!("s/body=\"[a-z]*\"/body=\"{word}\"/");
        assert!(Command::new("sed").arg("-i").arg(script).arg(site(conf)).status().unwrap().success());
    });
}

#[test]
fn edited_by_vim() {
    if Command::new("vim").arg("--version").output().is_err() {
        eprintln!("vim is not installed: this way of saving was not tried");
        return;
    }
    for copy in ["auto", "yes", "no"] {
        is_seen(&format!("vim, backupcopy={copy}"), nothing, |conf, word| {
            let status = Command::new("vim")
                .args(["-u", "NONE", "-i", "NONE", "-n", "-e", "-s", "-c"])
                .arg(format!("set backupskip= writebackup backupcopy={copy}"))
                .args(["-c", &format!("%s/body=\"[a-z]*\"/body=\"{word}\"/"), "-c", "wq"])
                .arg(site(conf))
                .status();
            assert!(status.unwrap().success());
        });
    }
}

#[test]
fn a_link_that_is_swapped() {
    let prepare = |conf: &Path| {
        fs::rename(site(conf), conf.join("v0")).unwrap();
        symlink("v0", site(conf)).unwrap();
    };
    is_seen("ln -sfn", prepare, |conf, word| {
        fs::write(conf.join(word), text(word)).unwrap();
        symlink(word, conf.join("link.tmp")).unwrap();
        fs::rename(conf.join("link.tmp"), site(conf)).unwrap();
    });
}

#[test]
fn a_link_whose_target_is_edited_elsewhere() {
    let elsewhere = |conf: &Path| conf.parent().unwrap().join("elsewhere");
    let prepare = move |conf: &Path| {
        fs::create_dir(elsewhere(conf)).unwrap();
        fs::rename(site(conf), elsewhere(conf).join("real.kdl")).unwrap();
        symlink(elsewhere(conf).join("real.kdl"), site(conf)).unwrap();
    };
    is_seen("target", prepare, move |conf, word| {
        fs::write(elsewhere(conf).join("new"), text(word)).unwrap();
        fs::rename(elsewhere(conf).join("new"), elsewhere(conf).join("real.kdl")).unwrap();
    });
}

#[test]
fn a_kubernetes_volume_that_swaps_its_data() {
    let prepare = |conf: &Path| {
        fs::create_dir(conf.join("..v0")).unwrap();
        fs::rename(site(conf), conf.join("..v0/site.kdl")).unwrap();
        symlink("..v0", conf.join("..data")).unwrap();
        symlink("..data/site.kdl", site(conf)).unwrap();
    };
    is_seen("..data", prepare, |conf, word| {
        let version = format!("..{word}");
        fs::create_dir(conf.join(&version)).unwrap();
        fs::write(conf.join(&version).join("site.kdl"), text(word)).unwrap();
        let before = fs::read_link(conf.join("..data")).unwrap();
        symlink(&version, conf.join("..data_tmp")).unwrap();
        fs::rename(conf.join("..data_tmp"), conf.join("..data")).unwrap();
        fs::remove_dir_all(conf.join(before)).unwrap();
    });
}

#[test]
fn a_new_file_that_a_glob_finds() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(dir.path().join("a.kdl"), text("root")).unwrap();
    let daemon = Daemon::run(&format!("include \"{}/*.kdl\"\n", dir.path().display()));
    assert_eq!(Client::fetch(daemon.address(), "/new").text(), "root");
    fs::write(dir.path().join("b.kdl"), "route \"/new\" { respond 200 body=\"new\"; }\n").unwrap();
    eventually("the new file is live", || {
        (Client::fetch(daemon.address(), "/new").text() == "new").then_some(())
    });
    fs::remove_file(dir.path().join("b.kdl")).unwrap();
    eventually("the removed file is gone", || {
        (Client::fetch(daemon.address(), "/new").text() == "root").then_some(())
    });
}
