//! A model, part by part: every setting with its value, whether it was written or is the default.

use super::item::Item;
use super::{KINDS, flat, status};
use crate::config::model::{Listener, Model, Pool, Route, Server, Site};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// A part of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// Its identity: `platform`, `platform/tw1`, `shop.test /cart`, `log`.
    pub name: String,
    /// Where it is written, `file:line`.
    pub place: String,
    /// Its settings by their paths: `drain close-rate count`. What may hold a secret is not shown.
    pub settings: BTreeMap<String, String>,
}

/// The parts of a model, in the order of [`KINDS`].
pub(in crate::reload) fn parts(model: &Model) -> Vec<Part> {
    let mut parts = Vec::new();
    add::<Listener>(&mut parts, 0, model);
    add::<Site>(&mut parts, 1, model);
    add::<Route>(&mut parts, 2, model);
    add::<Pool>(&mut parts, 3, model);
    add::<Server>(&mut parts, 4, model);
    let mut process = |name: &str, settings| {
        parts.push(Part { kind: KINDS[5], name: name.to_owned(), place: String::new(), settings });
    };
    process("log", settings(&model.log));
    process("reload", settings(&model.reload));
    process("control", settings(&model.control));
    process("status", settings(&status(model)));
    process("resolver", settings(&model.resolver));
    process("lint", settings(&model.lint));
    parts
}

fn add<T: Item>(parts: &mut Vec<Part>, kind: usize, model: &Model) {
    parts.extend(T::all(model).into_iter().map(|(name, one)| Part {
        kind: KINDS[kind],
        name,
        place: one.place().to_string(),
        settings: settings(&one.meant()),
    }));
}

/// What is there; parts that are told for themselves are left out.
fn settings(part: &impl Debug) -> BTreeMap<String, String> {
    let all = flat::settings(part, &["name", "servers", "routes"]);
    let there = all.into_iter().filter(|(_, value)| !value.is_none());
    there.filter_map(|(path, value)| Some((path, value.shown()?))).collect()
}
