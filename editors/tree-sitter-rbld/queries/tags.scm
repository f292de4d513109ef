(type_item name: (type_identifier) @name) @definition.type
(let_item name: (identifier) @name) @definition.constant
(input_item name: (identifier) @name) @definition.constant
(env_item name: (identifier) @name) @definition.constant
(build_item name: (identifier) @name) @definition.constant
(fn_item name: (identifier) @name) @definition.function
(recipe_item name: (identifier) @name) @definition.function

(call function: (identifier) @name) @reference.call
(block_call function: (identifier) @name) @reference.call
