//! The engine of every kind that moves something at a rate: workers that do bounded pieces of work under a [`Duty`]
//! account, on a common time grid, and the scale between the asked unit and what is counted.

use crate::clock;
use crate::crew::{Crew, CrewError, Shift};
use crate::duty::Duty;
use crate::hindrance::Hindrance;
use crate::holding::seconds;
use crate::monitor::Reached;
use crate::peak::PeakSearch;
use crate::stressor::Stressor;
use aefm_workloads::interference::Why;
use aefm_workloads::quantity::Unit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One worker's work: does up to about so many units, counts what was reached on its [`Shift`], and says how many
/// units it used up. None used means that nothing can be done before the next period.
pub type Work = Box<dyn FnMut(&Shift, u64) -> Result<u64, String>>;

/// Makes the work of a worker, in its own thread, so that memory is local to it.
pub type Make = Arc<dyn Fn(&Shift) -> Result<Work, String> + Send + Sync>;

/// How work is made and paced.
#[derive(Clone)]
pub struct Pace {
    /// Grid on which quotas are due.
    pub period_ns: u64,
    /// Most units in one piece: how soon a worker notices that it should stop.
    pub quantum: u64,
    /// Fewest units that can be done at once.
    pub grain: f64,
    /// Periods' worth that may be carried over.
    pub carry: f64,
    /// Makes it.
    pub make: Make,
}

/// What an intensity means in units that are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// So many base units in one of the asked unit.
    Fixed(f64),
    /// Percent of a peak: known, or (without a value) to be measured when the work begins. 100 % is without limit.
    Peak(Option<f64>),
}

/// A stressor of that engine.
pub struct Paced {
    crew: Crew,
    ready: Arc<AtomicUsize>,
    scale: Scale,
    search: PeakSearch,
    intensity: f64,
    bytes_per_base: Option<f64>,
    seen: u64,
    seen_at_ns: u64,
}

impl Scale {
    /// The scale of a unit, where percent is of a peak.
    #[must_use]
    pub fn of(unit: Unit, peak: Option<f64>) -> Self {
        unit.base().map_or(Self::Peak(peak), Self::Fixed)
    }

    /// Base units a second at that intensity: none while the peak is not known.
    fn rate(self, intensity: f64) -> Option<f64> {
        match self {
            Self::Fixed(base) => Some(intensity * base),
            Self::Peak(Some(_)) if intensity >= 100.0 => Some(f64::INFINITY),
            Self::Peak(peak) => peak.map(|peak| intensity / 100.0 * peak),
        }
    }

    /// The intensity at that rate of base units.
    fn intensity(self, rate: f64) -> f64 {
        match self {
            Self::Fixed(base) => rate / base,
            Self::Peak(peak) => peak.map_or(0.0, |peak| 100.0 * rate / peak),
        }
    }
}

impl Paced {
    /// Starts workers on those cores, at intensity 0.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        cores: &[Option<usize>],
        pace: Pace,
        scale: Scale,
        bytes_per_base: Option<f64>,
    ) -> Result<Self, CrewError> {
        let ready = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ready);
        let crew = Crew::hire(cores, move |shift| {
            let done = (pace.make)(shift).and_then(|mut work| {
                counter.fetch_add(1, Ordering::Relaxed);
                labour(shift, &pace, &mut work)
            });
            if let Err(reason) = done {
                shift.fail(reason);
            }
        })?;
        let seen_at_ns = clock::mono_ns();
        let search = PeakSearch::default();
        Ok(Self {
            crew,
            ready,
            scale,
            search,
            intensity: 0.0,
            bytes_per_base,
            seen: 0,
            seen_at_ns,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a crew is small")]
    fn turn(&self) {
        // Zero is zero also where the peak is not known: nothing is measured before something is asked for.
        let rate = if self.intensity == 0.0 {
            0.0
        } else {
            self.scale.rate(self.intensity).unwrap_or(f64::INFINITY)
        };
        self.crew.turn(rate / self.crew.size().max(1) as f64);
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) >= self.crew.size()
    }
}

impl Stressor for Paced {
    fn set(&mut self, intensity: f64) {
        self.intensity = intensity;
        self.turn();
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what one window counts is far below 2^52"
    )]
    fn reached(&mut self, now_ns: u64) -> Reached {
        let total = self.crew.total();
        let span_ns = now_ns.saturating_sub(self.seen_at_ns).max(1);
        let rate = total.saturating_sub(self.seen) as f64 / seconds(span_ns);
        (self.seen, self.seen_at_ns) = (total, now_ns);
        let is_ready = self.ready();
        // Buffers are touched once before the work begins.
        let mut hindrance = (!is_ready).then(|| Hindrance::plain(Why::Filling));
        if self.scale == Scale::Peak(None) && self.intensity > 0.0 && is_ready {
            hindrance = Some(Hindrance::plain(Why::Measuring));
            if let Some(peak) = self.search.push(span_ns, rate) {
                self.scale = Scale::Peak(Some(peak));
                self.turn();
            }
        }
        let achieved = self.scale.intensity(rate);
        Reached {
            achieved,
            bytes_per_s: self.bytes_per_base.map(|bytes| bytes * rate),
            // Who has no peer measures no peak.
            hindrance: self.crew.hindrance().or(hindrance),
        }
    }

    fn crew(&self) -> Option<&Crew> {
        Some(&self.crew)
    }

    fn failure(&self) -> Option<String> {
        self.crew.failure().map(str::to_owned)
    }

    fn peak_per_s(&self) -> Option<f64> {
        match self.scale {
            Scale::Fixed(_) => None,
            Scale::Peak(peak) => peak,
        }
    }
}

/// A worker's life: in every period as much work as its account grants, then sleep.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "periods and their quotas are positive and far below 2^52"
)]
fn labour(shift: &Shift, pace: &Pace, work: &mut Work) -> Result<(), String> {
    let share = shift.index as f64 / shift.workers as f64;
    // Workers take turns within a period, and in the use of what they save up.
    let mut edge_ns = shift.start_ns + (share * pace.period_ns as f64) as u64;
    let account = Duty::new(pace.grain).carrying(pace.carry).staggered(share);
    let mut duty = account;
    let mut due = shift.dial();
    while !shift.stopped() {
        if shift.wait_for_work() {
            edge_ns += clock::mono_ns().saturating_sub(edge_ns) / pace.period_ns * pace.period_ns;
        }
        if due.to_bits() != shift.dial().to_bits() {
            due = shift.dial();
            duty = account;
        }
        let quota = due * seconds(pace.period_ns);
        let grant = duty.grant(quota);
        let used = stretch(shift, pace, work, grant, edge_ns + pace.period_ns)?;
        let periods = (clock::mono_ns().saturating_sub(edge_ns) / pace.period_ns).max(1);
        edge_ns += periods * pace.period_ns;
        duty.settle(quota, periods, used as f64);
        clock::sleep_until(edge_ns);
    }
    Ok(())
}

/// Works until what was granted is used, the period is over, or nothing more can be done in it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an unlimited grant becomes the largest number, which is what is meant"
)]
fn stretch(
    shift: &Shift,
    pace: &Pace,
    work: &mut Work,
    grant: f64,
    end_ns: u64,
) -> Result<u64, String> {
    let mut used = 0;
    while (used as f64) < grant && !shift.stopped() {
        let piece = ((grant - used as f64).ceil() as u64).min(pace.quantum);
        let done = work(shift, piece)?;
        used += done;
        if done == 0 || clock::mono_ns() >= end_ns {
            break;
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn counting() -> Pace {
        Pace {
            period_ns: 2_000_000,
            quantum: 100,
            grain: 1.0,
            carry: 1.0,
            make: Arc::new(|_| {
                Ok(Box::new(|shift, amount| {
                    shift.add(amount);
                    Ok(amount)
                }))
            }),
        }
    }

    /// Calls `reached` until `enough` or half a minute has passed.
    fn watch(paced: &mut Paced, mut enough: impl FnMut(&Reached) -> bool) -> bool {
        let limit = Instant::now() + Duration::from_secs(30);
        while Instant::now() < limit {
            clock::sleep_until(clock::mono_ns() + 100_000_000);
            if enough(&paced.reached(clock::mono_ns())) {
                return true;
            }
        }
        false
    }

    #[test]
    fn a_rate_is_held_and_followed() {
        let mut paced =
            Paced::start(&[None, None], counting(), Scale::Fixed(1.0), Some(8.0)).unwrap();
        for rate in [50_000.0, 500.0] {
            paced.set(rate);
            paced.reached(clock::mono_ns());
            let near = |reached: &Reached| {
                reached.bytes_per_s == Some(reached.achieved * 8.0)
                    && (reached.achieved - rate).abs() < 0.1 * rate
            };
            assert!(watch(&mut paced, near), "{rate}");
        }
    }

    #[test]
    fn a_peak_is_measured_before_percent_of_it_is_held() {
        let mut paced = Paced::start(&[None], counting(), Scale::Peak(None), None).unwrap();
        assert_eq!(paced.reached(clock::mono_ns()).achieved, 0.0);
        paced.set(10.0);
        assert!(watch(&mut paced, |reached| reached.hindrance.is_none()
            && (reached.achieved - 10.0).abs() < 2.0));
    }

    #[test]
    fn a_worker_that_cannot_work_says_why() {
        let pace = Pace {
            make: Arc::new(|_| Err("find anything to do".to_owned())),
            ..counting()
        };
        let mut paced = Paced::start(&[None], pace, Scale::Fixed(1.0), None).unwrap();
        assert!(watch(&mut paced, |_| true));
        assert_eq!(paced.failure().as_deref(), Some("find anything to do"));
    }
}
