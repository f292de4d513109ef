; An item's name is known in the whole file; parameters and loops reach as far as what they stand in.

[
  (source_file)
  (fn_item)
  (recipe_item)
  (build_item)
  (comprehension)
] @local.scope

(use_item target: (module (identifier) @local.definition.import .) !alias)
(use_item alias: (identifier) @local.definition.import)
(type_item name: (type_identifier) @local.definition.type)
(variant (identifier) @local.definition.constant)
(let_item name: (identifier) @local.definition.var)
(input_item name: (identifier) @local.definition.var)
(env_item name: (identifier) @local.definition.var)
((fn_item name: (identifier) @local.definition.function)
  (#set! definition.function.scope "parent"))
((recipe_item name: (identifier) @local.definition.function)
  (#set! definition.function.scope "parent"))
((build_item name: (identifier) @local.definition.var)
  (#set! definition.var.scope "parent"))
(param name: (identifier) @local.definition.parameter)
(axis name: (identifier) @local.definition.var)

(type_name !module name: (type_identifier) @local.reference)
(identifier) @local.reference
