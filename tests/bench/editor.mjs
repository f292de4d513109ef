// How long after a keystroke the findings are there, in a file of 5,000 lines, with a built binary:
//   RBLD=target/release/rbld node tests/bench/editor.mjs
import { Editor, project } from "../editors/editor.mjs";

const LINES = 5000;
const items = [
  "rbld 1\nuse std.debian\n\nenv base = debian.snapshot(bookworm, 2026-11-22T00:00:00Z).env(amd64, packages = [\"git\"])\n",
];
for (let count = 0; items.join("\n").split("\n").length < LINES; count++) {
  const before = count === 0 ? "0" : `n${count - 1}`;
  items.push(
    `let n${count} = ${before} + 1\n\nrecipe r${count}(e: Env, word: String = "w${count}") {\n  env     = e\n` +
      `  vars    = { WORD = word, N = n${count} }\n  run     = """\n    echo "$WORD $N" > "$out"\n    """\n` +
      `  outputs = { out = file("out${count}") }\n}\n\nbuild b${count} = r${count}(base)\n` +
      (count === 0 ? "" : `assert "${count}" differ(b${count}.out, b${count - 1}.out)\n`),
  );
}
const text = items.join("\n");
const editor = await Editor.open(project(undefined, { "long.rbld": text }));
const uri = await editor.openFile("long.rbld");
await editor.diagnostics(uri);
const times = [];
for (let round = 0; round < 60; round++) {
  const [from, to] = round % 2 === 0 ? ["let n150 = n149 + 1", "let n150 = n149 + x1"] : ["n149 + x1", "n149 + 1"];
  const start = performance.now();
  await editor.replace(uri, from, to);
  const found = await editor.diagnostics(uri);
  times.push(performance.now() - start);
  if (found.some((one) => one.code === "E0201") !== (round % 2 === 0)) throw new Error("not what was typed");
}
await editor.close();
times.sort((a, b) => a - b);
const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
console.log(`${text.split("\n").length} lines, ${text.length} bytes: median ${at(0.5)} ms, 9 of 10 within ${at(0.9)} ms, worst ${times.at(-1).toFixed(1)} ms`);
