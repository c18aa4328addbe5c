//! Every way in which files are saved, each twice: one reload for each change, none for what is no change.

use super::*;

/// A way to save: how the directory is laid out, and how `$TEXT` gets into the configuration.
struct Way {
    name: &'static str,
    layout: &'static str,
    edit: &'static str,
}

const PLAIN: &str = "echo \"$TEXT\" > lbd.kdl";

const WAYS: [Way; 9] = [
    Way { name: "in place", layout: PLAIN, edit: PLAIN },
    Way { name: "rename over", layout: PLAIN, edit: "echo \"$TEXT\" > new; mv new lbd.kdl" },
    Way { name: "sed -i", layout: PLAIN, edit: "sed -i \"s/.*/$TEXT/\" lbd.kdl" },
    Way { name: "delete and create", layout: PLAIN, edit: "rm lbd.kdl; echo \"$TEXT\" > lbd.kdl" },
    Way {
        name: "ln -sfn",
        layout: "echo \"$TEXT\" > first; ln -s first lbd.kdl",
        edit: "echo \"$TEXT\" > \"to-$N\"; ln -sfn \"to-$N\" lbd.kdl",
    },
    Way {
        name: "a directory link is swapped",
        layout: "mkdir one; echo \"$TEXT\" > one/lbd.kdl; ln -s one current; ln -s current/lbd.kdl lbd.kdl",
        edit: "mkdir \"to-$N\"; echo \"$TEXT\" > \"to-$N/lbd.kdl\"; ln -sfn \"to-$N\" current",
    },
    Way {
        name: "Kubernetes ..data",
        layout: "mkdir ..v0; echo \"$TEXT\" > ..v0/lbd.kdl; ln -s ..v0 ..data; ln -s ..data/lbd.kdl lbd.kdl",
        edit: "old=$(readlink ..data); mkdir \"..v-$N\"; echo \"$TEXT\" > \"..v-$N/lbd.kdl\"
               ln -s \"..v-$N\" ..data_tmp; mv -T ..data_tmp ..data; rm -r \"$old\"",
    },
    Way {
        name: "the link stays, its target is edited elsewhere",
        layout: "mkdir else; echo \"$TEXT\" > else/real.kdl; ln -s else/real.kdl lbd.kdl",
        edit: "echo \"$TEXT\" > else/real.kdl",
    },
    Way {
        name: "a slow writer",
        layout: PLAIN,
        edit: "{ printf 'server a\\n'; sleep 0.15; printf 'server b\\n'; sleep 0.15; sleep 0.15
               echo \"$TEXT\"; } > lbd.kdl",
    },
];

const VIM: [Way; 3] = [
    Way {
        name: "vim",
        layout: PLAIN,
        edit: "vim -es -u NONE -i NONE -N -c 'set backupskip= writebackup' -c \"1s/.*/$TEXT/\" -c wq lbd.kdl",
    },
    Way {
        name: "vim backupcopy=no",
        layout: PLAIN,
        edit: "vim -es -u NONE -i NONE -N -c 'set backupskip= writebackup backupcopy=no' -c \"1s/.*/$TEXT/\" -c wq lbd.kdl",
    },
    Way {
        name: "vim backupcopy=yes",
        layout: PLAIN,
        edit: "vim -es -u NONE -i NONE -N -c 'set backupskip= writebackup backupcopy=yes' -c \"1s/.*/$TEXT/\" -c wq lbd.kdl",
    },
];

const GIT: Way = Way {
    name: "git checkout",
    layout: "git init -q .; echo \"$TEXT\" > lbd.kdl",
    edit: "id=$(echo \"$TEXT\" | git hash-object -w --stdin)
           git update-index --add --cacheinfo \"100644,$id,lbd.kdl\"; git checkout-index -f lbd.kdl",
};

fn bench(layout: &str, timing: Timing) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    shell(dir.path(), layout, "server zero");
    Bench::on(dir, timing)
}

/// A busy machine may keep a shell for seconds from closing what it writes.
fn patient() -> Timing {
    Timing { writer: PATIENCE / 4, settle_max: PATIENCE / 4, ..Timing::default() }
}

/// Two edits, then a rename as a full stop: exactly these three are published.
fn check(way: &Way, timing: Timing) {
    let bench = bench(way.layout, timing);
    for server in ["one", "two"] {
        shell(bench.dir.path(), way.edit, &format!("server {server}"));
        bench.wait("the edit", || bench.published().last().is_some_and(|last| last.ends_with(server)));
    }

    // The full stop replaces whatever stands at the main path, and must be the fourth and last.
    shell(bench.dir.path(), "echo \"$TEXT\" > stop; mv -T stop lbd.kdl", "server stop");
    bench.wait_for("stop");
    let mut all = bench.published();
    // Without events nobody knows of a writer between his two steps, however long those take.
    all.retain(|text| timing.events || !text.is_empty());
    let slow = if way.name == "a slow writer" { "a b " } else { "" };
    let expected = ["zero".into(), format!("{slow}one"), format!("{slow}two"), "stop".into()];
    assert_eq!(all, expected, "{}", way.name);
    assert!(bench.handle.state().rejected.is_none());
}

fn check_all(ways: &[Way], timing: Timing) {
    std::thread::scope(|scope| {
        for way in ways {
            scope.spawn(move || check(way, timing));
        }
    });
}

fn installed(program: &str) -> bool {
    let found = Process::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

#[test]
fn one_reload_for_each_change_however_it_is_saved() {
    check_all(&WAYS, patient());
}

#[test]
fn one_reload_for_each_save_of_vim() {
    if installed("vim") {
        check_all(&VIM, patient());
    }
}

#[test]
fn one_reload_for_each_checkout_of_git() {
    if installed("git") {
        check(&GIT, patient());
    }
}

#[test]
fn polling_alone_sees_every_change_too() {
    let timing = Timing { events: false, poll: Some(Duration::from_millis(100)), ..patient() };
    // All but the slow writer: without events nobody knows that he has not finished.
    check_all(&WAYS[..8], timing);
}

#[test]
fn no_reload_when_nothing_changed() {
    for edit in [
        "touch lbd.kdl",
        "chmod 600 lbd.kdl",
        "chmod 644 lbd.kdl",
        "echo x > other; rm other",
        "cat lbd.kdl > copy; cat copy > lbd.kdl",
    ] {
        let bench = bench(PLAIN, Timing::default());
        for _ in 0..2 {
            bench.looked_after(|| shell(bench.dir.path(), edit, ""));
        }
        shell(bench.dir.path(), PLAIN, "server stop");
        bench.wait_for("stop");
        assert_eq!(bench.published(), ["zero", "stop"], "{edit}");
        assert_eq!(bench.handle.state().generation, 2);
    }
}

#[test]
fn reading_the_files_is_no_reason_to_read_them_again() {
    let bench = bench(PLAIN, Timing::default());
    bench.looked_after(|| shell(bench.dir.path(), "touch lbd.kdl", ""));
    let begin = Instant::now();
    // A neighbour is only a reason to look after five quiet times; were an open file one, it would be after one.
    bench.looked_after(|| shell(bench.dir.path(), "cat lbd.kdl; echo x > other; cat lbd.kdl", ""));
    assert!(begin.elapsed() > Duration::from_millis(400), "looked after {:?}", begin.elapsed());
}
