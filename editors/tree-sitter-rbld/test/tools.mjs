// The two that are compared: the built `rbld`, and the grammar's parser, built and run by the `tree-sitter` command.
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "./texts.mjs";

export const grammar = join(repository, "editors/tree-sitter-rbld");

/** The command that `npm run tool` installs, else one in `PATH`. */
function command() {
  const own = join(grammar, "target/tool/bin/tree-sitter");
  return process.env.TREE_SITTER ?? (existsSync(own) ? own : "tree-sitter");
}

/** A folder that is gone when the test is over. */
export function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), "tree-sitter-rbld-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Runs `tree-sitter`. */
export function treeSitter(args, folder = grammar) {
  // The parser that it builds is kept beside the tool, not in the user's folder of caches.
  const env = { ...process.env, XDG_CACHE_HOME: join(grammar, "target/cache"), NO_COLOR: "1", TREE_SITTER_SEED: "1" };
  const ran = spawnSync(command(), args, { cwd: folder, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (ran.error) throw new Error(`${command()}: ${ran.error.message}; \`npm run tool\` installs it`);
  return ran;
}

/** For each text, where the grammar doesn't go on with it; `undefined` where it reads all of it. */
export function stumbles(t, texts) {
  const folder = scratch(t);
  const library = join(folder, "rbld.so");
  const built = treeSitter(["build", "--output", library]);
  if (built.status !== 0) throw new Error(built.stderr);
  const paths = texts.map((text, index) => {
    const path = join(folder, `${index}.rbld`);
    writeFileSync(path, text);
    return path;
  });
  const list = join(folder, "paths");
  writeFileSync(list, paths.join("\n") + "\n");
  const parse = ["parse", "--lib-path", library, "--lang-name", "rbld", "--quiet", "--paths", list];
  const ran = treeSitter([...parse, "--json-summary"]);
  const summary = JSON.parse(ran.stdout.slice(ran.stdout.indexOf("{")));
  const read = new Map(summary.parse_summaries.map(({ file, successful }) => [file, successful]));
  // Only the lines of the other form say where.
  const places = new Map();
  if (ran.status !== 0) {
    for (const line of treeSitter(parse).stdout.split("\n")) {
      const [path, , ...rest] = line.split("\t");
      if (rest.length) places.set(path.trim(), rest.at(-1).replace(/^.*?\((ERROR|MISSING)/, "($1"));
    }
  }
  return paths.map((path) => {
    if (!read.has(path)) throw new Error(`no word of ${path}\n${ran.stderr}`);
    return read.get(path) ? undefined : (places.get(path) ?? "somewhere");
  });
}

/** Whether rbld's own parser accepts each text. */
export async function accepted(texts) {
  const rbld = process.env.RBLD ?? join(repository, "target/debug/rbld");
  const one = (text) =>
    new Promise((resolve, reject) => {
      const child = execFile(rbld, ["fmt", "-"], { maxBuffer: 1 << 28 }, (error, _, stderr) => {
        const status = error ? error.code : 0;
        if (status === 0 || status === 2) resolve(status === 0);
        else reject(new Error(`${rbld} fmt: ${error.message}\n${stderr}\nof ${text}`));
      });
      // It may refuse a text before it has read all of it.
      child.stdin?.on("error", () => {});
      child.stdin?.end(text);
    });
  const results = [];
  for (let at = 0; at < texts.length; at += 8) {
    results.push(...(await Promise.all(texts.slice(at, at + 8).map(one))));
  }
  return results;
}
