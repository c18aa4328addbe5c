//! The control protocol as OpenAPI 3.1: paths from a table, shapes from the types that lbd and lbctl share.

use std::collections::BTreeSet;

use lbctl::protocol::Problem;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::endpoints::{Ask, ENDPOINTS, Endpoint, QUERY, Reply};

/// The document; it is checked in as `packaging/openapi.json`.
pub(crate) fn document() -> Value {
    let at_home = |settings: SchemaSettings| {
        settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator()
    };
    let mut replies = at_home(SchemaSettings::draft2020_12().for_serialize());
    let mut asks = at_home(SchemaSettings::draft2020_12().for_deserialize());
    let problem = replies.subschema_for::<Problem>();
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.to_lowercase()] = operation(endpoint, &mut asks, &mut replies, &json!(problem));
    }
    let mut schemas = asks.take_definitions(true);
    schemas.extend(replies.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "The control protocol of lbd",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "HTTP with JSON over a Unix socket",
            "description": "Written by tests/reference.rs from the types of the protocol. Within /v1 fields are only \
                            added: ignore those that you do not know. Who may do what is said by the role of the \
                            caller: read, operate or admin.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://lbd", "description": "any host: the socket is /run/lbd/control.sock" }],
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(
    endpoint: &Endpoint,
    asks: &mut SchemaGenerator,
    replies: &mut SchemaGenerator,
    problem: &Value,
) -> Value {
    let name = |part: &str| part.trim_matches(['{', '}']).replace('.', "-");
    let id: Vec<String> = endpoint.path.split('/').skip(2).map(name).collect();
    let id = format!("{}-{}", endpoint.method.to_lowercase(), id.join("-"));
    let mut out = json!({
        "operationId": id.trim_end_matches('-'),
        "summary": endpoint.about,
        "x-role": endpoint.role,
        "parameters": parameters(endpoint),
        "responses": responses(endpoint, replies, problem),
    });
    let body = match endpoint.ask {
        Ask::Nothing => return out,
        Ask::Json(of) => json!({ "application/json": { "schema": of(asks) } }),
        Ask::Lines(of) => json!({ "application/x-ndjson": { "schema": of(asks) } }),
    };
    out["requestBody"] = json!({ "content": body });
    out
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let inside = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let inside = inside
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = endpoint.query.iter().map(|name| {
        let (_, about) = QUERY.iter().find(|(known, _)| known == name).expect("every parameter is explained");
        json!({ "name": name, "in": "query", "description": about, "schema": { "type": "string" } })
    });
    inside.chain(query).collect()
}

fn responses(endpoint: &Endpoint, replies: &mut SchemaGenerator, problem: &Value) -> Value {
    let content = |kind: &str, schema: Value| json!({ kind: { "schema": schema } });
    let mut out = json!({
        "default": { "description": "a problem (RFC 9457)", "content": content("application/problem+json", problem.clone()) },
    });
    let (kind, schema) = match endpoint.reply {
        Reply::Json(of) | Reply::Accepted(of) => ("application/json", json!(of(replies))),
        Reply::Lines(of) => ("application/x-ndjson", json!(of(replies))),
        Reply::Text => ("text/plain", json!({ "type": "string" })),
    };
    out["200"] = json!({ "description": endpoint.about, "content": content(kind, schema.clone()) });
    if let Reply::Accepted(_) = endpoint.reply {
        out["202"] = json!({
            "description": "work goes on: Location names its operation",
            "content": content(kind, schema),
        });
    }
    out
}

/// Whether a value is what a schema of the document says, and has nothing that it does not say.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{at}: {what}: {value}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            document.pointer(reference.trim_start_matches('#')).ok_or(format!("{at}: no {reference}"))?;
        return check(document, target, value, at);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            let tried: Vec<_> = choices.iter().map(|one| check(document, one, value, at)).collect();
            if !tried.iter().any(Result::is_ok) {
                return tried.into_iter().next_back().unwrap_or_else(|| wrong("no choice"));
            }
        }
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong("another constant");
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        return wrong("not one of the words");
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        return wrong(&format!("not {}", kinds.join(" or ")));
    }
    match value {
        Value::Array(items) if schema["items"].is_object() => items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| check(document, &schema["items"], item, &format!("{at}[{n}]"))),
        Value::Object(fields) => object(document, schema, fields, at),
        _ => Ok(()),
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn object(document: &Value, schema: &Value, fields: &Map<String, Value>, at: &str) -> Result<(), String> {
    let known = schema["properties"].as_object();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing: BTreeSet<&str> = required.filter(|name| !fields.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(format!("{at}: without {missing:?}"));
    }
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        match known.and_then(|known| known.get(name)) {
            Some(schema) => check(document, schema, value, &at)?,
            None if schema["additionalProperties"].is_object() => {
                check(document, &schema["additionalProperties"], value, &at)?;
            }
            // A schema that names no property says nothing of them.
            None if known.is_none() => {}
            None => return Err(format!("{at} is not in the document")),
        }
    }
    Ok(())
}
