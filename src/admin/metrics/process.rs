//! The process itself, under the names that every client library of Prometheus gives it.

use super::page::Page;

/// What `/proc/self` says. A figure that cannot be read is left out.
pub(super) fn write(page: &mut Page) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is a name in parentheses, which may hold anything; those behind it are numbers.
    let fields: Vec<u64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| {
            rest.split_ascii_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect()
        })
        .unwrap_or_default();
    // Fields are counted from 1 in proc(5), and the first of these is the fourth.
    let field = |number: usize| fields.get(number - 4).copied();
    let ticks = rustix::param::clock_ticks_per_second();
    let seconds = |ticks_passed: u64| ticks_passed as f64 / ticks.max(1) as f64;
    page.counter("process_cpu_seconds_total", &[], "Processor time, of the system's work for it as well.");
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        page.sample(&[], seconds(user + system));
    }
    page.gauge("process_start_time_seconds", &[], "When the process began, in seconds since 1970.");
    if let (Some(start), Some(boot)) = (field(22), boot_time()) {
        page.sample(&[], boot as f64 + seconds(start));
    }
    page.gauge("process_resident_memory_bytes", &[], "Memory that it occupies.");
    if let Some(pages) = field(24) {
        page.sample(&[], pages * rustix::param::page_size() as u64);
    }
    page.gauge("process_open_fds", &[], "Open file descriptors.");
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.sample(&[], open.count());
    }
    page.gauge("process_max_fds", &[], "How many file descriptors may be open.");
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        page.sample(&[], most);
    }
}

fn boot_time() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
