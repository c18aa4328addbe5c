//! Errors on the wire: RFC 9457 problems, and the exit code that each means.

use super::Finding;
use serde::{Deserialize, Serialize};

/// What the `type` of a problem begins with; the rest is the stable key.
pub const PROBLEM_BASE: &str = "https://lbd-project.github.io/problems/";

/// The content type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// [`PROBLEM_BASE`] and the key.
    #[serde(rename = "type")]
    pub kind: String,
    /// What went wrong in general.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong in this case.
    #[serde(default)]
    pub detail: String,
    /// What it is about: `platform/tw1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What to do about it: commands, flags, sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// Findings of the configuration, when these are the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The findings as a human reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered: Option<String>,
}

impl Problem {
    /// A problem of one kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (key, status, title, _) = kind.row();
        Self {
            kind: format!("{PROBLEM_BASE}{key}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// The same problem, naming what it is about.
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same problem with one more piece of advice.
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Its stable kind, when this library knows it.
    pub fn known(&self) -> Option<Kind> {
        let key = self.kind.strip_prefix(PROBLEM_BASE).unwrap_or(&self.kind);
        Kind::ALL.iter().copied().find(|kind| kind.row().0 == key)
    }

    /// The exit code that it means. An unknown kind is judged by its status.
    pub fn exit(&self) -> Exit {
        match (self.known(), self.status) {
            (Some(kind), _) => kind.row().3,
            (None, 400 | 405 | 413 | 415 | 422) => Exit::Usage,
            (None, 401 | 403) => Exit::NotPermitted,
            (None, 404 | 410) => Exit::NoSuchThing,
            (None, 409 | 412 | 428) => Exit::Refused,
            _ => Exit::Failed,
        }
    }
}

/// The kinds of problems. The key of each is stable; see the table in the implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense: bad JSON, bad value, bad query.
    BadRequest,
    /// The caller's role does not allow it.
    NotPermitted,
    /// No such pool, server, operation, table, key or path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body is larger than 1 MiB.
    BodyTooLarge,
    /// The last server that is up would be taken away.
    LastServer,
    /// More than half of a pool would be away.
    HalfOfPool,
    /// The servers that stay have no room for the present load.
    Capacity,
    /// `If-Match` names a generation that no longer runs.
    StaleGeneration,
    /// The files were refused.
    ConfigRejected,
    /// Edits of others, or a plan that is no longer true, stand in the way.
    ConfigGuard,
    /// The files cannot be written.
    FilesUnwritable,
    /// A probe was asked of a pool that defines no check.
    NoCheck,
    /// The operation has ended, or the like.
    Conflict,
    /// An `Idempotency-Key` came with another request before.
    KeyReused,
    /// The new process of an upgrade did not get as far as serving.
    UpgradeFailed,
    /// As many clients as are allowed are connected.
    TooManyClients,
    /// A mistake of ours.
    Internal,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::NotPermitted,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::LastServer,
        Self::HalfOfPool,
        Self::Capacity,
        Self::StaleGeneration,
        Self::ConfigRejected,
        Self::ConfigGuard,
        Self::FilesUnwritable,
        Self::NoCheck,
        Self::Conflict,
        Self::KeyReused,
        Self::UpgradeFailed,
        Self::TooManyClients,
        Self::Internal,
    ];

    /// Its stable key.
    pub fn key(self) -> &'static str {
        self.row().0
    }

    /// The table: key, HTTP status, title, exit code.
    fn row(self) -> (&'static str, u16, &'static str, Exit) {
        match self {
            Self::BadRequest => ("bad-request", 400, "the request makes no sense", Exit::Usage),
            Self::NotPermitted => ("not-permitted", 403, "not permitted", Exit::NotPermitted),
            Self::NotFound => ("not-found", 404, "no such thing", Exit::NoSuchThing),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "method not allowed", Exit::Usage),
            Self::BodyTooLarge => ("body-too-large", 413, "body too large", Exit::Usage),
            Self::LastServer => ("last-server", 409, "last server of the pool", Exit::Refused),
            Self::HalfOfPool => ("half-of-pool", 409, "more than half of the pool", Exit::Refused),
            Self::Capacity => ("capacity", 409, "no room on the servers that stay", Exit::Refused),
            Self::StaleGeneration => ("stale-generation", 412, "another generation runs", Exit::Refused),
            Self::ConfigRejected => ("config-rejected", 422, "the configuration was refused", Exit::Failed),
            Self::ConfigGuard => ("config-guard", 409, "something would be lost", Exit::Refused),
            Self::FilesUnwritable => ("files-unwritable", 409, "the files cannot be written", Exit::Failed),
            Self::NoCheck => ("no-check", 409, "the pool defines no health check", Exit::Failed),
            Self::Conflict => ("conflict", 409, "not in this state", Exit::Failed),
            Self::KeyReused => ("key-reused", 422, "the key was used for another request", Exit::Usage),
            Self::UpgradeFailed => ("upgrade-failed", 502, "the upgrade failed", Exit::Failed),
            Self::TooManyClients => ("too-many-clients", 503, "too many control clients", Exit::Failed),
            Self::Internal => ("internal", 500, "internal error", Exit::Failed),
        }
    }
}

/// The exit codes of `lbctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed, or the answer is no.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// The daemon cannot be reached.
    Unreachable = 3,
    /// Not permitted.
    NotPermitted = 4,
    /// No such thing.
    NoSuchThing = 5,
    /// A guard refused.
    Refused = 6,
    /// A deadline came: what was left goes on, or was cut.
    Deadline = 7,
    /// There are changes: `lbctl config plan --exit-code`.
    Changes = 10,
    /// Interrupted; what was begun in the daemon goes on.
    Interrupted = 130,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unreachable,
        Self::NotPermitted,
        Self::NoSuchThing,
        Self::Refused,
        Self::Deadline,
        Self::Changes,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_key_and_is_found_by_it() {
        for kind in Kind::ALL {
            assert_eq!(Problem::new(kind, "x").known(), Some(kind));
        }
    }

    #[test]
    fn the_exit_code_table() {
        let codes: Vec<(&str, u8)> =
            Kind::ALL.iter().map(|kind| (kind.key(), Problem::new(*kind, "").exit().code())).collect();
        assert_eq!(
            codes,
            [
                ("bad-request", 2),
                ("not-permitted", 4),
                ("not-found", 5),
                ("method-not-allowed", 2),
                ("body-too-large", 2),
                ("last-server", 6),
                ("half-of-pool", 6),
                ("capacity", 6),
                ("stale-generation", 6),
                ("config-rejected", 1),
                ("config-guard", 6),
                ("files-unwritable", 1),
                ("no-check", 1),
                ("conflict", 1),
                ("key-reused", 2),
                ("upgrade-failed", 1),
                ("too-many-clients", 1),
                ("internal", 1),
            ]
        );
    }

    #[test]
    fn a_problem_of_a_newer_daemon_is_judged_by_its_status() {
        let check = |status, expected: Exit| {
            let problem = Problem { kind: "https://x/problems/new".into(), status, ..Problem::default() };
            assert_eq!(problem.exit(), expected, "{status}");
        };
        check(400, Exit::Usage);
        check(403, Exit::NotPermitted);
        check(404, Exit::NoSuchThing);
        check(409, Exit::Refused);
        check(412, Exit::Refused);
        check(500, Exit::Failed);
    }

    #[test]
    fn golden() {
        let problem = Problem::new(Kind::LastServer, "platform/tw1 is the last server that is up")
            .about("platform/tw1")
            .help("lbctl server check platform/tw2")
            .help("--force");
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"type":"https://lbd-project.github.io/problems/last-server","title":"last server of the pool","status":409,"detail":"platform/tw1 is the last server that is up","subject":"platform/tw1","help":["lbctl server check platform/tw2","--force"]}"#
        );
    }
}
