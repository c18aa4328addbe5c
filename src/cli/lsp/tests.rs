//! An editor in the same process: what it may say in any order.

use lsp_server::{Connection, Message, Notification, Request};
use lsp_types::Position;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::serve;

const TEXT: &str = include_str!("../../../examples/thingworx.kdl");
const URI: &str = "file:///nowhere/lbd.kdl";

fn request(id: i32, method: &str, params: Value) -> Message {
    Request { id: id.into(), method: method.to_owned(), params }.into()
}

fn note(method: &str, params: Value) -> Message {
    Notification { method: method.to_owned(), params }.into()
}

/// What an editor got for all that it said, in order.
fn talk(messages: Vec<Message>) -> Vec<Message> {
    let (editor, server) = Connection::memory();
    let serving = std::thread::spawn(move || serve(&server));
    let mut all =
        vec![request(-1, "initialize", json!({ "capabilities": {} })), note("initialized", json!({}))];
    all.extend(messages);
    all.extend([request(-2, "shutdown", json!(null)), note("exit", json!(null))]);
    let reading = std::thread::spawn(move || editor.receiver.iter().collect::<Vec<_>>());
    all.into_iter().for_each(|message| editor.sender.send(message).unwrap());
    drop(editor.sender);
    serving.join().unwrap().unwrap();
    reading.join().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is typed wherever: each question has an answer, and no place is out of the text.
    #[test]
    fn every_question_is_answered_whatever_was_typed(
        edits in prop::collection::vec(
            ((0_u32..80, 0_u32..60), (0_u32..3, 0_u32..40), "[ -~\n{}\"#=;/\u{e9}\u{1f600}]{0,12}"), 1..8),
    ) {
        let document = json!({ "uri": URI, "languageId": "kdl", "version": 1, "text": TEXT });
        let mut messages = vec![note("textDocument/didOpen", json!({ "textDocument": document }))];
        let mut asked = 0;
        for ((line, column), (lines, columns), text) in edits {
            let (start, end) = (Position::new(line, column), Position::new(line + lines, column + columns));
            let change = json!({ "range": { "start": start, "end": end }, "text": text });
            messages.push(note("textDocument/didChange", json!({
                "textDocument": { "uri": URI, "version": 2 }, "contentChanges": [change]
            })));
            for method in ["completion", "hover", "definition", "references", "documentSymbol", "formatting", "codeLens"] {
                asked += 1;
                let params = json!({ "textDocument": { "uri": URI }, "position": start, "context": {} });
                messages.push(request(asked, &format!("textDocument/{method}"), params));
            }
            asked += 1;
            let range = json!({ "start": { "line": 0, "character": 0 }, "end": end });
            let params = json!({ "textDocument": { "uri": URI }, "range": range, "context": { "diagnostics": [] } });
            messages.push(request(asked, "textDocument/codeAction", params));
        }
        let answers = talk(messages);
        let good = answers.iter().filter(|m| matches!(m, Message::Response(r) if r.response_result.is_ok())).count();
        prop_assert_eq!(good, asked as usize + 2, "with the answers to initialize and shutdown");
    }
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let texts = [
        request(1, "textDocument/hover", json!({ "textDocument": { "uri": "file:///not/open.kdl" } })),
        request(2, "textDocument/hover", json!(3)),
        request(3, "workspace/nonsense", json!({})),
    ];
    let errors: Vec<_> = talk(texts.into())
        .into_iter()
        .filter_map(|message| match message {
            Message::Response(response) => {
                response.response_result.err().map(|error| (error.code, error.message))
            }
            _ => None,
        })
        .collect();
    let invalid = (-32602, "the request names no text that is open, or no place in it".to_owned());
    let unknown = (-32601, "unknown method workspace/nonsense".to_owned());
    assert_eq!(errors, [invalid.clone(), invalid, unknown]);
}
