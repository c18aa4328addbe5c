//! A configuration as one text: what files, templates, `defaults` and `${…}` make of it, with secrets left out.
//!
//! It is KDL, and means what the files mean, but for the secrets: `(not shown)` stands for each value that came out of
//! a `${file:…}`, and where headers are written also for what came out of the environment.

use std::fmt::Write as _;
use std::path::Path;

use super::diagnostic::Report;
use super::node::{Node, Origin, Scalar, Value};
use super::schema::{self, NodeSpec, Type};
use super::source::{Loader, Sources, beside};
use super::{on_reader_thread, syntax};

/// What stands for a secret.
const HIDDEN: &str = "\"(not shown)\"";

/// Reads the file set that begins at `path`; the report when it cannot be read to the end.
pub fn text(path: &Path, loader: &dyn Loader) -> Result<String, (Report, Sources)> {
    on_reader_thread(|| {
        let (mut nodes, mut report, sources) = syntax::read(path, loader);
        schema::rename(&mut nodes, &mut report);
        if report.has_errors() {
            return Err((report, sources));
        }
        let mut out = String::new();
        block(&sources, &nodes, None, 0, &mut out);
        Ok(out)
    })
}

/// The nodes of a block that count: of those that may stand once, what is written here beats a template, and a template
/// beats `defaults`.
fn block(sources: &Sources, nodes: &[Node], parent: Option<&NodeSpec>, depth: usize, out: &mut String) {
    let strongest = |name: &str| -> Option<Origin> {
        nodes.iter().filter(|node| node.name.value == name).map(|node| node.origin).max()
    };
    let mut sorted: Vec<&Node> = nodes.iter().collect();
    sorted.sort_by_key(|node| node.origin);
    for node in sorted {
        let spec = schema::find(parent, &node.name.value);
        // The ways of stickiness are one choice.
        let adds_up = spec.is_some_and(|spec| spec.many && spec.name != "sticky");
        if !adds_up && strongest(&node.name.value) != Some(node.origin) {
            continue;
        }
        out.extend(std::iter::repeat_n("  ", depth));
        self::node(sources, node, spec, depth, out);
        out.push('\n');
    }
}

fn node(sources: &Sources, node: &Node, spec: Option<&NodeSpec>, depth: usize, out: &mut String) {
    out.push_str(&node.name.value);
    // Where headers are written, the second argument is what is told to servers or clients.
    let header = matches!(node.name.value.as_str(), "set" | "add" | "header");
    for (at, value) in node.args.iter().enumerate() {
        let ty = spec.and_then(|spec| spec.arg(at)).map(|arg| arg.ty);
        out.push(' ');
        self::value(sources, value, ty, header && at == 1, out);
    }
    for (key, value) in &node.props {
        let ty = spec.and_then(|spec| spec.prop(&key.value)).map(|prop| prop.ty);
        let _ = write!(out, " {}=", key.value);
        self::value(sources, value, ty, false, out);
    }
    if let Some(children) = &node.children {
        out.push_str(" {\n");
        block(sources, children, spec, depth + 1, out);
        out.extend(std::iter::repeat_n("  ", depth));
        out.push('}');
    }
}

fn value(sources: &Sources, value: &Value, ty: Option<Type>, header: bool, out: &mut String) {
    if value.secret || (header && value.is_private()) {
        out.push_str(HIDDEN);
        return;
    }
    if let Some(ty) = &value.ty {
        let _ = write!(out, "({})", ty.value);
    }
    match &value.scalar {
        Scalar::String { text, quoted: false, .. } => out.push_str(text),
        // What was filled in may stand where a number or a keyword is due.
        Scalar::String { text, expanded: true, .. } if is_plain(ty, text) => out.push_str(text),
        Scalar::String { text, .. } => out.push_str(&quoted(&at_main(sources, value, ty, text))),
        Scalar::Integer(number) => drop(write!(out, "{number}")),
        Scalar::Decimal(number) => drop(write!(out, "{number:?}")),
        Scalar::Bool(true) => out.push_str("#true"),
        Scalar::Bool(false) => out.push_str("#false"),
        Scalar::Null => out.push_str("#null"),
    }
}

fn is_plain(ty: Option<Type>, text: &str) -> bool {
    match ty {
        Some(Type::Int { .. }) => text.parse::<i128>().is_ok(),
        Some(Type::Bool) => matches!(text, "#true" | "#false"),
        _ => false,
    }
}

/// A file as it is named from the main file's directory; an included file may lie elsewhere.
fn at_main(sources: &Sources, value: &Value, ty: Option<Type>, text: &str) -> String {
    let main = sources.files().next().map(|(_, file)| file.path());
    let from = sources.file(value.span.file).map(|file| file.path());
    let is_file = matches!(ty, Some(Type::File { .. })) && text != "off" && Path::new(text).is_relative();
    match (main, from) {
        (Some(main), Some(from)) if is_file && main.parent() != from.parent() => {
            let path = beside(from, Path::new(text));
            let base = main.parent().unwrap_or(Path::new(""));
            path.strip_prefix(base).unwrap_or(&path).display().to_string()
        }
        _ => text.to_owned(),
    }
}

/// A string in quotes, in which nothing is filled in.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::super::model::Model;
    use super::super::source::{FsLoader, MemLoader};
    use super::*;
    use crate::reload::Plan;

    fn model(path: &Path, loader: &dyn Loader) -> Model {
        let loaded = load(path, loader);
        loaded.model.unwrap_or_else(|| panic!("{}: {:?}", path.display(), loaded.report.findings))
    }

    /// What one text says is what the files say.
    fn check(path: &Path, loader: &(impl Loader + Clone)) {
        let text = text(path, loader).unwrap();
        let alone = Alone { main: path, text: &text, files: loader };
        let plan = Plan::between(Some(&model(path, loader)), &model(path, &alone));
        assert!(plan.is_empty(), "{}: {:?}\n{text}", path.display(), plan.changes);
    }

    /// The files, of which the main one says something else.
    struct Alone<'a> {
        main: &'a Path,
        text: &'a str,
        files: &'a dyn Loader,
    }

    impl Loader for Alone<'_> {
        fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
            if path == self.main { Ok(self.text.into()) } else { self.files.read(path) }
        }

        fn glob(&self, _: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
            panic!("one text includes nothing")
        }

        fn env(&self, _: &str) -> Option<String> {
            panic!("nothing is filled in")
        }
    }

    #[test]
    fn one_text_means_what_every_example_means() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut checked = 0;
        for entry in glob::glob(&format!("{}/**/lbd.kdl", examples.display()))
            .unwrap()
            .chain(glob::glob(&format!("{}/*.kdl", examples.display())).unwrap())
        {
            check(&entry.unwrap(), &FsLoader);
            checked += 1;
        }
        assert!(checked > 10, "{checked}");
    }

    #[test]
    fn files_templates_defaults_and_values_are_in_one_text() {
        let loader = MemLoader::new()
            .file(
                "/etc/lbd/lbd.kdl",
                "let port \"8080\"\nlisten \":80\" name=plain\n\
                 defaults { pool { balance least-requests; sticky cookie; health \"/up\" rise=\"${env:RISE:-2}\"; }; }\n\
                 template named { server \"10.0.0.1:${port}\" weight=2; }\n\
                 include \"more/*.kdl\"\nroute \"/\" pool=app { request-headers { set x-a \"$${b\\n\"; }; }\n"
                    .replace("\\n", "\\u{9}"),
            )
            .file(
                "/etc/lbd/more/a.kdl",
                "pool app { use named; server \"10.0.0.2:80\"; balance p2c; tls ca=\"ca.pem\"; }\n\
                 pool other { use named; sticky source-ip; }\nroute (regex)#\"^/a\\d$\"# pool=other\n",
            );
        check(Path::new("/etc/lbd/lbd.kdl"), &loader);
        let text = text(Path::new("/etc/lbd/lbd.kdl"), &loader).unwrap();
        assert!(text.contains("tls ca=\"more/ca.pem\""), "{text}");
        assert!(text.contains("server \"10.0.0.1:8080\" weight=2"), "{text}");
        assert!(
            !text.contains("include") && !text.contains("template") && !text.contains("defaults"),
            "{text}"
        );
        assert_eq!(text.matches("balance").count(), 2, "the weaker one is not there\n{text}");
    }

    #[test]
    fn secrets_stay_where_they_are() {
        let main = "listen \":80\"\npool app { server \"10.0.0.1:80\"; health \"/\" { header x-key \"${env:KEY}\"; }; }\n\
                    route \"/\" pool=app { request-headers { set authorization \"Bearer ${file:token}\"; add x-key \"${env:KEY}\"; \
                    set x-plain \"seen\"; }; }\n";
        let loader = MemLoader::new().file("lbd.kdl", main).file("token", "hush").var("KEY", "quiet");
        let text = text(Path::new("lbd.kdl"), &loader).unwrap();
        assert!(!text.contains("hush") && !text.contains("quiet"), "{text}");
        assert_eq!(text.matches("(not shown)").count(), 3, "{text}");
        assert!(text.contains("set x-plain \"seen\""), "{text}");
    }
}
