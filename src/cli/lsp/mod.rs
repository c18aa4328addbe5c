//! `lbd lsp`: what an editor wants to know of a configuration, over stdin and stdout (LSP 3.17).
//!
//! Findings are the linter's own, over the texts as they are typed: a change is looked at once the typing pauses.
//! Everything else is answered from the texts and the schema, also while they do not parse.

mod answers;
mod nearby;
mod outline;
mod positions;
#[cfg(test)]
mod tests;
mod workspace;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeDescription, CodeLensOptions, CompletionOptions,
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, InitializeParams, Location, NumberOrString,
    OneOf, PositionEncodingKind, PublishDiagnosticsParams, ServerCapabilities, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextEdit, Url, WorkspaceEdit,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Loaded;
use crate::config::diagnostic::{self, Severity};
use crate::tls;
use answers::Question;
use nearby::{About, Asked, Nearby};
use positions::Encoding;
use workspace::{MOST_OPEN, Workspace, url};

/// How long the typing pauses before the text is looked at.
const PAUSE: Duration = Duration::from_millis(150);
/// Where the rules are explained.
const RULES: &str = "https://github.com/lbd-project/lbd/blob/main/docs/lint";

/// Options of `lbd lsp`.
#[derive(Debug, clap::Args)]
pub(super) struct Lsp {}

impl Lsp {
    /// Serves one editor until it says goodbye.
    pub(super) fn execute(self) -> ExitCode {
        let (connection, threads) = Connection::stdio();
        let served = serve(&connection);
        // The threads end with the channel.
        drop(connection);
        let ended = threads.join();
        match served.and(ended.map_err(|error| error.to_string())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("lbd lsp: {error}");
                ExitCode::from(2)
            }
        }
    }
}

/// Speaks with one editor over a connection.
fn serve(connection: &Connection) -> Result<(), String> {
    let (id, params) = connection.initialize_start().map_err(|error| error.to_string())?;
    let params: InitializeParams = serde_json::from_value(params).map_err(|error| error.to_string())?;
    let encoding = encoding(&params);
    let about = serde_json::json!({
        "capabilities": capabilities(encoding),
        "serverInfo": { "name": "lbd", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, about).map_err(|error| error.to_string())?;
    let (workspace, dirty, shown) = Default::default();
    let sender = connection.sender.clone();
    // An editor that went away reads nothing; the loop ends when its side closes.
    let nearby = Nearby::new(move |message| drop(sender.send(message)));
    let mut server = Server { connection, encoding, workspace, dirty, shown, nearby };
    let served = server.listen();
    server.nearby.finish();
    served
}

fn encoding(params: &InitializeParams) -> Encoding {
    let general = params.capabilities.general.as_ref();
    let offered = general.and_then(|general| general.position_encodings.as_deref()).unwrap_or_default();
    if offered.contains(&PositionEncodingKind::UTF8) { Encoding::Utf8 } else { Encoding::Utf16 }
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(match encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::INCREMENTAL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec!["=".into(), " ".into()]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(true.into()),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(true.into()),
        code_action_provider: Some(true.into()),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        ..ServerCapabilities::default()
    }
}

struct Server<'a> {
    connection: &'a Connection,
    encoding: Encoding,
    workspace: Workspace,
    /// Texts that changed since they were looked at.
    dirty: BTreeSet<PathBuf>,
    /// Files that findings are shown in.
    shown: BTreeSet<PathBuf>,
    nearby: Nearby,
}

impl Server<'_> {
    /// Hears what the editor says until it says goodbye.
    fn listen(&mut self) -> Result<(), String> {
        loop {
            let message = if self.dirty.is_empty() {
                self.connection.receiver.recv().ok()
            } else {
                match self.connection.receiver.recv_timeout(PAUSE) {
                    Ok(message) => Some(message),
                    Err(error) if error.is_timeout() => {
                        self.publish();
                        continue;
                    }
                    Err(_) => None,
                }
            };
            match message {
                None => return Ok(()),
                Some(Message::Request(request)) => {
                    if self.connection.handle_shutdown(&request).map_err(|error| error.to_string())? {
                        return Ok(());
                    }
                    if let Some(answer) = self.answer(request) {
                        self.send(answer.into());
                    }
                }
                Some(Message::Notification(notification)) => self.note(notification),
                Some(Message::Response(_)) => {}
            }
        }
    }

    fn send(&self, message: Message) {
        // An editor that went away reads nothing; the loop ends when its side closes.
        let _ = self.connection.sender.send(message);
    }

    /// None when the answer comes later.
    fn answer(&self, request: Request) -> Option<Response> {
        let Request { id, method, params } = request;
        let about = |params: &Value| -> Option<(PathBuf, &str, usize)> {
            let uri = params.pointer("/textDocument/uri")?.as_str()?;
            let path = Url::parse(uri).ok()?.to_file_path().ok()?;
            let text = self.workspace.open.get(&path)?;
            let position =
                params.get("position").cloned().unwrap_or(serde_json::json!({"line":0,"character":0}));
            let at = self.encoding.offset(text, serde_json::from_value(position).ok()?);
            Some((path, text, at))
        };
        const METHODS: &str = "textDocument/";
        if !method.starts_with(METHODS) {
            let message = format!("unknown method {method}");
            return Some(Response::new_err(id, ErrorCode::MethodNotFound as i32, message));
        }
        let Some((path, text, at)) = about(&params) else {
            let message = "the request names no text that is open, or no place in it".to_owned();
            return Some(Response::new_err(id, ErrorCode::InvalidParams as i32, message));
        };
        let question =
            Question { workspace: &self.workspace, encoding: self.encoding, path: &path, text, at };
        let result = match &method[METHODS.len()..] {
            "completion" => Ok(json(question.completion())),
            "hover" => match (question.hover(), question.server()) {
                (Some(hover), Some((pool, server))) => {
                    return self.nearby.ask(Asked { id, about: About::Server { hover, pool, server } });
                }
                (hover, _) => Ok(json(hover)),
            },
            "codeLens" => return self.nearby.ask(Asked { id, about: About::Pools(question.pools()) }),
            "definition" => Ok(json(question.places(false))),
            "references" => Ok(json(question.places(true))),
            "rename" => {
                let to = params.get("newName").and_then(Value::as_str).unwrap_or_default();
                question.rename(to).map(json)
            }
            "formatting" => Ok(json(question.formatted())),
            "documentSymbol" => Ok(json(question.symbols())),
            "foldingRange" => Ok(json(question.folds())),
            "codeAction" => Ok(json(self.actions(&path, params.get("range")))),
            _ => {
                let message = format!("unknown method {method}");
                return Some(Response::new_err(id, ErrorCode::MethodNotFound as i32, message));
            }
        };
        Some(match result {
            Ok(value) => Response::new_ok(id, value),
            Err(message) => Response::new_err(id, ErrorCode::RequestFailed as i32, message),
        })
    }

    fn note(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            "textDocument/didOpen" => {
                let Some(params) = read::<lsp_types::DidOpenTextDocumentParams>(params) else { return };
                let Ok(path) = params.text_document.uri.to_file_path() else { return };
                if self.workspace.open.len() < MOST_OPEN {
                    self.workspace.open.insert(path.clone(), params.text_document.text);
                    self.dirty.insert(path);
                }
            }
            "textDocument/didChange" => {
                let Some(params) = read::<lsp_types::DidChangeTextDocumentParams>(params) else { return };
                let Ok(path) = params.text_document.uri.to_file_path() else { return };
                let Some(text) = self.workspace.open.get_mut(&path) else { return };
                for change in params.content_changes {
                    match change.range {
                        None => *text = change.text,
                        Some(range) => text.replace_range(self.encoding.bytes(text, range), &change.text),
                    }
                }
                self.dirty.insert(path);
            }
            "textDocument/didSave" => {
                let Some(params) = read::<lsp_types::DidSaveTextDocumentParams>(params) else { return };
                self.dirty.extend(params.text_document.uri.to_file_path());
            }
            "textDocument/didClose" => {
                let Some(params) = read::<lsp_types::DidCloseTextDocumentParams>(params) else { return };
                let Ok(path) = params.text_document.uri.to_file_path() else { return };
                self.workspace.open.remove(&path);
                self.show(&path, Vec::new());
            }
            _ => {}
        }
    }

    /// Looks at what changed, and shows what was found in each file of its configuration.
    fn publish(&mut self) {
        for path in std::mem::take(&mut self.dirty) {
            let (_, loaded) = self.look(&path);
            let mut files: Vec<(PathBuf, Vec<Diagnostic>)> =
                loaded.sources.files().map(|(_, file)| (file.path().to_owned(), Vec::new())).collect();
            for finding in &loaded.report.findings {
                let file =
                    finding.span.and_then(|span| loaded.sources.file(span.file)).map(|file| file.path());
                let at = file
                    .and_then(|file| files.iter().position(|(other, _)| other == file))
                    .unwrap_or_default();
                if let Some((_, findings)) = files.get_mut(at) {
                    findings.push(self.diagnostic(&loaded, finding));
                }
            }
            for (file, findings) in files {
                self.show(&file, findings);
            }
        }
    }

    /// The configuration of a file, and all that is wrong with it.
    fn look(&self, path: &Path) -> (PathBuf, Loaded) {
        let (main, mut loaded) = self.workspace.load(path);
        if let Some(model) = &loaded.model {
            tls::prepare(&mut tls::Store::default(), model, tls::Stage::Start, &mut loaded.report);
        }
        loaded.report.judge_allowances(&loaded.sources, true);
        (main, loaded)
    }

    fn show(&mut self, path: &Path, diagnostics: Vec<Diagnostic>) {
        if diagnostics.is_empty() && !self.shown.remove(path) && !self.workspace.open.contains_key(path) {
            return;
        }
        if !diagnostics.is_empty() {
            self.shown.insert(path.to_owned());
        }
        let Some(uri) = url(path) else { return };
        let params = PublishDiagnosticsParams { uri, diagnostics, version: None };
        let note = Notification::new("textDocument/publishDiagnostics".to_owned(), params);
        self.send(note.into());
    }

    fn diagnostic(&self, loaded: &Loaded, finding: &diagnostic::Diagnostic) -> Diagnostic {
        let place = |span: diagnostic::Span| {
            let file = loaded.sources.file(span.file)?;
            Some((url(file.path())?, self.encoding.range(file.text(), span.range())))
        };
        let mut message = finding.message.clone();
        if let Some(label) = &finding.label {
            message.push_str(&format!("\n{label}"));
        }
        for help in &finding.help {
            message.push_str(&format!("\nhelp: {help}"));
        }
        let related = finding.labels.iter().filter_map(|label| {
            let (uri, range) = place(label.span)?;
            Some(DiagnosticRelatedInformation {
                location: Location::new(uri, range),
                message: label.text.clone(),
            })
        });
        let href = Url::parse(&format!("{RULES}/{}.md", finding.code)).ok();
        Diagnostic {
            range: finding.span.and_then(place).map(|(_, range)| range).unwrap_or_default(),
            severity: Some(match finding.severity {
                Severity::Error => DiagnosticSeverity::ERROR,
                Severity::Warning => DiagnosticSeverity::WARNING,
                Severity::Hint => DiagnosticSeverity::HINT,
            }),
            code: Some(NumberOrString::String(finding.code.to_owned())),
            code_description: href.map(|href| CodeDescription { href }),
            source: Some("lbd".to_owned()),
            message,
            related_information: Some(related.collect()),
            ..Diagnostic::default()
        }
    }

    /// Changes that mend what was found within a range.
    fn actions(&self, path: &Path, range: Option<&Value>) -> Vec<CodeActionOrCommand> {
        let Some(range) = range.cloned().and_then(read::<lsp_types::Range>) else { return Vec::new() };
        let (_, loaded) = self.look(path);
        let here = |finding: &&diagnostic::Diagnostic| {
            let Some((span, file)) = finding.span.and_then(|s| Some((s, loaded.sources.file(s.file)?)))
            else {
                return false;
            };
            let place = self.encoding.range(file.text(), span.range());
            file.path() == path && place.start <= range.end && range.start <= place.end
        };
        let findings = loaded.report.findings.iter().filter(here);
        findings
            .flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix)))
            .map(|(finding, fix)| {
                let doubt = if fix.safe { "" } else { " (check the meaning)" };
                CodeActionOrCommand::CodeAction(CodeAction {
                    title: format!("mend {}: {}{doubt}", finding.code, finding.message),
                    kind: Some(CodeActionKind::QUICKFIX),
                    diagnostics: Some(vec![self.diagnostic(&loaded, finding)]),
                    edit: Some(self.edit(&loaded, fix)),
                    is_preferred: Some(fix.safe),
                    ..CodeAction::default()
                })
            })
            .collect()
    }

    fn edit(&self, loaded: &Loaded, fix: &diagnostic::Fix) -> WorkspaceEdit {
        let mut changes = std::collections::HashMap::<Url, Vec<TextEdit>>::new();
        for edit in &fix.edits {
            if let Some(file) = loaded.sources.file(edit.span.file)
                && let Some(uri) = url(file.path())
            {
                let range = self.encoding.range(file.text(), edit.span.range());
                changes.entry(uri).or_default().push(TextEdit { range, new_text: edit.text.clone() });
            }
        }
        for edit in &fix.files {
            // What is no longer as it was found is left alone.
            if let Ok(text) = std::fs::read_to_string(&edit.path)
                && text.get(edit.range.clone()) == Some(&edit.old)
                && let Some(uri) = url(&edit.path)
            {
                let range = self.encoding.range(&text, edit.range.clone());
                changes.entry(uri).or_default().push(TextEdit { range, new_text: edit.new.clone() });
            }
        }
        WorkspaceEdit::new(changes)
    }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}
