; A script is the shell's. In `@"""…"""` what `@{…}` holds isn't.
((entry
  key: (identifier) @_key
  value: [(raw_text (raw_content) @injection.content) (text (text_content) @injection.content)])
  (#eq? @_key "run")
  (#set! injection.language "bash"))

([(comment) (doc_comment)] @injection.content
  (#set! injection.language "comment"))
