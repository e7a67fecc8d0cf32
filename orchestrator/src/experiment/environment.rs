//! What becomes of the application when a run begins, and when an axis changes.

use super::axes::canonical;
use super::fault::way_out;
use super::node::Node;
use super::section::{Section, flag, one_of};
use aefm_workloads::matrix::Axis;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `init_environment` does with the application; the later one does more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renewal {
    /// What is up stays as it is; what is absent is brought up.
    Keep,
    /// A restart where it is absent or not as the experiment says, else a reload.
    Auto,
    /// The services under test are started anew; what keeps data for them stays.
    Reload,
    /// Everything is started anew and holds nothing but its initial data.
    Restart,
}

/// The `environment` of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// When the run begins.
    pub at_start: Renewal,
    /// When an axis of this name changes; of several that change together the one that does most counts.
    pub on_change: BTreeMap<String, Renewal>,
    /// Whether an application that has initial data gets them, where they are missing.
    pub init_data: bool,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            at_start: Renewal::Auto,
            on_change: BTreeMap::new(),
            init_data: true,
        }
    }
}

const AT_START: &[(&str, Renewal)] = &[
    ("auto", Renewal::Auto),
    ("restart", Renewal::Restart),
    ("reload", Renewal::Reload),
    ("keep", Renewal::Keep),
];
const ON_CHANGE: &[(&str, Renewal)] = &[
    ("restart", Renewal::Restart),
    ("reload", Renewal::Reload),
    ("keep", Renewal::Keep),
];

/// Reads `environment`: one word for the start of the run, or a map. An application that is not ours (it runs already)
/// gets data only where that is asked for.
pub(super) fn read(top: &Section<'_>, axes: &[Axis], is_ours: bool) -> Environment {
    let mut environment = Environment {
        init_data: is_ours,
        ..Environment::default()
    };
    let is_word = top
        .get("environment")
        .is_some_and(|located| !matches!(located.node, Node::Map(_) | Node::Null));
    if is_word {
        environment.at_start = top.read("environment", environment.at_start, one_of(AT_START));
        return environment;
    }
    let Some(section) = top.section("environment") else {
        return environment;
    };
    environment.at_start = section.read("at_start", environment.at_start, one_of(AT_START));
    environment.init_data = section.read("init_data", environment.init_data, flag);
    if let Some(changes) = section.section("on_change") {
        let names = || axes.iter().map(|axis| axis.factor.name());
        for (key, value) in changes.entries() {
            let name = canonical(&key.name);
            if !names().any(|axis| axis == name) {
                let out = way_out(name, names().collect::<Vec<_>>());
                changes.fault(
                    key.place,
                    format!(
                        "`environment.on_change` names no axis of the experiment: `{name}`{out}"
                    ),
                );
                continue;
            }
            match one_of(ON_CHANGE)(&value.node) {
                Ok(renewal) => _ = environment.on_change.insert(name.to_owned(), renewal),
                Err(reason) => changes.fault(
                    value.place,
                    format!("`environment.on_change.{name}`: {reason}"),
                ),
            }
        }
    }
    section.finish();
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    fn read(text: &str) -> Result<Environment, String> {
        let text = format!("axes: {{rate: [1, 2], cpu: [0]}}\n{text}");
        let faults = |faults: crate::experiment::fault::Faults| faults.sorted()[0].to_string();
        Experiment::read(&text, &|_| false)
            .map(|experiment| experiment.environment)
            .map_err(faults)
    }

    #[test]
    fn one_word_is_for_the_start_and_a_map_for_axes_too() {
        assert_eq!(
            read("").expect("absent is the default"),
            Environment::default()
        );
        assert_eq!(
            read("environment: restart").expect("a word").at_start,
            Renewal::Restart
        );
        let map =
            read("environment: {at_start: keep, on_change: {workload: reload}, init_data: false}")
                .expect("a map");
        assert_eq!(
            map.on_change,
            BTreeMap::from([("rate".to_owned(), Renewal::Reload)])
        );
        assert!(map.at_start == Renewal::Keep && !map.init_data);
    }

    #[test]
    fn what_it_cannot_be_is_said_with_a_way_out() {
        assert!(
            read("environment: restrt")
                .unwrap_err()
                .contains("did you mean `restart`")
        );
        assert!(
            read("environment: {on_change: {cpuu: keep}}")
                .unwrap_err()
                .contains("did you mean `cpu`")
        );
        assert!(
            read("environment: {on_change: {cpu: auto}}")
                .unwrap_err()
                .contains("known are")
        );
        assert!(
            read("environment: {at_strt: keep}")
                .unwrap_err()
                .contains("did you mean `at_start`")
        );
    }
}
