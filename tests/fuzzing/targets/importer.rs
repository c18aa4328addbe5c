//! Imports of other balancers' configurations.

use std::path::Path;

use lbd::config::format;
use lbd::config::source::MemLoader;
use lbd::import::haproxy::import;

/// Each line that says something has one verdict, in order; what comes out is formatted, and the same each time.
pub(crate) fn haproxy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("haproxy.cfg");
    let loader = MemLoader::new().file("hosts.lst", b"a.example\nb.example\n");
    let imported = import(&text, path, &loader);
    let numbers: Vec<usize> = imported.report.lines.iter().map(|line| line.line).collect();
    assert_eq!(numbers, said(&text), "a verdict on every line that says something");
    for line in &imported.report.lines {
        assert!(!line.text.is_empty() && !line.text.contains('\n'), "{line:?}");
    }
    for number in &imported.report.lets_through {
        assert!(numbers.contains(number), "{number}");
    }
    drop((imported.report.table(), imported.report.summary()));
    for text in [&imported.config, &imported.tests] {
        let formatted = format::format(path, text);
        assert_eq!(formatted.ok().as_ref(), Some(text), "what comes out is KDL, and formatted");
    }
    let again = import(&text, path, &loader);
    assert_eq!((again.config, again.tests), (imported.config, imported.tests), "the same each time");
}

/// The numbers of the lines that are neither empty nor a comment.
fn said(text: &str) -> Vec<usize> {
    let says =
        |line: &str| !matches!(line.trim_start_matches([' ', '\t', '\r']).chars().next(), None | Some('#'));
    text.lines().enumerate().filter(|(_, line)| says(line)).map(|(at, _)| at + 1).collect()
}
