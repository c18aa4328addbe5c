//! Old spellings. What is renamed is read under its old name, too, for one major version, with a warning whose fix
//! writes the new one (LB112). So an upgrade never finds a configuration that it cannot read.

use super::super::diagnostic::{Diagnostic, Report, Span, Spanned};
use super::super::node::Node;

/// A node or a property that had another name.
#[derive(Debug, Clone, Copy)]
pub struct Renamed {
    /// The node itself, or the one that has the property.
    pub node: &'static str,
    /// The property; none when the node was renamed, which is then `now`.
    pub property: Option<&'static str>,
    /// Its old name.
    pub was: &'static str,
    /// The version since which it has its name.
    pub since: &'static str,
}

/// Every one that is still read.
pub const RENAMED: &[Renamed] = &[
    Renamed { node: "sticky", property: Some("parameter"), was: "param", since: "0.1" },
    Renamed { node: "passive", property: Some("failure-share"), was: "rate", since: "0.1" },
];

/// Gives nodes and properties the names that they have now.
pub(in crate::config) fn rename(nodes: &mut [Node], report: &mut Report) {
    rename_by(RENAMED, nodes, report);
}

fn rename_by(table: &[Renamed], nodes: &mut [Node], report: &mut Report) {
    for node in nodes {
        let of_nodes = table.iter().find(|row| row.property.is_none() && row.was == node.name.value);
        if let Some(row) = of_nodes {
            mend(&mut node.name, row.node, row.since, report);
        }
        for at in 0..node.props.len() {
            let (key, name) = (&node.props[at].0, &node.name.value);
            let of_it = |row: &&Renamed| row.node == name && row.was == key.value;
            let Some((now, row)) = table.iter().filter(of_it).find_map(|row| Some((row.property?, row)))
            else {
                continue;
            };
            match node.props.iter().find(|(other, _)| other.value == now).map(|(other, _)| other.span) {
                Some(first) => {
                    report.push(twice(key, now, first));
                    now.clone_into(&mut node.props[at].0.value);
                }
                None => mend(&mut node.props[at].0, now, row.since, report),
            }
        }
        rename_by(table, node.children.as_deref_mut().unwrap_or_default(), report);
    }
}

/// Both names of one property: nobody knows which value is meant.
fn twice(old: &Spanned<String>, now: &str, first: Span) -> Diagnostic {
    let message = format!("`{}` is the old name of `{now}`, which is given too", old.value);
    let finding = Diagnostic::error("KDL018", old.span, message).label("given again");
    finding.also(first, "given here").help(format!("keep one of them, as `{now}=`"))
}

fn mend(name: &mut Spanned<String>, now: &str, since: &str, report: &mut Report) {
    let message = format!("`{}` is called `{now}` since version {since}", name.value);
    let finding = Diagnostic::warning("LB112", name.span, message).label("its old name");
    let help = format!("write `{now}`: the next major version does not know the old name");
    report.push(finding.help(help).fix(name.span, now));
    now.clone_into(&mut name.value);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::load_nodes;
    use super::super::super::source::MemLoader;
    use super::super::super::testing::{errors, good};
    use super::*;

    const TABLE: &[Renamed] = &[
        Renamed { node: "pool", property: None, was: "upstream", since: "2.0" },
        Renamed { node: "server", property: Some("weight"), was: "share", since: "2.1" },
    ];

    #[test]
    fn old_names_are_read_and_their_fix_writes_the_new_ones() {
        let text = "upstream a { server \"10.0.0.1:80\" share=2; }\npool share=1\n";
        let loader = MemLoader::new().file("lbd.kdl", text);
        let (mut nodes, mut report, sources) = load_nodes(Path::new("lbd.kdl"), &loader);
        assert_eq!(report.findings, []);
        rename_by(TABLE, &mut nodes, &mut report);
        let told: Vec<_> = report
            .findings
            .iter()
            .map(|found| (found.code, found.message.as_str(), sources.text(found.span.unwrap())))
            .collect();
        let expected = [
            ("LB112", "`upstream` is called `pool` since version 2.0", "upstream"),
            ("LB112", "`share` is called `weight` since version 2.1", "share"),
        ];
        assert_eq!(told, expected);
        assert!(report.findings.iter().all(|found| found.fixes.len() == 1 && found.fixes[0].safe));
        assert_eq!(nodes[0].name.value, "pool");
        assert_eq!(nodes[0].children.as_ref().unwrap()[0].props[0].0.value, "weight");
        assert_eq!(nodes[1].props[0].0.value, "share", "a property of another node");
    }

    const POOL: &str = "listen \":80\"\nroute \"/\" pool=p\npool p { server \"10.0.0.1:1\"; health tcp;";

    #[test]
    fn an_old_name_has_the_meaning_of_the_new_one() {
        let passive = |key: &str| good(&format!("{POOL} passive {key}=\"40%\"; }}")).pools["p"].passive;
        assert_eq!(passive("rate"), passive("failure-share"));
        assert_eq!(passive("rate").unwrap().failure_percent, Some(40.0));
    }

    #[test]
    fn both_names_of_one_property_are_an_error_whichever_comes_first() {
        for props in ["rate=\"40%\" failure-share=\"50%\"", "failure-share=\"50%\" rate=\"40%\""] {
            errors(&format!("pool b {{ server \"10.0.0.2:1\"; passive {props}; }}"), &["KDL018 4"]);
        }
    }

    /// A word that is somebody's name again is no old name of anything.
    #[test]
    fn no_old_name_has_a_meaning_of_its_own() {
        for row in RENAMED {
            let homes = super::super::SCHEMA.iter().filter(|spec| spec.name == row.node);
            match row.property {
                None => assert!(super::super::SCHEMA.iter().all(|spec| spec.name != row.was), "{row:?}"),
                Some(now) => homes.for_each(|spec| {
                    assert!(spec.prop(now).is_some() && spec.prop(row.was).is_none(), "{row:?}");
                }),
            }
        }
    }
}
