//! What an editor asks about a place: completion, hover, definition, references, rename, symbols, formatting.

use std::collections::HashMap;
use std::path::Path;

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, DocumentSymbol, Documentation, FoldingRange,
    Hover, HoverContents, Location, MarkupContent, MarkupKind, SymbolKind, TextEdit, WorkspaceEdit,
};

use super::outline::{Item, Outline, Spot, bare};
use super::positions::Encoding;
use super::workspace::{Mention, Role, Workspace, mentions, url};
use crate::config::format;
use crate::config::rules;
use crate::config::schema::{self, NodeSpec, PropSpec, Type};

/// A question about one place of one text.
pub(super) struct Question<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) encoding: Encoding,
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Question<'_> {
    /// What could be typed here.
    pub(super) fn completion(&self) -> Vec<CompletionItem> {
        let outline = Outline::of(self.text);
        match outline.spot(self.text, self.at) {
            None => Vec::new(),
            Some(Spot::Name(parent)) => self.nodes(parent),
            Some(Spot::Value(prop)) => prop.map(|prop| self.values(prop.ty)).unwrap_or_default(),
            Some(Spot::Entry(item, arg)) => {
                let ty = if self.text[item.name.clone()] == *"use" { None } else { arg.map(|arg| arg.ty) };
                let mut items = match ty {
                    Some(ty) => self.values(ty),
                    None if arg.is_some() => self.named(Role::Template),
                    None => Vec::new(),
                };
                items.extend(self.properties(item));
                items
            }
        }
    }

    fn nodes(&self, parent: Option<&Item>) -> Vec<CompletionItem> {
        let anything = parent.is_some_and(|parent| parent.spec.is_none_or(|spec| spec.name == "template"));
        let rows: Vec<&NodeSpec> = match parent {
            Some(_) if anything => schema::SCHEMA.iter().collect(),
            parent => schema::children(parent.and_then(|parent| parent.spec)).collect(),
        };
        rows.into_iter()
            .map(|spec| self.item(spec.name, CompletionItemKind::CLASS, "", &node_doc(spec)))
            .collect()
    }

    fn properties(&self, item: &Item) -> Vec<CompletionItem> {
        let given = |name: &str| item.props.iter().any(|prop| self.text[prop.key.clone()] == *name);
        let Some(spec) = item.spec else { return Vec::new() };
        let free = spec.props.iter().filter(|prop| !given(prop.name));
        free.map(|prop| {
            self.item(&format!("{}=", prop.name), CompletionItemKind::PROPERTY, prop.name, &prop_doc(prop))
        })
        .collect()
    }

    fn values(&self, ty: Type) -> Vec<CompletionItem> {
        let words: Vec<&str> = match ty {
            Type::Choice { now, .. } => now.to_vec(),
            Type::Bool => vec!["#true", "#false"],
            Type::Key => vec!["source-ip", "\"header:\"", "\"cookie:\"", "\"query:\"", "path", "host"],
            Type::Duration { .. } => vec!["\"1s\"", "\"5s\"", "\"30s\"", "\"1m\"", "\"1h\""],
            Type::Size { .. } => vec!["\"64KiB\"", "\"1MiB\"", "\"10MiB\""],
            Type::Percent { .. } => vec!["\"5%\"", "\"50%\""],
            Type::Pool => return self.named(Role::Pool),
            Type::Listener => return self.named(Role::Listener),
            Type::Rule => rules::all().map(|rule| rule.code).collect(),
            _ => Vec::new(),
        };
        words.into_iter().map(|word| self.item(&quoted(word), CompletionItemKind::VALUE, word, "")).collect()
    }

    fn named(&self, role: Role) -> Vec<CompletionItem> {
        let mut names: Vec<String> = self
            .everywhere()
            .into_iter()
            .filter(|(_, _, m)| m.role == role && m.defines)
            .map(|(_, _, m)| m.name)
            .collect();
        names.sort();
        names.dedup();
        names.iter().map(|name| self.item(name, CompletionItemKind::REFERENCE, name, "")).collect()
    }

    /// A proposal that replaces the word that is typed already.
    fn item(&self, text: &str, kind: CompletionItemKind, filter: &str, doc: &str) -> CompletionItem {
        let word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'#' | b':');
        let typed = self.text.as_bytes()[..self.at].iter().rev().take_while(|byte| word(byte)).count();
        let range = self.encoding.range(self.text, self.at - typed..self.at);
        CompletionItem {
            label: text.trim_end_matches('=').to_owned(),
            kind: Some(kind),
            filter_text: (!filter.is_empty()).then(|| filter.to_owned()),
            documentation: (!doc.is_empty()).then(|| Documentation::MarkupContent(markdown(doc))),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: text.to_owned() })),
            ..CompletionItem::default()
        }
    }

    /// What the word here means.
    pub(super) fn hover(&self) -> Option<Hover> {
        let outline = Outline::of(self.text);
        let item = outline.item_at(self.at)?;
        let spec = item.spec?;
        let holds = |range: &std::ops::Range<usize>| range.start <= self.at && self.at <= range.end;
        let (range, doc) = match item.props.iter().find(|prop| holds(&prop.key) || holds(&prop.value)) {
            Some(prop) => {
                let row = spec.prop(&self.text[prop.key.clone()])?;
                (prop.key.start..prop.value.end, prop_doc(row))
            }
            None if holds(&item.name) => (item.name.clone(), node_doc(spec)),
            None => {
                let index = item.args.iter().position(holds)?;
                let arg = spec.arg(index)?;
                (item.args[index].clone(), format!("**{}** of `{}`\n\n{}", arg.name, spec.name, spec.doc))
            }
        };
        let range = Some(self.encoding.range(self.text, range));
        Some(Hover { contents: HoverContents::Markup(markdown(&doc)), range })
    }

    /// The pool and the name of the server that the node here defines.
    pub(super) fn server(&self) -> Option<(String, String)> {
        let outline = Outline::of(self.text);
        let item = outline.item_at(self.at)?;
        let first = |item: &Item| Some(bare(&self.text[item.args.first()?.clone()]));
        let pool = outline.items.get(item.parent?)?;
        let is_server = self.text[item.name.clone()] == *"server" && self.text[pool.name.clone()] == *"pool";
        is_server.then(|| Some((first(pool)?.to_owned(), first(item)?.to_owned()))).flatten()
    }

    /// The pools that the text defines, each with the place of its node.
    pub(super) fn pools(&self) -> Vec<(lsp_types::Range, String)> {
        let outline = Outline::of(self.text);
        let pools = outline.items.iter().filter(|item| {
            item.parent.is_none() && self.text[item.name.clone()] == *"pool" && !item.args.is_empty()
        });
        let named = |item: &Item| {
            let name = bare(&self.text[item.args[0].clone()]).to_owned();
            (self.encoding.range(self.text, item.name.clone()), name)
        };
        pools.map(named).collect()
    }

    /// Every followable name of the configuration that this text belongs to, with its file.
    fn everywhere(&self) -> Vec<(std::path::PathBuf, String, Mention)> {
        let (_, loaded) = self.workspace.load(self.path);
        let texts = self.workspace.texts(&loaded.sources, self.path);
        texts
            .into_iter()
            .flat_map(|(path, text)| {
                mentions(text).into_iter().map(move |mention| (path.to_owned(), text.to_owned(), mention))
            })
            .collect()
    }

    fn mention(&self) -> Option<Mention> {
        mentions(self.text)
            .into_iter()
            .find(|mention| mention.at.start <= self.at && self.at <= mention.at.end)
    }

    /// Where the name here is given, or used (`all`).
    pub(super) fn places(&self, all: bool) -> Vec<Location> {
        let Some(here) = self.mention() else { return self.included() };
        let same = |mention: &Mention| mention.role == here.role && mention.name == here.name;
        self.everywhere()
            .into_iter()
            .filter(|(_, _, mention)| same(mention) && (all || mention.defines))
            .filter_map(|(path, text, mention)| {
                Some(Location::new(url(&path)?, self.encoding.range(&text, mention.at)))
            })
            .collect()
    }

    /// The file that an `include` here names.
    fn included(&self) -> Vec<Location> {
        let outline = Outline::of(self.text);
        let Some(item) = outline.item_at(self.at) else { return Vec::new() };
        let here = item.args.iter().find(|arg| arg.start <= self.at && self.at <= arg.end);
        let (true, Some(arg)) = (self.text[item.name.clone()] == *"include", here) else { return Vec::new() };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let pattern = folder.join(bare(&self.text[arg.clone()]));
        let files = crate::config::source::Loader::glob(self.workspace, &pattern).unwrap_or_default();
        files.iter().filter_map(|file| Some(Location::new(url(file)?, lsp_types::Range::default()))).collect()
    }

    /// The name here, everywhere changed.
    pub(super) fn rename(&self, to: &str) -> Result<WorkspaceEdit, String> {
        let here = self.mention().ok_or("nothing here has a name that can be changed")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if to.is_empty() || !to.chars().all(plain) || !to.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(format!("`{to}` cannot be a name: letters, digits, `-`, `_` and `.` make one"));
        }
        let mut changes: HashMap<_, Vec<TextEdit>> = HashMap::new();
        for (path, text, mention) in self.everywhere() {
            if mention.role != here.role {
                continue;
            }
            if mention.name == to && mention.defines {
                return Err(format!("`{to}` is the name of another one already"));
            }
            if mention.name == here.name
                && let Some(url) = url(&path)
            {
                let range = self.encoding.range(&text, mention.at);
                changes.entry(url).or_default().push(TextEdit { range, new_text: to.to_owned() });
            }
        }
        Ok(WorkspaceEdit::new(changes))
    }

    /// The whole text in order; nothing when it is, or cannot be read.
    pub(super) fn formatted(&self) -> Vec<TextEdit> {
        match format::format(self.path, self.text) {
            Ok(new_text) if new_text != self.text => {
                let range = self.encoding.range(self.text, 0..self.text.len());
                vec![TextEdit { range, new_text }]
            }
            _ => Vec::new(),
        }
    }

    /// The nodes of the text, as a tree.
    pub(super) fn symbols(&self) -> Vec<DocumentSymbol> {
        let outline = Outline::of(self.text);
        let mut made: Vec<Option<DocumentSymbol>> =
            outline.items.iter().map(|item| Some(self.symbol(&outline, item))).collect();
        // Children come behind their parents: from the end, each goes into a parent that is still there.
        for index in (0..outline.items.len()).rev() {
            if let Some(parent) = outline.items[index].parent
                && let Some(child) = made[index].take()
                && let Some(parent) = &mut made[parent]
            {
                parent.children.get_or_insert_default().insert(0, child);
            }
        }
        made.into_iter().flatten().collect()
    }

    #[expect(deprecated, reason = "the type has no other constructor than its fields")]
    fn symbol(&self, outline: &Outline, item: &Item) -> DocumentSymbol {
        DocumentSymbol {
            name: outline.title(self.text, item),
            detail: None,
            kind: if item.body.is_some() { SymbolKind::STRUCT } else { SymbolKind::PROPERTY },
            tags: None,
            deprecated: None,
            range: self.encoding.range(self.text, item.whole.clone()),
            selection_range: self.encoding.range(self.text, item.name.clone()),
            children: None,
        }
    }

    /// The blocks that can be folded away.
    pub(super) fn folds(&self) -> Vec<FoldingRange> {
        let outline = Outline::of(self.text);
        let lines = |body: &std::ops::Range<usize>| {
            let line = |at| self.encoding.position(self.text, at).line;
            FoldingRange { start_line: line(body.start), end_line: line(body.end), ..FoldingRange::default() }
        };
        let bodies = outline.items.iter().filter_map(|item| item.body.as_ref());
        bodies.map(lines).filter(|fold| fold.end_line > fold.start_line).collect()
    }
}

fn markdown(text: &str) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value: text.to_owned() }
}

/// A word as a value is written: bare where KDL takes it so.
fn quoted(word: &str) -> String {
    let bare = word.starts_with(['"', '#']) || word.starts_with(|c: char| c.is_ascii_alphabetic());
    if bare { word.to_owned() } else { format!("\"{word}\"") }
}

fn node_doc(spec: &NodeSpec) -> String {
    let args: Vec<String> = spec
        .args
        .iter()
        .map(|arg| {
            format!(
                "{}{}{}",
                arg.name,
                if arg.optional { "?" } else { "" },
                if arg.repeat { "…" } else { "" }
            )
        })
        .collect();
    let mut doc = format!("**{}** {}\n\n{}", spec.name, args.join(" "), spec.doc);
    if !spec.props.is_empty() {
        let names: Vec<String> = spec.props.iter().map(|prop| format!("`{}`", prop.name)).collect();
        doc.push_str(&format!("\n\nProperties: {}", names.join(", ")));
    }
    doc.push_str(&peers(&spec.peers));
    doc
}

fn prop_doc(prop: &PropSpec) -> String {
    let unit = if prop.unit.is_empty() { String::new() } else { format!(", in {}", prop.unit) };
    let mut doc = format!("**{}**{unit}: {}", prop.name, prop.doc);
    match (prop.default, prop.without) {
        ("", "") => {}
        ("", without) => doc.push_str(&format!("\n\nWithout it: {without}")),
        (default, _) => doc.push_str(&format!("\n\nDefault: `{default}`")),
    }
    doc.push_str(&peers(&prop.peers));
    doc
}

fn peers(peers: &schema::Peers) -> String {
    let named = [("HAProxy", peers.haproxy), ("nginx", peers.nginx), ("Envoy", peers.envoy)];
    let parts: Vec<String> = named
        .iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(who, name)| format!("{who}: `{name}`"))
        .collect();
    if parts.is_empty() { String::new() } else { format!("\n\n{}", parts.join(" · ")) }
}
