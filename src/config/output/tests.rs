//! Each format, drawn for one file set that has a bit of everything: `tests/golden/output`.

use std::path::Path;

use super::super::load;
use super::super::source::MemLoader;
use super::*;

/// Two files: letters of several bytes, an error with a fix, a second place in another file, what is allowed.
fn example() -> Vec<Checked> {
    let main = "include \"pools.kdl\"\nlisten \":80\"\n// für alle: 100%\nroute \"/äöü\" pool=ap\nroute \"/\" pool=app\n\
                pool app { server \"10.0.0.3:1\"; }\n";
    let pools = "pool app {\n  server \"10.0.0.1:1\"\n}\n// lint-allow LB301: a lab, until June\npool lab {\n  \
                 server \"10.0.0.1:1\"\n  server \"10.0.0.2:1\"\n}\nroute \"/lab\" pool=lab\nlet unused \"<&>\"\n";
    let loader = MemLoader::new().file("lbd.kdl", main).file("pools.kdl", pools);
    let empty = MemLoader::new().file("sub dir/empty.kdl", "listen \":80\"\n");
    let one = |path: &str, loader: &MemLoader| {
        let loaded = load(Path::new(path), loader);
        Checked { main: path.into(), report: loaded.report, sources: loaded.sources }
    };
    vec![one("lbd.kdl", &loader), one("sub dir/empty.kdl", &empty)]
}

#[track_caller]
fn check(name: &str, format: Format) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/output").join(name);
    // The version is that of the program, and the pages have a test of their own.
    let drawn = write(format, &example(), Severity::Error);
    if std::env::var_os("LBD_BLESS").is_some() {
        std::fs::write(&golden, &drawn).unwrap();
    }
    assert_eq!(drawn, std::fs::read_to_string(&golden).unwrap_or_default(), "LBD_BLESS=1 writes it anew");
}

#[test]
fn each_format_is_as_its_golden_file_says() {
    check("plain.txt", Format::Plain);
    check("lbd.json", Format::Json);
    check("github.txt", Format::Github);
    check("gitlab.json", Format::Gitlab);
    check("junit.xml", Format::Junit);
}

#[test]
fn columns_count_letters_and_the_end_is_behind() {
    let mut sources = Sources::default();
    let file = sources.add("x".into(), "äö\n\"日本\" b\n");
    let region = Region::of(Span::new(file, 5..13), &sources);
    assert_eq!((region.start.line, region.start.column, region.start.byte), (2, 1, 5));
    assert_eq!((region.end.line, region.end.column, region.end.byte), (2, 5, 13));
}

#[test]
fn a_fingerprint_outlives_lines_that_come_and_go_and_tells_equal_findings_apart() {
    let prints = |text: &str| -> Vec<String> {
        let loaded = load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", text));
        let mut prints = Fingerprints::default();
        loaded.report.findings.iter().map(|finding| prints.next(finding, "lbd.kdl")).collect()
    };
    let text = "listen \":80\"\npool a { server \"10.0.0.1:1\" x=1; server \"10.0.0.2:1\" x=1; health tcp; }\nroute \"/\" pool=a\n";
    let first = prints(text);
    assert_eq!(first.len(), 2, "{first:?}");
    assert_ne!(first[0], first[1]);
    assert_eq!(prints(&format!("// one line more\n\n{text}")), first);
}

#[test]
fn what_a_format_must_not_hold_is_escaped() {
    let mut one = example().remove(0);
    one.report.findings.retain(|finding| finding.code == "LB103");
    one.report.findings[0].message = "100% of <a> & \"b\"\r\nand\u{7} c".to_owned();
    let github = write(Format::Github, std::slice::from_ref(&one), Severity::Error);
    assert!(github.contains("::100%25 of <a> & \"b\"%0D%0Aand"), "{github}");
    assert_eq!(github.lines().count(), 2, "{github}");
    let junit = write(Format::Junit, std::slice::from_ref(&one), Severity::Error);
    assert!(junit.contains("message=\"100% of &lt;a&gt; &amp; &quot;b&quot;\nand c\""), "{junit}");
}

#[test]
fn what_is_not_severe_enough_fails_no_test() {
    let text = "let a \"1\"\nlisten \":80\"\npool app { server \"10.0.0.1:1\"; }\nroute \"/\" pool=app\n";
    let loaded = load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", text));
    let one = [Checked { main: "lbd.kdl".into(), report: loaded.report, sources: loaded.sources }];
    assert!(write(Format::Junit, &one, Severity::Error).contains("failures=\"0\""));
    assert!(write(Format::Junit, &one, Severity::Warning).contains("failures=\"1\""));
}
