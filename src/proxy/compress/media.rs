//! Types of content that shrink: text in all its dresses, and a few uncompressed binary formats.
//!
//! `text/event-stream` is not among them: its events go out one by one, so little is won, and each stream would
//! hold an encoder for hours.

/// Whole types besides `text/*` and those with a suffix of [`SUFFIXES`].
const TYPES: &[&str] = &[
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-yaml",
    "application/xml",
    "application/xml-dtd",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Structured syntaxes (RFC 6839): `application/problem+json`, `image/svg+xml`.
const SUFFIXES: &[&str] = &["+json", "+xml", "+yaml"];

/// Whether content of this `Content-Type` is worth it.
pub(crate) fn is_compressible(content_type: &[u8]) -> bool {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let media = content_type[..end].trim_ascii();
    let starts = |prefix: &str| media.len() > prefix.len() && is(&media[..prefix.len()], prefix);
    let ends = |suffix: &&str| media.len() > suffix.len() && is(&media[media.len() - suffix.len()..], suffix);
    if starts("text/") {
        return !is(media, "text/event-stream");
    }
    TYPES.iter().any(|ty| is(media, ty)) || SUFFIXES.iter().any(ends)
}

fn is(bytes: &[u8], text: &str) -> bool {
    bytes.eq_ignore_ascii_case(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text_shrinks() {
        let table = [
            ("text/html", true),
            ("Text/HTML; charset=utf-8", true),
            ("application/json;charset=utf-8", true),
            ("application/problem+json", true),
            ("image/svg+xml ; x=y", true),
            ("font/ttf", true),
            ("application/wasm", true),
            ("text/event-stream", false),
            ("text/event-stream; charset=utf-8", false),
            ("application/grpc", false),
            ("application/grpc+proto", false),
            ("image/png", false),
            ("font/woff2", false),
            ("application/octet-stream", false),
            ("application/zip", false),
            ("text/", false),
            ("+json", false),
            ("", false),
        ];
        for (ty, expected) in table {
            assert_eq!(is_compressible(ty.as_bytes()), expected, "{ty}");
        }
    }
}
