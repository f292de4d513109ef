//! What is printed as JSON against the schema that is published of it.

use boon::{Compiler, Schemas};
use libtest_mimic::Failed;
use serde_json::Value;

/// Says what in a report isn't as the schema has it, a field that it doesn't name included; nothing of what is no report.
pub(crate) fn check(text: &str) -> Result<(), Failed> {
    let Ok(report) = serde_json::from_str::<Value>(text) else { return Ok(()) };
    if report.get("format").is_none() || report.get("derivations").is_none() {
        return Ok(());
    }
    let mut schema: Value = serde_json::from_str(rbld::report::SCHEMA)?;
    close(&mut schema);
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    let place = "file:///report.schema.json";
    compiler.add_resource(place, schema).map_err(|error| error.to_string())?;
    let index = compiler.compile(place, &mut schemas).map_err(|error| error.to_string())?;
    let valid = schemas.validate(&report, index);
    valid.map_err(|error| format!("spec/report.schema.json doesn't have it: {error:#}").into())
}

/// Forbids fields that aren't named: readers must take them, for fields are added, and here each must be in the schema.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && fields.get("type").is_some_and(|of| of == "object") {
                fields.entry("additionalProperties").or_insert(false.into());
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(parts) => parts.iter_mut().for_each(close),
        _ => {}
    }
}
