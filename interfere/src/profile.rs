//! A profile: several stressors at once, each with an intensity over time. Pure: text in, specs and schedules out.

mod raw;

use crate::machine::cores::parse_list;
use crate::schedule::{Points, Schedule};
use aefm_workloads::interference::{InterferenceSpec, Kind};
use aefm_workloads::quantity::{Quantity, Unit};
use aefm_workloads::unit::parse_duration;
use aefm_workloads::yaml;
use raw::{RawProfile, RawStressor};
use std::path::Path;
use std::time::Duration;

/// A profile, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// When it starts, ns since the epoch; none: at once.
    pub start_at_ns: Option<i64>,
    /// How long it runs.
    pub duration: Duration,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// One stressor of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What to run: its intensity is the schedule's first.
    pub spec: InterferenceSpec,
    /// How hard, when.
    pub schedule: Schedule,
}

/// Why a profile makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not YAML of that shape.
    #[error("understand the profile: {0}")]
    Yaml(String),
    /// A trace cannot be read.
    #[error("read the trace {path}: {reason}")]
    Trace {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something in one stressor.
    #[error("understand stressor {index} ({kind}): {reason}")]
    Part {
        /// Which, from 0.
        index: usize,
        /// Its kind, as written.
        kind: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something in the profile as a whole.
    #[error("understand the profile's {key}: {reason}")]
    Key {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Profile {
    /// Reads a profile. Traces are asked from `load`, which gets their path as written.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(
        text: &str,
        load: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Self, ProfileError> {
        let raw: RawProfile =
            yaml::read_one(text).map_err(|wrong| ProfileError::Yaml(wrong.to_string()))?;
        let key = |key| move |reason: String| ProfileError::Key { key, reason };
        let duration =
            parse_duration(&raw.duration).map_err(|error| key("duration")(error.to_string()))?;
        let report =
            parse_duration(&raw.report).map_err(|error| key("report")(error.to_string()))?;
        let start_at_ns = raw
            .start_at
            .as_deref()
            .map(parse_instant)
            .transpose()
            .map_err(key("start_at"))?;
        if raw.stressors.is_empty() {
            return Err(key("stressors")("name at least one".to_owned()));
        }
        let parts = raw.stressors.iter().enumerate().map(|(index, stressor)| {
            let wrong = |reason| ProfileError::Part {
                index,
                kind: stressor.kind.clone(),
                reason,
            };
            part(stressor, duration, report, load).map_err(wrong)
        });
        Ok(Self {
            start_at_ns,
            duration,
            parts: parts.collect::<Result<_, _>>()?,
        })
    }
}

fn parse_instant(text: &str) -> Result<i64, String> {
    let instant: jiff::Timestamp = text
        .parse()
        .map_err(|error| format!("{error} (write such as 2026-01-31T12:00:00Z)"))?;
    i64::try_from(instant.as_nanosecond()).map_err(|_| "too far away".to_owned())
}

fn part(
    raw: &RawStressor,
    duration: Duration,
    report: Duration,
    load: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<Part, String> {
    let kind = Kind::from_name(&raw.kind).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there is no such kind; known are {}", known.join(", "))
    })?;
    let mut reader = Reader {
        unit: None,
        default: kind.units()[0],
    };
    let schedule = reader.schedule(raw, duration, load)?;
    let cores = raw
        .cores
        .as_deref()
        .map(parse_list)
        .transpose()
        .map_err(|error| error.to_string())?;
    let unit = reader.unit.unwrap_or(reader.default);
    let spec = InterferenceSpec {
        intensity: schedule.at(0),
        unit: unit.name().to_owned(),
        cores: cores.unwrap_or_default(),
        deadline_ms: millis(duration),
        report_ms: millis(report),
        seed: raw.seed,
        options: raw.options.clone(),
        ..InterferenceSpec::new(kind, 0.0)
    };
    crate::session::check_intensity(schedule.peak(), unit)?;
    Ok(Part { spec, schedule })
}

/// Reads the intensities of one stressor, which all have to be in one unit.
struct Reader {
    unit: Option<Unit>,
    default: Unit,
}

impl Reader {
    fn schedule(
        &mut self,
        raw: &RawStressor,
        duration: Duration,
        load: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Schedule, String> {
        match raw {
            RawStressor {
                intensity: Some(intensity),
                steps: None,
                lines: None,
                sine: None,
                walk: None,
                trace: None,
                ramp,
                ..
            } => {
                let value = self.value(intensity)?;
                let over = ramp.as_deref().map(nanos).transpose()?;
                Ok(over.map_or(Schedule::Constant(value), |over| {
                    Schedule::ramp(value, over)
                }))
            }
            RawStressor {
                intensity: None,
                steps: Some(points),
                lines: None,
                sine: None,
                walk: None,
                trace: None,
                ramp: None,
                ..
            } => self.points(points).map(Schedule::Steps),
            RawStressor {
                intensity: None,
                steps: None,
                lines: Some(points),
                sine: None,
                walk: None,
                trace: None,
                ramp: None,
                ..
            } => self.points(points).map(Schedule::Lines),
            RawStressor {
                intensity: None,
                steps: None,
                lines: None,
                sine: Some(sine),
                walk: None,
                trace: None,
                ramp: None,
                ..
            } => Ok(Schedule::Sine {
                mean: self.value(&sine.mean)?,
                amplitude: self.value(&sine.amplitude)?,
                period_ns: nanos(&sine.period)?.max(1),
            }),
            RawStressor {
                intensity: None,
                steps: None,
                lines: None,
                sine: None,
                walk: Some(walk),
                trace: None,
                ramp: None,
                ..
            } => {
                let (low, high) = (self.value(&walk.low)?, self.value(&walk.high)?);
                if low > high {
                    return Err(format!(
                        "walk between {} and {}: the low bound is above the high one",
                        walk.low, walk.high
                    ));
                }
                let every_ns = nanos(&walk.every)?;
                if every_ns < 50_000_000 {
                    return Err(format!("walk every {}: give 50ms or more", walk.every));
                }
                let length_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
                Ok(Schedule::walk(
                    raw.seed,
                    (low, high),
                    self.value(&walk.step)?,
                    every_ns,
                    length_ns,
                ))
            }
            RawStressor {
                intensity: None,
                steps: None,
                lines: None,
                sine: None,
                walk: None,
                trace: Some(path),
                ramp: None,
                ..
            } => {
                let text = load(path)
                    .map_err(|error| format!("read the trace {}: {error}", path.display()))?;
                self.trace(&text).map(Schedule::Steps)
            }
            _ => Err(
                "give one of intensity (with ramp or without), steps, lines, sine, walk and trace"
                    .to_owned(),
            ),
        }
    }

    fn value(&mut self, text: &str) -> Result<f64, String> {
        let quantity = Quantity::parse(text, self.unit.unwrap_or(self.default))
            .map_err(|error| error.to_string())?;
        match self.unit {
            Some(unit) if unit != quantity.unit => Err(format!(
                "{text:?} is in {}, what stood before in {unit}",
                quantity.unit
            )),
            _ => {
                self.unit = Some(quantity.unit);
                Ok(quantity.value)
            }
        }
    }

    fn points(&mut self, raw: &[(String, String)]) -> Result<Points, String> {
        let points = raw
            .iter()
            .map(|(at, value)| Ok((nanos(at)?, self.value(value)?)));
        Points::new(points.collect::<Result<_, String>>()?).map_err(|error| error.to_string())
    }

    /// Lines of `seconds,intensity`; a first line without numbers is a heading.
    fn trace(&mut self, text: &str) -> Result<Points, String> {
        let mut points = Vec::new();
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let fields = line
                .split_once(',')
                .map(|(at, value)| (at.trim(), value.trim()));
            match fields.map(|(at, value)| (nanos(at), self.value(value))) {
                Some((Ok(at), Ok(value))) => points.push((at, value)),
                _ if index == 0 => {}
                _ => {
                    return Err(format!(
                        "line {} of the trace is not `seconds,intensity`: {line:?}",
                        index + 1
                    ));
                }
            }
        }
        Points::new(points).map_err(|error| error.to_string())
    }
}

fn nanos(text: &str) -> Result<u64, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    u64::try_from(time.as_nanos()).map_err(|_| format!("{text} is too long"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "
duration: 30s
stressors:
- {kind: cpu, cores: 0-1, intensity: 60%, ramp: 5s}
- {kind: membw, steps: [[0s, 1GB/s], [10s, 4GB/s]], options: {access: copy}}
- {kind: net, sine: {mean: 400Mbit/s, amplitude: 100Mbit/s, period: 10s}}
- {kind: memcap, walk: {low: 10%, high: 30%, step: 5%, every: 1s}, seed: 7}
- {kind: llc, trace: load.csv}
";

    fn parse(text: &str) -> Result<Profile, ProfileError> {
        Profile::parse(text, &|path| match path.to_str() {
            Some("load.csv") => Ok("t_s,percent\n0,10\n2.5,80\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        })
    }

    #[test]
    fn a_profile_says_what_when_and_how_hard() {
        let profile = parse(PROFILE).unwrap();
        let at = |index: usize, s: u64| profile.parts[index].schedule.at(s * 1_000_000_000);
        assert_eq!(
            (at(0, 0), at(0, 5), profile.parts[0].spec.cores.clone()),
            (0.0, 60.0, vec![0, 1])
        );
        assert_eq!(
            (at(1, 0), at(1, 10), profile.parts[1].spec.unit.as_str()),
            (1.0, 4.0, "GB/s")
        );
        assert_eq!(
            (at(2, 0), profile.parts[2].spec.unit.as_str()),
            (4e8, "bit/s")
        );
        assert_eq!((at(3, 0), profile.parts[3].spec.seed), (20.0, 7));
        assert_eq!((at(4, 2), at(4, 3)), (10.0, 80.0));
        assert_eq!(profile, parse(PROFILE).unwrap());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let fault = |text: &str| parse(text).unwrap_err().to_string();
        assert!(fault("duration: 5s\nstressors: []").contains("stressors: name at least one"));
        assert!(fault("duration: 5\nstressor: []").contains("stressor"));
        assert!(
            fault("duration: 5s\nstressors: [{kind: gpu, intensity: 1%}]").contains("no such kind")
        );
        assert!(fault("duration: 5s\nstressors: [{kind: cpu}]").contains("give one of intensity"));
        assert!(fault("duration: 5s\nstressors: [{kind: cpu, intensity: 120%}]").contains("100 %"));
        assert!(
            fault("duration: 5s\nstressors: [{kind: membw, steps: [[0s, 1%], [1s, 1GB/s]]}]")
                .contains("before in")
        );
        assert!(
            fault("duration: 5s\nstressors: [{kind: cpu, trace: nowhere.csv}]")
                .contains("nowhere.csv")
        );
        assert!(
            fault("start_at: noon\nduration: 5s\nstressors: [{kind: cpu, intensity: 1%}]")
                .contains("start_at")
        );
    }
}
