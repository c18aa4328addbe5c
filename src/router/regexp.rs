//! The regular expression of a path pattern: anchored, bounded, filed under its literal segments.
//!
//! Works on bytes, so `.` takes every byte of a path and case folding is that of ASCII. Anchors are put
//! around the parsed expression, not its text: `a)(b` or a comment at the end cannot escape them. A
//! compared path holds no line feed, so an expression that ends in `.*` is not bound by the last anchor.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, Look};

use super::pattern::PatternError;

const SIZE_LIMIT: usize = 256 << 10;

/// A compiled path regex.
#[derive(Clone)]
pub(super) struct PathRegex {
    source: Box<str>,
    compiled: Regex,
    /// Literal text up to and with a slash that every match begins with.
    prefix: Box<[u8]>,
}

impl PathRegex {
    pub(super) fn new(source: &str, ignore_case: bool) -> Result<Self, PatternError> {
        let hir = parse(source, ignore_case)?;
        let prefix = literal_prefix(&hir);
        if source.is_empty() || prefix.first().is_some_and(|first| *first != b'/') {
            return Err(PatternError::NotAbsolute);
        }
        let whole = prefix.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let anchored = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
        let compiled = RegexBuilder::new(&anchored.to_string()).size_limit(SIZE_LIMIT).build();
        let compiled = compiled.map_err(|error| PatternError::Regex {
            offset: None,
            problem: match error {
                regex::Error::CompiledTooBig(_) => "it compiles to more than 256 KiB".to_owned(),
                other => other.to_string().replace('\n', " "),
            },
        })?;
        Ok(PathRegex { source: source.into(), compiled, prefix: prefix[..whole].into() })
    }

    /// Compiles it anew, blind to case. The prefix stays: the tree folds it with all other literals.
    pub(super) fn ignore_case(&mut self) {
        let folded = PathRegex::new(&self.source, true);
        self.compiled = folded.expect("both forms were compiled when the pattern was parsed").compiled;
    }

    pub(super) fn is_match(&self, compared: &[u8]) -> bool {
        self.compiled.is_match(compared)
    }

    /// What a named group matched.
    pub(super) fn group<'p>(&self, name: &str, compared: &'p [u8]) -> Option<&'p [u8]> {
        Some(self.compiled.captures(compared)?.name(name)?.as_bytes())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.compiled.capture_names().flatten()
    }

    /// The whole segments that each match begins with.
    pub(super) fn prefix(&self) -> impl Iterator<Item = &[u8]> {
        let inner = self.prefix.get(1..self.prefix.len().saturating_sub(1));
        inner.into_iter().flat_map(|text| text.split(|byte| *byte == b'/'))
    }
}

fn parse(source: &str, ignore_case: bool) -> Result<Hir, PatternError> {
    let mut parser =
        regex_syntax::ParserBuilder::new().unicode(false).utf8(false).case_insensitive(ignore_case).build();
    parser.parse(source).map_err(|error| {
        let (offset, problem) = match &error {
            regex_syntax::Error::Parse(error) => (Some(error.span().start.offset), error.kind().to_string()),
            regex_syntax::Error::Translate(error) => {
                (Some(error.span().start.offset), error.kind().to_string())
            }
            other => (None, other.to_string().replace('\n', " ")),
        };
        PatternError::Regex { offset, problem }
    })
}

fn literal_prefix(hir: &Hir) -> Vec<u8> {
    let literals = Extractor::new().extract(hir);
    literals.longest_common_prefix().unwrap_or_default().to_vec()
}
