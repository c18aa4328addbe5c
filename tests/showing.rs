//! What runs, shown to who operates: as one text, and setting by setting; secrets stay where they are.

use serde_json::Value;

use crate::operators::read_socket;
use crate::proxying::config;
use crate::support::lbctl::{lbctl, said};
use crate::support::{Daemon, Origin};

/// A daemon whose files are two, with a template, a default, and a secret in a file.
fn daemon(origin: &Origin) -> Daemon {
    let daemon = Daemon::run(&config(&[origin], "", ""));
    let beside = |name: &str| daemon.config().with_file_name(name);
    std::fs::write(beside("token"), "hush-hush\n").unwrap();
    std::fs::write(
        beside("more.kdl"),
        "pool other { use spare; server \"10.0.0.1:80\"; }\n\
         route \"/other\" pool=other { request-headers { set authorization \"Bearer ${file:token}\"; }; }\n",
    )
    .unwrap();
    let text = config(&[origin], "", "")
        + "let port \"8080\"\ntemplate spare { server \"10.0.0.9:${port}\" backup=#true; }\n\
           defaults { pool { slow-start \"7s\"; health tcp interval=\"9s\"; }; }\ninclude \"more.kdl\"\n";
    daemon.save(&text);
    crate::support::eventually("it runs", || {
        let (_, pools) = daemon.control("GET", "/v1/pools");
        pools.to_string().contains("other").then_some(())
    });
    daemon
}

#[test]
fn the_files_are_shown_as_one_text_that_is_a_configuration() {
    let origin = Origin::echo("a");
    let daemon = daemon(&origin);
    let text = said(&daemon, &["config", "show", "--expanded"], "");
    for part in
        ["server \"10.0.0.9:8080\" backup=#true", "slow-start \"7s\"", "set authorization \"(not shown)\""]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["include", "template", "defaults", "hush-hush", "let port"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    // It means the same, but for the secret.
    let planned: Value =
        serde_json::from_str(&said(&daemon, &["config", "plan", "--json", "-"], &text)).unwrap();
    let changes = planned["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{planned}");
    assert_eq!((&changes[0]["kind"], &changes[0]["name"]), (&"route".into(), &"/other".into()));
    // An earlier one is shown as it was.
    let generation = daemon.control("GET", "/v1").1["generation"].as_u64().unwrap();
    let earlier = said(&daemon, &["config", "show", "--expanded", &(generation - 1).to_string()], "");
    assert!(!earlier.contains("other"), "{earlier}");
    let none = lbctl(&daemon, &["config", "show", "--expanded", "999"], "");
    assert_eq!(none.status.code(), Some(5), "{none:?}");
}

#[test]
fn the_meaning_is_told_setting_by_setting_written_or_not() {
    let origin = Origin::echo("a");
    let daemon = daemon(&origin);
    let text = said(&daemon, &["config", "model"], "");
    assert!(!text.contains("hush-hush"), "{text}");
    let parts: Value = serde_json::from_str(&said(&daemon, &["config", "model", "--json"], "")).unwrap();
    let part = |kind: &str, name: &str| {
        let parts = parts.as_array().unwrap();
        let found = parts.iter().find(|part| part["kind"] == kind && part["name"] == name);
        found.unwrap_or_else(|| panic!("{kind} {name}: {text}"))["settings"].clone()
    };
    let pool = part("pool", "other");
    assert_eq!((&pool["slow-start"], &pool["health interval"]), (&"7s".into(), &"9s".into()), "{pool}");
    assert_eq!(part("server", "other/10.0.0.9:8080")["backup"], "true");
    let route = part("route", "/other");
    assert!(route["request-headers"].as_str().unwrap().contains("(not shown)"), "{route}");
    assert!(text.contains("pool other  ("), "{text}");
}

#[test]
fn who_only_looks_is_shown_neither() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    for path in ["/v1/config/expanded", "/v1/config/model"] {
        assert_eq!(daemon.control("GET", path).0, 200, "{path}");
        assert_eq!(daemon.control("POST", path).0, 405, "{path}");
        let refused = read_socket(&daemon, "GET", path, "");
        assert!(refused.starts_with("HTTP/1.1 403 "), "{path}: {refused}");
    }
}
