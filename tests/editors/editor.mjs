// An editor without a window: starts `rbld lsp` and speaks with it through the client library that VS Code is made of.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import protocol from "vscode-languageserver-protocol/node.js";

const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const rbld = process.env.RBLD ?? join(repository, "target/debug/rbld");

/** A copy of an example, with files put in or replaced. */
export function project(example, files = {}) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "rbld-editor-")));
  if (example) cpSync(join(repository, "examples", example), join(folder, "project"), { recursive: true });
  else mkdirSync(join(folder, "project"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "project", name), text);
  return folder;
}

export class Editor {
  constructor(folder) {
    this.folder = folder;
    this.root = join(folder, "project");
    this.environment = { ...process.env, HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
    delete this.environment.RBLD_STORE;
    this.server = spawn(rbld, ["lsp"], { cwd: this.root, env: this.environment, stdio: ["pipe", "pipe", "inherit"] });
    this.connection = protocol.createProtocolConnection(
      new protocol.StreamMessageReader(this.server.stdout),
      new protocol.StreamMessageWriter(this.server.stdin),
    );
    this.texts = new Map();
    this.versions = new Map();
    this.shown = new Map();
    this.waiting = [];
    this.connection.onNotification(protocol.PublishDiagnosticsNotification.type, (params) => {
      this.shown.set(params.uri, params);
      this.waiting = this.waiting.filter((wait) => !wait());
    });
    this.connection.onRequest(protocol.InlayHintRefreshRequest.type, () => {});
    this.messages = [];
    this.connection.onNotification(protocol.ShowMessageNotification.type, (params) => {
      this.messages.push(params);
      this.waiting = this.waiting.filter((wait) => !wait());
    });
    this.connection.listen();
  }

  static async open(folder) {
    const editor = new Editor(folder);
    const answer = await editor.connection.sendRequest(protocol.InitializeRequest.type, {
      processId: process.pid,
      rootUri: pathToFileURL(editor.root).href,
      workspaceFolders: null,
      capabilities: {
        textDocument: { completion: { completionItem: { snippetSupport: true } } },
        workspace: { inlayHint: { refreshSupport: true } },
      },
    });
    editor.capabilities = answer.capabilities;
    await editor.connection.sendNotification(protocol.InitializedNotification.type, {});
    return editor;
  }

  uri(name) {
    return name.startsWith("file:") ? name : pathToFileURL(join(this.root, name)).href;
  }

  async openFile(name) {
    const uri = this.uri(name);
    const text = readFileSync(fileURLToPath(uri), "utf8");
    this.texts.set(uri, text);
    this.versions.set(uri, 1);
    await this.connection.sendNotification(protocol.DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "rbld", version: 1, text },
    });
    return uri;
  }

  text(uri) {
    return this.texts.get(uri);
  }

  /** Where a piece of the text begins; `nth` counts from 0, `plus` characters are added. */
  at(uri, piece, plus = 0, nth = 0) {
    const text = this.text(uri);
    let at = text.indexOf(piece);
    for (; nth > 0; nth--) at = text.indexOf(piece, at + 1);
    if (at < 0) throw new Error(`no ${JSON.stringify(piece)} in ${uri}`);
    return this.position(text, at + plus);
  }

  position(text, at) {
    const before = text.slice(0, at).split("\n");
    return { line: before.length - 1, character: before.at(-1).length };
  }

  offset(text, { line, character }) {
    return text.split("\n").slice(0, line).reduce((sum, line) => sum + line.length + 1, 0) + character;
  }

  /** Makes edits, as an editor that someone types in. */
  async edit(uri, edits) {
    const inOrder = [...edits].sort((a, b) => this.offset(this.text(uri), b.range.start) - this.offset(this.text(uri), a.range.start));
    let text = this.text(uri);
    const contentChanges = [];
    for (const { range, newText } of inOrder) {
      contentChanges.push({ range, text: newText });
      text = text.slice(0, this.offset(text, range.start)) + newText + text.slice(this.offset(text, range.end));
    }
    const version = this.versions.get(uri) + 1;
    this.texts.set(uri, text);
    this.versions.set(uri, version);
    await this.connection.sendNotification(protocol.DidChangeTextDocumentNotification.type, {
      textDocument: { uri, version },
      contentChanges,
    });
  }

  async replace(uri, piece, newText, nth = 0) {
    const range = { start: this.at(uri, piece, 0, nth), end: this.at(uri, piece, piece.length, nth) };
    await this.edit(uri, [{ range, newText }]);
  }

  /** The findings of the text as it is now. */
  diagnostics(uri) {
    const version = this.versions.get(uri);
    return this.until(() => {
      const shown = this.shown.get(uri);
      return shown && shown.version === version ? shown.diagnostics : undefined;
    }, `diagnostics of version ${version}`);
  }

  /** The first thing that isn't undefined, looked for whenever the server says something. */
  until(find, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} within 60 s`)), 60_000);
      const look = () => {
        const found = find();
        if (found === undefined) return false;
        clearTimeout(timer);
        resolve(found);
        return true;
      };
      if (!look()) this.waiting.push(look);
    });
  }

  ask(type, uri, position, more = {}) {
    return this.connection.sendRequest(type, { textDocument: { uri }, position, ...more });
  }

  async completions(uri, position) {
    const items = (await this.ask(protocol.CompletionRequest.type, uri, position)) ?? [];
    return Object.fromEntries(items.map((item) => [item.label, item]));
  }

  actions(uri, diagnostic) {
    return this.connection.sendRequest(protocol.CodeActionRequest.type, {
      textDocument: { uri },
      range: diagnostic.range,
      context: { diagnostics: [diagnostic] },
    });
  }

  save(uri) {
    writeFileSync(fileURLToPath(uri), this.text(uri));
    return this.connection.sendNotification(protocol.DidSaveTextDocumentNotification.type, { textDocument: { uri } });
  }

  /** A command of rbld in the project's folder. */
  run(...args) {
    return spawnSync(rbld, args, { cwd: this.root, env: this.environment, encoding: "utf8" });
  }

  /** Leaves in order, and gives the server's exit code. */
  async close() {
    const ended = new Promise((resolve) => this.server.on("exit", (code) => resolve(code)));
    await this.connection.sendRequest(protocol.ShutdownRequest.type);
    await this.connection.sendNotification(protocol.ExitNotification.type);
    const code = await ended;
    this.connection.dispose();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}
