//! What the experiment file may say, and what is said back when it may not.

use super::*;
use aefm_workloads::matrix::Factor;
use fault::Fault;

fn read(text: &str) -> Result<Experiment, Vec<String>> {
    Experiment::read(text, &|_| false)
        .map_err(|faults| faults.sorted().iter().map(Fault::to_string).collect())
}

fn faults(text: &str) -> Vec<String> {
    read(text).expect_err("this file has faults")
}

#[test]
fn the_default_experiment_is_valid_and_has_twelve_cases() {
    let experiment = read(DEFAULT).expect("the embedded file is valid");
    assert_eq!(aefm_workloads::matrix::product(&experiment.axes).len(), 12);
    assert_eq!(experiment.axes[0].factor, Factor::Rate);
    assert_eq!(experiment.workload, "hotel-reservation/mixed");
}

#[test]
fn all_faults_come_at_once_with_place_and_suggestion() {
    let text = "experimnt: x\naxes:\n  ratee: [20]\n  cpu: [0, 130]\nload:\n  duration: 5 parsecs\n  arival: poisson\n";
    assert_eq!(
        faults(text),
        [
            "1:1: unknown key `experimnt`, did you mean `experiment`?",
            "3:3: nothing acts on axis `ratee`: it has no known meaning and no handler for `start_ratee`, did you mean `rate`?",
            "4:8: cpu interference is a share, 0 to 100 %, 130 is not",
            "6:13: `load.duration`: `5 parsecs` is not a duration: write numbers and us, ms, s, m or h, such as 500ms, 30s, 1.5m or 1m30s",
            "7:3: unknown key `arival` in `load`, did you mean `arrival`?",
        ]
    );
}

#[test]
fn ranges_include_their_maximum() {
    let experiment =
        read("axes: {rate: {min: 20, max: 200, step: 20}, cpu: {min: 0, max: 1, step: 0.5}}")
            .expect("valid");
    assert_eq!(experiment.axes[0].values.len(), 10);
    let shown: Vec<_> = experiment.axes[1]
        .values
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["0", "0.5", "1"]);
}

#[test]
fn order_sorts_the_axes_and_must_name_them_all() {
    let experiment =
        read("axes: {rate: [1], cpu: [0]}\norder: [cpu, workload]").expect("`workload` is `rate`");
    assert_eq!(experiment.axes[0].factor.name(), "cpu");
    assert_eq!(
        faults("axes: {rate: [1], cpu: [0]}\norder: [cpu]"),
        ["2:8: `order` leaves out axis `rate`: it must name all of them"]
    );
    assert_eq!(
        faults("axes: {rate: [1]}\norder: [rate, rate]"),
        ["2:15: `order` names `rate` twice"]
    );
}

#[test]
fn values_that_mean_nothing_are_refused() {
    assert_eq!(faults("axes: {rate: [0]}").len(), 1);
    assert_eq!(faults("axes: {rate: [5, 5]}").len(), 1);
    assert_eq!(faults("axes: {rate: []}").len(), 1);
    assert_eq!(faults("axes: {round: [1.5]}").len(), 1);
    assert_eq!(faults("axes: {rate: [1], workload: [2]}").len(), 1);
    assert_eq!(faults("axes: {rate: {min: 5, max: 1, step: 1}}").len(), 1);
    assert_eq!(faults("axes: {rate: {min: 1, max: 5}}").len(), 1);
    assert_eq!(faults("{}").len(), 1);
    assert_eq!(faults("axes: {rate: [1]}\nexperiment: ../up").len(), 1);
}

#[test]
fn a_custom_axis_needs_a_handler() {
    let text = "axes: {rate: [1], colour: [red, blue]}";
    assert_eq!(faults(text).len(), 1);
    let experiment =
        Experiment::read(text, &|name| name == "colour").expect("a handler acts on it");
    assert_eq!(experiment.axes[1].factor, Factor::Custom("colour".into()));
}

#[test]
fn a_custom_axis_may_not_be_named_like_a_column() {
    let faults =
        Experiment::read("axes: {self_ns: [1]}", &|_| true).expect_err("`spans` has that column");
    assert!(faults.sorted()[0].message.contains("`spans`"));
}

#[test]
fn intensities_carry_units_or_count_the_originals_pods() {
    let text = "axes: {mem_bandwidth: [0, 2GB/s], network: [none, 500Mbit/s], cpu: [1, 2]}\n\
                interference: {cpu: {pods: {cpu_size: 500m}}, network: {streams: 4}}";
    let experiment = read(text).expect("valid");
    assert_eq!(experiment.interference[&Kind::MemBandwidth].unit, "GB/s");
    assert_eq!(experiment.interference[&Kind::Network].unit, "bit/s");
    assert_eq!(
        experiment.interference[&Kind::Network]
            .options
            .network
            .streams,
        4
    );
    let plan = crate::plan::Plan::new(&experiment, "run", 1, 2)
        .expect("two cores have room for two halves");
    let last = plan
        .cases
        .iter()
        .find(|case| case.id == "c008")
        .expect("eight cases");
    assert_eq!(
        last.intensities,
        [
            (Kind::MemBandwidth, 2.0),
            (Kind::Network, 5e8),
            (Kind::Cpu, 50.0)
        ]
    );
    assert_eq!(last.name, "mem_bandwidth=2GB/s|network=500Mbit/s|cpu=2");
    assert!(crate::plan::Plan::new(&experiment, "run", 1, 0).is_err());
}

#[test]
fn intensities_without_a_meaning_are_refused() {
    assert!(faults("axes: {mem_bandwidth: [1GB/s, 50%]}")[0].contains("mixes units"));
    assert!(faults("axes: {network: [50]}")[0].contains("500Mbit/s"));
    assert!(faults("axes: {disk: [10MB/s]}")[0].contains("dir"));
    assert!(faults("axes: {cpu: [10MB/s]}")[0].contains("percent"));
    assert!(
        faults("axes: {rate: [1]}\ninterference: {cpuu: {}}")[0].contains("did you mean `cpu`")
    );
}

#[test]
fn what_is_not_yaml_is_said_with_its_place() {
    let faults = faults("axes: {rate: [1\n");
    assert!(faults[0].contains("not readable as YAML"), "{faults:?}");
}

#[test]
fn faults_are_shown_with_the_line_they_are_about() {
    let text = "axes: {rate: [1]}\nsed: 4\n";
    let shown = Experiment::read(text, &|_| false)
        .expect_err("unknown key")
        .show("e.yaml", text);
    assert_eq!(
        shown,
        "error: unknown key `sed`, did you mean `seed`?\n  --> e.yaml:2:1\n   |\n  2| sed: 4\n   | ^\n1 fault in e.yaml; nothing was started\n"
    );
}
