//! Files and text: gone before the check, here for suggestions and documentation.

use super::super::{NodeSpec, Type};
use super::{arg, node, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const TEXT: &[NodeSpec] = &[
    node("include", &["root"], "Splice other files here (glob, sorted bytewise, relative to this file). Order never changes meaning.")
        .peers("-f", "include", "")
        .many().args(&[arg("file", Type::Glob).rep()])
        .props(&[
            prop("optional", Type::Bool, "#false").doc("no match is not an error"),
        ]),
    node("let", &["root"], "A constant, used as \"${NAME}\" inside quoted strings.")
        .peers("setenv", "", "")
        .many().args(&[arg("name", Type::Name), arg("value", Type::Any)]),
    node("template", &["root"], "A reusable block; properties are parameters with defaults.")
        .peers("defaults NAME", "include", "")
        .many().args(&[arg("name", Type::Name)]),
    node("use", &["root", "listen", "site", "route", "pool"], "Splice a template's children here; later explicit nodes win over spliced single-valued ones.")
        .peers("defaults from", "include", "")
        .many().args(&[arg("template", Type::Name)]),
    node("defaults", &["root"], "Values every listen/site/route/pool starts from.")
        .peers("defaults", "", ""),
];
