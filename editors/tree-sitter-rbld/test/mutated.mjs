// Texts with a few words moved, doubled, left out or replaced: what nobody would write, but rbld may read.

const WORDS = /@?"{3,}|"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[0-9][\w.%:-]*|\n[ \t]*|[ \t]+|#[^\n]*|->|[=!<>]=|\+\+|\.\*|@\{|./gsu;
const BLANKS = ["\n  ", " # c\n  ", "\n\n  # c\n  ", "\n  ,\n", "  \r\n ", "\t", "\n", ""];
const MORE = [
  ...BLANKS,
  ..."test env _ - not .x .* [_] ( ) [ ] { } ? , \"\" \"\"\" \"\"\"\"\"\" @\"\"\" @{x} ./x List[Int]".split(" "),
  "\n  .x",
  "{ a = 1 }",
  " with { a }",
  "if a then b else c",
  "{ a: Int\n b: T? }",
];

/** So many of them, the same for the same seed, each by its number and itself. */
export function mutated(texts, seed, count) {
  let state = seed;
  const below = (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 16) % limit;
  };
  const any = (list) => list[below(list.length)];
  const bases = texts.filter((text) => text.length < 4000).map((text) => text.match(WORDS));
  const all = [...new Set(bases.flat()), ...MORE];
  const change = (words) => {
    const at = below(words.length);
    const blanks = [...words.keys()].filter((index) => /^\s+$/.test(words[index]));
    const kinds = [
      () => words.splice(at, 1),
      () => words.splice(at, 0, any(all)),
      () => (words[at] = any(all)),
      () => words.splice(at, 0, ...words.slice(below(words.length)).slice(0, below(12))),
      () => (words[any(blanks)] = any(BLANKS)),
    ];
    any(kinds)();
  };
  return Array.from({ length: count }, (_, index) => {
    const words = [...any(bases)];
    for (let left = 1 + below(4); left > 0 && words.length > 1; left--) change(words);
    const text = words.join("");
    return [`mutation ${index} of seed ${seed}: ${JSON.stringify(text)}`, text];
  });
}
