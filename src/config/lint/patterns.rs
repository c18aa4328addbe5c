//! LB208, as far as such a pattern loads: what stands in it and in no path as it is compared, and stars.

use std::collections::HashMap;

use super::super::ast::route::{Route as WrittenRoute, is_own_text};
use super::super::diagnostic::{Diagnostic, Edit, Span};
use super::super::patterns::plain;
use super::{Subject, edits};
use crate::router::{Pattern, PatternKind};

pub(super) fn run(s: &Subject<'_>) {
    stars(s);
    s.written.sites.iter().for_each(|site| roundabout(s, &site.routes, site.paths.merge_slashes));
}

/// Patterns that say in more words what they mean. The fix is safe: what is written finds nothing else than what it
/// is mended to, and no other route says that.
fn roundabout(s: &Subject<'_>, routes: &[WrittenRoute<'_>], merges: bool) {
    let meant = |pattern: &Pattern| plain(pattern.kind(), pattern.as_str());
    let mut said: HashMap<(PatternKind, String), usize> = HashMap::new();
    for pattern in routes.iter().flat_map(|route| &route.patterns).map(|pattern| &pattern.value) {
        let text = meant(pattern).unwrap_or_else(|| pattern.as_str().to_owned());
        *said.entry((pattern.kind(), text.to_ascii_lowercase())).or_default() += 1;
    }
    for (route, pattern) in routes.iter().flat_map(|route| route.patterns.iter().map(move |one| (route, one)))
    {
        let Some(plain) = meant(&pattern.value) else { continue };
        let text = pattern.value.as_str();
        let (message, label) = if text.contains("//") && !merges {
            let label = "a `//` in a path is no `/`: such a request finds this alone, or is refused";
            (format!("`{text}` has a segment that is empty"), label)
        } else if text.trim_end_matches('/') == plain {
            (format!("the slash at the end of `{text}` means nothing"), "the path itself, and all below it")
        } else {
            let label =
                if text.contains("//") { "slashes are merged here" } else { "paths are compared decoded" };
            (format!("`{text}` is `{plain}` in other words"), label)
        };
        let finding = Diagnostic::warning("LB208", pattern.span, message).label(label);
        let finding = finding.help(format!("write \"{plain}\""));
        let alone = said.get(&(pattern.value.kind(), plain.to_ascii_lowercase())) == Some(&1);
        let edit = (alone && is_own_text(route.reader, pattern.span))
            .then(|| Edit { span: pattern.span, text: format!("\"{plain}\"") });
        s.push(edits::safe(finding, edit));
    }
}

/// LB208: `*` is a letter like others, and the paths that are meant need none.
fn stars(s: &Subject<'_>) {
    let routes = s.written.sites.iter().flat_map(|site| &site.routes);
    for (route, pattern) in routes.flat_map(|route| route.patterns.iter().map(move |one| (route, one))) {
        let text = pattern.value.as_str();
        let plain = matches!(pattern.value.kind(), PatternKind::Prefix | PatternKind::Exact);
        if !plain || !text.split(['{', '}']).step_by(2).any(|part| part.contains('*')) {
            continue;
        }
        let finding =
            Diagnostic::warning("LB208", pattern.span, format!("the `*` in `{text}` stands for itself"));
        let finding = finding.label("only paths with a star in them");
        s.push(match text.strip_suffix("/*").or(text.strip_suffix('*')) {
            Some("") if pattern.value.kind() == PatternKind::Prefix => {
                edits::if_meant(finding.help("every path is \"/\""), rewritten(route, pattern.span, "/"))
            }
            Some(begin) if pattern.value.kind() == PatternKind::Prefix && begin.starts_with('/') => {
                let help = format!("a pattern takes what lies below it as well: write \"{begin}\", or `(starts-with)\"{begin}\"` for what goes on in the middle of a word");
                edits::if_meant(finding.help(help), rewritten(route, pattern.span, begin))
            }
            _ => finding.help("one segment is `{name}`, all that follow are `{*rest}`; for more: `(regex)#\"…\"#`"),
        });
    }
}

/// A pattern written as another one, where the route itself writes it.
fn rewritten(route: &WrittenRoute<'_>, at: Span, pattern: &str) -> Option<Edit> {
    // Only a whole star of its own at the end is surely a wildcard, and nothing else in it may be one.
    let plain = is_own_text(route.reader, at) && !pattern.contains('*');
    plain.then(|| Edit { span: at, text: format!("\"{pattern}\"") })
}
