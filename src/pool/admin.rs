//! The operator's wish for a server, by pool and name: it outlives addresses, reloads and (saved) restarts.
//!
//! It never mixes with what checks found; both meet in [`super::Server::eligibility`]. The wish in full stands
//! behind a mutex for those who show it, its essence in one atomic for those who balance.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::ramp::Moment;
use super::terms::DrainTerms;

/// What the operator wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Wish {
    /// Traffic.
    #[default]
    Ready,
    /// No new clients; what is there finishes.
    Drain {
        /// Whether sticky clients keep coming.
        sticky: DrainSticky,
        /// When what is left is cut.
        deadline: Option<SystemTime>,
    },
    /// No traffic at all.
    Maint,
}

impl Wish {
    /// The word for it: `ready`, `drain`, `maint`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain { .. } => "drain",
            Self::Maint => "maint",
        }
    }
}

/// What a drain does to sticky clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainSticky {
    /// They keep coming.
    #[default]
    Keep,
    /// They are moved at their next request.
    Move,
}

/// Who wants it, why, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Who: the user's name, or what stands for it.
    pub by: Option<String>,
    /// The user's number.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: SystemTime,
}

impl Stamp {
    /// Now, by this actor, for this reason.
    pub fn now(by: Option<String>, reason: Option<String>) -> Self {
        Self { by, uid: None, reason, since: SystemTime::now() }
    }
}

/// The whole wish, as shown and as saved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AdminState {
    /// What.
    #[serde(flatten)]
    pub wish: Wish,
    /// Who, why, since when; `None` while nobody ever asked.
    pub stamp: Option<Stamp>,
    /// For a drain: how it goes; `None`: as the pool says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<DrainTerms>,
    /// A weight instead of the file's.
    pub weight: Option<u32>,
    /// Who, why, since when.
    pub weight_stamp: Option<Stamp>,
}

impl AdminState {
    /// Whether there is nothing to remember.
    pub fn is_default(&self) -> bool {
        self.wish == Wish::Ready && self.weight.is_none()
    }
}

/// One server's cell.
#[derive(Debug)]
pub struct Admin {
    /// Bits 0-31 the weight, bit 32 whether there is one, bits 33-34 the wish.
    mirror: AtomicU64,
    /// When it last went back to ready.
    opened: Moment,
    /// How many milliseconds its share grows this time, and one; 0: what the pool says.
    start: AtomicU64,
    state: Mutex<AdminState>,
    overrides: Overrides,
}

impl Admin {
    /// Ready, with the file's weight; `overrides` counts the pool's weight overrides.
    pub fn new(overrides: Overrides) -> Arc<Self> {
        Arc::new(Self {
            mirror: AtomicU64::new(0),
            opened: Moment::never(Instant::now()),
            start: AtomicU64::new(0),
            state: Mutex::default(),
            overrides,
        })
    }

    /// The whole wish.
    pub fn get(&self) -> AdminState {
        self.lock().clone()
    }

    /// Replaces the wish (ready, drain, maint); a weight override stays.
    pub fn set(&self, wish: Wish, stamp: Stamp) {
        self.change(|state| {
            state.wish = wish;
            state.terms = None;
            state.stamp = Some(stamp);
        });
    }

    /// Ready; its share grows for `start` this time, whatever the pool says.
    pub fn set_ready(&self, start: Option<Duration>, stamp: Stamp) {
        self.set(Wish::Ready, stamp);
        let Some(start) = start else { return };
        self.begin(u64::try_from(start.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
        self.opened.set(Instant::now());
    }

    /// No new clients, on these terms.
    pub fn set_drain(
        &self,
        sticky: DrainSticky,
        deadline: Option<SystemTime>,
        terms: DrainTerms,
        stamp: Stamp,
    ) {
        self.change(|state| {
            state.wish = Wish::Drain { sticky, deadline };
            state.terms = Some(terms);
            state.stamp = Some(stamp);
        });
    }

    /// Says whether the drain that is wished closes nobody for now.
    pub fn pause(&self, paused: bool) {
        self.change(|state| {
            if let Some(terms) = &mut state.terms {
                terms.paused = paused;
            }
        });
    }

    /// Sticky clients of the drain that is wished move from now on.
    pub fn move_everybody(&self) {
        self.change(|state| {
            if let Wish::Drain { sticky, .. } = &mut state.wish {
                *sticky = DrainSticky::Move;
            }
        });
    }

    /// Overrides the file's weight; `None` gives it back.
    pub fn set_weight(&self, weight: Option<u32>, stamp: Stamp) {
        self.change(|state| {
            state.weight = weight;
            state.weight_stamp = weight.map(|_| stamp);
        });
    }

    /// Says whose the present wish and weight are, where they do not say it yet.
    pub fn sign(&self, uid: u32) {
        let mut state = self.lock();
        let AdminState { stamp, weight_stamp, .. } = &mut *state;
        for stamp in [stamp, weight_stamp].into_iter().flatten() {
            stamp.uid.get_or_insert(uid);
        }
    }

    /// Takes what was saved.
    pub fn restore(&self, saved: AdminState) {
        self.change(|state| *state = saved);
    }

    /// The weight override, for the hot path.
    pub fn weight(&self) -> Option<u32> {
        weight_of(self.mirror.load(Ordering::Relaxed))
    }

    /// The wish's essence, for the hot path.
    pub(crate) fn gate(&self) -> Gate {
        match self.mirror.load(Ordering::Relaxed) >> 33 {
            0 => Gate::Open,
            1 => Gate::StickyOnly,
            2 => Gate::Moving,
            _ => Gate::Shut,
        }
    }

    /// When the operator last gave it back.
    pub(super) fn opened(&self) -> Option<Instant> {
        self.opened.get()
    }

    /// How long its share grows this time, if that was said.
    pub(super) fn start(&self) -> Option<Duration> {
        self.start.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)
    }

    fn begin(&self, start: u64) {
        let before = self.start.swap(start, Ordering::Relaxed);
        match (before, start) {
            (0, 1..) => drop(self.overrides.0.fetch_add(1, Ordering::Relaxed)),
            (1.., 0) => drop(self.overrides.0.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    fn change(&self, edit: impl FnOnce(&mut AdminState)) {
        let mut state = self.lock();
        let had_weight = state.weight.is_some();
        let was_ready = state.wish == Wish::Ready;
        edit(&mut state);
        if (state.wish == Wish::Ready) != was_ready {
            self.begin(0);
        }
        // Raised before, lowered after: who sees no override sees none in the mirror either.
        if state.weight.is_some() && !had_weight {
            self.overrides.0.fetch_add(1, Ordering::Relaxed);
        }
        if state.wish == Wish::Ready && !was_ready {
            self.opened.set(Instant::now());
        }
        self.mirror.store(mirror_of(&state), Ordering::Relaxed);
        if state.weight.is_none() && had_weight {
            self.overrides.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, AdminState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.begin(0);
        if self.weight().is_some() {
            self.overrides.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// How many weight and slow-start overrides a pool has: while it is zero, balancing trusts what was precomputed from the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Arc<AtomicUsize>);

impl Overrides {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// What the operator lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Everything.
    Open,
    /// Sticky clients (drain, sticky=keep).
    StickyOnly,
    /// Nothing new (drain, sticky=move).
    Moving,
    /// Nothing (maint).
    Shut,
}

fn mirror_of(state: &AdminState) -> u64 {
    let gate: u64 = match state.wish {
        Wish::Ready => 0,
        Wish::Drain { sticky: DrainSticky::Keep, .. } => 1,
        Wish::Drain { sticky: DrainSticky::Move, .. } => 2,
        Wish::Maint => 3,
    };
    gate << 33 | state.weight.map_or(0, |weight| 1 << 32 | u64::from(weight))
}

fn weight_of(mirror: u64) -> Option<u32> {
    (mirror & (1 << 32) != 0).then_some(mirror as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_says_what_the_state_says() {
        let overrides = Overrides::default();
        let admin = Admin::new(overrides.clone());
        let stamp = || Stamp::now(Some("uid 0".into()), Some("kernel update".into()));
        let wishes = [
            (Wish::Drain { sticky: DrainSticky::Keep, deadline: None }, Gate::StickyOnly),
            (Wish::Drain { sticky: DrainSticky::Move, deadline: None }, Gate::Moving),
            (Wish::Maint, Gate::Shut),
            (Wish::Ready, Gate::Open),
        ];
        assert_eq!(admin.gate(), Gate::Open);
        for weight in [None, Some(0), Some(7), Some(u32::MAX)] {
            admin.set_weight(weight, stamp());
            for (wish, gate) in wishes.clone() {
                admin.set(wish.clone(), stamp());
                assert_eq!((admin.gate(), admin.weight()), (gate, weight), "{wish:?}");
                assert_eq!(admin.get().wish, wish);
            }
            assert_eq!(overrides.any(), weight.is_some());
        }
        drop(admin);
        assert!(!overrides.any(), "a cell that goes takes its override with it");
    }

    #[test]
    fn a_saved_wish_comes_back_whole() {
        let admin = Admin::new(Overrides::default());
        let deadline = Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000));
        admin.set(
            Wish::Drain { sticky: DrainSticky::Move, deadline },
            Stamp::now(Some("ann".into()), Some("disk".into())),
        );
        admin.set_weight(Some(3), Stamp::now(None, None));
        let text = serde_json::to_string(&admin.get()).expect("plain data");
        let overrides = Overrides::default();
        let other = Admin::new(overrides.clone());
        other.restore(serde_json::from_str(&text).expect("what was written"));
        assert_eq!(other.get(), admin.get());
        assert_eq!((other.gate(), other.weight()), (Gate::Moving, Some(3)));
        assert!(overrides.any());
    }
}
