//! The page of JSON members, made from the schemas beside it.
//!
//! `UPDATE=1 cargo test -p automend --test it reference::` writes `docs/json.md` again. That the program
//! writes no member which the schemas lack is checked wherever a test reads its JSON: see `tool::schema`.

use std::fs;

use serde_json::Value;

use super::{page, root};
use crate::tool::Bench;
use crate::tool::schema::invalid;

/// What each schema describes, in the order of the page.
const SCHEMAS: [(&str, &str); 9] = [
    ("audit", "`automend audit --format json`"),
    ("show", "`automend show --format json`"),
    ("links", "`automend links --format json`"),
    ("access", "`automend access --format json`"),
    ("test", "`automend test --format json`"),
    ("trace", "`automend trace --format json`"),
    ("plan", "The plan of `automend fix`"),
    (
        "delegation-plan",
        "The plan of `automend grant`, `revoke`, `automap` and `mailbox`",
    ),
    ("receipt", "A comment of a receipt"),
];

/// A schema's type, in words: `string`, `list of finding`, or the values that it allows.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        // The causes of a test have a page of their own.
        return if values.len() > 20 {
            "one of a list".to_owned()
        } else {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            values.join(", ")
        };
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => panic!("no type: {schema}"),
    }
}

/// A row for each member of an object, and of the objects inside it.
fn rows(schema: &Value, root: &Value, at: &str, out: &mut String) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}{name}");
        let target = |schema: &Value| {
            let name = schema["$ref"].as_str()?;
            root.pointer(name.trim_start_matches('#')).cloned()
        };
        let own = member["description"].as_str().map(str::to_owned);
        let meaning = own.or_else(|| target(member)?["description"].as_str().map(str::to_owned));
        let meaning = meaning
            .unwrap_or_else(|| panic!("{}: {at} has no description", root["title"]))
            .replace('|', "\\|")
            .replace('<', "&lt;");
        *out += &format!("| `{at}` | {} | {meaning} |\n", kind(member));
        if member["properties"].is_object() {
            rows(member, root, &format!("{at}."), out);
        }
        if member["items"]["properties"].is_object() {
            rows(&member["items"], root, &format!("{at}[]."), out);
        }
    }
}

fn table(schema: &Value, root: &Value, out: &mut String) {
    *out += "| member | type | meaning |\n|---|---|---|\n";
    rows(schema, root, "", out);
}

#[test]
fn the_page_of_json_members_is_what_the_schemas_say() {
    let mut made = String::from(
        "# JSON members\n\n\
         A test makes this page from the schemas beside it, and checks every JSON document of the tests against them.\n\
         Readers should pass over members that they do not know; `version` rises when that would not be enough.\n",
    );
    for (name, what) in SCHEMAS {
        let schema: Value = serde_json::from_str(&page(&format!("{name}.schema.json"))).unwrap();
        made += &format!("\n## {name}\n\n{what}: [{name}.schema.json]({name}.schema.json).\n\n");
        if schema["properties"].is_object() {
            table(&schema, &schema, &mut made);
        }
        for (part, inner) in schema["$defs"].as_object().into_iter().flatten() {
            if inner["properties"].is_object() {
                made += &format!("\n**{part}**\n\n");
                table(inner, &schema, &mut made);
            }
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("docs/json.md"), &made).unwrap();
    }
    assert_eq!(page("json.md"), made, "run it with UPDATE=1");
    let schemas = fs::read_dir(root().join("docs"))
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".schema.json")
        })
        .count();
    assert_eq!(schemas, SCHEMAS.len(), "a schema that the page leaves out");
}

#[test]
fn a_member_that_a_schema_lacks_is_found_at_any_depth() {
    let schema: Value = serde_json::from_str(&page("links.schema.json")).unwrap();
    let bench = Bench::contoso();
    let arguments = ["links", "-d", "directory", "--format", "json"];
    let mut links = bench.automend(&arguments).exits(0).json();
    assert_eq!(
        invalid(&links, &schema, &schema, "links"),
        Vec::<String>::new()
    );
    links["more"] = 1.into();
    links["links"][0]["owner"]["more"] = 1.into();
    assert_eq!(
        invalid(&links, &schema, &schema, "links"),
        ["links.links[0].owner has more", "links has more"]
    );
}
