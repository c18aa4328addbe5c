//! From a command line's parser to the text of its manual page.

use clap::{Arg, ArgAction, Command};

/// The options of `command` and its subcommands, one section each.
pub(crate) fn describe(mut command: Command) -> String {
    command.build();
    let mut out = String::new();
    options(command.get_arguments(), &mut out);
    if !out.is_empty() {
        out.insert_str(0, "# Options\n\n");
    }
    out.push_str("# Commands\n\n");
    subcommands(&command, command.get_name(), &mut out);
    out
}

fn subcommands(command: &Command, path: &str, out: &mut String) {
    let is_own =
        |sub: &&Command| sub.get_name() != "help" || sub.get_arguments().any(|arg| arg.get_id() == "words");
    for sub in command.get_subcommands().filter(|sub| is_own(sub) && !sub.is_hide_set()) {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            subcommands(sub, &path, out);
            continue;
        }
        out.push_str(&format!("## {}\n\n{}.\n\n", usage(sub, &path), about(sub)));
        options(sub.get_arguments().filter(|arg| !arg.is_global_set()), out);
    }
}

/// `lbctl server check [OPTIONS] <TARGET>`, as the parser itself says it.
fn usage(command: &Command, path: &str) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.lines().next().unwrap_or_default().trim_start_matches("Usage: ").to_owned();
    assert!(usage.starts_with(path), "{usage:?} is not about {path:?}");
    usage.replacen(path, &format!("**{path}**"), 1)
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or(command.get_about()).expect("every command says what it does");
    text.to_string().trim_end_matches('.').to_owned()
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>, out: &mut String) {
    for arg in args.filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")) {
        let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        let names = arg.get_value_names().unwrap_or_default();
        let values: Vec<String> =
            names.iter().filter(|_| takes).map(|name| format!("*{}*", name.to_uppercase())).collect();
        let values = values.join(" ");
        let short = arg.get_short().map(|short| format!("**-{short}**"));
        let long = arg.get_long().map(|long| format!("**--{long}**"));
        let flags: Vec<String> = [short, long].into_iter().flatten().collect();
        let term = [flags.join(", "), values].join(" ");
        let help = arg.get_help().expect("every option says what it does").to_string();
        out.push_str(&format!(
            "{}\n:   {}.{}\n\n",
            term.trim(),
            help.trim_end_matches('.'),
            notes(arg, takes)
        ));
    }
}

/// Which values there are, what holds without it, and the variable that says it too.
fn notes(arg: &Arg, takes: bool) -> String {
    let mut out = String::new();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| takes && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), help.to_string().to_lowercase()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        out.push_str(&format!(" One of {}.", values.join(", ")));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    if takes && !defaults.is_empty() {
        out.push_str(&format!(" Default: `{}`.", defaults.join(" ")));
    }
    if let Some(name) = arg.get_env().and_then(|name| name.to_str()) {
        out.push_str(&format!(" Also by `{name}` in the environment."));
    }
    out
}
