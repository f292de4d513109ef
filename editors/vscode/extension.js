// Starts `rbld lsp` for `.rbld` files. Everything that is known of the language is known there.
"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** The program that the settings name. */
function program() {
  return vscode.workspace.getConfiguration("rbld").get("path") || "rbld";
}

async function start() {
  const run = { command: program(), args: ["lsp"] };
  client = new LanguageClient("rbld", "rbld", { run, debug: run }, {
    documentSelector: [{ scheme: "file", language: "rbld" }],
    synchronize: {
      fileEvents: [
        vscode.workspace.createFileSystemWatcher("**/*.rbld"),
        vscode.workspace.createFileSystemWatcher("**/*.lock"),
      ],
    },
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const settings = "Open Settings";
    const chosen = await vscode.window.showErrorMessage(
      `Could not start \`${program()} lsp\`: ${error.message}. Install rbld, or say where it is by the setting rbld.path.`,
      settings,
    );
    if (chosen === settings) await vscode.commands.executeCommand("workbench.action.openSettings", "rbld.path");
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) await running.stop();
}

/** Runs `rbld check` on the file that is shown, in a terminal where its progress can be seen. */
async function check() {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId !== "rbld") return;
  await document.save();
  const execution = new vscode.ProcessExecution(program(), ["check", document.fileName]);
  const folder = vscode.workspace.getWorkspaceFolder(document.uri) ?? vscode.TaskScope.Workspace;
  await vscode.tasks.executeTask(new vscode.Task({ type: "process" }, folder, "check", "rbld", execution));
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("rbld.check", check),
    vscode.commands.registerCommand("rbld.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (!change.affectsConfiguration("rbld.path")) return;
      await stop();
      await start();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
