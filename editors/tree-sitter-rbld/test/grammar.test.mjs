// What is generated is what the grammar says; its trees are those of test/corpus; and it reads all that rbld reads.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
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

test("all that rbld reads is read, and without an error", async (t) => {
  const all = texts();
  const [ours, theirs] = [await accepted(all.map(([, text]) => text)), stumbles(t, all.map(([, text]) => text))];
  const said = (index) => `${all[index][0]} ${theirs[index]}`;
  const read = [...all.keys()].filter((index) => ours[index]);
  assert.ok(read.length > 100, "the repository holds texts of the language");
  assert.deepEqual(read.filter((index) => theirs[index]).map(said), []);
  const refused = [...all.keys()].filter((index) => !ours[index]);
  const wider = refused.filter((index) => !theirs[index]);
  t.diagnostic(`${read.length} texts that rbld reads are read; of ${refused.length} that it refuses, ${wider.length}`);
});
