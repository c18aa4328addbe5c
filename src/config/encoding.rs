//! LB804: what most editors hide, and programs beside lbd stumble over: a mark of byte order, line ends of two kinds.

use super::diagnostic::{Diagnostic, Edit, FileId, Fix, Report, Severity, Span};
use super::source::Sources;

/// U+FEFF, as the first character of a file.
const MARK: &str = "\u{feff}";
/// Line ends that a fix changes one by one; of more, `lbd fmt` takes care.
const MOST: usize = 1000;

/// Looks at every file with text.
pub(super) fn check(sources: &Sources, report: &mut Report) {
    for (id, file) in sources.files() {
        let text = file.text();
        if text.starts_with(MARK) {
            let span = Span::new(id, 0..MARK.len());
            let hint =
                hint(span, "the file begins with a mark of byte order").label("U+FEFF, which nobody sees");
            report.push(hint.help("save it as UTF-8 without a mark (BOM)").fix(span, ""));
        }
        report.findings.extend(line_ends(id, text));
    }
}

fn line_ends(file: FileId, text: &str) -> Option<Diagnostic> {
    let (mut windows, mut plain) = (Vec::new(), Vec::new());
    for at in memchr::memchr_iter(b'\n', text.as_bytes()) {
        match text.as_bytes()[..at].last() {
            Some(b'\r') => windows.push(at - 1..at + 1),
            _ => plain.push(at..at + 1),
        }
    }
    let (odd, usual, name) = match windows.len() <= plain.len() {
        true => (windows, "\n", "CR LF"),
        false => (plain, "\r\n", "LF"),
    };
    let first = odd.first()?;
    let line = text[..first.start].rfind('\n').map_or(0, |at| at + 1);
    let line =
        line + text[line..first.start].find(|c: char| !c.is_whitespace() && c != '\u{feff}').unwrap_or(0);
    let count = odd.len();
    let lines = if count == 1 { "one line ends".to_owned() } else { format!("{count} lines end") };
    let hint = hint(Span::new(file, line..first.start), &format!("{lines} in {name}, the others do not"))
        .label(if count == 1 { "this one" } else { "the first of them" })
        .help("`lbd fmt` makes all of them LF");
    let edits = odd.iter().map(|end| Edit { span: Span::new(file, end.clone()), text: usual.to_owned() });
    Some(match count <= MOST {
        true => hint.fix_with(Fix { safe: true, edits: edits.collect(), ..Fix::default() }),
        false => hint,
    })
}

fn hint(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new("LB804", Severity::Hint, Some(span), message)
}

#[cfg(test)]
mod tests {
    use super::super::diagnostic::Severity;
    use super::super::testing::{BASE, findings};

    #[test]
    fn marks_and_line_ends_of_two_kinds_are_hinted_at_once() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(findings(text, Severity::Hint), expected, "{text:?}");
        };
        let windows = BASE.replace('\n', "\r\n");
        check(BASE, &[]);
        check(&windows, &[]);
        check(&format!("\u{feff}{BASE}"), &["LB804 1"]);
        check(&format!("{BASE}// a\r\n"), &["LB804 4"]);
        check(&format!("{windows}\n// a\n"), &["LB804 4"]);
        check(&format!("\u{feff}{BASE}\r\n"), &["LB804 1", "LB804 4"]);
    }
}
