//! A small part of JSON Schema: what the schemas in `docs` may use.

use std::path::Path;

use serde_json::Value;

/// Commands whose JSON a schema in `docs` describes.
const DESCRIBED: [&str; 6] = ["access", "audit", "links", "show", "test", "trace"];

/// Checks what a command printed as JSON, where a schema describes it.
#[track_caller]
pub(crate) fn check(command: &str, value: &Value) {
    if !DESCRIBED.contains(&command) || !value.is_object() {
        return;
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let text = std::fs::read_to_string(docs.join(format!("{command}.schema.json"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        invalid(value, &schema, &schema, command),
        Vec::<String>::new()
    );
}

/// What of `value` does not fit `schema`.
pub(crate) fn invalid(value: &Value, schema: &Value, root: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#'));
        return target.map_or_else(
            || vec![format!("no {name}")],
            |target| invalid(value, target, root, at),
        );
    }
    let mut wrong = Vec::new();
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind)) {
        wrong.push(format!("{at} is no {kinds:?}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        wrong.push(format!("{at} is {value}, none of {allowed:?}"));
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        wrong.push(format!("{at} is {value}, not {}", schema["const"]));
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.is_object() && value.get(name).is_none() {
            wrong.push(format!("{at} lacks {name}"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => wrong.extend(invalid(inner, schema, root, &format!("{at}.{name}"))),
            None if schema["additionalProperties"].is_object() => {
                wrong.extend(invalid(
                    inner,
                    &schema["additionalProperties"],
                    root,
                    &format!("{at}.{name}"),
                ));
            }
            // Readers pass over members that they do not know, but this program writes none of them.
            None if schema["properties"].is_object() => wrong.push(format!("{at} has {name}")),
            None => {}
        }
    }
    for (i, inner) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(invalid(
            inner,
            &schema["items"],
            root,
            &format!("{at}[{i}]"),
        ));
    }
    wrong
}
