//! The texts that an editor holds, over the files on disk, and the configuration that they belong to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lsp_types::Url;

use super::outline::{Item, Outline, bare};
use crate::config::schema::Type;
use crate::config::source::{FileFacts, FsLoader, Loader, Sources};
use crate::config::{self, Loaded};

/// Texts that are open at once; more are refused.
pub(super) const MOST_OPEN: usize = 256;

/// Open texts, by path.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) open: BTreeMap<PathBuf, String>,
}

/// Open texts hide the files of their name.
impl Loader for Workspace {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.open.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => FsLoader.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        FsLoader.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        FsLoader.env(name)
    }

    fn facts(&self, path: &Path) -> Option<FileFacts> {
        FsLoader.facts(path)
    }

    fn memory(&self) -> Option<u64> {
        FsLoader.memory()
    }
}

impl Workspace {
    /// The configuration that a file belongs to: that of a `lbd.kdl` beside it or up to two directories above, if it
    /// includes the file; else the file's own.
    pub(super) fn load(&self, path: &Path) -> (PathBuf, Loaded) {
        for folder in path.ancestors().skip(1).take(3) {
            let main = folder.join("lbd.kdl");
            if main == path || !(self.open.contains_key(&main) || main.is_file()) {
                continue;
            }
            let loaded = config::load(&main, self);
            if loaded.sources.files().any(|(_, file)| file.path() == path) {
                return (main, loaded);
            }
        }
        (path.to_owned(), config::load(path, self))
    }

    /// Each file of the configuration with its text.
    pub(super) fn texts<'a>(&'a self, sources: &'a Sources, path: &'a Path) -> Vec<(&'a Path, &'a str)> {
        let mut texts: Vec<_> = sources.files().map(|(_, file)| (file.path(), file.text())).collect();
        if let Some(text) = self.open.get(path)
            && texts.iter().all(|(other, _)| *other != path)
        {
            texts.push((path, text));
        }
        texts
    }
}

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Pool,
    Listener,
    Template,
    Constant,
}

/// A name in a text: where it is given, or used.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    pub(super) role: Role,
    pub(super) name: String,
    /// The name itself, without quotes.
    pub(super) at: std::ops::Range<usize>,
    pub(super) defines: bool,
}

/// All names of a text that can be followed.
pub(super) fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let outline = Outline::of(text);
    for item in &outline.items {
        named_by(text, item, &mut found);
        for value in item.args.iter().chain(item.props.iter().map(|prop| &prop.value)) {
            constants(text, value.clone(), &mut found);
        }
    }
    found
}

fn named_by(text: &str, item: &Item, found: &mut Vec<Mention>) {
    let mut push = |role, range: &std::ops::Range<usize>, defines| {
        let name = bare(&text[range.clone()]);
        let quotes = text[range.clone()].find(name).unwrap_or_default();
        let at = range.start + quotes..range.start + quotes + name.len();
        found.push(Mention { role, name: name.to_owned(), at, defines });
    };
    let name = &text[item.name.clone()];
    let defined = match (name, item.parent) {
        ("pool", None) => Some(Role::Pool),
        ("template", None) => Some(Role::Template),
        ("let", None) => Some(Role::Constant),
        _ => None,
    };
    if let (Some(role), Some(first)) = (defined, item.args.first()) {
        push(role, first, true);
        return;
    }
    if let ("use", Some(first)) = (name, item.args.first()) {
        push(Role::Template, first, false);
    }
    let role_of = |ty: Type| match ty {
        Type::Pool => Some(Role::Pool),
        Type::Listener => Some(Role::Listener),
        _ => None,
    };
    for (index, arg) in item.args.iter().enumerate() {
        if let Some(role) = item.spec.and_then(|spec| spec.arg(index)).and_then(|arg| role_of(arg.ty)) {
            push(role, arg, false);
        }
    }
    for prop in &item.props {
        let key = &text[prop.key.clone()];
        if (name, key) == ("listen", "name") {
            push(Role::Listener, &prop.value, true);
        } else if let Some(role) = item.spec.and_then(|spec| spec.prop(key)).and_then(|prop| role_of(prop.ty))
        {
            push(role, &prop.value, false);
        }
    }
}

/// `${NAME}` inside quotes.
fn constants(text: &str, value: std::ops::Range<usize>, found: &mut Vec<Mention>) {
    let mut from = value.start;
    while let Some(open) = text[from..value.end].find("${") {
        let start = from + open + 2;
        let Some(length) = text[start..value.end].find('}') else { return };
        let name = &text[start..start + length];
        if !name.contains(':') {
            let at = start..start + length;
            found.push(Mention { role: Role::Constant, name: name.to_owned(), at, defines: false });
        }
        from = start + length;
    }
}

/// A path as an editor names it.
pub(super) fn url(path: &Path) -> Option<Url> {
    let absolute = std::path::absolute(path).ok()?;
    Url::from_file_path(absolute).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_are_given_and_used() {
        let text = "listen \":80\" name=front\nlet HOST \"a\"\ntemplate t { }\npool web { use t; server \"${HOST}:1\" }\n\
                    route \"/\" pool=\"web\" { on front; split { to web weight=1 } }";
        let shown: Vec<_> = mentions(text)
            .into_iter()
            .map(|m| format!("{:?} {} {}", m.role, &text[m.at], if m.defines { "given" } else { "used" }))
            .collect();
        for expected in [
            "Listener front given",
            "Listener front used",
            "Constant HOST given",
            "Constant HOST used",
            "Template t given",
            "Template t used",
            "Pool web given",
            "Pool web used",
        ] {
            assert!(shown.iter().any(|found| found == expected), "{expected} in {shown:?}");
        }
        assert_eq!(shown.iter().filter(|found| *found == "Pool web used").count(), 2, "{shown:?}");
    }
}
