// Starts `lbd lsp` and connects it with the editor.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = function activate() {
  const command = workspace.getConfiguration("lbd").get("path", "lbd");
  const server = { command, args: ["lsp"] };
  const options = { documentSelector: [{ scheme: "file", language: "lbd" }] };
  client = new LanguageClient("lbd", "lbd", server, options);
  return client.start();
};

exports.deactivate = function deactivate() {
  return client?.stop();
};
