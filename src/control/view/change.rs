//! Changes of the configuration, and what they mean for what is going on.

use super::super::world::{ConfigAnswer, ConfigFacts, LeavingFacts, ReplayFacts, TrafficFacts};
use super::config::{finding, report};
use super::time;
use crate::reload;
use lbctl::protocol as wire;
use std::time::SystemTime;

/// A plan, or what a change did.
pub(in super::super) fn planned(facts: &ConfigAnswer) -> wire::Planned {
    let answer = &facts.answer;
    wire::Planned {
        generation: answer.generation,
        changed: answer.changed,
        plan: answer.id.clone(),
        summary: answer.plan.to_string(),
        changes: answer.plan.changes.iter().map(change).collect(),
        traffic: facts.traffic.as_ref().map(traffic),
        report: report(&facts.report),
        written: answer.written.iter().map(|path| path.display().to_string()).collect(),
        confirm_by: answer.until.map(time),
        wanted: answer.wanted.clone(),
    }
}

fn change(change: &reload::Change) -> wire::Change {
    let (what, settings) = match &change.what {
        reload::What::Added => (wire::What::Added, &[][..]),
        reload::What::Removed => (wire::What::Removed, &[][..]),
        reload::What::Changed(settings) => (wire::What::Changed, settings.as_slice()),
    };
    let setting = |setting: &reload::Setting| wire::Setting {
        name: setting.name.clone(),
        old: setting.old.clone(),
        new: setting.new.clone(),
    };
    wire::Change {
        kind: change.kind.to_owned(),
        name: change.name.clone(),
        what,
        detail: change.detail.clone(),
        place: change.place.clone(),
        settings: settings.iter().map(setting).collect(),
    }
}

fn traffic(facts: &TrafficFacts) -> wire::Traffic {
    wire::Traffic {
        opened: facts.opened.clone(),
        closed: facts.closed.iter().map(leaving).collect(),
        leaving: facts.leaving.iter().map(leaving).collect(),
        sticky_kept: facts.sticky_kept,
        sticky: facts.sticky,
        rechecked: facts.rechecked.clone(),
        replay: facts.replay.as_ref().map(replay),
        findings: facts.findings.iter().map(finding).collect(),
    }
}

fn leaving(facts: &LeavingFacts) -> wire::Leaving {
    wire::Leaving { name: facts.name.clone(), requests: facts.requests, sessions: facts.sessions }
}

fn replay(facts: &ReplayFacts) -> wire::Replay {
    let one = |one: &crate::control::world::MoveFacts| wire::Move {
        from: one.from.clone(),
        to: one.to.clone(),
        requests: one.requests,
        example: one.example.clone(),
    };
    wire::Replay {
        requests: facts.requests,
        lost: facts.lost,
        found: facts.found,
        moved: facts.moved,
        unknown: facts.unknown,
        moves: facts.moves.iter().map(one).collect(),
    }
}

/// That what runs waits for a confirmation.
pub(super) fn unconfirmed(facts: &ConfigFacts) -> Option<wire::Unconfirmed> {
    let waits = facts.unconfirmed.as_ref()?;
    let left = waits.until.duration_since(SystemTime::now()).unwrap_or_default();
    Some(wire::Unconfirmed {
        previous: waits.previous,
        until: time(waits.until),
        left_ms: super::millis(left),
        actor: waits.by.actor.clone(),
        reason: waits.by.reason.clone(),
    })
}

/// That a generation is pinned.
pub(super) fn pinned(facts: &ConfigFacts) -> Option<wire::Pinned> {
    let pin = facts.pinned.as_ref()?;
    Some(wire::Pinned {
        generation: pin.generation,
        since_ms: super::age(pin.since),
        until_change: pin.until_change,
        actor: pin.by.actor.clone(),
        reason: pin.by.reason.clone(),
    })
}
