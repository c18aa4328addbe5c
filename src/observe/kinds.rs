//! Every kind of event, with what it says: the one list that `docs/events.md` is written from.

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind {
    /// `server.down`.
    pub name: &'static str,
    /// What its subject names.
    pub subject: &'static str,
    /// When it is emitted.
    pub meaning: &'static str,
}

const fn kind(name: &'static str, subject: &'static str, meaning: &'static str) -> EventKind {
    EventKind { name, subject, meaning }
}

/// All of them, sorted by name.
#[rustfmt::skip] // one row, one kind
pub const EVENT_KINDS: &[EventKind] = &[
    kind("admission.begun", "pool", "upgrades are told to come later, by the pool's `admission`"),
    kind("admission.over", "pool", "all upgrades are let in again; how many were turned away"),
    kind("certificates.reload", "certificates", "an operator asked for certificates to be read again"),
    kind("config.applied", "config", "a configuration was published as a new generation"),
    kind("config.apply", "config", "an operator asked for a configuration to be applied"),
    kind("config.confirm", "config", "an operator asked for what runs to be confirmed"),
    kind("config.confirmed", "config", "what runs was confirmed and stays"),
    kind("config.pin", "config", "an operator asked for a generation to be pinned"),
    kind("config.pinned", "config", "a generation runs from now on, whatever the files say"),
    kind("config.rejected", "config", "the files on disk were refused; what ran goes on"),
    kind("config.reload", "config", "an operator asked for the files to be read again"),
    kind("config.restored", "config", "the files on disk are again what runs: a refusal is over"),
    kind("config.returned", "config", "what ran before came back: what was applied was not confirmed, or did harm"),
    kind("config.rollback", "config", "an operator asked for an earlier generation"),
    kind("config.unconfirmed", "config", "what runs comes back unless it is confirmed in time"),
    kind("config.unpin", "config", "an operator asked for the pinned generation to be let go"),
    kind("config.unpinned", "config", "no generation is pinned any more"),
    kind("connection.closed", "pool/server", "an operator closed a long-lived stream"),
    kind("daemon.log", "lbd", "an operator changed the filter of the log for a while"),
    kind("daemon.shutdown", "lbd", "an operator asked lbd to end"),
    kind("daemon.upgrade", "lbd", "an operator asked another process to take over"),
    kind("daemon.upgrade-failed", "lbd", "no other process took over; this one goes on"),
    kind("daemon.upgraded", "lbd", "this process took over from another one"),
    kind("drain.begun", "pool/server", "an operator drains a server"),
    kind("drain.cancelled", "pool/server", "a drain was given up"),
    kind("drain.closing", "pool/server", "a drain asks the streams that are left to close"),
    kind("drain.done", "pool/server", "a drain is over, and nothing was cut"),
    kind("drain.forced", "pool/server", "a drain is over: its deadline cut what was left"),
    kind("drain.paused", "pool/server", "an operator halts a drain: no further stream is asked to close"),
    kind("drain.resumed", "pool/server", "an operator lets a drain go on"),
    kind("drain.waiting", "pool/server", "a drain waits for requests and streams to end"),
    kind("pool.rebalanced", "pool", "an operator had streams closed so that they spread over the servers"),
    kind("resolver.failed", "name", "a name has no answer; its last addresses stay in use"),
    kind("resolver.recovered", "name", "a name has an answer again"),
    kind("server.discovered", "pool/server", "DNS named a new server"),
    kind("server.down", "pool/server", "checks found a server down"),
    kind("server.drain", "pool/server", "a server answers its checks and asks for no new clients"),
    kind("server.gone", "pool/server", "a server that DNS named is gone"),
    kind("server.maint", "pool/server", "an operator takes a server out of use"),
    kind("server.named", "pool/server", "DNS names a server again before its time was over"),
    kind("server.ready", "pool/server", "an operator, or the end of a drain's time, gives a server traffic again"),
    kind("server.resolved", "pool/server", "a server's name has other addresses"),
    kind("server.unnamed", "pool/server", "DNS no longer names a server; it stays for a while"),
    kind("server.up", "pool/server", "checks found a server well"),
    kind("server.weight", "pool/server", "an operator changed a server's weight"),
    kind("server.wish-restored", "pool/server", "what an operator wanted of a server before a restart holds again"),
    kind("sticky.cleared", "pool", "an operator cleared entries of sticky tables"),
    kind("sticky.imported", "pool", "an operator brought entries into sticky tables"),
    kind("sticky.moved", "pool", "an operator moved clients from one server to another"),
    kind("trace.failed", "collector", "the collector takes no spans: what it said, or why it was not reached"),
    kind("trace.recovered", "collector", "the collector takes spans again"),
];

/// Whether events of this kind may be emitted.
pub(super) fn is_known(name: &str) -> bool {
    EVENT_KINDS.iter().any(|kind| kind.name == name)
}
