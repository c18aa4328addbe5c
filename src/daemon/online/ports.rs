//! LB712: ports that only a process with a right for them may listen on, and this one has no such right.

use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::model::{Listener, Model};
use crate::config::source::Sources;

/// Ports below this are kept for privileged processes, unless the system says otherwise.
const PRIVILEGED: u16 = 1024;
/// `CAP_NET_BIND_SERVICE` (capabilities(7)).
const CAP_NET_BIND_SERVICE: u32 = 10;

/// The listeners that this process could not open for want of a right.
pub(super) fn look(model: &Model, sources: &Sources) -> Vec<Diagnostic> {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let first = text("/proc/sys/net/ipv4/ip_unprivileged_port_start").trim().parse().unwrap_or(PRIVILEGED);
    match may_bind_any(&text("/proc/self/status")) {
        true => Vec::new(),
        false => found(model, first, sources),
    }
}

fn found(model: &Model, first: u16, sources: &Sources) -> Vec<Diagnostic> {
    let closed = model.listeners.iter().filter(|listener| (1..first).contains(&listener.address.port));
    let finding = |listener: &Listener| {
        let message = format!("this user may not listen on port {}", listener.address.port);
        Diagnostic::new("LB712", Severity::Hint, super::line(&listener.place, sources), message)
            .label(format!("ports below {first} need a right of their own"))
            .help("in the unit: `AmbientCapabilities=CAP_NET_BIND_SERVICE`; in a container: `--cap-add NET_BIND_SERVICE`")
            .help("if lbd will run as another user than the one who asks, there is nothing to mend")
            .subject(format!("listen/{}", listener.name))
    };
    closed.map(finding).collect()
}

/// Reads the effective capabilities out of `/proc/self/status`; where there are none to read, nothing is forbidden.
fn may_bind_any(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    bits.is_none_or(|bits| bits >> CAP_NET_BIND_SERVICE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{BASE, load_text};

    #[test]
    fn ports_below_the_first_free_one_are_named() {
        let loaded = load_text(&format!("{BASE}listen \":8080\"\nlisten \"127.0.0.1:443\" name=more"));
        let model = loaded.model.unwrap();
        let told = |first| -> Vec<String> {
            found(&model, first, &loaded.sources).into_iter().map(|f| f.message).collect()
        };
        let may_not = |port| format!("this user may not listen on port {port}");
        assert_eq!(told(1024), [may_not(80), may_not(443)]);
        assert_eq!(told(81), [may_not(80)]);
        assert_eq!(told(0), [""; 0]);
    }

    #[test]
    fn the_right_is_read_as_the_kernel_writes_it() {
        assert!(may_bind_any("Name:\tlbd\nCapEff:\t0000000000000400\n"));
        assert!(may_bind_any("Name:\tlbd\n"), "not Linux");
        assert!(!may_bind_any("CapInh:\t0000000000000400\nCapEff:\t0000000000000000\n"));
        assert!(!may_bind_any("CapEff:\t00000000fffffbff\n"));
    }
}
