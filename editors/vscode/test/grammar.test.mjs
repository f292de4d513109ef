// The TextMate grammar, run by the tokenizer that VS Code runs it with, over every `.rbld` file of the repository.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const onig = require("vscode-oniguruma");
const { Registry, parseRawGrammar, INITIAL } = require("vscode-textmate");

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, "../../..");
const wasm = readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"));
await onig.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength));

const files = { "source.rbld": "rbld.tmLanguage.json", "source.rbld-lock": "rbld-lock.tmLanguage.json" };
const registry = new Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new onig.OnigScanner(patterns),
    createOnigString: (text) => new onig.OnigString(text),
  }),
  loadGrammar: async (scope) => {
    const name = files[scope];
    if (!name) return null;
    const path = join(here, "../syntaxes", name);
    return parseRawGrammar(readFileSync(path, "utf8"), path);
  },
});
const grammar = await registry.loadGrammar("source.rbld");

/** Every token of a text with its scopes. */
function tokens(text) {
  let state = INITIAL;
  return text.split("\n").flatMap((line) => {
    const found = grammar.tokenizeLine(line, state);
    state = found.ruleStack;
    return found.tokens.map(({ startIndex, endIndex, scopes }) => ({ text: line.slice(startIndex, endIndex), scopes }));
  });
}

function scopes(text, piece) {
  const token = tokens(text).find((token) => token.text.trim() === piece);
  assert.ok(token, `no token ${piece} in ${JSON.stringify(tokens(text).map((token) => token.text))}`);
  return token.scopes.join(" ");
}

test("names, literals and texts have their scopes", () => {
  assert.match(scopes("env old = x\n", "env"), /storage\.type/);
  assert.match(scopes("env old = x\n", "old"), /variable\.other\.constant/);
  assert.match(scopes("recipe r(e: Env) {\n", "r"), /entity\.name\.function/);
  assert.match(scopes("use ./common.rbld as c\n", "./common.rbld"), /string\.unquoted\.path/);
  assert.match(scopes("let at = 2026-11-22T00:00:00Z\n", "2026-11-22T00:00:00Z"), /constant\.other\.date/);
  assert.match(scopes('let a = "x@{version}y"\n', "version"), /meta\.interpolation.*variable\.other/);
  assert.match(scopes('let a = "x\\q"\n', "\\q"), /invalid/);
  assert.match(scopes("## What it is.\n", "## What it is."), /documentation/);
});

test("a script is shell from its quotes to its quotes, and what follows is rbld again", () => {
  const text = 'recipe r(e: Env) {\n  run = """\n    echo "$out" # x\n    """\n  outputs = { a = file("b") }\n}\n';
  assert.match(scopes(text, "$out"), /meta\.embedded\.block\.shell/);
  assert.doesNotMatch(scopes(text, "outputs"), /shell/);
  assert.match(scopes(text, "file"), /entity\.name\.function/);
});

test("no file of the repository ends inside of something", () => {
  const found = [];
  for (const folder of ["stdlib", "examples"]) {
    for (const name of readdirSync(join(repository, folder), { recursive: true })) {
      if (!name.endsWith(".rbld")) continue;
      found.push(name);
      let state = INITIAL;
      for (const line of readFileSync(join(repository, folder, name), "utf8").split("\n")) {
        const read = grammar.tokenizeLine(line, state);
        state = read.ruleStack;
        const item = /^(env|let|fn|recipe|build|assert|input|type|use) /.test(line);
        if (item) assert.doesNotMatch(read.tokens[0].scopes.join(" "), /string|shell/, `${name}: ${line}`);
      }
      assert.equal(state.depth, 1, name);
    }
  }
  assert.ok(found.length >= 5);
});
