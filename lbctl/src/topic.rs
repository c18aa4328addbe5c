//! The pages of `lbctl help TOPIC`. Each text is one file, of which the manual pages are made too.

/// One page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is about, in a few words.
    pub about: &'static str,
    /// Its text, in Markdown.
    pub text: &'static str,
}

/// All of them.
pub const TOPICS: [Topic; 5] = [
    Topic {
        name: "config",
        about: "how a configuration comes to run, and how it is taken back",
        text: include_str!("../topics/config.md"),
    },
    Topic {
        name: "drain",
        about: "how a server leaves without hurting anybody",
        text: include_str!("../topics/drain.md"),
    },
    Topic {
        name: "exit-codes",
        about: "what the exit code of lbctl says",
        text: include_str!("../topics/exit-codes.md"),
    },
    Topic {
        name: "routing",
        about: "which route serves a request",
        text: include_str!("../topics/routing.md"),
    },
    Topic {
        name: "units",
        about: "how times, rates, sizes and shares are written",
        text: include_str!("../topics/units.md"),
    },
];

impl Topic {
    /// The topic of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TOPICS.iter().find(|topic| topic.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Exit;

    #[test]
    fn every_exit_code_is_explained() {
        let page = Topic::named("exit-codes").unwrap().text;
        for exit in Exit::ALL {
            assert!(page.contains(&format!("`{}`\n:   ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn every_phase_of_a_drain_is_explained() {
        use crate::protocol::Phase::*;
        let page = Topic::named("drain").unwrap().text;
        for phase in [Settling, InFlight, Closing, Drained, Forced, Cancelled] {
            let word = serde_json::to_string(&phase).unwrap();
            assert!(page.contains(&format!("`{}`\n:   ", word.trim_matches('"'))), "{word}");
        }
    }
}
