//! Which routes, and which of their `match` nodes, were reached by the requests that were asked.

use std::collections::BTreeSet;

use super::{Answer, World};
use crate::config::model::{Model, Route};

/// A route, or one `match` of a route that has several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The file as the user named it.
    pub file: String,
    /// The route's line.
    pub line: u32,
    /// The route's name.
    pub route: String,
    /// Which `match`, from 0, and what it asks.
    pub alternative: Option<(usize, String)>,
}

/// What was reached.
#[derive(Debug)]
pub struct Coverage {
    parts: BTreeSet<Part>,
    reached: BTreeSet<Part>,
}

impl Coverage {
    /// Nothing was reached yet.
    pub fn of(world: &World) -> Self {
        Self { parts: parts(world.model()), reached: BTreeSet::new() }
    }

    /// Takes note of what a request reached.
    pub fn note(&mut self, answer: &Answer) {
        let Some(route) = &answer.route else { return };
        let here =
            |part: &&Part| part.route == route.name && format!("{}:{}", part.file, part.line) == route.place;
        let held = |part: &&Part| part.alternative.as_ref().is_none_or(|(at, _)| route.held.contains(at));
        self.reached.extend(self.parts.iter().filter(here).filter(held).cloned());
    }

    /// How many parts there are.
    pub fn total(&self) -> usize {
        self.parts.len()
    }

    /// What was not reached, in the order of the file.
    pub fn missed(&self) -> impl Iterator<Item = &Part> {
        self.parts.difference(&self.reached)
    }

    /// The share that was reached, in percent; all of nothing is all.
    pub fn percent(&self) -> f64 {
        match self.parts.len() {
            0 => 100.0,
            all => self.reached.len() as f64 * 100.0 / all as f64,
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} route {}", self.file, self.line, self.route)?;
        match &self.alternative {
            Some((_, asks)) => write!(f, " when {asks}"),
            None => Ok(()),
        }
    }
}

fn parts(model: &Model) -> BTreeSet<Part> {
    model.sites.iter().flat_map(|site| &site.routes).flat_map(parts_of).collect()
}

fn parts_of(route: &Route) -> Vec<Part> {
    let part = |alternative| Part {
        file: route.place.file.display().to_string(),
        line: route.place.line,
        route: route.name.to_string(),
        alternative,
    };
    match route.matches.as_slice() {
        [] | [_] => vec![part(None)],
        several => several.iter().enumerate().map(|(at, one)| part(Some((at, one.to_string())))).collect(),
    }
}
