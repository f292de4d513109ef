/**
 * @file The grammar of rbld, edition 1, for editors.
 * @license Apache-2.0
 *
 * It follows `lang/src/syntax/grammar.pest` rule by rule and keeps its names; `spec/02-syntax.md` explains the language.
 * It accepts all that rbld accepts. It also accepts some of what rbld refuses (an unknown escape, chained comparisons):
 * what is wrong with a file is the language server's to say, and an editor wants a tree all the same.
 *
 * Newlines are blanks, but for two tokens of `src/scanner.c`: the one that ends an item and the one that separates the
 * entries of braces. The parser asks for them only where an item or an entry may end, so that inside of `(…)` and `[…]`,
 * and after an operator, a newline stays a blank.
 */

/// <reference types="tree-sitter-cli/dsl" />
// @ts-check

// From the loosest to the tightest, as the table in spec/02-syntax.md.
const PREC = { choice: 1, or: 2, and: 3, compare: 4, concat: 5, add: 6, multiply: 7, prefix: 8, with: 9, postfix: 10 };

/** One or more, with commas between them and perhaps one after them. */
function commas(rule) {
  return seq(rule, repeat(seq(",", rule)), optional(","));
}

/** What stands in braces, one to a line or with commas between. */
function entries($, rule) {
  const separator = choice($._entry_end, ",");
  return seq("{", optional(seq(rule, repeat(seq(separator, rule)))), optional(","), "}");
}

/** `= value`. */
function gives($, name) {
  return seq("=", field(name, $._expr));
}

module.exports = grammar({
  name: "rbld",

  // The order is that of `enum Token` in src/scanner.c.
  externals: ($) => [
    $._item_end,
    $._entry_end,
    $._text_open,
    $._raw_open,
    $._text_chars,
    $._raw_chars,
    $._quotes_close,
    $._string_chars,
    $.doc_comment,
    "use",
    "type",
    "let",
    "fn",
    "input",
    "env",
    "recipe",
    "build",
    "assert",
    "test",
    $._error,
  ],

  extras: ($) => [/[ \t\r\n]/, $.comment, $.doc_comment],

  word: ($) => $.identifier,

  supertypes: ($) => [$._item, $._expr, $._type],

  inline: ($) => [$._value_name],

  rules: {
    // The edition may be missing: the examples in documents leave it out. The end of an item may be missing too, since the
    // next one begins where it begins, whatever is open: a bracket that isn't closed costs the tree that bracket alone.
    source_file: ($) =>
      seq(optional(seq($.edition, optional($._item_end))), repeat(seq($._item, optional($._item_end)))),

    edition: ($) => seq("rbld", field("number", $.integer)),

    comment: (_) => token(/#[^\n]*/),

    // ---- The ten kinds of item ----------------------------------------------------------

    _item: ($) =>
      choice(
        $.use_item,
        $.type_item,
        $.let_item,
        $.fn_item,
        $.input_item,
        $.env_item,
        $.recipe_item,
        $.build_item,
        $.assert_item,
        $.test_item,
      ),

    use_item: ($) =>
      seq("use", field("target", choice($.path, $.module)), optional(seq("as", field("alias", $._value_name)))),
    type_item: ($) =>
      seq("type", field("name", $.type_identifier), "=", field("body", choice($.enum_type, $._type))),
    let_item: ($) =>
      seq("let", field("name", $._value_name), optional(seq(":", field("type", $._type))), gives($, "value")),
    fn_item: ($) =>
      seq("fn", field("name", $._value_name), $.params, "->", field("result", $._type), gives($, "body")),
    input_item: ($) => seq("input", field("name", $._value_name), gives($, "value")),
    env_item: ($) => seq("env", field("name", $._value_name), gives($, "value")),
    recipe_item: ($) => seq("recipe", field("name", $._value_name), $.params, field("body", $.block)),
    build_item: ($) =>
      seq("build", field("name", $._value_name), optional($.axes), optional($.filter), gives($, "value")),
    assert_item: ($) => seq("assert", field("name", $.string), field("comparison", $._expr)),
    test_item: ($) => seq("test", field("name", $.string), field("condition", $._expr)),

    module: ($) => seq($._value_name, repeat(seq(".", $._value_name))),

    params: ($) => seq("(", optional(commas($.param)), ")"),
    param: ($) =>
      seq(field("name", $._value_name), ":", field("type", $._type), optional(gives($, "default"))),

    axes: ($) => seq("for", $.axis, repeat(seq(",", $.axis))),
    axis: ($) => seq(field("name", $._value_name), "in", field("list", $._expr)),
    filter: ($) => seq("if", field("condition", $._expr)),

    // ---- Types --------------------------------------------------------------------------

    enum_type: ($) => seq($.variant, repeat(seq("|", $.variant))),
    variant: ($) => $.identifier,

    _type: ($) => choice($.record_type, $.type_name, $.optional_type),
    optional_type: ($) => seq(choice($.record_type, $.type_name), repeat1("?")),
    type_name: ($) =>
      seq(repeat(seq(field("module", $._value_name), ".")), field("name", $.type_identifier), optional($.type_args)),
    type_args: ($) => seq("[", commas($._type), "]"),
    record_type: ($) => entries($, $.field_type),
    field_type: ($) =>
      seq(field("name", $._value_name), ":", field("type", $._type), optional(gives($, "default"))),

    // ---- Expressions --------------------------------------------------------------------

    _expr: ($) =>
      choice(
        $.if_then,
        $.binary,
        $.unary,
        $.with,
        $.star,
        $.field,
        $.index,
        $.call,
        $.block_call,
        $.group,
        $.list,
        $.comprehension,
        $.record,
        $.identifier,
        alias($.type_identifier, $.identifier),
        $.string,
        $.raw_text,
        $.text,
        $.path,
        $.digest,
        $.commit,
        $.instant,
        $.date,
        $.percent,
        $.duration,
        $.size,
        $.integer,
        $.boolean,
        $.nothing,
      ),

    if_then: ($) =>
      prec.right(
        PREC.choice,
        seq(
          "if",
          field("condition", $._expr),
          "then",
          field("consequence", $._expr),
          "else",
          field("alternative", $._expr),
        ),
      ),

    binary: ($) =>
      choice(
        ...[
          [PREC.or, ["or"]],
          [PREC.and, ["and"]],
          [PREC.compare, ["==", "!=", "<", "<=", ">", ">="]],
          [PREC.concat, ["++"]],
          [PREC.add, ["+", "-"]],
          [PREC.multiply, ["*"]],
        ].flatMap(([tightness, signs]) =>
          signs.map((sign) =>
            prec.left(tightness, seq(field("left", $._expr), field("operator", sign), field("right", $._expr))),
          ),
        ),
      ),

    unary: ($) => prec(PREC.prefix, seq(field("operator", choice("not", "-")), field("operand", $._expr))),

    with: ($) => prec.left(PREC.with, seq(field("record", $._expr), "with", $.block)),

    star: ($) => prec(PREC.postfix, seq(field("of", $._expr), ".*")),
    field: ($) => prec(PREC.postfix, seq(field("of", $._expr), ".", field("name", $._value_name))),
    index: ($) => prec(PREC.postfix, seq(field("of", $._expr), "[", commas(choice($.any_key, $._expr)), "]")),
    any_key: (_) => "_",
    call: ($) => prec(PREC.postfix, seq(field("function", $._expr), $.args)),
    args: ($) => seq("(", optional(commas(choice($.arg, $._expr))), ")"),
    arg: ($) => seq(field("name", $._value_name), gives($, "value")),
    block_call: ($) => prec(PREC.postfix, seq(field("function", $._expr), $.block)),

    group: ($) => seq("(", $._expr, ")"),
    list: ($) => seq("[", optional(commas($._expr)), "]"),
    comprehension: ($) => seq("[", $.axes, optional($.filter), ":", field("value", $._expr), "]"),
    record: ($) => $.block,

    // `{ a = 1, b }`: a record, the arguments of a call, what `with` changes, a recipe's body.
    block: ($) => entries($, choice($.entry, $.short_entry)),
    entry: ($) => seq(field("key", choice($._value_name, $.string)), gives($, "value")),
    short_entry: ($) => field("key", $._value_name),

    // ---- Words and literals -------------------------------------------------------------

    _value_name: ($) => choice($.identifier, alias($.type_identifier, $.identifier)),
    identifier: (_) => /[a-z_][A-Za-z0-9_]*/,
    type_identifier: (_) => /[A-Z][A-Za-z0-9_]*/,

    digest: (_) => /sha256:[A-Za-z0-9_…]+/,
    commit: (_) => /commit:[A-Za-z0-9_…]+/,
    instant: (_) => /[0-9]{4}-[0-9]{2}-[0-9]{2}T[A-Za-z0-9_:.+\-]*/,
    date: (_) => /[0-9]{4}-[0-9]{2}-[0-9]{2}/,
    percent: (_) => /[0-9]+(\.[0-9]+)?%/,
    duration: (_) => /[0-9]+[smhd]/,
    size: (_) => /[0-9]+(k|M|G|T|Ki|Mi|Gi|Ti)?B/,
    integer: (_) => /[0-9]+/,
    boolean: (_) => choice("true", "false"),
    nothing: (_) => "none",
    path: (_) => /\.\.?\/[^ \t\r\n,"#()\[\]{}]*/,

    // ---- Texts --------------------------------------------------------------------------

    // On one line, with escapes and `@{…}`.
    string: ($) =>
      seq(
        '"',
        repeat(choice(alias($._string_chars, $.string_content), $.escape, $.interpolation)),
        token.immediate('"'),
      ),
    escape: (_) => token.immediate(/\\[^\n]/),
    interpolation: ($) => seq(token.immediate("@{"), $._expr, "}"),

    // Three quotes or more, closed by as many: src/scanner.c counts them.
    raw_text: ($) => seq(alias($._raw_open, '"""'), optional($.raw_content), alias($._quotes_close, '"""')),
    raw_content: ($) => repeat1($._raw_chars),
    text: ($) => seq(alias($._text_open, '@"""'), optional($.text_content), alias($._quotes_close, '"""')),
    text_content: ($) => repeat1(choice($._text_chars, $.interpolation)),
  },
});
