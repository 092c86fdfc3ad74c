//! A small part of JSON Schema: what the schemas in `docs` may use.

use serde_json::Value;

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
            None if schema["additionalProperties"] == Value::Bool(false) => {
                wrong.push(format!("{at} has {name}"));
            }
            None if schema["additionalProperties"].is_object() => {
                wrong.extend(invalid(
                    inner,
                    &schema["additionalProperties"],
                    root,
                    &format!("{at}.{name}"),
                ));
            }
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
