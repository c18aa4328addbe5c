//! Reading, places, inputs and digests.

use super::*;

fn paths(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).collect()
}

#[test]
fn columns_count_code_points_and_lines_count_from_one() {
    let mut sources = Sources::default();
    let text = "a\r\nü😀b\n\nlast";
    let file = sources.add("x.kdl".into(), text);
    let at = |needle: &str| {
        let start = text.find(needle).unwrap();
        sources.line_column(Span::new(file, start..start))
    };
    assert_eq!(at("a"), (1, 1));
    assert_eq!(at("ü"), (2, 1));
    assert_eq!(at("b"), (2, 3));
    assert_eq!(at("last"), (4, 1));
    let end = Span::new(file, text.len()..text.len());
    assert_eq!(sources.line_column(end), (4, 5));
    assert_eq!(sources.place(end).to_string(), "x.kdl:4");
    assert_eq!(sources.line_column(Span::new(file, 9_999..9_999)), (4, 5), "beyond the end is the end");
}

#[test]
fn a_path_is_seen_from_the_file_that_names_it() {
    let check = |from: &str, path: &str, expected: &str| {
        assert_eq!(beside(Path::new(from), Path::new(path)), Path::new(expected), "{from} {path}");
    };
    check("/etc/lbd/lbd.kdl", "pools/a.kdl", "/etc/lbd/pools/a.kdl");
    check("/etc/lbd/lbd.kdl", "./../x.kdl", "/etc/x.kdl");
    check("/etc/lbd/lbd.kdl", "/run/x", "/run/x");
    check("lbd.kdl", "a.kdl", "a.kdl");
    check("lbd.kdl", "../a.kdl", "../a.kdl");
    check("../lbd.kdl", "../a.kdl", "../../a.kdl");
}

#[test]
fn a_glob_is_sorted_bytewise_and_skips_what_editors_leave() {
    let names = ["b.kdl", "a.kdl", "B.kdl", ".a.kdl.swp", ".hidden.kdl", "a.kdl~", "#a.kdl#", "4913"];
    let expected = ["B.kdl", "a.kdl", "b.kdl"];
    let directory = tempfile::tempdir().unwrap();
    let mut memory = MemLoader::new();
    for name in names {
        std::fs::write(directory.path().join(name), "x").unwrap();
        memory = memory.file(directory.path().join(name), "x");
    }
    std::fs::create_dir(directory.path().join("dir.kdl")).unwrap();
    memory = memory.file(directory.path().join("deeper/z.kdl"), "x");
    let pattern = directory.path().join("*");
    for loader in [&FsLoader as &dyn Loader, &memory] {
        let found = loader.glob(&pattern).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn the_file_system_gives_no_more_than_the_guard_needs_to_refuse() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.kdl");
    std::fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    assert_eq!(FsLoader.read(&path).unwrap().len(), super::super::guard::MAX_BYTES + 1);
    assert_eq!(FsLoader.read(&directory.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
}

/// The sources of a set that has read one file and looked into one directory.
fn read(loader: &MemLoader) -> Sources {
    let mut sources = Sources::default();
    for path in ["main.kdl", "secret", "missing"] {
        drop(sources.read(Path::new(path), loader));
    }
    for pattern in ["pools/*.kdl", "*.kdl"] {
        sources.glob(Path::new(pattern), loader).unwrap();
    }
    sources
}

#[test]
fn inputs_are_all_that_was_asked_for_there_or_not() {
    let sources = read(&MemLoader::new().file("main.kdl", "a").file("secret", "s"));
    let files = paths(&["main.kdl", "missing", "secret"]).into_iter().map(Input::File);
    let directories = paths(&[".", "pools"]).into_iter().map(Input::Directory);
    assert_eq!(sources.inputs(), files.chain(directories).collect::<Vec<_>>());
}

#[test]
fn the_digest_changes_with_every_input_and_with_nothing_else() {
    let base = MemLoader::new().file("main.kdl", "a").file("secret", "s");
    let sources = read(&base);
    assert_eq!(sources.digest(), read(&base).digest());
    assert_eq!(sources.digest(), sources.digest_now(&base.clone().file("other", "x").var("A", "b")));
    for changed in [
        base.clone().file("main.kdl", "b"),
        base.clone().file("secret", "t"),
        base.clone().file("missing", ""),
        base.clone().file("pools/new.kdl", ""),
        MemLoader::new().file("main.kdl", "a"),
    ] {
        assert_ne!(sources.digest(), sources.digest_now(&changed), "{changed:?}");
        assert_eq!(read(&changed).digest(), sources.digest_now(&changed), "read or looked at: the same");
    }
}
