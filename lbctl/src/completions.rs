//! Completion scripts, made from a program's own parser.
//!
//! Where an argument of `lbctl` is a server or a pool, the scripts of bash and fish ask the daemon of this machine for
//! names (`lbctl names`); without a daemon there are none.

use clap_complete::generate;

pub use clap_complete::Shell;

/// What has names that completion asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Named {
    /// Pools
    Pool,
    /// Servers: POOL/SERVER
    Target,
}

/// After the script that clap makes for bash: behind the words of a command that takes a server or a pool, the names
/// that there are. `{target}` and `{pool}` are patterns of such words.
const BASH: &str = r#"
_lbctl_named() {
    _lbctl "$@"
    local word words="" kind
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in -*) ;; *) words="$words $word" ;; esac
    done
    case "$words" in
        {target}) kind=target ;;
        {pool}) kind=pool ;;
        *) return 0 ;;
    esac
    COMPREPLY+=($(compgen -W "$(lbctl --quiet --timeout 1s names "$kind" 2>/dev/null)" -- "$2"))
}
complete -F _lbctl_named -o nosort -o bashdefault -o default lbctl
"#;

/// The script of a program for a shell.
pub fn script(mut command: clap::Command, shell: Shell) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    let [targets, pools] = ["TARGET", "POOL"].map(|argument| takers(&command, argument));
    match (name.as_str(), shell) {
        ("lbctl", Shell::Bash) => {
            let patterns = |paths: &[Vec<String>]| {
                paths.iter().map(|path| format!("*\" {}\"", path.join(" "))).collect::<Vec<_>>().join(" | ")
            };
            let own = BASH.replace("{target}", &patterns(&targets)).replace("{pool}", &patterns(&pools));
            script.push_str(&own);
        }
        ("lbctl", Shell::Fish) => {
            script.extend(targets.iter().map(|path| fish(path, "target")));
            script.extend(pools.iter().map(|path| fish(path, "pool")));
        }
        _ => {}
    }
    script
}

fn fish(path: &[String], kind: &str) -> String {
    let seen: Vec<_> = path.iter().map(|word| format!("__fish_seen_subcommand_from {word}")).collect();
    let ask = format!("lbctl --quiet --timeout 1s names {kind} 2>/dev/null");
    format!("complete -c lbctl -n \"{}\" -f -a \"({ask})\"\n", seen.join("; and "))
}

/// The commands whose first argument has this name, each as its words.
fn takers(command: &clap::Command, argument: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let names = sub.get_positionals().next().and_then(clap::Arg::get_value_names).unwrap_or_default();
        if names.first().is_some_and(|name| name.as_str() == argument) {
            found.push(vec![sub.get_name().to_owned()]);
        }
        let below = takers(sub, argument).into_iter();
        found.extend(below.map(|path| [vec![sub.get_name().to_owned()], path].concat()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn commands_that_take_a_server_or_a_pool_are_found_by_their_argument() {
        let mut command = crate::args::Cli::command();
        command.build();
        let paths = |argument| takers(&command, argument).into_iter().map(|path| path.join(" "));
        let targets: Vec<String> = paths("TARGET").collect();
        assert!(
            ["drain", "ready", "server drain", "server wait"]
                .iter()
                .all(|path| targets.iter().any(|t| t == path))
        );
        let pools: Vec<String> = paths("POOL").collect();
        assert!(
            ["check", "pool show", "sticky show"].iter().all(|path| pools.iter().any(|p| p == path)),
            "{pools:?}"
        );
        assert!(!targets.iter().any(|path| path == "status") && !pools.iter().any(|path| path == "drain"));
    }
}
