//! Reads Rust source well enough to know which modules it names: comments, strings and test modules are
//! blanked out, line numbers stay true.

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path from the workspace's root.
    pub(super) name: String,
    /// As it stands in the file.
    pub(super) text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// A top-level module that is named somewhere, and what of it.
#[derive(Debug)]
struct Import {
    module: String,
    part: String,
    line: usize,
}

impl Import {
    /// Whether the list has the module, or this part of it: `config::model`.
    fn is_among(&self, allowed: &[&str]) -> bool {
        let part = format!("{}::{}", self.module, self.part);
        allowed.iter().any(|name| *name == self.module || *name == part)
    }
}

impl Source {
    /// Reads a file; a test module's own file has no code that counts.
    pub(super) fn new(name: String, text: String) -> Self {
        let file = name.rsplit('/').next().unwrap_or_default();
        let is_test = file == "tests.rs" || file.ends_with("_tests.rs") || name.contains("/tests/");
        let tokens = if is_test { Vec::new() } else { without_tests(tokens(&blanked(&text))) };
        Self { name, text, tokens }
    }

    /// Files that it declares as modules under `#[cfg(test)]`.
    pub(super) fn test_modules(&self) -> Vec<String> {
        let folder = match self.name.strip_suffix("/mod.rs") {
            Some(folder) => folder,
            None => self.name.strip_suffix(".rs").unwrap_or(&self.name),
        };
        let after = self.text.split("#[cfg(test)]\n").skip(1);
        let declared = after.filter_map(|rest| rest.lines().next()?.strip_suffix(';')?.rsplit_once("mod "));
        declared.map(|(_, module)| format!("{folder}/{module}.rs")).collect()
    }

    /// Without code that counts, when it is one of these test modules.
    pub(super) fn exempt_if(mut self, tests: &[String]) -> Self {
        if tests.contains(&self.name) {
            self.tokens.clear();
        }
        self
    }

    /// The top-level module that it belongs to.
    pub(super) fn module(&self) -> &str {
        let below = self.name.strip_prefix("src/").unwrap_or(&self.name);
        let first = below.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// One sentence for each import that the table does not allow.
    pub(super) fn violations(&self, layers: &[(&str, &[&str])]) -> Vec<String> {
        let module = self.module();
        // lib.rs is the map: it names every module.
        let Some((_, allowed)) = layers.iter().find(|(name, _)| *name == module) else { return Vec::new() };
        let imports = self.imports().into_iter();
        imports
            .filter(|import| import.module != module && !import.is_among(allowed))
            .filter(|import| layers.iter().any(|(name, _)| *name == import.module))
            .map(|Import { module: import, line, .. }| {
                let place = format!("{}:{line}", self.name);
                format!("{place}: `{module}` must not import `{import}`; it may import {allowed:?}")
            })
            .collect()
    }

    /// Lines on which a path such as `tokio::spawn`, or a single name, stands.
    pub(super) fn lines_naming(&self, path: &str) -> Vec<usize> {
        let wanted = tokens(path);
        let windows = self.tokens.windows(wanted.len());
        windows.filter(|w| w.iter().zip(&wanted).all(|(a, b)| a.text == b.text)).map(|w| w[0].line).collect()
    }

    /// Top-level modules that it names.
    fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        let depth = self.depth();
        let mut at = 0;
        while at < self.tokens.len() {
            let supers = self.count_supers(at);
            let rooted = match self.word(at) {
                "crate" => 1,
                "lbd" if self.module() == "main" => 1,
                "super" if supers >= depth => supers,
                _ => 0,
            };
            // `a` then `::`, once for each word of the root.
            let next = at + 2 * rooted.max(1);
            if rooted > 0 && self.word(next - 1) == "::" {
                self.names_at(next, &mut found);
            }
            at += if supers > 0 { 2 * supers } else { 1 };
        }
        found
    }

    /// How many `super::` lead from here to the crate's root.
    fn depth(&self) -> usize {
        let below = self.name.strip_prefix("src/").unwrap_or(&self.name);
        let parts = below.split('/').count();
        if below.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    fn count_supers(&self, at: usize) -> usize {
        (0..).take_while(|n| self.word(at + 2 * n) == "super" && self.word(at + 2 * n + 1) == "::").count()
    }

    /// The name at `at`, or the first name of each element of the group there.
    fn names_at(&self, at: usize, found: &mut Vec<Import>) {
        if self.word(at) != "{" {
            return found.extend(self.import_at(at));
        }
        let (mut level, mut first) = (0_usize, true);
        for (here, token) in self.tokens.iter().enumerate().skip(at) {
            match token.text.as_str() {
                "{" => level += 1,
                "}" => level -= 1,
                "," if level == 1 => first = true,
                _ if level == 1 && first => {
                    found.extend(self.import_at(here));
                    first = false;
                }
                _ => {}
            }
            if level == 0 {
                return;
            }
        }
    }

    fn import_at(&self, at: usize) -> Option<Import> {
        let token = self.tokens.get(at)?;
        let part = if self.word(at + 1) == "::" { self.word(at + 2) } else { "" };
        Some(Import { module: token.text.clone(), part: part.to_owned(), line: token.line })
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

/// Names, `::`, and single characters of punctuation.
fn tokens(code: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                ':' if rest.starts_with("::") => 2,
                c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            found.push(Token { text: rest[..length].to_owned(), line: number + 1 });
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        if rest.len() > attribute.len() && rest.iter().zip(attribute).all(|(token, word)| token.text == word)
        {
            at += attribute.len() + item_length(&rest[attribute.len()..]);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// To the `;` or to the `}` that ends the item.
fn item_length(tokens: &[Token]) -> usize {
    let mut level = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" | "[" => level += 1,
            "}" | ")" | "]" => {
                level = level.saturating_sub(1);
                if level == 0 && token.text == "}" {
                    return at + 1;
                }
            }
            ";" if level == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The code with comments, strings and characters blanked out, line by line as it was.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + blank_length(&bytes[at..], out.as_bytes().last().copied());
        if end > at {
            out.extend(text[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            let c = text[at..].chars().next().expect("`at` stands before a character");
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

/// How much to blank at the start of `rest`: 0 when code goes on.
fn blank_length(rest: &[u8], before: Option<u8>) -> usize {
    let in_name = before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => string(rest),
        [b'r', b'"' | b'#', ..] if !in_name => raw_string(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !in_name => raw_string(rest, 2),
        [b'\'', b'\\', ..] => 3 + rest[3..].iter().position(|b| *b == b'\'').map_or(0, |n| n + 1),
        // A character, not a lifetime: the closing quote follows one character.
        [b'\'', ..] => {
            (2..=5).find(|n| rest.get(*n) == Some(&b'\'') && one_character(&rest[1..*n])).map_or(0, |n| n + 1)
        }
        _ => 0,
    }
}

fn one_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut level, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (level, at) = (level + 1, at + 2),
            [b'*', b'/', ..] => (level, at) = (level - 1, at + 2),
            _ => at += 1,
        }
        if level == 0 {
            return at;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0; // a raw name such as r#type
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = prefix + hashes + 1;
    rest[body..].windows(end.len()).position(|w| w == end).map_or(rest.len(), |at| body + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: &[(&str, &[&str])] =
        &[("router", &[]), ("pool", &[]), ("config", &["router", "pool::plain"]), ("main", &["config"])];

    fn violations(name: &str, text: &str) -> Vec<String> {
        Source::new(name.to_owned(), text.to_owned()).violations(LAYERS)
    }

    #[test]
    fn an_import_upwards_is_found_however_it_is_written() {
        let ways = [
            ("src/router/tree.rs", "use crate::config::Model;"),
            ("src/router/tree.rs", "pub use crate::{router::x, config::{self, Model}};"),
            ("src/router/tree.rs", "use crate::{\n    config,\n};"),
            ("src/router/tree.rs", "fn f() -> crate::config::Model { todo() }"),
            ("src/router/tree.rs", "use super::super::config::Model;"),
            ("src/router/mod.rs", "use super::config::Model;"),
            ("src/router.rs", "use super::config;"),
            ("src/router/a/b.rs", "use super::super::super::config;"),
            ("src/main.rs", "use lbd::router::tree;"),
            ("src/config/model.rs", "use crate::pool::live;"),
            ("src/config/model.rs", "use crate::pool::{plain, live};"),
            ("src/router/tree.rs", "const A: char = '\"'; use crate::config; const B: char = '\"';"),
            ("src/router/tree.rs", "fn f<'a>(_: &'a str) { crate::config::go() }"),
            ("src/router/tree.rs", "#[cfg(test)] mod t { fn f() {} }\nuse crate::config;"),
        ];
        for (name, text) in ways {
            assert_eq!(violations(name, text).len(), 1, "{name}: {text}");
        }
    }

    #[test]
    fn what_is_allowed_or_no_code_is_let_through() {
        let ways = [
            ("src/config/model.rs", "use crate::router::Pattern;"),
            ("src/config/model.rs", "use crate::config::node;"),
            ("src/config/model.rs", "use crate::{pool::plain::Value, router};"),
            ("src/config/model.rs", "use super::node;"),
            ("src/config/a/b.rs", "use super::super::pool;"),
            ("src/router/tree.rs", "// use crate::config;\n/* crate::config /* nested */ crate::pool */"),
            ("src/router/tree.rs", "/// [`crate::config`]\nfn f() { g(\"crate::config \\\" crate::pool\") }"),
            ("src/router/tree.rs", "const A: &str = r#\"crate::config \" crate::pool\"#;"),
            ("src/router/tree.rs", "#[cfg(test)]\nmod tests { use crate::config; fn f() { { } } }"),
            ("src/router/tree.rs", "#[cfg(test)]\nuse crate::config;\nfn f() {}"),
            ("src/router/tests.rs", "use crate::config;"),
            ("src/router/tree_tests.rs", "use crate::config;"),
            ("src/router/tree.rs", "pub(crate) fn f() { let x = other::config; }"),
            ("src/lib.rs", "pub mod config; use crate::pool;"),
        ];
        for (name, text) in ways {
            assert_eq!(violations(name, text), Vec::<String>::new(), "{name}: {text}");
        }
    }

    #[test]
    fn a_module_that_is_declared_for_tests_is_known_by_its_file() {
        let text = "#[cfg(test)]\npub(crate) mod testing;\n#[cfg(test)]\nmod tests {}\nmod real;\n";
        let declared = |name: &str| Source::new(name.to_owned(), text.to_owned()).test_modules();
        assert_eq!(declared("src/pool/mod.rs"), ["src/pool/testing.rs"]);
        assert_eq!(declared("src/pool/server.rs"), ["src/pool/server/testing.rs"]);
    }

    #[test]
    fn the_message_names_file_line_and_rule() {
        let said = violations("src/config/model.rs", "//! Doc.\n\nuse crate::pool::Server;\n");
        let expected =
            "src/config/model.rs:3: `config` must not import `pool`; it may import [\"router\", \"pool::plain\"]"
                .to_owned();
        assert_eq!(said, [expected]);
    }

    #[test]
    fn a_name_is_found_as_a_whole_word_outside_comments() {
        let source = |text: &str| Source::new("src/pool/x.rs".to_owned(), text.to_owned());
        assert_eq!(source("a();\ntokio::spawn(b);").lines_naming("tokio::spawn"), [2]);
        assert_eq!(source("use arc_swap::ArcSwap;").lines_naming("ArcSwap"), [1]);
        let quiet = source("// ArcSwap\nstruct MyArcSwap; fn f() { \"ArcSwap\"; } tokio::spawner();");
        assert!(quiet.lines_naming("ArcSwap").is_empty() && quiet.lines_naming("tokio::spawn").is_empty());
    }
}
