//! What has one verdict wherever it stands: `global`, options, logging, and the keywords that lbd needs not.

use super::super::verdict::{Kind, Verdicts};
use super::words::Line;

/// The verdict on a line of `global`; nothing for what it does not know.
pub(super) fn verdict(line: &Line, verdicts: &mut Verdicts) {
    let n = line.number;
    match line.word(0) {
        "maxconn" => verdicts.mapped(n, "limits max-connections="),
        "daemon"
        | "pidfile"
        | "master-worker"
        | "nbproc"
        | "zero-warning"
        | "quiet"
        | "strict-limits"
        | "description"
        | "node"
        | "expose-experimental-directives"
        | "insecure-fork-wanted"
        | "insecure-setuid-wanted" => {
            verdicts.mapped(n, "not needed: lbd runs in the foreground, under the service manager");
        }
        "user" | "group" | "uid" | "gid" | "chroot" | "default-path" | "set-dumpable" => {
            verdicts
                .approximated(n, "the unit of the service says this: `User=`, `Group=`, `ProtectSystem=`");
        }
        "nbthread" | "cpu-map" | "thread-groups" | "thread-group" => {
            verdicts
                .approximated(n, "lbd has a worker for each core; `lbd run --workers N` says another number");
        }
        "log" | "log-send-hostname" | "log-tag" | "log-format" => {
            verdicts.approximated(
                n,
                "lbd writes to stderr (the journal), and access lines as `log { access … }` says",
            );
        }
        "stats" => verdicts
            .approximated(n, "`control` makes a socket, for `lbctl` and curl; it speaks HTTP and JSON"),
        "setenv" | "presetenv" | "resetenv" | "unsetenv" => {
            verdicts.approximated(n, "put it into the environment of the service, or use `let`");
        }
        "ssl-server-verify" => match line.word(1) {
            "none" => verdicts.mapped(n, "tls verify=none where a server does not say"),
            _ => verdicts.mapped(n, "tls verify=chain"),
        },
        "hard-stop-after" | "grace" => {
            verdicts.approximated(n, "pools say how long they wait: `drain deadline=`")
        }
        "ca-base" | "crt-base" => verdicts.mapped(n, "put before the names of files"),
        "spread-checks" => {
            verdicts.approximated(n, "checks are spread by `health jitter=`, 10% of the interval")
        }
        "lua-load" | "lua-load-per-thread" | "lua-prepend-path" | "external-check" => {
            verdicts.refused(
                n,
                "lbd runs no programs of yours: make a server of it, or use routes and header edits",
            );
        }
        _ => family(line, verdicts),
    }
}

/// Words of `global` that belong together by how they begin.
fn family(line: &Line, verdicts: &mut Verdicts) {
    const DEVICES: &[&str] = &["51degrees", "deviceatlas", "wurfl"];
    const TUNING: &[&str] =
        &["tune.", "no", "max", "ulimit", "h1-case", "server-state", "profiling", "httpclient", "prealloc"];
    const OTHERS: &[&str] = &[
        "busy-polling",
        "unix-bind",
        "localpeer",
        "fd-hard-limit",
        "numa-cpu-mapping",
        "cluster-secret",
        "pp2-never-send-local",
    ];
    let (n, word) = (line.number, line.word(0));
    let begins = |all: &[&str]| all.iter().any(|begin| word.starts_with(begin));
    if word.starts_with("ssl-") || word.starts_with("tune.ssl") || word == "issuers-chain-path" {
        verdicts
            .approximated(n, "lbd speaks TLS 1.2 and 1.3 with safe ciphers only; `tls min-version=` chooses");
    } else if begins(DEVICES) {
        verdicts.refused(n, "lbd knows no devices: let the application look at User-Agent");
    } else if begins(TUNING) || OTHERS.contains(&word) {
        verdicts.approximated(n, "left out: lbd needs no such tuning");
    } else {
        verdicts.refused(n, format!("`{word}` is not known; look for what you want of it in the reference"));
    }
}

/// What an option means for lbd. Those of checks are read with the checks.
pub(super) fn option(name: &str) -> Option<(Kind, &'static str)> {
    use Kind::{Approximated, Mapped, Refused};
    Some(match name {
        "redispatch" => (Mapped, "lbd's default: a client whose server is down gets another one"),
        "persist" => (Mapped, "sticky on-down=fail"),
        "dontlognull" | "log-health-checks" | "log-separate-errors" => {
            (Mapped, "lbd logs requests, and each change of health")
        }
        "dontlog-normal" => {
            (Approximated, "every request is logged; `log { access sample=… }` takes a share")
        }
        "httplog" | "tcplog" | "httpslog" | "logasap" => {
            (Approximated, "access lines are JSON on stdout, or `log { access format=combined; }`")
        }
        "http-server-close" | "httpclose" | "forceclose" | "http-tunnel" | "http-pretend-keepalive" => (
            Approximated,
            "connections to servers are kept and reused; `connections max-uses=1` ends each after one request",
        ),
        "http-keep-alive"
        | "prefer-last-server"
        | "http-no-delay"
        | "http-use-htx"
        | "tcp-smart-accept"
        | "tcp-smart-connect"
        | "idle-close-on-response"
        | "http-ignore-probes"
        | "abortonclose" => (Mapped, "lbd does so always"),
        "http-buffer-request" => {
            (Approximated, "bodies are streamed, `timeout request-header=` bounds the head")
        }
        "allbackups" => (Mapped, "all backups are used"),
        "tcpka"
        | "clitcpka"
        | "srvtcpka"
        | "contstats"
        | "socket-stats"
        | "independent-streams"
        | "nolinger"
        | "splice-auto"
        | "splice-request"
        | "splice-response"
        | "accept-invalid-http-response"
        | "disable-h2-upgrade"
        | "h1-case-adjust-bogus-client"
        | "h1-case-adjust-bogus-server"
        | "http-restrict-req-hdr-names"
        | "checkcache" => (Approximated, "left out: lbd needs no such setting"),
        "accept-invalid-http-request" | "accept-unsafe-violations-in-http-request" => {
            (Approximated, "what two servers could read differently is always refused with 400")
        }
        "originalto" => (Approximated, "left out: servers see X-Forwarded-Host and -Port"),
        "transparent" => (Refused, "lbd forwards to the servers of a pool only; list them"),
        "http_proxy" => (Refused, "lbd is no forward proxy"),
        _ => return None,
    })
}

/// Whether the verdict is given while checks are read.
pub(super) fn is_check(name: &str) -> bool {
    matches!(
        name,
        "httpchk"
            | "tcp-check"
            | "ssl-hello-chk"
            | "mysql-check"
            | "redis-check"
            | "pgsql-check"
            | "smtpchk"
            | "ldap-check"
            | "spop-check"
            | "external-check"
    )
}

/// Lines of any proxy that need no more than a verdict.
pub(super) fn common(line: &Line, verdicts: &mut Verdicts) -> bool {
    let n = line.number;
    match line.word(0) {
        "mode" => match line.word(1) {
            "http" => verdicts.mapped(n, "routes"),
            "tcp" => verdicts.mapped(n, "listen { tcp … }"),
            _ => verdicts.refused(n, "lbd knows HTTP and TCP"),
        },
        "description" | "id" | "guid" | "declare" | "bind-process" | "enabled" => {
            verdicts.mapped(n, "not needed")
        }
        "log" | "log-format" | "log-format-sd" | "log-tag" | "error-log-format" | "no"
            if line.word(0) != "no" || line.word(1) == "log" =>
        {
            verdicts.approximated(n, "access lines are JSON on stdout, or `log { access format=combined; }`");
        }
        "errorfile" | "errorloc" | "errorloc302" | "errorloc303" | "errorfiles" | "http-error" => {
            verdicts.approximated(
                n,
                "as `/-error-page`: remove the head from the file (it holds a whole answer), then the `/-`",
            );
        }
        "unique-id-format" | "unique-id-header" => {
            verdicts.approximated(n, "lbd names each request in X-Request-Id")
        }
        "capture" => verdicts.mapped(n, "log { capture … }"),
        "email-alert" => {
            verdicts.refused(n, "`lbctl events --follow` tells what happens; let your monitoring send mail")
        }
        "filter" => verdicts.refused(n, "lbd has no filters; `compress` and `mirror` do what two of them do"),
        "backlog"
        | "grace"
        | "clitcpka-cnt"
        | "clitcpka-idle"
        | "clitcpka-intvl"
        | "srvtcpka-cnt"
        | "srvtcpka-idle"
        | "srvtcpka-intvl"
        | "max-keep-alive-queue"
        | "max-session-srv-conns" => {
            verdicts.approximated(n, "left out: lbd needs no such setting");
        }
        "force-persist" | "ignore-persist" | "persist" => {
            verdicts.refused(n, "stickiness has no conditions; give those requests a pool of their own")
        }
        "rate-limit" => {
            verdicts.approximated(n, "left out: `rate-limit` counts by client, `limits` all connections")
        }
        "disabled" => verdicts.approximated(n, "left out with all of its section"),
        "reqadd" | "reqallow" | "reqdel" | "reqdeny" | "reqidel" | "reqirep" | "reqrep" | "reqpass"
        | "reqtarpit" | "reqiallow" | "reqideny" | "reqitarpit" | "rspadd" | "rspdel" | "rspdeny"
        | "rspidel" | "rspirep" | "rsprep" | "rspideny" => {
            verdicts.refused(
                n,
                "HAProxy itself dropped it in 2.1; write `http-request` or `http-response` and import again",
            );
        }
        _ => return false,
    }
    true
}

/// `timeout` lines that no part of lbd asks for.
pub(super) fn timeout(line: &Line, verdicts: &mut Verdicts) {
    match line.word(1) {
        "client-fin" | "server-fin" | "tarpit" => {
            verdicts.approximated(line.number, "left out: a side that is done is closed within `idle=`");
        }
        "client-hs" => verdicts.approximated(line.number, "`tls handshake-timeout=`, 10s"),
        "connect" | "server" | "tunnel" | "queue" | "check" | "client" | "http-request"
        | "http-keep-alive" => {
            verdicts.mapped(line.number, "holds for no section that asks for it");
        }
        other => verdicts.refused(line.number, format!("no `timeout {other}` is known")),
    }
}

/// Why a section is refused, and what to do.
pub(super) fn section(kind: &str) -> &'static str {
    match kind {
        "userlist" => {
            "lbd asks for no passwords: let the application do it, or put an authenticating proxy in between"
        }
        "peers" => {
            "tables are kept over restarts, each lbd has its own; `sticky` cookies and `source-ip` agree on all of them"
        }
        "mailers" => "`lbctl events --follow` tells what happens; let your monitoring send mail",
        "program" => "let the service manager run it",
        "cache" => "lbd does not cache; keep a cache beside it",
        "ring" | "log-forward" | "log-profile" | "traces" => {
            "lbd writes to stderr and stdout; the journal forwards it"
        }
        "http-errors" => "`error-page` names a file for each status",
        "fcgi-app" => "lbd speaks HTTP to servers; put the FastCGI server behind a web server",
        _ => "name certificates with `certificate`, checks with `health`",
    }
}
