//! What a program was built from, as `--version` tells it: enough for whoever reads a report of a mistake.

use std::sync::LazyLock;

/// The commit of the sources, shortened; `unknown` where nothing said it.
pub const COMMIT: &str = env!("LBD_COMMIT");
/// How it was compiled, and for what.
const BUILT: &str = env!("LBD_BUILT");

/// The text behind the name of `lbctl`.
pub fn of_lbctl() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let features: &[&str] = if cfg!(feature = "top") { &["top"] } else { &[] };
        long(env!("CARGO_PKG_VERSION"), features)
    });
    &TEXT
}

/// The text behind the name of a program.
pub fn long(version: &str, features: &[&str]) -> String {
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    format!("{version}\ncommit {COMMIT}\nbuilt {BUILT}\nfeatures {features}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_tells_commit_build_and_features() {
        let text = long("1.2.3", &["top", "more"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[3]), ("1.2.3", "features top, more"));
        assert!(lines[1].len() > "commit ".len() && lines[2].contains(std::env::consts::ARCH), "{text}");
        assert!(long("1", &[]).ends_with("features none"));
    }
}
