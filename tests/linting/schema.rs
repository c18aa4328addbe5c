//! As much of JSON Schema (draft 7) as the schema of SARIF uses. A word of it that is not known here panics, so
//! nothing that a schema asks for is passed over.

use serde_json::Value;

/// Words that ask for nothing. (`format` is an annotation unless a reader decides otherwise.)
const NOTES: [&str; 9] =
    ["$id", "$schema", "default", "definitions", "description", "format", "id", "title", "properties"];

/// What of `value` is not as `schema` wants it.
pub(super) fn errors(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (word, wanted) in schema.as_object().expect("a schema is an object") {
        if let Some(why) = one(root, schema, (word, wanted), value, path, &mut wrong) {
            wrong.push(format!("{path}: {why}"));
        }
    }
    wrong
}

fn one(
    root: &Value,
    schema: &Value,
    (word, wanted): (&str, &Value),
    value: &Value,
    path: &str,
    wrong: &mut Vec<String>,
) -> Option<String> {
    let matching = |schemas: &Value| {
        let all = schemas.as_array().unwrap().iter();
        all.filter(|schema| errors(root, schema, value, path).is_empty()).count()
    };
    match word {
        "$ref" => {
            let name = wanted.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
            wrong.extend(errors(root, &root["definitions"][name], value, path));
            None
        }
        "type" => {
            let one = std::slice::from_ref(wanted);
            let mut types = wanted.as_array().map_or(one, Vec::as_slice).iter();
            (!types.any(|name| is_a(name.as_str().unwrap(), value)))
                .then(|| format!("not of type {wanted}: {value}"))
        }
        "enum" => {
            (!wanted.as_array().unwrap().contains(value)).then(|| format!("{value} is none of {wanted}"))
        }
        "required" => {
            let missing =
                |name: &&Value| value.as_object().is_some_and(|o| !o.contains_key(name.as_str().unwrap()));
            wanted.as_array().unwrap().iter().find(missing).map(|name| format!("{name} is missing"))
        }
        "additionalProperties" => {
            for (name, inner) in value.as_object()? {
                let path = format!("{path}/{name}");
                match (&schema["properties"][name], wanted) {
                    (Value::Null, Value::Bool(true)) => {}
                    (Value::Null, Value::Bool(false)) => wrong.push(format!("{path}: unknown")),
                    (Value::Null, other) => wrong.extend(errors(root, other, inner, &path)),
                    (known, _) => wrong.extend(errors(root, known, inner, &path)),
                }
            }
            None
        }
        "items" => {
            for (index, inner) in value.as_array()?.iter().enumerate() {
                wrong.extend(errors(root, wanted, inner, &format!("{path}/{index}")));
            }
            None
        }
        "anyOf" => (matching(wanted) == 0).then(|| "none of the choices fits".to_owned()),
        "oneOf" => (matching(wanted) != 1).then(|| "not exactly one of the choices fits".to_owned()),
        "minItems" => (value.as_array()?.len() < wanted.as_u64()? as usize).then(|| "too few".to_owned()),
        "uniqueItems" => {
            let all = value.as_array()?;
            let twice = all.iter().enumerate().any(|(index, one)| all[..index].contains(one));
            (twice && wanted == &Value::Bool(true)).then(|| "the same twice".to_owned())
        }
        "minimum" => (value.as_f64()? < wanted.as_f64()?).then(|| format!("{value} is below {wanted}")),
        "maximum" => (value.as_f64()? > wanted.as_f64()?).then(|| format!("{value} is above {wanted}")),
        "pattern" => {
            let pattern = regex::Regex::new(wanted.as_str()?).unwrap();
            (!pattern.is_match(value.as_str()?)).then(|| format!("{value} does not match {wanted}"))
        }
        word => {
            assert!(NOTES.contains(&word), "`{word}` is not known here");
            assert!(word != "properties" || schema["additionalProperties"] != Value::Null, "{path}");
            None
        }
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("type {other}"),
    }
}

#[test]
fn a_schema_is_kept() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "$ref": "#/definitions/count" }, "b": { "enum": ["x"] } },
        "definitions": { "count": { "type": "integer", "minimum": 1 } },
    });
    let check = |value: Value| errors(&schema, &schema, &value, "");
    assert_eq!(check(serde_json::json!({ "a": 1, "b": "x" })), [""; 0]);
    assert_eq!(check(serde_json::json!({ "a": 0 })), ["/a: 0 is below 1"]);
    assert_eq!(check(serde_json::json!({ "a": "1" })), ["/a: not of type \"integer\": \"1\""]);
    assert_eq!(
        check(serde_json::json!({ "b": "y" })),
        ["/b: \"y\" is none of [\"x\"]", ": \"a\" is missing"]
    );
    assert_eq!(check(serde_json::json!({ "a": 1, "c": 1 })), ["/c: unknown"]);
}
