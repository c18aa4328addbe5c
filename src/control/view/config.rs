//! The configuration, routes, and probes.

use std::time::{Duration, UNIX_EPOCH};

use super::super::role::Role;
use super::super::world::{
    CertificateFacts, ConfigFacts, ConfigFile, DecisionFacts, Explained, FindingFacts, GenerationFacts,
    ProbeFacts, Reloaded, ReportFacts, RouteFacts,
};
use super::{age, client, micros, time};
use lbctl::protocol as wire;

/// Which configuration runs, in short.
pub(in super::super) fn config_summary(facts: &ConfigFacts) -> wire::ConfigSummary {
    wire::ConfigSummary {
        generation: facts.running.number,
        since_ms: age(facts.running.since),
        cause: facts.running.cause.clone(),
        rejected: rejected(facts),
        unconfirmed: super::change::unconfirmed(facts),
        pinned: super::change::pinned(facts),
        // Hints are for who edits, not for who operates: `lbctl config show-report` has them.
        warnings: facts.report.findings.iter().filter(|one| !one.error && !one.hint).map(finding).collect(),
    }
}

/// Which configuration runs, with its files.
pub(in super::super) fn config_state(facts: &ConfigFacts, files: &[ConfigFile]) -> wire::ConfigState {
    let file = |file: &ConfigFile| wire::ConfigFile {
        path: file.path.display().to_string(),
        text: file.text.clone(),
    };
    wire::ConfigState {
        main: facts.main.display().to_string(),
        running: generation(&facts.running),
        rejected: rejected(facts),
        files: files.iter().map(file).collect(),
    }
}

/// A generation.
pub(in super::super) fn generation(facts: &GenerationFacts) -> wire::Generation {
    wire::Generation {
        number: facts.number,
        since: time(facts.since),
        cause: facts.cause.clone(),
        actor: facts.actor.clone(),
        summary: facts.summary.clone(),
        digest: facts.digest.clone(),
        reason: facts.reason.clone(),
    }
}

/// A report.
pub(in super::super) fn report(facts: &ReportFacts) -> wire::Report {
    wire::Report { findings: facts.findings.iter().map(finding).collect(), rendered: facts.rendered.clone() }
}

/// A finding.
pub(in super::super) fn finding(facts: &FindingFacts) -> wire::Finding {
    wire::Finding {
        code: facts.code.clone(),
        severity: match (facts.error, facts.hint) {
            (true, _) => wire::Severity::Error,
            (false, true) => wire::Severity::Hint,
            (false, false) => wire::Severity::Warning,
        },
        message: facts.message.clone(),
        place: facts.place.clone(),
        help: facts.help.clone(),
    }
}

/// What a reload did.
pub(in super::super) fn reloaded(facts: &Reloaded) -> wire::ReloadDone {
    wire::ReloadDone {
        generation: facts.generation,
        changed: facts.changed,
        summary: facts.summary.clone(),
        report: report(&facts.report),
    }
}

/// A certificate.
pub(in super::super) fn certificate(facts: &CertificateFacts) -> wire::Certificate {
    let time = |seconds: i64| super::time(UNIX_EPOCH + Duration::from_secs(seconds.max(0).unsigned_abs()));
    let (not_before, not_after) = (time(facts.not_before), time(facts.not_after));
    wire::Certificate {
        name: facts.name.clone(),
        chain: facts.chain.display().to_string(),
        key: facts.key.display().to_string(),
        used_by: facts.used_by.clone(),
        names: facts.names.clone(),
        subject: facts.subject.clone(),
        issuer: facts.issuer.clone(),
        serial: facts.serial.clone(),
        not_before,
        not_after,
        days_left: (not_after.as_second() - jiff::Timestamp::now().as_second()).div_euclid(24 * 3600),
        fingerprint: facts.fingerprint.clone(),
        chain_length: facts.chain_length,
    }
}

/// A route.
pub(in super::super) fn route(facts: &RouteFacts) -> wire::Route {
    wire::Route {
        name: facts.name.clone(),
        hosts: facts.hosts.clone(),
        patterns: facts.patterns.clone(),
        conditions: facts.conditions.clone(),
        action: facts.action.clone(),
        pool: facts.pool.as_ref().map(ToString::to_string),
        place: facts.place.clone(),
    }
}

/// Where a request would go.
pub(in super::super) fn explanation(method: &str, facts: &Explained) -> wire::Explanation {
    let candidates = facts.candidates.iter().map(|one| wire::Candidate {
        route: one.route.clone(),
        pattern: one.pattern.clone(),
        wins: one.wins,
        why: one.why.clone(),
        place: one.place.clone(),
    });
    wire::Explanation {
        method: method.to_owned(),
        path: facts.path.clone(),
        listener: facts.listener.clone(),
        site: facts.site.clone(),
        route: facts.route.as_ref().map(route),
        pattern: facts.pattern.clone(),
        params: fields(&facts.params),
        sticky: facts.sticky.clone(),
        goes_to: facts.goes_to.as_ref().map(ToString::to_string),
        server: facts.server.clone(),
        candidates: candidates.collect(),
    }
}

/// What became of a request.
pub(in super::super) fn decision(facts: &DecisionFacts, role: Role) -> wire::Decision {
    wire::Decision {
        id: facts.id.clone(),
        at: time(facts.at),
        client: client(facts.client, role),
        listener: facts.listener.clone(),
        generation: facts.generation,
        route: facts.route.clone(),
        pool: facts.pool.clone(),
        server: facts.server.clone(),
        how: facts.how.clone(),
        retries: facts.retries,
        status: facts.status,
        reason: facts.reason.clone(),
        first_byte_us: facts.first_byte.map(micros),
        took_us: micros(facts.took),
    }
}

/// A probe.
pub(in super::super) fn probe(facts: &ProbeFacts) -> wire::Probe {
    wire::Probe {
        passed: facts.passed,
        asked: facts.asked.clone(),
        verdict: facts.verdict.clone(),
        status: facts.status,
        took_us: micros(facts.took),
        tls: facts.tls.clone(),
        headers: fields(&facts.headers),
    }
}

fn rejected(facts: &ConfigFacts) -> Option<wire::Rejected> {
    let (at, attempts) = facts.rejected?;
    let first = facts.report.findings.iter().find(|finding| finding.error);
    Some(wire::Rejected { at: time(at), attempts, first: first.map(finding) })
}

fn fields(pairs: &[(String, String)]) -> Vec<wire::Field> {
    pairs.iter().map(|(name, value)| wire::Field { name: name.clone(), value: value.clone() }).collect()
}
