//! Which requests are traced.

use crate::config::model::{Follow, Trace};

/// `trace`, compiled.
#[derive(Debug, Clone, Copy)]
pub struct TraceSnap {
    /// Traces whose number ends below this are sampled: of 63 bits, as OpenTelemetry's `TraceIdRatioBased` does it,
    /// so that whoever samples by the number draws the same.
    below: u64,
    /// Whose decision is followed.
    pub follow: Follow,
}

impl TraceSnap {
    /// What `trace` says.
    pub fn of(trace: &Trace) -> Self {
        let share = (trace.sample_percent / 100.0).clamp(0.0, 1.0);
        Self { below: (share * (1u64 << 63) as f64) as u64, follow: trace.follow }
    }

    /// Whether a trace of this number is sampled, where nobody has decided.
    pub fn draws(&self, trace: &[u8; 16]) -> bool {
        // The last eight bytes of sixteen.
        (u128::from_be_bytes(*trace) as u64) >> 1 < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_numbers_is_drawn() {
        let drawn = |percent: f64| {
            let below =
                TraceSnap { below: (percent / 100.0 * (1u64 << 63) as f64) as u64, follow: Follow::All };
            let numbers = (0..1000u64).map(|n| {
                let mut trace = [7; 16];
                trace[8..].copy_from_slice(&n.wrapping_mul(u64::MAX / 1000).to_be_bytes());
                trace
            });
            numbers.filter(|trace| below.draws(trace)).count()
        };
        assert_eq!(drawn(0.0), 0);
        assert_eq!(drawn(100.0), 1000);
        assert!((249..=251).contains(&drawn(25.0)), "{}", drawn(25.0));
    }
}
