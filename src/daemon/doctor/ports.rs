//! Whether lbd can listen where the file says: the address is here, the port is free or its own, and it has the right.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::Path;

use super::{Line, text};
use crate::config::model::{ListenAddress, Model};
use crate::proxy::listeners::may_bind;

/// A line for each address; `serving` is the process of the lbd that runs.
pub(super) fn look(model: &Model, serving: Option<u32>) -> Vec<Line> {
    let listeners = model.listeners.iter().map(|listener| listener.address);
    let all = listeners.chain(model.status.iter().map(|status| status.address));
    // Port 0 is any free one.
    let all = all.filter(|address| address.port != 0);
    all.map(|address| judge(address, may_bind(address), owner(address), serving)).collect()
}

fn judge(address: ListenAddress, bound: io::Result<()>, owner: Option<Owner>, serving: Option<u32>) -> Line {
    let Err(error) = bound else { return Line::ok("listeners", format!("{address} is free")) };
    let fail = |what: String| Line::fail("listeners", what);
    match error.kind() {
        ErrorKind::AddrInUse => match owner {
            Some(owner) if serving == Some(owner.pid) => Line::ok(
                "listeners",
                format!("{address} is held by the lbd that serves, process {}", owner.pid),
            ),
            Some(Owner { pid, name }) => fail(format!("{address} is taken by {name}, process {pid}"))
                .mend(format!("end it, or listen elsewhere: ps -fp {pid}")),
            // Only root sees whose a socket is, and sockets of systemd are nobody's yet.
            None if serving.is_some() => Line::ok(
                "listeners",
                format!("{address} is in use, by the lbd that serves as far as can be seen"),
            ),
            None => fail(format!("{address} is in use"))
                .mend(format!("who has it, as root: ss -ltnp 'sport = :{}'", address.port)),
        },
        ErrorKind::PermissionDenied if serving.is_some() => {
            Line::ok("listeners", format!("{address} is the matter of the lbd that serves"))
        }
        ErrorKind::PermissionDenied => fail(format!("{address}: this user may not listen there"))
            .why("ports below 1024 need a right of their own; the unit of systemd gives it")
            .mend("in the unit: AmbientCapabilities=CAP_NET_BIND_SERVICE")
            .mend("in a container: --cap-add NET_BIND_SERVICE, or a port above 1023"),
        ErrorKind::AddrNotAvailable => fail(format!("{address}: this machine does not have that address"))
            .mend("ip addr shows those that it has")
            .mend(
                "an address that comes and goes, as with keepalived: sysctl -w net.ipv4.ip_nonlocal_bind=1",
            ),
        _ => fail(format!("{address} cannot be listened on: {error}")),
    }
}

/// A process that listens.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    pid: u32,
    name: String,
}

/// Who listens on an address, as far as this user may see.
fn owner(address: ListenAddress) -> Option<Owner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(text);
    let sockets: Vec<String> = tables.iter().flat_map(|table| listening(table, address)).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| holds(Path::new(&format!("/proc/{pid}/fd")), &sockets))?;
    Some(Owner { pid, name: text(format!("/proc/{pid}/comm")).trim().to_owned() })
}

/// The sockets that listen on an address, as the links of descriptors name them (proc(5), `/proc/net/tcp`).
fn listening(table: &str, address: ListenAddress) -> Vec<String> {
    let wanted = address.ip.map(hexadecimal);
    // One that listens on every address has all of them.
    let is_there =
        |ip: &str| wanted.as_ref().is_none_or(|wanted| wanted == ip) || ip.bytes().all(|b| b == b'0');
    let lines = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(port, 16) == Ok(address.port) && is_there(ip);
        let listens = fields.get(3) == Some(&"0A") && is_it;
        listens.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
    });
    lines.collect()
}

/// Words of 32 bits, each as this machine keeps it.
fn hexadecimal(ip: IpAddr) -> String {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_ne_bytes);
    bytes.chunks(4).map(|bytes| format!("{:08X}", word(bytes))).collect()
}

fn holds(descriptors: &Path, sockets: &[String]) -> bool {
    let Ok(entries) = std::fs::read_dir(descriptors) else { return false };
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.into_iter().any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::doctor::Verdict;

    fn on_loopback(port: u16) -> ListenAddress {
        ListenAddress { ip: Some(std::net::Ipv4Addr::LOCALHOST.into()), port }
    }

    #[test]
    fn a_port_that_somebody_has_is_told_with_the_process() {
        let taken = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let found = owner(on_loopback(port)).unwrap();
        assert_eq!(found.pid, std::process::id());
        let bound = may_bind(on_loopback(port));
        assert_eq!(bound.as_ref().unwrap_err().kind(), ErrorKind::AddrInUse);
        let line = judge(on_loopback(port), bound, Some(found), None);
        let process = format!("process {}", std::process::id());
        assert!(line.verdict == Verdict::Fail && line.what.ends_with(&process), "{line:?}");
    }

    #[test]
    fn what_keeps_lbd_from_listening_is_told_apart() {
        let judged = |error: Option<ErrorKind>, owner: Option<u32>, serving| {
            let bound = error.map_or(Ok(()), |kind| Err(kind.into()));
            let owner = owner.map(|pid| Owner { pid, name: "nginx".into() });
            judge(on_loopback(80), bound, owner, serving)
        };
        assert_eq!(judged(None, None, None).verdict, Verdict::Ok);
        assert_eq!(judged(Some(ErrorKind::AddrInUse), Some(7), Some(7)).verdict, Verdict::Ok, "it serves");
        let taken = judged(Some(ErrorKind::AddrInUse), Some(7), Some(8));
        assert_eq!(
            (taken.verdict, taken.what.as_str()),
            (Verdict::Fail, "127.0.0.1:80 is taken by nginx, process 7")
        );
        assert_eq!(judged(Some(ErrorKind::AddrInUse), None, None).verdict, Verdict::Fail);
        assert_eq!(judged(Some(ErrorKind::PermissionDenied), None, Some(7)).verdict, Verdict::Ok);
        let refused = judged(Some(ErrorKind::PermissionDenied), None, None);
        assert!(refused.verdict == Verdict::Fail && refused.mend[0].contains("CAP_NET_BIND_SERVICE"));
        let absent = judged(Some(ErrorKind::AddrNotAvailable), None, None);
        assert!(absent.verdict == Verdict::Fail && absent.mend[1].contains("ip_nonlocal_bind"));
    }

    #[test]
    fn listening_sockets_are_read_as_the_kernel_writes_them() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0\n   \
                     1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 777 1 0\n";
        assert_eq!(listening(table, on_loopback(8080)), ["socket:[12345]"]);
        assert_eq!(listening(table, ListenAddress { ip: None, port: 8080 }), ["socket:[12345]"]);
        assert_eq!(listening(table, on_loopback(80)), [""; 0]);
        let other = ListenAddress { ip: Some([127, 0, 0, 2].into()), port: 8080 };
        assert_eq!(listening(table, other), [""; 0]);
        assert_eq!(
            listening(&table.replace("0100007F:1F90 0", "00000000:1F90 0"), other),
            ["socket:[12345]"]
        );
        assert_eq!(hexadecimal("::1".parse().unwrap()), "00000000000000000000000001000000");
    }
}
