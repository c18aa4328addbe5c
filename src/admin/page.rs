//! The page: one HTML document with its style and its script inside, put together once, and the policy that lets a
//! browser run exactly these.

use std::io::Write as _;

use data_encoding::BASE64;
use http::HeaderValue;
use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// In the order in which they build on one another.
const SCRIPTS: [&str; 5] = [
    include_str!("page/words.js"),
    include_str!("page/build.js"),
    include_str!("page/parts.js"),
    include_str!("page/dialogs.js"),
    include_str!("page/page.js"),
];

/// Ready to be sent.
pub(super) struct Page {
    /// As it is.
    pub(super) plain: Bytes,
    /// Compressed.
    pub(super) gzip: Bytes,
    /// `Content-Security-Policy`.
    pub(super) policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Self {
        let script = format!("\"use strict\";\n{}", SCRIPTS.concat());
        let text = FRAME.replace("/*style*/", STYLE).replace("/*script*/", &script);
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
            BASE64.encode(&Sha256::digest(STYLE)),
            BASE64.encode(&Sha256::digest(&script)),
        );
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        // Writing to memory cannot fail.
        let gzip = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
        let policy = HeaderValue::try_from(policy).expect("hashes in base64 are visible ASCII");
        Self { plain: text.into(), gzip: gzip.into(), policy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between two marks, which are there once.
    fn inside<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
        let parts: Vec<&str> = text.split(from).collect();
        assert_eq!(parts.len(), 2, "{from} stands once");
        parts[1].split(to).next().unwrap()
    }

    #[test]
    fn the_policy_names_what_is_inside() {
        let page = Page::new();
        let text = std::str::from_utf8(&page.plain).unwrap();
        let policy = page.policy.to_str().unwrap();
        for (from, to) in [("<style>", "</style>"), ("<script>", "</script>")] {
            let hash = BASE64.encode(&Sha256::digest(inside(text, from, to)));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{from} in {policy}");
        }
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"), "{policy}");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_no_text_becomes_markup() {
        let page = Page::new();
        let text = std::str::from_utf8(&page.plain).unwrap();
        let markup = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"];
        assert!(markup.iter().all(|never| !text.contains(never)));
        // An attribute such as onclick.
        let mut words = inside(text, "<body>", "<script>").split_whitespace();
        assert!(words.all(|word| !(word.starts_with("on") && word.contains("=\""))));
        let addresses: Vec<&str> =
            text.split("://").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(addresses, ["www.w3.org/2000/svg"]);
    }

    #[test]
    fn it_is_small() {
        let page = Page::new();
        assert!(page.plain.len() < 64 * 1024, "{} bytes", page.plain.len());
        assert!(page.gzip.len() < 20 * 1024, "{} bytes compressed", page.gzip.len());
    }
}
