// What is generated is what the grammar says; its trees are those of test/corpus, also after edits; and it reads all that
// rbld reads.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mutated } from "./mutated.mjs";
import { texts } from "./texts.mjs";
import { accepted, grammar, scratch, stumbles, treeSitter } from "./tools.mjs";

const { scripts } = JSON.parse(readFileSync(join(grammar, "package.json"), "utf8"));

test("src is what the grammar generates", (t) => {
  const folder = scratch(t);
  const [, ...generate] = scripts.generate.split(" ");
  const ran = treeSitter([...generate, "--output", folder]);
  assert.equal(ran.status, 0, ran.stderr);
  for (const file of ["parser.c", "grammar.json", "node-types.json"]) {
    const same = readFileSync(join(folder, file), "utf8") === readFileSync(join(grammar, "src", file), "utf8");
    assert.ok(same, `src/${file} is not what \`npm run generate\` writes`);
  }
});

test("trees and highlights are as test/corpus and test/highlight say", () => {
  const ran = treeSitter(["test"]);
  assert.equal(ran.status, 0, ran.stdout + ran.stderr);
});

test("a text whose quotes are forgotten costs the items below nothing", (t) => {
  const file = join(scratch(t), "broken.rbld");
  writeFileSync(file, 'let a = "abc\nlet b = """\n  make\n\nrecipe r() {\n  run = @"""\n    make @{b}\n}\n\nlet c = 3\n');
  const items = [...treeSitter(["parse", file]).stdout.matchAll(/^  \((\w+_item) \[(\d+), 0\]/gm)];
  assert.deepEqual(items.map(([, kind, line]) => `${line} ${kind}`), ["0 let_item", "1 let_item", "9 let_item"]);
});

test("a text that is edited has the tree of one that is read anew", () => {
  const ran = treeSitter(["fuzz", "--iterations", "30", "--edits", "4"]);
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stdout, /corpus - texts/);
  // What fails is told by words alone.
  assert.doesNotMatch(ran.stdout + ran.stderr, /failed/);
});

/** Compares the two over some texts; how many rbld reads, and how many of those that it refuses are read here. */
async function compare(t, all) {
  const bodies = all.map(([, text]) => text);
  const [ours, theirs] = [await accepted(bodies), stumbles(t, bodies)];
  const read = [...all.keys()].filter((index) => ours[index]);
  const wrong = read.filter((index) => theirs[index]);
  assert.deepEqual(wrong.map((index) => `${all[index][0]} ${theirs[index]}`), []);
  const wider = [...all.keys()].filter((index) => !ours[index] && !theirs[index]).length;
  t.diagnostic(`${read.length} texts that rbld reads are read; of ${all.length - read.length} that it refuses, ${wider}`);
  return read.map((index) => bodies[index]);
}

test("all that rbld reads is read, and without an error", async (t) => {
  const read = await compare(t, texts());
  assert.ok(read.length > 100, "the repository holds texts of the language");
  // The same texts with words moved, doubled and left out, of which rbld reads one in seven.
  const more = await compare(t, mutated(read, Number(process.env.SEED ?? 1), Number(process.env.TEXTS ?? 400)));
  assert.ok(more.length > 20);
});
