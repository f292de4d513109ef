// `rbld lsp` as an editor sees it: one test a feature, each driving the built binary.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import protocol from "vscode-languageserver-protocol/node.js";
import { Editor, project } from "./editor.mjs";

const LIBRARY = `rbld 1
use std.fetch

## What a release is made of.
type Release = { name: String, size: Size? }

type Kind = stable | testing

## The tarball of a version.
fn tarball(version: String, kind: Kind = stable) -> Input = fetch.url {
  url    = "https://example.org/@{version}.tar.gz"
  digest = sha256:bc2df2d868f141bca5f3625aa146aa0f24871f6dcf0b48ff497eba3bb5219b84
}

let release: Release = { name = "é🎈" }
let shown = release.name

input src = tarball("1.0", kind = testing)
test "a name" shown == release.name
`;

/** A session in a project; closed in order when the test is over, whatever came of it. */
async function session(t, example, files) {
  const editor = await Editor.open(project(example, files));
  t.after(async () => assert.equal(await editor.close(), 0));
  return editor;
}

/** The example with three locked environments, open. */
async function archive(t) {
  const editor = await session(t, "git-archive");
  const uri = await editor.openFile("build.rbld");
  return [editor, uri];
}

/** A file that needs no lock, open. */
async function library(t) {
  const editor = await session(t, undefined, { "library.rbld": LIBRARY });
  const uri = await editor.openFile("library.rbld");
  return [editor, uri];
}

test("a broken line gets a diagnostic, its action mends it, and the file checks", async (t) => {
  const [editor, uri] = await archive(t);
  assert.deepEqual(await editor.diagnostics(uri), []);
  await editor.replace(uri, "archive(e)\n", "archve(e)\n");
  const [found, ...more] = await editor.diagnostics(uri);
  assert.deepEqual(more, []);
  assert.equal(found.code, "E0201");
  assert.equal(found.source, "rbld");
  assert.equal(found.message, "there is nothing named `archve`\nhelp: did you mean `archive`?");
  assert.deepEqual(found.range, { start: editor.at(uri, "archve"), end: editor.at(uri, "archve", 6) });
  const explained = readFileSync(fileURLToPath(found.codeDescription.href), "utf8");
  assert.match(explained, /^# E0201: /);
  const [action] = await editor.actions(uri, found);
  assert.equal(action.title, "Change to `archive`");
  assert.equal(action.isPreferred, true);
  await editor.edit(uri, action.edit.changes[uri]);
  assert.deepEqual(await editor.diagnostics(uri), []);
  await editor.save(uri);
  const ran = editor.run("plan");
  assert.equal(ran.status, 0, ran.stderr);
});

test("findings follow the text, also in the files it uses, and go when they are mended", async (t) => {
  const main = "rbld 1\nuse ./library.rbld\n\ntest \"same\" library.shown == \"é🎈\"\n";
  const editor = await session(t, undefined, { "library.rbld": LIBRARY, "build.rbld": main });
  const uri = await editor.openFile("build.rbld");
  assert.deepEqual(await editor.diagnostics(uri), []);
  const used = await editor.openFile("library.rbld");
  await editor.replace(used, "release.name\n", "release.nme\n");
  const [found] = await editor.diagnostics(used);
  assert.match(found.message, /`Release` has no field `nme`\nhelp: did you mean `name`/);
  await editor.replace(used, "release.nme\n", "release.name\n");
  assert.deepEqual(await editor.diagnostics(used), []);
});

test("positions are counted in UTF-16", async (t) => {
  const [editor, uri] = await library(t);
  await editor.replace(uri, '"é🎈" }', '"é🎈", sise = 1 }');
  const found = await editor.diagnostics(uri);
  assert.deepEqual(found[0].range, { start: editor.at(uri, "sise"), end: editor.at(uri, "sise", 4) });
});

test("a second place is related information", async (t) => {
  const [editor, uri] = await library(t);
  await editor.replace(uri, "let shown = release.name", "let shown = release.name\nlet release = 1");
  const found = (await editor.diagnostics(uri)).find((one) => one.code === "E0208");
  assert.equal(found.relatedInformation[0].message, "first declared here");
  assert.deepEqual(found.relatedInformation[0].location.range.start, editor.at(uri, "release: Release"));
});

test("an unused item can be removed or kept", async (t) => {
  const [editor, uri] = await archive(t);
  await editor.replace(uri, "env old", "let spare = 1\n\nenv old");
  const found = (await editor.diagnostics(uri)).find((one) => one.code === "W0501" && one.message.includes("spare"));
  assert.deepEqual(found.tags, [protocol.DiagnosticTag.Unnecessary]);
  const actions = await editor.actions(uri, found);
  assert.deepEqual(actions.map((action) => action.title), ["Remove `spare`", "Keep it as `_spare`"]);
  await editor.edit(uri, actions[0].edit.changes[uri]);
  assert.ok(!editor.text(uri).includes("spare"));
});

test("a missing lock offers `rbld lock`", async (t) => {
  const [editor, uri] = await archive(t);
  await editor.replace(uri, '["git"]', '["git", "make"]');
  const found = (await editor.diagnostics(uri)).find((one) => one.code === "E0204");
  assert.match(found.message, /is stale: package `make` was added/);
  const [action] = await editor.actions(uri, found);
  assert.equal(action.command.command, "rbld.lock");
  assert.deepEqual(action.command.arguments, [fileURLToPath(uri)]);
});

test("the command that an action offers is run, and what came of it is said", async (t) => {
  const editor = await session(t, undefined, { "small.rbld": 'rbld 1\ntest "one" 1 == 1\n' });
  const uri = await editor.openFile("small.rbld");
  const run = (file) =>
    editor.connection.sendRequest(protocol.ExecuteCommandRequest.type, { command: "rbld.lock", arguments: [file] });
  await run(fileURLToPath(uri));
  const said = await editor.until(() => editor.messages[0], "message");
  assert.equal(said.type, protocol.MessageType.Info);
  assert.match(said.message, /wrote small\.rbld\.lock/);
  await run("nowhere.rbld");
  const wrong = await editor.until(() => editor.messages[1], "second message");
  assert.equal(wrong.type, protocol.MessageType.Error);
  assert.match(wrong.message, /there is no file `nowhere\.rbld`/);
});

test("an input that isn't pinned offers `rbld update`, which edits the saved file", async (t) => {
  const file = 'rbld 1\nuse std.fetch\n\ninput src = fetch.git { url = "./repository", tag = "v1" }\n';
  const editor = await session(t, undefined, { "small.rbld": file });
  const git = (...args) => spawnSync("git", ["-C", join(editor.root, "repository"), ...args], { encoding: "utf8" });
  mkdirSync(join(editor.root, "repository"));
  git("init", "-q");
  git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "one");
  git("tag", "v1");
  const commit = git("rev-parse", "v1").stdout.trim();
  const uri = await editor.openFile("small.rbld");
  const found = (await editor.diagnostics(uri)).find((one) => one.code === "E0203");
  const [action] = await editor.actions(uri, found);
  assert.equal(action.title, "Run `rbld update src`");
  const { command, arguments: given } = action.command;
  assert.ok(editor.capabilities.executeCommandProvider.commands.includes(command));
  const run = () => editor.connection.sendRequest(protocol.ExecuteCommandRequest.type, { command, arguments: given });
  await editor.replace(uri, "input src", "\ninput src");
  await assert.rejects(run, /small\.rbld` isn't saved/);
  await editor.save(uri);
  await run();
  const said = await editor.until(() => editor.messages[0], "message");
  assert.equal(said.type, protocol.MessageType.Info, said.message);
  assert.match(said.message, /wrote small\.rbld/);
  assert.ok(readFileSync(fileURLToPath(uri), "utf8").includes(`commit = commit:${commit}`));
});

test("a required package that isn't pinned offers `rbld update` in its manifest", async (t) => {
  const manifest = 'rbld 1\nlet requires = { gnu = git { url = "https://example.org/gnu.git" } }\n';
  const editor = await session(t, undefined, { "build.rbld": "rbld 1\n", "package.rbld": manifest });
  await editor.openFile("build.rbld");
  const uri = await editor.openFile("package.rbld");
  const [found] = await editor.diagnostics(uri);
  assert.equal(found.code, "E0203");
  const [action] = await editor.actions(uri, found);
  assert.equal(action.title, "Run `rbld update gnu`");
  assert.deepEqual(action.command.arguments, [join(editor.root, "build.rbld"), "gnu"]);
});

test("completion: kinds of items in column 0", async (t) => {
  const [editor, uri] = await library(t);
  await editor.replace(uri, "let shown", "re\nlet shown");
  const items = await editor.completions(uri, editor.at(uri, "re\nlet", 2));
  assert.equal(items.recipe.kind, protocol.CompletionItemKind.Keyword);
  assert.equal(Object.keys(items).length, 10);
});

test("completion: modules, and what is in them", async (t) => {
  const [editor, uri] = await library(t);
  await editor.replace(uri, "use std.fetch\n", "use std.fetch\nuse std.\n");
  assert.ok((await editor.completions(uri, editor.at(uri, "use std.\n", 8)))["std.debian"]);
  await editor.replace(uri, "use std.\n", "use std.debian\n");
  await editor.replace(uri, "let shown = release.name", "let shown = debian.");
  const items = await editor.completions(uri, editor.at(uri, "= debian.", 9));
  assert.match(items.snapshot.detail, /fn snapshot\(suite: Suite, at: Instant\? = none, .*\) -> Archive/);
  assert.match(items.snapshot.documentation.value, /A suite as the archive published it/);
  assert.ok(items.rebuild);
  assert.equal(items.Suite, undefined);
});

test("completion: names in scope, and named arguments with their types", async (t) => {
  const [editor, uri] = await library(t);
  await editor.replace(uri, 'tarball("1.0", kind = testing)', 'tarball("1.0", ');
  const items = await editor.completions(uri, editor.at(uri, '("1.0", ', 8));
  assert.equal(items.kind.detail, "parameter kind: Kind");
  assert.equal(items.kind.textEdit.newText, "kind = ");
  assert.ok(items.shown && items.tarball && items.join);
  await editor.replace(uri, '"1.0", ', '"1.0", kind = t)');
  const variants = await editor.completions(uri, editor.at(uri, "kind = t)", 8));
  assert.equal(variants.testing.kind, protocol.CompletionItemKind.EnumMember);
});

test("completion: fields of records and of recipes, and outputs", async (t) => {
  const [editor, uri] = await archive(t);
  await editor.replace(uri, "identical(a.*.tests)", "identical(a.*.)");
  const outputs = await editor.completions(uri, editor.at(uri, "identical(a.*.)", 14));
  assert.deepEqual(Object.keys(outputs).sort(), ["release", "tests", "tests_by_gzip", "tests_gz"]);
  await editor.replace(uri, "identical(a.*.)", "identical(a.*.tests)");
  await editor.replace(uri, "  outputs = {", "  ti\n  outputs = {");
  const fields = await editor.completions(uri, editor.at(uri, "  ti\n", 4));
  assert.equal(fields.timeout.detail, "timeout: Duration");
});

test("completion: types, and fields where a record is written", async (t) => {
  const [editor, uri] = await library(t);
  await editor.replace(uri, "name: String, size", "name: S, size");
  const types = await editor.completions(uri, editor.at(uri, "name: S,", 7));
  assert.ok(types.String && types.Kind && types.Instant && !types.shown);
  await editor.replace(uri, "name: S, size", "name: String, size");
  await editor.replace(uri, '{ name = "é🎈" }', '{ name = "é🎈", s }');
  const fields = await editor.completions(uri, editor.at(uri, ", s }", 3));
  assert.equal(fields.size.detail, "field size: Size?");
});

test("completion: packages of the lock", async (t) => {
  const [editor, uri] = await archive(t);
  await editor.replace(uri, '["git"]', '["git", "zl"]', 1);
  const items = await editor.completions(uri, editor.at(uri, '"zl"', 3));
  assert.match(items.zlib1g.detail, /^1:1\./);
  assert.equal(items.shown, undefined);
});

test("completion: variables of a script", async (t) => {
  const [editor, uri] = await archive(t);
  await editor.replace(uri, "    cd tally\n", "    cd tally $b\n");
  const items = await editor.completions(uri, editor.at(uri, "cd tally $b", 11));
  assert.ok(items.bundle && items.tests_gz && items.SOURCE_DATE_EPOCH && !items.by_git);
});

test("hover shows the type and the documentation", async (t) => {
  const [editor, uri] = await archive(t);
  const hover = async (position) => (await editor.ask(protocol.HoverRequest.type, uri, position)).contents.value;
  assert.match(await hover(editor.at(uri, "archive(e)\n")), /recipe archive\(e: Env\) leaves \{ release, tests, .*What a maintainer runs/s);
  assert.match(await hover(editor.at(uri, "snapshot(trixie")), /fn snapshot\(suite: Suite, at: Instant\? = none, .*\) -> Archive.*A suite as the archive/s);
  assert.match(await hover(editor.at(uri, ", at)", 2)), /let at: Instant/);
  assert.match(await hover(editor.at(uri, "a.*.release")), /build a: matrix of builds by Env/);
  assert.match(await hover(editor.at(uri, "trixie")), /Suite\.trixie/);
});

test("definitions are found, also in the standard library", async (t) => {
  const [editor, uri] = await archive(t);
  const definition = (position) => editor.ask(protocol.DefinitionRequest.type, uri, position);
  const here = await definition(editor.at(uri, "by_git, across"));
  assert.deepEqual([here.uri, here.range.start], [uri, editor.at(uri, "by_git = ")]);
  const output = await definition(editor.at(uri, "a.*.tests_gz", 5));
  assert.deepEqual(output.range.start, editor.at(uri, "tests_gz      ="));
  const variable = await definition(editor.at(uri, '"$tests_gz"', 3));
  assert.deepEqual(variable.range.start, editor.at(uri, "tests_gz      ="));
  const there = await definition(editor.at(uri, "snapshot(trixie"));
  const text = readFileSync(fileURLToPath(there.uri), "utf8");
  assert.equal(text.split("\n")[there.range.start.line].slice(0, 11), "fn snapshot");
  assert.equal(statSync(fileURLToPath(there.uri)).mode & 0o777, 0o444);
  const std = await editor.openFile(there.uri);
  const inside = await editor.ask(protocol.HoverRequest.type, std, editor.at(std, "suite)"));
  assert.match(inside.contents.value, /parameter suite: Suite/);
});

test("references are all places, with and without the declaration", async (t) => {
  const [editor, uri] = await archive(t);
  const references = (includeDeclaration) =>
    editor.ask(protocol.ReferencesRequest.type, uri, editor.at(uri, "at)"), { context: { includeDeclaration } });
  assert.equal((await references(true)).length, 4);
  assert.equal((await references(false)).length, 3);
});

test("rename changes every place, scripts included, and nothing else", async (t) => {
  const [editor, uri] = await archive(t);
  const rename = (position, newName) => editor.ask(protocol.RenameRequest.type, uri, position, { newName });
  const edits = (await rename(editor.at(uri, "tests_gz      ="), "packed")).changes[uri];
  assert.equal(edits.length, 3);
  await editor.edit(uri, edits);
  assert.deepEqual(await editor.diagnostics(uri), []);
  assert.ok(editor.text(uri).includes('-o "$packed" v1.0 tests'));
  assert.ok(!editor.text(uri).includes("tests_gz"));
});

test("rename writes out the short form of an entry", async (t) => {
  const text = 'rbld 1\nlet size = 1\nlet both = { size }\ntest "one" both.size == size\n';
  const editor = await session(t, undefined, { "short.rbld": text });
  const uri = await editor.openFile("short.rbld");
  const { changes } = await editor.ask(protocol.RenameRequest.type, uri, editor.at(uri, "size = 1"), { newName: "count" });
  await editor.edit(uri, changes[uri]);
  assert.equal(editor.text(uri), 'rbld 1\nlet count = 1\nlet both = { size = count }\ntest "one" both.size == count\n');
});

test("rename refuses the standard library, words of the language and names that are taken", async (t) => {
  const [editor, uri] = await archive(t);
  const rename = (position, newName) => editor.ask(protocol.RenameRequest.type, uri, position, { newName });
  await assert.rejects(editor.ask(protocol.PrepareRenameRequest.type, uri, editor.at(uri, "snapshot")), /standard library/);
  await assert.rejects(rename(editor.at(uri, "snapshot"), "x"), /standard library/);
  await assert.rejects(rename(editor.at(uri, "by_git"), "old"), /declared already, in line 11/);
  await assert.rejects(rename(editor.at(uri, "by_git"), "then"), /can't be a name/);
  await assert.rejects(rename(editor.at(uri, "by_git"), "By"), /only types begin with a capital/);
});

test("rename refuses a name that something nearer would catch", async (t) => {
  const text = 'rbld 1\nlet size = 1\nfn more(x: Int) -> Int = x + size\ntest "more" more(1) == size + size\n';
  const editor = await session(t, undefined, { "caught.rbld": text });
  const uri = await editor.openFile("caught.rbld");
  const rename = (newName) => editor.ask(protocol.RenameRequest.type, uri, editor.at(uri, "size"), { newName });
  await assert.rejects(rename("x"), /`x` means something else where one of the 4 places is/);
  assert.equal((await rename("y")).changes[uri].length, 4);
});

test("symbols are the items of a file", async (t) => {
  const [editor, uri] = await archive(t);
  const symbols = await editor.ask(protocol.DocumentSymbolRequest.type, uri);
  assert.deepEqual(symbols.slice(0, 6).map(({ name, detail }) => [name, detail]), [
    ["at", "let: Instant"],
    ["old", "env: Env"],
    ["stable", "env: Env"],
    ["newest", "env: Env"],
    ["archive", "recipe"],
    ["a", "build: matrix of builds by Env"],
  ]);
  const folds = await editor.ask(protocol.FoldingRangeRequest.type, uri);
  assert.equal(folds[0].startLine, editor.at(uri, "recipe archive").line);
});

/** What is shown inside of a text: the line, the words and whether they are a type. */
async function hints(editor, uri) {
  await editor.diagnostics(uri);
  const range = { start: { line: 0, character: 0 }, end: { line: 99, character: 0 } };
  return editor.connection.sendRequest(protocol.InlayHintRequest.type, { textDocument: { uri }, range });
}

test("hints say what is locked and what is in the store", async (t) => {
  const [editor, uri] = await archive(t);
  const states = async () => {
    const found = await hints(editor, uri);
    return found.filter((hint) => hint.kind === undefined).map((hint) => [hint.position.line, hint.label]);
  };
  const line = (piece) => editor.at(uri, piece).line;
  assert.deepEqual(await states(), [
    [line("env old"), "locked, to build"],
    [line("env stable"), "locked, to build"],
    [line("env newest"), "locked, to build"],
    [line("build a"), "to build"],
  ]);
  await editor.replace(uri, '["git"]', '["git", "make"]');
  assert.equal((await states())[0][1], "lock is stale");
});

test("hints say the types of lets that don't write theirs, and can be taken into the text", async (t) => {
  const [editor, uri] = await library(t);
  const added = 'let all = [["a"], []]\nlet long = [{ name = "ucf", version = "1", size = 4kB }]\nlet nothing = []\nlet broken = nosuch\n';
  await editor.replace(uri, "input src", `${added}\ninput src`);
  const found = (await hints(editor, uri)).filter((hint) => hint.kind === protocol.InlayHintKind.Type);
  const label = (piece) => found.find((hint) => hint.position.line === editor.at(uri, piece).line)?.label;
  assert.equal(label("let shown"), ": String");
  assert.equal(label("let all"), ": List[List[String]]");
  assert.equal(label("let long"), ": List[{ name: String, version: String, …");
  for (const none of ["let release", "let nothing", "let broken"]) assert.equal(label(none), undefined, none);
  const shown = found.find((hint) => hint.label === ": String");
  assert.deepEqual(shown.position, editor.at(uri, "let shown", "let shown".length));
  await editor.edit(uri, shown.textEdits);
  assert.match(editor.text(uri), /^let shown: String = release\.name$/m);
  assert.equal((await hints(editor, uri)).filter((hint) => hint.label === ": String").length, 0);
});

test("a document is laid out by edits of the lines that change, as `rbld fmt` does it", async (t) => {
  const loose = LIBRARY.replace("type Kind = stable | testing", "type Kind=stable|testing").replace('let release: Release = {', "let release: Release={");
  const editor = await session(t, undefined, { "library.rbld": loose });
  const uri = await editor.openFile("library.rbld");
  const options = { tabSize: 8, insertSpaces: false };
  const ask = (type, more = {}) => editor.connection.sendRequest(type, { textDocument: { uri }, options, ...more });
  const line = (piece) => editor.at(uri, piece).line;
  const edits = await ask(protocol.DocumentFormattingRequest.type);
  assert.deepEqual(edits.map(({ range }) => range.start.line), [line("type Kind"), line("let release")]);
  const range = { start: editor.at(uri, "testing"), end: editor.at(uri, "testing") };
  assert.deepEqual(await ask(protocol.DocumentRangeFormattingRequest.type, { range }), edits.slice(0, 1));
  await editor.edit(uri, edits);
  assert.equal(editor.text(uri), LIBRARY);
  assert.deepEqual(await ask(protocol.DocumentFormattingRequest.type), []);
  await editor.save(uri);
  assert.equal(editor.run("fmt", "--check", "library.rbld").status, 0);
  await editor.replace(uri, "let release", "let release =");
  assert.deepEqual(await ask(protocol.DocumentFormattingRequest.type), []);
});

test("a file that can't be read at all still gets answers", async (t) => {
  const [editor, uri] = await library(t);
  await editor.edit(uri, [{ range: { start: editor.at(uri, "rbld 1"), end: editor.at(uri, "let shown") }, newText: "}{ \"" }]);
  assert.ok((await editor.diagnostics(uri)).length > 0);
  assert.ok(Array.isArray(await editor.ask(protocol.DocumentSymbolRequest.type, uri)));
  await editor.completions(uri, { line: 0, character: 3 });
});
