//! Refuses, before anything recurses, what would hang or overflow a parser.
//!
//! The limits are far beyond any configuration: nested blocks abort the process at a few hundred, and each
//! level of `/-{` doubles the time that parsing takes. Nothing here recurses, whatever the text.

use super::diagnostic::{Diagnostic, FileId, Span};
use super::lexer::{Kind, Token};

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of blocks.
pub const MAX_DEPTH: usize = 32;
/// Deepest nesting of blocks that are each commented out by `/-`.
pub const MAX_SLASHDASHED: usize = 4;
/// Deepest nesting of `/* */`.
pub const MAX_COMMENT: u32 = 16;

/// Refuses a file that is too large; to be asked before its text is looked at.
pub fn size(file: FileId, bytes: usize) -> Option<Diagnostic> {
    (bytes > MAX_BYTES).then(|| {
        Diagnostic::error("KDL019", Span::new(file, 0..0), "the file is larger than 4 MiB")
            .help("split it, and `include` the parts")
    })
}

/// Refuses a text that nests too deep.
pub fn depth(file: FileId, tokens: &[Token]) -> Option<Diagnostic> {
    let mut blocks: Vec<bool> = Vec::new();
    let mut slashdashed = 0;
    let mut after_slashdash = false;
    for token in tokens {
        match token.kind {
            Kind::Open => {
                blocks.push(after_slashdash);
                slashdashed += usize::from(after_slashdash);
            }
            Kind::Close => slashdashed -= usize::from(blocks.pop().unwrap_or(false)),
            Kind::BlockComment { depth, .. } if depth > MAX_COMMENT => {
                let start = Span::new(file, token.start..token.start + 2);
                return Some(refusal(start, format!("comments nest deeper than {MAX_COMMENT}")));
            }
            _ => {}
        }
        let span = Span::new(file, token.range());
        if blocks.len() > MAX_DEPTH {
            return Some(refusal(span, format!("blocks nest deeper than {MAX_DEPTH}")));
        }
        if slashdashed > MAX_SLASHDASHED {
            return Some(
                refusal(span, format!("blocks commented out by `/-` nest deeper than {MAX_SLASHDASHED}"))
                    .help("one `/-` in front of the outermost block is enough"),
            );
        }
        if !token.kind.is_trivia() {
            after_slashdash = token.kind == Kind::Slashdash;
        }
    }
    None
}

fn refusal(span: Span, message: String) -> Diagnostic {
    Diagnostic::error("KDL019", span, message).label("refused before parsing")
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    fn refused(text: &str) -> Option<(String, std::ops::Range<usize>)> {
        let span = |finding: &Diagnostic| finding.span.expect("a refusal has a place").range();
        depth(FileId(0), &lex(text)).map(|finding| (finding.message.clone(), span(&finding)))
    }

    #[test]
    fn nesting_is_let_through_up_to_the_limit() {
        assert_eq!(refused(&format!("{}{}", "a {".repeat(32), "}".repeat(32))), None);
        assert_eq!(refused(&format!("{}{}", "a /-{".repeat(4), "}".repeat(4))), None);
        assert_eq!(refused(&format!("{}{}", "/*".repeat(16), "*/".repeat(16))), None);
        assert_eq!(refused(&"a /-{}\n".repeat(100)), None, "side by side is not nested");
        assert_eq!(refused(&format!("a \"{}\"", "{".repeat(100))), None, "a brace in a string is text");
        assert_eq!(refused(&format!("// {}", "{".repeat(100))), None, "a brace in a comment is text");
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_where_it_passes_it() {
        let (message, span) = refused(&"a{".repeat(33)).unwrap();
        assert_eq!((message.as_str(), span), ("blocks nest deeper than 32", 65..66));
        let (message, span) = refused(&"a /-{".repeat(20)).unwrap();
        assert_eq!((message.as_str(), span), ("blocks commented out by `/-` nest deeper than 4", 24..25));
        let (message, span) = refused(&"/*".repeat(1000)).unwrap();
        assert_eq!((message.as_str(), span), ("comments nest deeper than 16", 0..2));
    }

    #[test]
    fn hostile_nesting_needs_no_deep_stack() {
        let on_small_stack = |text: String| {
            std::thread::Builder::new()
                .stack_size(2 << 20)
                .spawn(move || refused(&text).is_some())
                .unwrap()
                .join()
                .unwrap()
        };
        for text in ["{".repeat(600), "a {".repeat(100_000), "/*".repeat(1_000_000), "a /-{".repeat(100_000)]
        {
            assert!(on_small_stack(text));
        }
        assert!(!on_small_stack("}".repeat(4_000)), "not nesting; found to be stray later");
        assert!(!on_small_stack("#".repeat(4_000_000)), "one word, in one pass");
    }

    #[test]
    fn size_has_a_limit() {
        assert_eq!(size(FileId(0), MAX_BYTES), None);
        assert!(size(FileId(0), MAX_BYTES + 1).is_some());
    }
}
