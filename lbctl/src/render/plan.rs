//! What a change of the configuration is, and what it means for what is going on.

use super::config::{file_texts, report};
use super::{Paint, Tone, time};
use crate::protocol::units::{format_count, format_number};
use crate::protocol::{Change, ConfigFile, Leaving, Move, Part, Planned, Replay, Setting, Traffic, What};

/// `lbctl config diff`.
pub fn diff(planned: &Planned, paint: Paint) -> String {
    if planned.changes.is_empty() {
        return "no change of meaning\n".to_owned();
    }
    changes(&planned.changes, paint)
}

/// `lbctl config plan`.
pub fn plan(planned: &Planned, paint: Paint) -> String {
    let mut out = if planned.changed {
        format!("generation {} -> new: {}\n", planned.generation, planned.summary)
    } else {
        format!("generation {} runs this already\n", planned.generation)
    };
    out.push_str(&changes(&planned.changes, paint));
    if let Some(effect) = planned.traffic.as_ref().filter(|_| planned.changed) {
        out.push_str(&traffic(effect, paint));
    }
    if !planned.report.findings.is_empty() {
        out.push_str(&report(&planned.report, paint));
    }
    out
}

/// `lbctl config apply`, `lbctl config rollback`.
pub fn applied(done: &Planned, paint: Paint) -> String {
    if !done.changed {
        return if done.written.is_empty() {
            format!("generation {} runs this already\n", done.generation)
        } else {
            format!("generation {} runs this already; the files say it again\n", done.generation)
        };
    }
    let mut out =
        format!("{} generation {} is live: {}\n", paint.text(Tone::Good, "✔"), done.generation, done.summary);
    out.push_str(&changes(&done.changes, paint));
    for path in &done.written {
        out.push_str(&format!("wrote {path}\n"));
    }
    if let Some(until) = done.confirm_by {
        let text = format!("! unconfirmed: what ran before comes back at {}\n", time(until));
        out.push_str(&paint.text(Tone::Warn, &text));
    }
    if !done.report.findings.is_empty() {
        out.push_str(&report(&done.report, paint));
    }
    out
}

/// `lbctl config confirm`.
pub fn confirmed(done: &Planned, paint: Paint) -> String {
    format!("{} generation {} stays\n", paint.text(Tone::Good, "✔"), done.generation)
}

/// `lbctl config pin`.
pub fn pinned(generation: u64, done: &Planned, paint: Paint) -> String {
    let mut out =
        format!("pinned to generation {generation}, which runs as generation {}\n", done.generation);
    out.push_str(&changes(&done.changes, paint));
    out
}

/// `lbctl config unpin`.
pub fn unpinned(done: &Planned, _paint: Paint) -> String {
    format!("the files count again: generation {} runs\n", done.generation)
}

/// `lbctl config show N`.
pub fn config_files(files: &[ConfigFile], paint: Paint) -> String {
    file_texts(files, paint)
}

/// `lbctl config model`.
pub fn model(parts: &[Part], paint: Paint) -> String {
    let mut out = String::new();
    for part in parts {
        let place = if part.place.is_empty() { String::new() } else { format!("  ({})", part.place) };
        out.push_str(&format!("{} {}{}\n", part.kind, part.name, paint.text(Tone::Dim, &place)));
        let width = part.settings.keys().map(|name| name.chars().count()).max().unwrap_or_default();
        for (name, value) in &part.settings {
            out.push_str(format!("    {name:<width$}  {value}").trim_end());
            out.push('\n');
        }
    }
    out
}

fn changes(changes: &[Change], paint: Paint) -> String {
    changes.iter().map(|one| change(one, paint)).collect()
}

fn change(change: &Change, paint: Paint) -> String {
    let (sign, tone) = match change.what {
        What::Added => ('+', Tone::Good),
        What::Removed => ('-', Tone::Bad),
        What::Changed => ('~', Tone::Warn),
    };
    let mut head = format!("{sign} {} {}", change.kind, change.name);
    if change.what != What::Changed && !change.detail.is_empty() {
        head.push_str(&format!("  {}", change.detail));
    }
    let mut lines: Vec<String> = change.settings.iter().map(setting).collect();
    if lines.len() == 1 {
        head.push_str(&format!(": {}", lines.remove(0)));
    }
    if !change.place.is_empty() {
        head.push_str(&format!("  ({})", change.place));
    }
    let mut out = paint.text(tone, &head) + "\n";
    lines.iter().for_each(|line| out.push_str(&format!("    {line}\n")));
    out
}

fn setting(setting: &Setting) -> String {
    match (&setting.old, &setting.new) {
        (Some(old), Some(new)) if old == new => format!("{}: another value", setting.name),
        (Some(old), Some(new)) => format!("{} {old} -> {new}", setting.name),
        (Some(old), None) => format!("- {} {old}", setting.name),
        (None, Some(new)) => format!("+ {} {new}", setting.name),
        (None, None) => setting.name.clone(),
    }
}

fn traffic(effect: &Traffic, paint: Paint) -> String {
    let mut parts = Vec::new();
    let list = |verb: &str, names: &[String]| format!("{verb} {}", names.join(", "));
    if !effect.opened.is_empty() {
        parts.push(list("opens", &effect.opened));
    }
    let left = |leaving: &Leaving| {
        let (requests, sessions) = (leaving.requests, leaving.sessions);
        format!(
            "{} ({}, {})",
            leaving.name,
            format_count(requests, "request"),
            format_count(sessions, "session")
        )
    };
    for closed in &effect.closed {
        parts.push(format!("closes {} ({})", closed.name, format_count(closed.requests, "connection")));
    }
    for leaving in &effect.leaving {
        parts.push(format!("drains {}", left(leaving)));
    }
    if effect.sticky > 0 {
        let (kept, all) = (format_number(effect.sticky_kept), format_number(effect.sticky));
        parts.push(format!("keeps {kept} of {all} sticky entries"));
    }
    if !effect.rechecked.is_empty() {
        parts.push(list("checks anew", &effect.rechecked));
    }
    if parts.is_empty() {
        parts.push("cuts nothing".to_owned());
    }
    let mut out: String = parts.iter().map(|part| format!("effect  {part}\n")).collect();
    if let Some(replay) = &effect.replay {
        out.push_str(&replayed(replay, paint));
    }
    for finding in &effect.findings {
        out.push_str(&paint.text(Tone::Warn, &format!("! {} ({})", finding.message, finding.code)));
        out.push('\n');
    }
    out
}

fn replayed(replay: &Replay, paint: Paint) -> String {
    let of = format!("of the last {} requests", format_number(replay.requests));
    let mut out = if replay.moved + replay.lost + replay.found == 0 {
        format!("replay  {of} none goes elsewhere\n")
    } else {
        let tone = if replay.lost > 0 { Tone::Bad } else { Tone::Warn };
        let all = format_number(replay.moved + replay.lost + replay.found);
        paint.text(tone, &format!("replay  {of} {all} go elsewhere")) + "\n"
    };
    for Move { from, to, requests, example } in &replay.moves {
        out.push_str(&format!("        {} {from} -> {to}, such as {example}\n", format_number(*requests)));
    }
    if replay.unknown > 0 {
        let unknown = format_number(replay.unknown);
        out.push_str(&format!(
            "        {unknown} cannot be told: they depend on header fields, cookies or queries\n"
        ));
    }
    out
}
