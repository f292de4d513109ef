// Every text of the language that the repository holds: files, members of the test cases, examples of the specification.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const PASSED_OVER = new Set(["target", "node_modules", ".git"]);

/** The files below a folder whose name ends so, in the order of their names. */
function below(folder, ending) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return PASSED_OVER.has(entry.name) ? [] : below(path, ending);
      return entry.isFile() && entry.name.endsWith(ending) ? [path] : [];
    });
}

function files(folder, ending) {
  return below(join(repository, folder), ending).map((path) => [
    relative(repository, path),
    readFileSync(path, "utf8"),
  ]);
}

/** The `.rbld` members of a test case. */
function members([name, text]) {
  const parts = text.split(/^-- (.+) --\n/m).slice(1);
  const found = [];
  for (let at = 0; at < parts.length; at += 2) {
    if (parts[at].endsWith(".rbld")) found.push([`${name}: ${parts[at]}`, parts[at + 1]]);
  }
  return found;
}

/** The examples of a chapter; one without an edition gets it, as where the specification is tested. */
function examples([name, text]) {
  const blocks = text.matchAll(/^```rbld[^\n]*\n(.*?)^```$/gms);
  return [...blocks].map(({ 1: block, index }) => {
    const line = text.slice(0, index).split("\n").length;
    return [`${name}:${line}`, /^rbld /m.test(block) ? block : `rbld 1\n${block}`];
  });
}

/** All of them, each with a name to say where it is. */
export function texts() {
  return [
    ...files(".", ".rbld"),
    ...files("tests/cases", ".txtar").flatMap(members),
    ...files("spec", ".md").flatMap(examples),
    ...files(".", "README.md").flatMap(examples),
  ];
}
