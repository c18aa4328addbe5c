//! `passive`, `queue`, `admission` and `panic`: what a pool does when servers fail or are full.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Admission, Passive, Queue};
use super::super::reader::Reader;
use super::super::values::typed::Typed;

/// What `panic` means without a number.
const PANIC: f64 = 50.0;

/// `passive`.
pub(crate) fn passive(r: Reader<'_>) -> Passive {
    let failure_percent: Option<f64> = r.value("failure-share", Typed::percent_off);
    let min_requests = r.value("min-requests", Typed::int);
    if failure_percent == Some(0.0)
        && let Some(at) = r.written("failure-share")
    {
        let error = Diagnostic::error("LB102", at, "a share of 0% ejects every server");
        r.cx.push(
            error
                .label("even one without a failure")
                .help("write `failure-share=off`, or one such as \"50%\""),
        );
    }
    if let (None, Some(at)) = (failure_percent, r.written("min-requests")) {
        let error = Diagnostic::error("LB102", at, "`min-requests` means nothing without `failure-share`");
        r.cx.push(error.label("has no effect").help("add `failure-share=\"50%\"`, or remove it"));
    }
    Passive {
        failures: r.value("failures", Typed::int),
        failure_percent,
        min_requests,
        window: r.value("window", Typed::time),
        eject: r.value("eject", Typed::time),
        max_ejected_percent: r.value("max-ejected", Typed::percent),
    }
}

/// `queue`.
pub(crate) fn queue(r: Reader<'_>) -> Queue {
    Queue { size: r.value("size", Typed::int), timeout: r.value("timeout", Typed::time) }
}

/// `admission`; `upgrades`: whether there are any in this pool.
pub(crate) fn admission(r: Reader<'_>, upgrades: bool) -> Option<Admission> {
    if !upgrades {
        let error = Diagnostic::error("LB102", r.span(), "`admission` means nothing with `http=2`");
        let help = "remove it, or let `connections http=auto` speak HTTP/1.1 for upgrades";
        r.cx.push(error.label("servers that are spoken to in HTTP/2 alone get no upgrades").help(help));
    }
    let rate = r.arg(0, Typed::rate)?.value;
    Some(Admission { burst: r.get("burst", Typed::int).unwrap_or(rate.count), rate })
}

/// `panic`.
pub(crate) fn panic(r: Reader<'_>) -> f64 {
    r.arg(0, Typed::percent).map_or(PANIC, |share| share.value)
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{errors, good};

    fn text(nodes: &str) -> String {
        format!(
            "listen \":80\"\npool p {{\nserver \"10.0.0.1:80\"\nhealth tcp\n{nodes}\n}}\nroute \"/\" pool=p\n"
        )
    }

    #[test]
    fn an_admission_is_a_rate_and_a_burst() {
        let said = |nodes: &str| good(&text(nodes)).pools["p"].admission.map(|it| (it.rate.count, it.burst));
        assert_eq!(said(""), None);
        assert_eq!(said("admission \"500/s\""), Some((500, 500)));
        assert_eq!(said("admission \"500/s\" burst=20"), Some((500, 20)));
        let pool = "pool q { server \"10.0.0.1:80\"; health tcp; connections http=2; admission \"500/s\"; }";
        errors(&format!("{pool}\nroute \"/q\" pool=q\n"), &["LB102 4"]);
    }
}
