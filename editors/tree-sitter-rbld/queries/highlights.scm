; What comes later in this file wins.

(comment) @comment @spell
(doc_comment) @comment.documentation @spell

; ---- Names ----

(identifier) @variable
(type_identifier) @type

((type_name
  !module
  name: (type_identifier) @type.builtin)
  (#any-of? @type.builtin
    "Arch" "Archive" "Bool" "Build" "Commit" "Date" "Digest" "Duration" "Env" "File" "Files" "Image" "Input" "Instant" "Int"
    "List" "Map" "Percent" "Size" "String" "Tree" "Url"))

(type_name module: (identifier) @module)
(module (identifier) @module)
(use_item alias: (identifier) @module)

(variant (identifier) @constant)
(let_item name: (identifier) @constant)
(input_item name: (identifier) @constant)
(env_item name: (identifier) @constant)
(build_item name: (identifier) @constant)
(fn_item name: (identifier) @function)
(recipe_item name: (identifier) @function)

(param name: (identifier) @variable.parameter)
(axis name: (identifier) @variable.parameter)
(arg name: (identifier) @variable.parameter)
(block_call (block (entry key: (identifier) @variable.parameter)))
(block_call (block (short_entry key: (identifier) @variable.parameter)))
(recipe_item body: (block (entry key: (identifier) @property)))
(recipe_item body: (block (short_entry key: (identifier) @property)))
(record (block (entry key: (identifier) @property)))
(with (block (entry key: (identifier) @property)))
(field_type name: (identifier) @property)
(field name: (identifier) @property)

(call function: (identifier) @function.call)
(call function: (field name: (identifier) @function.call))
(block_call function: (identifier) @function.call)
(block_call function: (field name: (identifier) @function.call))

((call function: (identifier) @function.builtin)
  (#any-of? @function.builtin "agreed" "content" "deb" "default" "differ" "different" "file" "files" "fixpoint" "flaky" "identical" "iterate" "join" "length" "matches" "reproducible" "signed" "text" "tree" "unsigned"))

(any_key) @variable.builtin

; ---- Words ----

(edition "rbld" @keyword)

["let" "input" "env" "build" "assert" "test" "with"] @keyword
["use" "as"] @keyword.import
"type" @keyword.type
["fn" "recipe"] @keyword.function
["if" "then" "else"] @keyword.conditional
["for" "in"] @keyword.repeat
["and" "or" "not"] @keyword.operator

["->" "=" "==" "!=" "<" "<=" ">" ">=" "++" "+" "-" "*" "|" "?" ".*"] @operator

["," "." ":"] @punctuation.delimiter
["(" ")" "[" "]" "{" "}"] @punctuation.bracket

; ---- Literals ----

[(integer) (percent) (duration) (size)] @number
[(date) (instant) (digest) (commit)] @constant
(boolean) @boolean
(nothing) @constant.builtin
(path) @string.special.path

[(string) (raw_text) (text)] @string
(assert_item name: (string) @string.special)
(test_item name: (string) @string.special)
(escape) @string.escape
(interpolation ["@{" "}"] @punctuation.special)
