//! `run.json` of a run that is over: what was run, as far as gathering again needs it.

use crate::experiment::Experiment;
use crate::plan::Plan;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What was run.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) run_id: String,
    source: String,
    seed: u64,
    cores: usize,
    /// Ids and names of the cases, in the order of execution.
    cases: Vec<(String, String)>,
    file: Value,
}

#[derive(Deserialize)]
struct File {
    run_id: String,
    source: String,
    plan: PlanFile,
    machine: Option<Machine>,
}

#[derive(Deserialize)]
struct PlanFile {
    seed: u64,
    cases: Vec<CaseFile>,
}

#[derive(Deserialize)]
struct CaseFile {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Machine {
    placement: Option<Placement>,
}

#[derive(Deserialize)]
struct Placement {
    testbed: Vec<usize>,
}

impl Record {
    /// Reads the file; the error is for people.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let file: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let File {
            run_id,
            source,
            plan,
            machine,
        } = File::deserialize(&file).map_err(|error| error.to_string())?;
        let cores = machine
            .and_then(|machine| machine.placement)
            .map_or(1, |placement| placement.testbed.len());
        let cases = plan
            .cases
            .into_iter()
            .map(|case| (case.id, case.name))
            .collect();
        Ok(Self {
            run_id,
            source,
            seed: plan.seed,
            cores,
            cases,
            file,
        })
    }

    /// The experiment and its plan, made anew from what was run: trace ids follow from them.
    pub(super) fn plan(&self) -> Result<(Experiment, Plan), String> {
        let faulty =
            |faults: crate::experiment::fault::Faults| faults.show("its experiment", &self.source);
        let experiment = Experiment::read(&self.source, &|_| true).map_err(faulty)?;
        let plan = Plan::new(&experiment, &self.run_id, self.seed, self.cores)?;
        let same = plan
            .cases
            .iter()
            .map(|case| (&case.id, &case.name))
            .eq(self.cases.iter().map(|(id, name)| (id, name)));
        if same {
            Ok((experiment, plan))
        } else {
            Err("its cases are not those of its experiment".to_owned())
        }
    }

    /// Notes that it was gathered from again, and how many cases are how.
    pub(super) fn collected_again(&mut self, counts: &BTreeMap<&str, u64>, t_ns: i64) {
        self.file["cases"] = json!(counts);
        match self
            .file
            .get_mut("collected_again_ns")
            .and_then(Value::as_array_mut)
        {
            Some(times) => times.push(json!(t_ns)),
            None => self.file["collected_again_ns"] = json!([t_ns]),
        }
    }

    /// The file as it is to be written.
    pub(super) const fn file(&self) -> &Value {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(names: [&str; 2]) -> Value {
        json!({
            "run_id": "r", "state": "complete", "source": "axes: {rate: [1, 2]}\nshuffle: false\n",
            "plan": {"seed": 3, "cases": [{"id": "c001", "name": names[0]}, {"id": "c002", "name": names[1]}]},
            "machine": {"placement": {"instrument": [0], "testbed": [1]}}, "cases": {"degraded": 2}, "more": "stays",
        })
    }

    #[test]
    fn the_plan_is_the_one_that_was_run() {
        let record =
            Record::read(file(["rate=1", "rate=2"]).to_string().as_bytes()).expect("it is whole");
        let (experiment, plan) = record.plan().expect("it is the same");
        let first = Plan::new(&experiment, "r", 3, 1).expect("there is room");
        assert_eq!(plan.cases[1].trace_seed, first.cases[1].trace_seed);
        let other =
            Record::read(file(["rate=1", "rate=3"]).to_string().as_bytes()).expect("it is whole");
        assert!(
            other
                .plan()
                .expect_err("the cases differ")
                .contains("not those")
        );
        assert!(Record::read(b"{\"run_id\": 5}").is_err());
    }

    #[test]
    fn what_the_file_says_otherwise_stays() {
        let mut record =
            Record::read(file(["rate=1", "rate=2"]).to_string().as_bytes()).expect("it is whole");
        record.collected_again(&BTreeMap::from([("ok", 2)]), 7);
        record.collected_again(&BTreeMap::from([("ok", 2)]), 8);
        assert_eq!(record.file()["collected_again_ns"], json!([7, 8]));
        assert_eq!(
            (&record.file()["cases"], &record.file()["more"]),
            (&json!({"ok": 2}), &json!("stays"))
        );
    }
}
