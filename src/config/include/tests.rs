//! Which files make one set, and what is said about those that do not.

use super::super::source::{Input, MemLoader};
use super::*;

fn read(loader: &MemLoader) -> (Vec<String>, Vec<String>, Sources) {
    let mut reader = Reader::new(loader);
    let nodes = reader.main(Path::new("/c/main.kdl"));
    let names = nodes.into_iter().map(|node| node.name.value).collect();
    let findings = reader.report.findings.iter();
    let findings = findings.map(|finding| format!("{} {}", finding.code, finding.message)).collect();
    (names, findings, reader.sources)
}

fn main_file(text: &str) -> MemLoader {
    MemLoader::new().file("/c/main.kdl", text)
}

#[test]
fn files_are_spliced_relative_to_the_one_that_names_them() {
    let loader = main_file("a\ninclude \"sub/b.kdl\" \"pools/*.kdl\"\nz")
        .file("/c/sub/b.kdl", "b\ninclude \"c.kdl\" \"../d.kdl\"")
        .file("/c/sub/c.kdl", "c")
        .file("/c/d.kdl", "d")
        .file("/c/pools/2.kdl", "p2")
        .file("/c/pools/1.kdl", "p1")
        .file("/c/pools/1.kdl~", "never");
    let (names, findings, sources) = read(&loader);
    assert_eq!(names, ["a", "b", "c", "d", "p1", "p2", "z"]);
    assert_eq!(findings, Vec::<String>::new());
    assert!(sources.complete());
    let directories: Vec<Input> =
        sources.inputs().into_iter().filter(|input| matches!(input, Input::Directory(_))).collect();
    assert_eq!(directories, [Input::Directory("/c/pools".into())]);
    assert_eq!(sources.inputs().len(), 7);
}

#[test]
fn a_file_named_twice_is_read_once() {
    let loader = main_file("include \"x.kdl\" \"*.kd?\" \"x.kdl\"\n").file("/c/x.kdl", "x");
    let (names, findings, _) = read(&main_file("include \"x.kdl\" \"x*.kdl\"").file("/c/x.kdl", "x"));
    assert_eq!((names, findings), (vec!["x".to_owned()], vec![]));
    let (names, findings, _) = read(&loader);
    assert_eq!(names, ["x"]);
    assert_eq!(findings, ["LB110 files include one another in a circle"], "a pattern may match its own file");
}

#[test]
fn a_circle_is_shown_whole() {
    let loader = main_file("include \"a.kdl\"")
        .file("/c/a.kdl", "include \"b.kdl\"\na")
        .file("/c/b.kdl", "include \"./a.kdl\"\nb");
    let mut reader = Reader::new(&loader);
    reader.main(Path::new("/c/main.kdl"));
    let [finding] = &reader.report.findings[..] else { panic!("{:?}", reader.report) };
    assert_eq!(finding.code, "LB110");
    assert_eq!(finding.help, ["/c/a.kdl → /c/b.kdl → /c/a.kdl"]);
    assert_eq!(reader.sources.place(finding.span.unwrap()).to_string(), "/c/b.kdl:1");
}

#[test]
fn what_is_missing_is_an_error_unless_it_is_optional() {
    let (_, findings, sources) = read(&main_file("include \"x.kdl\"\ninclude \"p/*.kdl\""));
    assert_eq!(
        findings,
        ["LB110 cannot read `/c/x.kdl`: no such file", "LB110 no file matches `/c/p/*.kdl`"]
    );
    assert!(!sources.complete(), "what these files say is not known");
    let (names, findings, sources) =
        read(&main_file("a\ninclude \"x.kdl\" optional=#true\ninclude \"p/*.kdl\" optional=#true"));
    assert_eq!(names, ["a"]);
    assert_eq!(findings, ["LB109 no file matches `/c/p/*.kdl`"]);
    assert!(sources.complete());
    assert_eq!(sources.inputs().len(), 3, "it is watched for, though it is not there");
}

#[test]
fn the_main_file_unread_is_a_finding_without_a_place() {
    let mut reader = Reader::new(&NOTHING);
    assert_eq!(reader.main(Path::new("/c/main.kdl")), []);
    assert_eq!(reader.report.findings[0].span, None);
    assert_eq!(reader.report.findings[0].message, "cannot read /c/main.kdl: no such file");
    assert!(!reader.sources.complete());
}

struct Nothing;
static NOTHING: Nothing = Nothing;
impl Loader for Nothing {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

#[test]
fn a_path_may_come_from_the_environment_and_not_from_a_let() {
    let loader = main_file("let d \"x\"\ninclude \"${env:DIR}/a.kdl\" \"${d}/b.kdl\"")
        .var("DIR", "sub")
        .file("/c/sub/a.kdl", "a");
    let (names, findings, _) = read(&loader);
    assert_eq!(names, ["let", "a"]);
    assert_eq!(findings, ["LB111 `${d}` has no value"]);
}

#[test]
fn each_file_stands_alone_syntactically() {
    let loader =
        main_file("include \"a.kdl\" \"b.kdl\"\nlast 5s").file("/c/a.kdl", "a {").file("/c/b.kdl", "b\n}\n");
    let (names, findings, _) = read(&loader);
    assert_eq!(names, ["b", "last"]);
    let codes: Vec<&str> = findings.iter().map(|finding| &finding[..6]).collect();
    assert_eq!(codes, ["KDL001", "KDL008", "KDL009"]);
}

#[test]
fn an_endless_chain_of_files_ends() {
    let mut loader = MemLoader::new();
    for n in 0..40 {
        let name = if n == 0 { "/c/main.kdl".to_owned() } else { format!("/c/{n}.kdl") };
        loader = loader.file(name, format!("include \"{}.kdl\"", n + 1));
    }
    assert_eq!(read(&loader).1, ["LB110 files include one another deeper than 16"]);
}

#[test]
fn too_large_a_file_is_refused_unread() {
    let (names, findings, _) = read(&MemLoader::new().file("/c/main.kdl", vec![b' '; guard::MAX_BYTES + 1]));
    assert_eq!(names, Vec::<String>::new());
    assert_eq!(findings, ["KDL019 the file is larger than 4 MiB"]);
}
