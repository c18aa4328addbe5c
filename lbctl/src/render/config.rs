//! Which configuration runs, and what is wrong with the files.

use super::{Paint, Table, Tone};
use crate::protocol::units::format_ms;
use crate::protocol::{
    ConfigFile, ConfigState, ConfigSummary, Generation, Rejected, ReloadDone, Report, Severity,
};

/// The end of the first line of `lbctl status`; two more lines when the files were refused.
pub fn config_banner(config: &ConfigSummary, paint: Paint) -> String {
    let age = format_ms(config.since_ms);
    let Some(rejected) = &config.rejected else {
        let mut codes: Vec<&str> = config.warnings.iter().map(|finding| finding.code.as_str()).collect();
        codes.dedup();
        let warnings = match config.warnings.len() {
            0 => String::new(),
            1 => format!(", 1 warning ({})", codes.join(" ")),
            count => format!(", {count} warnings ({})", codes.join(" ")),
        };
        return format!(
            "generation {} ({age} ago, by {})   config {}{warnings}\n",
            config.generation,
            config.cause,
            paint.text(Tone::Good, "✔ clean")
        );
    };
    let saves =
        if rejected.attempts > 1 { format!(", {} saves refused", rejected.attempts) } else { String::new() };
    format!(
        "config {}   running generation {} ({age} ago){saves}\n       → lbctl config show-report\n",
        paint.text(Tone::Bad, &format!("✘ {}", first_error(rejected))),
        config.generation
    )
}

/// `lbctl config show`.
pub fn config_state(state: &ConfigState, paint: Paint) -> String {
    let running = &state.running;
    let mut out =
        format!("// {}, generation {} since {}\n", state.main, running.number, super::time(running.since));
    if let Some(rejected) = &state.rejected {
        let line =
            format!("// the files on disk differ, refused at {}: {}\n", rejected.at, first_error(rejected));
        out.push_str(&paint.text(Tone::Bad, &line));
    }
    out.push_str(&file_texts(&state.files, paint));
    out
}

/// Files one after another, each under its name when there are several.
pub(super) fn file_texts(files: &[ConfigFile], paint: Paint) -> String {
    let mut out = String::new();
    for file in files {
        if files.len() > 1 {
            out.push_str(&paint.text(Tone::Dim, &format!("// ---- {}", file.path)));
            out.push('\n');
        }
        out.push_str(&file.text);
        if !file.text.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

/// A pin, and a confirmation that is due: a line each.
pub(super) fn held_lines(config: &ConfigSummary, paint: Paint) -> String {
    let mut out = String::new();
    let who = |actor: &str, reason: &Option<String>| match reason {
        Some(reason) => format!("by {actor}: {reason}"),
        None => format!("by {actor}"),
    };
    if let Some(waits) = &config.unconfirmed {
        let line = format!(
            "! unconfirmed: generation {} comes back in {} (applied {})  → lbctl config confirm",
            waits.previous,
            format_ms(waits.left_ms),
            who(&waits.actor, &waits.reason)
        );
        out.push_str(&(paint.text(Tone::Bad, &line) + "\n"));
    }
    if let Some(pin) = &config.pinned {
        let until = if pin.until_change { "until the files change" } else { "whatever the files say" };
        let line = format!(
            "! pinned to generation {} for {}, {until} ({})  → lbctl config unpin",
            pin.generation,
            format_ms(pin.since_ms),
            who(&pin.actor, &pin.reason)
        );
        out.push_str(&(paint.text(Tone::Bad, &line) + "\n"));
    }
    out
}

/// `lbctl config history`, newest first.
pub fn generations(generations: &[Generation], paint: Paint) -> String {
    let mut table = Table::new(&["GENERATION", "SINCE", "CAUSE", "BY", "WHAT", "WHY"]);
    for generation in generations.iter().rev() {
        table.row(vec![
            generation.number.to_string().into(),
            super::time(generation.since).into(),
            generation.cause.clone().into(),
            generation.actor.clone().unwrap_or_default().into(),
            generation.summary.clone().into(),
            generation.reason.clone().unwrap_or_default().into(),
        ]);
    }
    table.render(paint)
}

/// `lbctl config show-report`.
pub fn report(report: &Report, paint: Paint) -> String {
    if report.findings.is_empty() {
        return format!("{} no findings\n", paint.text(Tone::Good, "✔"));
    }
    if !report.rendered.is_empty() {
        return ensure_newline(report.rendered.clone());
    }
    let mut out = String::new();
    for finding in &report.findings {
        let (word, tone) = match finding.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Warn),
            Severity::Hint => ("hint", Tone::Dim),
        };
        out.push_str(&paint.text(tone, &format!("{word}[{}]", finding.code)));
        out.push_str(&format!(": {}\n", finding.message));
        if let Some(place) = &finding.place {
            out.push_str(&format!("  --> {place}\n"));
        }
        for help in &finding.help {
            out.push_str(&format!("  help: {help}\n"));
        }
    }
    out
}

/// `lbctl config reload`.
pub fn reload_done(done: &ReloadDone, paint: Paint) -> String {
    let mut out = if done.changed {
        let summary = if done.summary.is_empty() { String::new() } else { format!(": {}", done.summary) };
        format!("{} generation {} is live{summary}\n", paint.text(Tone::Good, "✔"), done.generation)
    } else {
        format!("generation {} runs these files already\n", done.generation)
    };
    if !done.report.findings.is_empty() {
        out.push_str(&report(&done.report, paint));
    }
    out
}

fn first_error(rejected: &Rejected) -> String {
    let Some(first) = &rejected.first else { return "the files were refused".to_owned() };
    let place = first.place.as_ref().map(|place| format!("{place} ")).unwrap_or_default();
    format!("{place}{} ({})", first.message, first.code)
}

fn ensure_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
