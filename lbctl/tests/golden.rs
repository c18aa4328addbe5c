//! What travels and what people read, byte for byte.
//!
//! Each `golden/NAME.json` must survive reading and writing unchanged: a field that is renamed, dropped or added
//! without a default shows here. Each `golden/NAME.txt` is what `lbctl` prints of it. `LBCTL_BLESS=1` writes the texts
//! anew; look at the difference before committing it.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use lbctl::protocol as wire;
use lbctl::render::{self, Paint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

fn check<T: Serialize + DeserializeOwned>(name: &str, human: impl Fn(&T) -> String) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let json = std::fs::read_to_string(dir.join(format!("{name}.json"))).unwrap();
    let value: T = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string_pretty(&value).unwrap() + "\n", json, "{name}.json");
    let text = human(&value);
    let path = dir.join(format!("{name}.txt"));
    if std::env::var_os("LBCTL_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}.txt");
    for line in text.lines() {
        assert_eq!(line, line.trim_end(), "{name}.txt: nothing trails");
    }
}

#[test]
fn status() {
    check("status", |value: &wire::Status| render::status(value, Paint::Plain));
}

#[test]
fn status_while_the_files_are_refused() {
    check("status-rejected", |value: &wire::Status| render::status(value, Paint::Plain));
}

#[test]
fn status_of_what_is_unconfirmed_and_pinned() {
    check("status-held", |value: &wire::Status| render::status(value, Paint::Plain));
}

#[test]
fn what_a_change_would_do_and_did() {
    check("planned", |value: &wire::Planned| {
        let nothing = wire::Planned { generation: 42, ..wire::Planned::default() };
        let each = [
            render::plan(value, Paint::Plain),
            render::applied(value, Paint::Plain),
            render::diff(value, Paint::Plain),
            render::pinned(40, value, Paint::Plain),
            render::plan(&nothing, Paint::Plain),
            render::applied(&nothing, Paint::Plain),
            render::diff(&nothing, Paint::Plain),
            render::confirmed(&nothing, Paint::Plain),
        ];
        each.join("\n")
    });
}

#[test]
fn what_a_configuration_means() {
    check("model", |value: &Vec<wire::Part>| render::model(value, Paint::Plain));
}

#[test]
fn server() {
    check("server", |value: &wire::Server| {
        render::server(value, Paint::Plain) + &render::servers(std::slice::from_ref(value), Paint::Plain)
    });
}

#[test]
fn a_server_that_requests_saw_fail_and_one_that_starts() {
    check("server-ejected", |value: &wire::Server| {
        let starting = wire::Server { ejected_ms: None, starting_percent: Some(40), ..value.clone() };
        render::server(value, Paint::Plain) + &render::servers(&[value.clone(), starting], Paint::Plain)
    });
}

#[test]
fn operation() {
    check("operation", |value: &wire::Operation| {
        let now = "2026-01-02T03:04:26Z".parse().unwrap();
        let going = wire::Operation {
            phase: wire::Phase::InFlight,
            closed: 269,
            left: wire::Left { requests: 0, sessions: 131 },
            ..value.clone()
        };
        format!("{}\n{}\n", render::progress(&going, now), render::outcome(value, Paint::Plain))
    });
}

#[test]
fn a_drain_that_closes_says_how_long_it_takes() {
    check("operation-closing", |value: &wire::Operation| {
        let now = "2026-01-02T03:04:26Z".parse().unwrap();
        let paused = wire::Operation { paused: true, phase: wire::Phase::InFlight, ..value.clone() };
        let forecast = wire::Forecast {
            websockets: 400,
            staying: 0,
            others: 2,
            closing_ms: Some(20_000),
            median_age_ms: 3_600_000,
            oldest_ms: 86_400_000,
        };
        let some = wire::Forecast { staying: 300, others: 0, ..forecast };
        let forecasts = [forecast, wire::Forecast { others: 0, closing_ms: None, ..forecast }, some];
        let only = Some(wire::Choice { idle: Some("5m".into()), ..wire::Choice::default() });
        let chosen = wire::Operation { only, ..value.clone() };
        let mut text: String =
            [value, &paused, &chosen].map(|one| render::progress(one, now) + "\n").concat();
        forecasts.iter().for_each(|forecast| text += &(render::forecast(forecast) + "\n"));
        text
    });
}

#[test]
fn connections() {
    check("connections", |value: &wire::Connections| {
        let each: String = value.connections.iter().map(render::connection).collect();
        render::connections(value, Paint::Plain) + "\n" + &each
    });
    check("rebalanced", |value: &wire::Rebalanced| {
        let balanced = wire::Rebalanced { servers: Vec::new(), ..value.clone() };
        render::rebalanced(value, Paint::Plain) + &render::rebalanced(&balanced, Paint::Plain)
    });
}

#[test]
fn explanation() {
    check("explanation", |value: &wire::Explanation| render::explanation(value, Paint::Plain));
}

#[test]
fn what_became_of_a_request() {
    check("decision", |value: &wire::Decision| {
        let here = wire::Decision { server: None, pool: None, route: None, retries: 0, ..value.clone() };
        render::decision(value, Paint::Plain) + "\n" + &render::decision(&here, Paint::Plain)
    });
}

#[test]
fn entries() {
    check("entries", |value: &wire::StickyEntries| render::entries(value, Paint::Plain));
}

#[test]
fn event() {
    check("event", |value: &wire::Event| render::event(value, Paint::Plain) + "\n");
}

#[test]
fn report() {
    check("report", |value: &wire::Report| render::report(value, Paint::Plain));
}

#[test]
fn what_a_newer_daemon_adds_is_ignored() {
    let finding: wire::Finding =
        serde_json::from_str(r#"{"code":"LB1","severity":"later","message":"m","added":{"later":1}}"#)
            .unwrap();
    assert_eq!((finding.code.as_str(), finding.severity), ("LB1", wire::Severity::Warning));
    let health: wire::Health =
        serde_json::from_str(r#"{"state":"starting","since_ms":1,"checked":true,"good":0,"bad":0}"#).unwrap();
    assert_eq!(health.state, wire::HealthState::Unknown);
}

#[test]
fn requests_are_written_briefly() {
    let text = |value: &wire::SetAdmin| serde_json::to_string(value).unwrap();
    let drain = wire::SetAdmin { state: wire::AdminState::Drain, ..wire::SetAdmin::default() };
    assert_eq!(text(&drain), r#"{"state":"drain"}"#);
    let all = wire::SetAdmin {
        state: wire::AdminState::Drain,
        deadline: Some("30m".into()),
        sticky: Some(wire::DrainSticky::Move),
        close_rate: Some("20/s".into()),
        close_code: Some(4000),
        close: Some(wire::CloseOrder::Nobody),
        only: Some(wire::Choice { older: Some("1h".into()), ..wire::Choice::default() }),
        until: Some("2h".into()),
        reason: Some("kernel".into()),
        force: true,
        slow_start: Some("60s".into()),
        now: true,
        dry_run: true,
    };
    let expected = concat!(
        r#"{"state":"drain","deadline":"30m","sticky":"move","close_rate":"20/s","close_code":4000,"#,
        r#""close":"nobody","only":{"older":"1h"},"until":"2h","slow_start":"60s","#,
        r#""now":true,"reason":"kernel","force":true,"dry_run":true}"#
    );
    assert_eq!(text(&all), expected);
    let weight =
        |weight| serde_json::to_string(&wire::SetWeight { weight, reason: None, force: false }).unwrap();
    assert_eq!(weight(wire::Weight::Absolute(5)), r#"{"weight":5}"#);
    assert_eq!(weight(wire::Weight::Percent("50%".into())), r#"{"weight":"50%"}"#);
}

#[test]
fn certificates() {
    check("certificates", |value: &Vec<wire::Certificate>| {
        let each: String = value.iter().map(|one| render::certificate(one, Paint::Plain)).collect();
        render::certificates(value, Paint::Plain) + "\n" + &each
    });
}
