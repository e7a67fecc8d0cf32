//! The duty controller: how much of a quantity (CPU time, bytes, operations) may be used in the coming period, so that
//! the long-run mean is what was asked. Pure: time and use are arguments.
//!
//! It is an account. Every period pays in its quota, every use is taken out. What could not be used in time is carried
//! over, but at most one period's worth (or a few, where periods are shorter than the slices of time in which a
//! scheduler gives and takes a core): a starved stressor falls short (and that is reported) instead of catching up
//! in a burst. What was used too much is repaid in full.

/// An account of one worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Duty {
    balance: f64,
    grain: f64,
    carry: f64,
}

/// Overdraft beyond so many periods is forgiven: it can only come from a stretch that no longer says anything.
const OVERDRAFT_PERIODS: f64 = 100.0;

impl Duty {
    /// An even account. `grain` is the smallest amount that can be used at once: savings up to it are kept even where
    /// a period's quota is less.
    #[must_use]
    pub fn new(grain: f64) -> Self {
        Self {
            balance: 0.0,
            grain,
            carry: 1.0,
        }
    }

    /// The same, but so many periods' worth may be carried over.
    #[must_use]
    pub fn carrying(self, periods: f64) -> Self {
        Self {
            carry: periods,
            ..self
        }
    }

    /// The same, but with savings of that share of a grain: workers that save up to a grain then do not all reach it in
    /// the same period.
    #[must_use]
    pub fn staggered(self, share: f64) -> Self {
        Self {
            balance: share * self.grain,
            ..self
        }
    }

    /// What may be used in the coming period of that quota: nothing until there is a grain to use.
    #[must_use]
    pub fn grant(&self, quota: f64) -> f64 {
        let due = self.balance + quota;
        if due >= self.grain { due } else { 0.0 }
    }

    /// Books `used` over the `periods` that have passed since the last booking.
    pub fn settle(&mut self, quota: f64, periods: u64, used: f64) {
        if !quota.is_finite() {
            // Without a limit there is nothing to be owed.
            self.balance = 0.0;
            return;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of periods is far below 2^52"
        )]
        let due = self.balance + quota * periods as f64 - used;
        let overdraft = OVERDRAFT_PERIODS * quota.max(self.grain);
        self.balance = due.clamp(-overdraft, (self.carry * quota).max(self.grain));
    }

    /// What is owed to the account (negative: overdrawn).
    #[must_use]
    pub fn balance(&self) -> f64 {
        self.balance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A worker that can use at most `room` of what it is granted, in whole grains, overshooting by up to one.
    fn walk(quota: f64, grain: f64, rooms: &[f64]) -> (f64, Vec<f64>) {
        let mut duty = Duty::new(grain);
        let mut uses = Vec::new();
        for room in rooms {
            let grant = duty.grant(quota);
            let used = ((grant.min(*room)) / grain).ceil() * grain;
            duty.settle(quota, 1, used);
            uses.push(used);
        }
        (duty.balance(), uses)
    }

    proptest! {
        #[test]
        fn with_room_the_mean_is_the_quota(quota in 0.001..1e6f64, grain in 0.01..1e4f64, periods in 1..2000usize) {
            let (_, uses) = walk(quota, grain, &vec![f64::INFINITY; periods]);
            let used: f64 = uses.iter().sum();
            let due = quota * periods as f64;
            prop_assert!((used - due).abs() <= quota.max(grain) * 1.001 + due * 1e-9, "used {used}, due {due}");
        }

        #[test]
        fn starvation_is_not_caught_up_beyond_one_period(
            quota in 1.0..1e6f64,
            rooms in prop::collection::vec(0.0..1.0f64, 1..200),
            after in 1..50usize,
        ) {
            let grain = quota / 100.0;
            let mut room: Vec<f64> = rooms.iter().map(|share| share * quota).collect();
            let starved = room.len();
            room.extend(vec![f64::INFINITY; after]);
            let (_, uses) = walk(quota, grain, &room);
            let later: f64 = uses[starved..].iter().sum();
            prop_assert!(later <= quota * (after as f64 + 1.0) + 2.0 * grain);
            // And no single period ever uses more than two quotas.
            prop_assert!(uses.iter().all(|used| *used <= 2.0 * quota + 2.0 * grain));
        }

        #[test]
        fn the_balance_stays_bounded(
            steps in prop::collection::vec((0.0..1e6f64, 0..1000u64, 0.0..1e9f64), 1..100),
        ) {
            let mut duty = Duty::new(1.0);
            for (quota, periods, used) in steps {
                duty.settle(quota, periods, used);
                prop_assert!(duty.balance() <= quota.max(1.0));
                prop_assert!(duty.balance() >= -OVERDRAFT_PERIODS * quota.max(1.0));
                prop_assert!(duty.grant(quota) >= 0.0);
            }
        }

        #[test]
        fn too_much_is_repaid(quota in 10.0..1000.0f64, overshoot in 1.0..20.0f64) {
            let mut duty = Duty::new(1.0);
            duty.settle(quota, 1, quota * (1.0 + overshoot));
            let mut used = quota * (1.0 + overshoot);
            let mut periods = 1.0;
            for _ in 0..100 {
                let grant = duty.grant(quota);
                duty.settle(quota, 1, grant);
                used += grant;
                periods += 1.0;
            }
            prop_assert!((used - quota * periods).abs() <= 1.0 + 1e-6 * used);
        }
    }

    #[test]
    fn less_than_a_grain_a_period_is_saved_up() {
        let (_, uses) = walk(0.1, 1.0, &[f64::INFINITY; 1000]);
        let sum: f64 = uses.iter().sum();
        assert!((98.0..=102.0).contains(&sum), "{sum}");
    }

    #[test]
    fn no_limit_means_no_debt() {
        let mut duty = Duty::new(1.0);
        duty.settle(f64::INFINITY, 3, 5.0);
        assert_eq!(duty.balance(), 0.0);
        assert_eq!(duty.grant(f64::INFINITY), f64::INFINITY);
    }
}
