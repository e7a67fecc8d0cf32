//! The plan: every case with its name, seeds and labels, in the order of execution. Pure: same experiment, run id and
//! seed, same plan.

pub(crate) mod size;

use crate::experiment::environment::{Environment, Renewal};
use crate::experiment::{Experiment, PlatformKind, pressure};
use aefm_workloads::draw::{derive, derive_text};
use aefm_workloads::interference::Kind;
use aefm_workloads::labels::{CaseLabels, FactorValue};
use aefm_workloads::matrix::{self, Axis, Cell, Factor};
use serde::Serialize;
use std::time::Duration;

/// What a case takes beside its load: setting interference, settling, writing. Measured on the local platform; after
/// the first case the real figure takes over.
const OVERHEAD: Duration = Duration::from_millis(900);

/// All cases of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The seed everything is derived from.
    pub seed: u64,
    /// Names of the axes, innermost first: the `start_<axis>` events of a case fire in this order.
    pub axes: Vec<String>,
    /// What becomes of the application when the run begins and when an axis changes.
    pub environment: Environment,
    /// The cases in the order of execution.
    pub cases: Vec<Case>,
    /// How long it should take.
    pub estimate: Duration,
}

/// One test case.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// `c001`...: its position in the nested order, whatever the order of execution.
    pub id: String,
    /// The original's pattern: `round=1|rate=20|cpu=60`.
    pub name: String,
    /// Requests per second.
    pub rate_hz: f64,
    /// Repetition.
    pub round: i64,
    /// Intensity of each kind that is an axis, zero included.
    pub intensities: Vec<(Kind, f64)>,
    /// Values of the user's own axes.
    pub custom: Vec<(String, FactorValue)>,
    /// Seed of schedule and requests: the same for cases that differ by interference alone.
    pub seed: u64,
    /// Seed of the trace ids: no two cases share it.
    pub trace_seed: u64,
    /// The columns that name this case in every table.
    pub labels: CaseLabels,
    /// Its point in the matrix.
    #[serde(skip)]
    pub cell: Cell,
}

impl Plan {
    /// Plans a run whose testbed nodes have so many cores each.
    ///
    /// # Errors
    /// An intensity that such a node has no room for.
    pub fn new(
        experiment: &Experiment,
        run_id: &str,
        seed: u64,
        cores: usize,
    ) -> Result<Self, String> {
        let cases = matrix::ordered(&experiment.axes, experiment.shuffle, seed)
            .into_iter()
            .map(|cell| case(experiment, run_id, seed, cores, cell));
        let cases: Vec<_> = cases.collect::<Result<_, _>>()?;
        let one = experiment.load.warmup + experiment.load.duration + OVERHEAD;
        let estimate = one * u32::try_from(cases.len()).unwrap_or(u32::MAX);
        let axes = experiment
            .axes
            .iter()
            .map(|axis| axis.factor.name().to_owned())
            .collect();
        Ok(Self {
            seed,
            axes,
            environment: experiment.environment.clone(),
            cases,
            estimate,
        })
    }

    /// The axes that change when case `at` follows case `before`, innermost first.
    #[must_use]
    pub fn changed(&self, before: Option<usize>, at: usize) -> Vec<usize> {
        matrix::changed(
            before.map(|before| &self.cases[before].cell),
            &self.cases[at].cell,
        )
    }

    /// What the application needs when these axes change: of what the experiment says of them, that which does most.
    #[must_use]
    pub fn renewal(&self, changed: &[usize]) -> Renewal {
        let said = changed
            .iter()
            .filter_map(|axis| self.environment.on_change.get(&self.axes[*axis]));
        said.copied().max().unwrap_or(Renewal::Keep)
    }
}

fn case(
    experiment: &Experiment,
    run_id: &str,
    run_seed: u64,
    cores: usize,
    cell: Cell,
) -> Result<Case, String> {
    let value = |factor: &Factor| value_of(&experiment.axes, &cell, factor);
    let rate_hz = value(&Factor::Rate).map_or(DEFAULT_RATE_HZ, number);
    let round = match value(&Factor::Round) {
        Some(FactorValue::Int(round)) => *round,
        _ => 1,
    };
    let is_local = experiment.platform == PlatformKind::Local;
    let mut intensities = Vec::new();
    let mut custom = Vec::new();
    for (axis, at) in experiment.axes.iter().zip(&cell.point) {
        match &axis.factor {
            Factor::Interference(kind) => {
                let pressure = &experiment.interference[kind];
                intensities.push((
                    *kind,
                    pressure::intensity(*kind, &axis.values[*at], pressure, cores, is_local)?,
                ));
            }
            Factor::Custom(name) => custom.push((name.clone(), axis.values[*at].clone())),
            Factor::Rate | Factor::Round => {}
        }
    }
    let id = format!("c{:03}", cell.index + 1);
    let labels = CaseLabels {
        run_id: run_id.to_owned(),
        case_id: id.clone(),
        factors: factors(experiment, rate_hz, round, &intensities, &custom),
    };
    // The schedule must not know the interference: cells that are compared get the same requests at the same times.
    let mut seed = derive(
        derive_text(run_seed, &experiment.workload),
        rate_hz.to_bits(),
    );
    seed = custom
        .iter()
        .fold(derive(seed, round.unsigned_abs()), |seed, (_, value)| {
            derive_text(seed, &value.to_string())
        });
    Ok(Case {
        name: matrix::case_name(&experiment.axes, &cell),
        trace_seed: derive_text(derive_text(run_seed, run_id), &id),
        id,
        rate_hz,
        round,
        intensities,
        custom,
        seed,
        labels,
        cell,
    })
}

/// Rate of a case when no axis names one.
const DEFAULT_RATE_HZ: f64 = 50.0;

fn value_of<'a>(axes: &'a [Axis], cell: &Cell, factor: &Factor) -> Option<&'a FactorValue> {
    let at = axes.iter().position(|axis| axis.factor == *factor)?;
    Some(&axes[at].values[cell.point[at]])
}

fn number(value: &FactorValue) -> f64 {
    match value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers in the file are far below 2^53"
        )]
        FactorValue::Int(value) => *value as f64,
        FactorValue::Float(value) => *value,
        FactorValue::Text(_) => f64::NAN,
    }
}

fn factors(
    experiment: &Experiment,
    rate_hz: f64,
    round: i64,
    intensities: &[(Kind, f64)],
    custom: &[(String, FactorValue)],
) -> Vec<(String, FactorValue)> {
    let named = |name: &str, value| (name.to_owned(), value);
    let mut factors = vec![
        named("app", FactorValue::Text(experiment.app.clone())),
        named("workload", FactorValue::Text(experiment.workload.clone())),
        named("rate_hz", FactorValue::Float(rate_hz)),
        named("round", FactorValue::Int(round)),
    ];
    factors.extend(
        intensities
            .iter()
            .map(|(kind, intensity)| named(kind.name(), FactorValue::Float(*intensity))),
    );
    factors.extend(custom.iter().cloned());
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::DEFAULT;
    use std::collections::BTreeSet;

    fn plan(run_id: &str, seed: u64) -> Plan {
        Plan::new(
            &Experiment::read(DEFAULT, &|_| false).expect("valid"),
            run_id,
            seed,
            1,
        )
        .expect("there is room")
    }

    #[test]
    fn cells_that_differ_by_interference_alone_are_paired() {
        let plan = plan("run", 7);
        for case in &plan.cases {
            let twins = plan
                .cases
                .iter()
                .filter(|other| other.rate_hz == case.rate_hz && other.round == case.round);
            assert!(twins.clone().all(|twin| twin.seed == case.seed));
            assert_eq!(twins.count(), 3);
        }
        assert_eq!(
            plan.cases
                .iter()
                .map(|case| case.seed)
                .collect::<BTreeSet<_>>()
                .len(),
            4
        );
    }

    #[test]
    fn no_two_cases_share_trace_ids_not_even_across_runs() {
        let (one, two) = (plan("run-1", 7), plan("run-2", 7));
        let seeds: BTreeSet<_> = one
            .cases
            .iter()
            .chain(&two.cases)
            .map(|case| case.trace_seed)
            .collect();
        assert_eq!(seeds.len(), 24);
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_another_seed_another() {
        let ids = |seed| {
            plan("run", seed)
                .cases
                .into_iter()
                .map(|case| case.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
    }

    #[test]
    fn labels_name_every_factor() {
        let case = &plan("run", 7).cases[0];
        let names: Vec<_> = case
            .labels
            .factors
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["app", "workload", "rate_hz", "round", "cpu"]);
    }
}
