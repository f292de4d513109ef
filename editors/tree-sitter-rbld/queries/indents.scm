; Two sets of names, each of which is ignored where the other is read: Neovim's and Helix's.

[
  (block)
  (record_type)
  (params)
  (args)
  (type_args)
  (list)
  (comprehension)
  (index)
  (group)
] @indent.begin @indent

[
  (let_item)
  (fn_item)
  (input_item)
  (env_item)
  (build_item)
  (type_item)
] @indent.begin @indent

["}" "]" ")"] @indent.branch @indent.end @outdent

; The indentation of a script is its own.
[(raw_text) (text)] @indent.ignore
