//! What the kernel allows: open files, connections that wait, ports of our own, memory. Each judgement is pure; the
//! facts are read apart from it.

use rustix::process::{Resource, getrlimit};

use super::{Line, text};
use crate::config::model::{Limits, Model, Sticky, StickyTable};
use crate::daemon::limits::room;

/// Fewer connections than this are soon used up.
const FEW: u64 = 10_000;
/// Bytes of an open connection with TLS, and of its part towards a server; see docs/sizing.md.
const CONNECTION: u64 = 12 << 10;
/// More than this share of the memory, in percent, leaves too little for everything else.
const MOST_MEMORY: u64 = 80;

/// All of it, with the limits of the process that serves if there is one.
pub(super) fn look(model: &Model, process: Option<u32>) -> Vec<Line> {
    let said = model.listeners.iter().filter_map(|listener| listener.limits.max_connections).max();
    let limit = match process {
        Some(pid) => open_files_of(&text(format!("/proc/{pid}/limits"))),
        None => getrlimit(Resource::Nofile).maximum,
    };
    let mut lines = vec![open_files(limit, said, process.is_some())];
    let most = text("/proc/sys/net/core/somaxconn").trim().parse().ok();
    let asked = model.listeners.iter().map(|listener| listener.backlog).max().unwrap_or_default();
    lines.extend(most.map(|most| backlog(most, asked)));
    let range = range(&text("/proc/sys/net/ipv4/ip_local_port_range"));
    let reserved = text("/proc/sys/net/ipv4/ip_local_reserved_ports");
    lines.extend(range.map(|range| source_ports(range, &reserved, model)));
    lines.extend(available().map(|available| memory(available, need(model))));
    lines
}

/// The hard limit of a process: lbd raises its own to that.
fn open_files_of(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Without a number there is no limit.
fn open_files(limit: Option<u64>, said: Option<u32>, serves: bool) -> Line {
    let Some(limit) = limit else { return Line::ok("open-files", "no limit") };
    let room = room(limit);
    let whose = if serves { "the process that serves" } else { "this shell" };
    let what = format!("{whose} may open {limit}: room for {room} connections");
    let (too_few, why) = match said {
        Some(said) => (
            u64::from(said) > room,
            format!("limits max-connections={said}, and each takes two: one to the client, one to a server"),
        ),
        None => {
            (room < FEW, format!("without limits max-connections up to {} are taken", Limits::CONNECTIONS))
        }
    };
    match too_few {
        false => Line::ok("open-files", what),
        true => Line::warn("open-files", what)
            .why(why)
            .mend("in the unit: LimitNOFILE=1048576, then systemctl daemon-reload and restart")
            .mend("in a shell: ulimit -n 1048576"),
    }
}

fn backlog(most: u32, asked: u32) -> Line {
    match asked > most {
        false => Line::ok("backlog", format!("{most} connections may wait to be accepted")),
        true => Line::warn(
            "backlog",
            format!("the kernel lets {most} connections wait, backlog={asked} asks for more"),
        )
        .why("a burst of new clients waits for a second or longer, or is refused")
        .mend(format!("sysctl -w net.core.somaxconn={asked}"))
        .mend(format!("for good: echo net.core.somaxconn={asked} > /etc/sysctl.d/60-lbd.conf")),
    }
}

/// Two numbers with a blank between them, the first and the last.
fn range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Connections to one server differ by the port on this side only.
fn source_ports((first, last): (u16, u16), reserved: &str, model: &Model) -> Line {
    let inside = |port: u16| (first..=last).contains(&port) && !is_reserved(reserved, port);
    let ports = model.listeners.iter().map(|listener| listener.address.port);
    if let Some(port) = ports.into_iter().find(|port| inside(*port)) {
        return Line::warn(
            "source-ports",
            format!("{port} is among the ports {first} to {last} of connections that go out"),
        )
        .why("such a connection may have the port when lbd starts")
        .mend(format!("sysctl -w net.ipv4.ip_local_reserved_ports={port}"))
        .mend("or listen on a port below that range");
    }
    let room = u64::from(last.saturating_sub(first)) + 1;
    let what = format!("{room} connections fit between this machine and one server");
    match room < FEW {
        false => Line::ok("source-ports", what),
        true => Line::warn("source-ports", what)
            .why("each has a port of this machine")
            .mend("sysctl -w net.ipv4.ip_local_port_range=\"10240 60999\""),
    }
}

/// `8080,9148,40000-40010`
fn is_reserved(list: &str, port: u16) -> bool {
    list.trim().split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&port))
    })
}

/// What the file allows to be kept at once, in bytes: connections that it names a number of, and full tables.
fn need(model: &Model) -> u64 {
    let connections = model.listeners.iter().filter_map(|listener| listener.limits.max_connections);
    let rules = model.pools.values().flat_map(|pool| &pool.sticky);
    let entries = rules.map(|rule| match rule {
        Sticky::Table(table) => (table.max_entries * StickyTable::ENTRY) as u64,
        _ => 0,
    });
    connections.map(u64::from).sum::<u64>() * CONNECTION + entries.sum::<u64>()
}

fn memory(available: u64, need: u64) -> Line {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let what = format!("{} MiB for this machine or container", mib(available));
    match need > available / 100 * MOST_MEMORY {
        false if need == 0 => Line::ok("memory", what),
        false => {
            Line::ok("memory", format!("{what}, at most {} of them for connections and tables", mib(need)))
        }
        true => Line::warn("memory", format!("{what}; what the file allows takes {}", mib(need)))
            .why("lbd would be killed before it refuses anybody")
            .mend("lower limits max-connections or max-entries, or give it more: docs/sizing.md"),
    }
}

/// The machine's memory, or the container's if that is less.
fn available() -> Option<u64> {
    let group = text("/sys/fs/cgroup/memory.max").trim().parse().ok();
    let machine = total(&text("/proc/meminfo"));
    group.into_iter().chain(machine).min()
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{BASE, load_text};
    use crate::daemon::doctor::Verdict::{Ok as Fine, Warn};

    fn model(more: &str) -> Model {
        let loaded = load_text(&format!("{BASE}{more}"));
        loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.report))
    }

    #[test]
    fn open_files_are_weighed_against_the_connections_that_are_promised() {
        let judged = |limit, said| open_files(limit, said, false).verdict;
        assert_eq!(judged(Some(1024), None), Warn);
        assert_eq!(judged(Some(1_048_576), None), Fine);
        assert_eq!(judged(Some(20_100), Some(10_000)), Fine, "two each, and a hundred");
        assert_eq!(judged(Some(20_100), Some(10_001)), Warn);
        assert_eq!(judged(None, Some(1_000_000)), Fine);
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files_of(limits), Some(524_288));
        assert_eq!(open_files_of("Max open files  unlimited  unlimited  files"), None);
    }

    #[test]
    fn a_backlog_that_the_kernel_cuts_is_told() {
        assert_eq!(backlog(4096, 4096).verdict, Fine);
        let line = backlog(128, 4096);
        assert_eq!(line.verdict, Warn);
        assert!(line.mend[0].contains("net.core.somaxconn=4096"), "{line:?}");
    }

    #[test]
    fn ports_of_connections_that_go_out_are_enough_and_no_listeners() {
        let judged = |range, reserved: &str, more: &str| source_ports(range, reserved, &model(more)).verdict;
        assert_eq!(range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(judged((32768, 60999), "", "listen \":8080\""), Fine);
        assert_eq!(judged((32768, 33000), "", "listen \":8080\""), Warn, "few");
        assert_eq!(judged((32768, 60999), "", "listen \":40000\""), Warn, "may be taken");
        assert_eq!(judged((32768, 60999), "8080,39999-40001\n", "listen \":40000\""), Fine);
    }

    #[test]
    fn memory_is_weighed_against_tables_and_connections() {
        assert_eq!(need(&model("listen \":8080\"")), 0);
        let with_table = "listen \":8080\"\npool t { server \"127.0.0.1:1\"; sticky source-ip max-entries=1000000; }\nroute \"/t\" pool=t";
        assert_eq!(need(&model(with_table)), 128_000_000);
        let with_limit = "listen \":8080\" { limits max-connections=1000; }";
        assert_eq!(need(&model(with_limit)), 1000 * CONNECTION);
        assert_eq!(memory(1 << 30, 128_000_000).verdict, Fine);
        assert_eq!(memory(64 << 20, 128_000_000).verdict, Warn);
        assert_eq!(total("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
    }
}
