//! `lbctl help`: a page about a topic, or what a command takes.

use crate::failure::Failure;
use crate::screen::Screen;
use clap::CommandFactory;
use lbctl::args::Cli;
use lbctl::protocol::Exit;
use lbctl::render;
use lbctl::topic::{TOPICS, Topic};

pub(super) fn run(words: &[String], screen: &Screen) -> Result<Exit, Failure> {
    if let [name] = words
        && let Some(topic) = Topic::named(name)
    {
        screen.write(&render::topic(topic, screen.paint()));
        return Ok(Exit::Done);
    }
    let mut cli = Cli::command();
    cli.build();
    let mut command = &mut cli;
    for word in words {
        command = match command.find_subcommand_mut(word) {
            Some(found) => found,
            None => return Err(unknown(&words.join(" "))),
        };
    }
    screen.write(&format!("{}\n", command.render_long_help()));
    Ok(Exit::Done)
}

fn unknown(what: &str) -> Failure {
    let names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    Failure::new(Exit::Usage, format!("there is no help on `{what}`"))
        .help(format!("topics: {}", names.join(", ")))
        .help("lbctl help lists the commands")
}
