//! Walks of the lifecycle, by example and by chance.

use super::*;
use crate::experiment::Experiment;
use proptest::prelude::*;

const FOUR_CASES: &str = "axes: {cpu: [0, 50], rate: [10, 20]}\nshuffle: false";

fn plan(text: &str) -> Plan {
    Plan::new(
        &Experiment::read(text, &|_| false).expect("valid"),
        "run",
        1,
        1,
    )
    .expect("there is room")
}

/// Walks until the machine stops, answering each operation by `answer(step)`.
fn walk(plan: &Plan, mut answer: impl FnMut(usize, &Operation) -> Event) -> Vec<Operation> {
    let mut machine = Lifecycle::new(plan);
    let mut event = Event::Begin;
    let mut walked = Vec::new();
    loop {
        let operation = machine.next(&event);
        walked.push(operation.clone());
        if let Operation::Stop(_) = operation {
            return walked;
        }
        event = answer(walked.len(), &operation);
        assert!(walked.len() < 1000, "the machine does not stop");
    }
}

fn names(walked: &[Operation]) -> Vec<String> {
    let name = |operation: &Operation| match operation {
        Operation::Fire(event, Some(case)) => format!("{case} {event}"),
        Operation::Fire(event, None) => event.to_string(),
        Operation::Stop(ending) => format!("{ending:?}"),
    };
    walked.iter().map(name).collect()
}

#[test]
fn a_run_fires_the_originals_events_and_only_the_axes_that_changed() {
    let walked = names(&walk(&plan(FOUR_CASES), |_, _| Event::Done));
    let expected = "start_experiment,0 init_environment,0 start_cpu,0 start_rate,0 start_single_test_case,0 start_data_collection,\
                    1 start_cpu,1 start_single_test_case,1 start_data_collection,\
                    2 start_cpu,2 start_rate,2 start_single_test_case,2 start_data_collection,\
                    3 start_cpu,3 start_single_test_case,3 start_data_collection,end_experiment,Complete";
    assert_eq!(walked.join(","), expected);
}

#[test]
fn after_a_failed_case_every_axis_is_set_again() {
    let fail_first_load = |_: usize, operation: &Operation| match operation {
        Operation::Fire(EventName::StartSingleTestCase, Some(0)) => Event::Failed(Scope::Case),
        _ => Event::Done,
    };
    let walked = names(&walk(&plan(FOUR_CASES), fail_first_load));
    assert_eq!(
        walked[5..9].join(","),
        "0 start_data_collection,1 start_cpu,1 start_rate,1 start_single_test_case"
    );
}

#[test]
fn a_lost_environment_is_brought_up_again_before_the_next_case() {
    let lose = |_: usize, operation: &Operation| match operation {
        Operation::Fire(EventName::StartSingleTestCase, Some(1)) => {
            Event::Failed(Scope::Environment)
        }
        _ => Event::Done,
    };
    let walked = names(&walk(&plan(FOUR_CASES), lose));
    let at = walked
        .iter()
        .position(|name| name == "2 init_environment")
        .expect("it is brought up again");
    assert_eq!(walked[at - 1], "1 start_data_collection");
    assert_eq!(walked[at + 1], "2 start_cpu");
}

#[test]
fn an_axis_may_renew_the_environment_when_it_changes() {
    let plan = plan(&format!(
        "{FOUR_CASES}\nenvironment: {{at_start: keep, on_change: {{rate: reload}}}}"
    ));
    let mut machine = Lifecycle::new(&plan);
    let mut event = Event::Begin;
    let mut renewals = Vec::new();
    loop {
        match machine.next(&event) {
            Operation::Stop(_) => break,
            Operation::Fire(EventName::InitEnvironment, case) => {
                renewals.push((case, machine.renewal()));
                // It fails where the rate changes.
                let fails = case == Some(2);
                event = if fails {
                    Event::Failed(Scope::Environment)
                } else {
                    Event::Done
                };
            }
            Operation::Fire(..) => event = Event::Done,
        }
    }
    // Cases 0 and 1 have one rate, 2 and 3 the other; what did not come up is restarted.
    let expected = [
        (Some(0), Renewal::Keep),
        (Some(2), Renewal::Reload),
        (Some(3), Renewal::Restart),
    ];
    assert_eq!(renewals, expected);
}

#[test]
fn an_environment_that_never_comes_up_ends_the_run() {
    let never = |_: usize, operation: &Operation| match operation {
        Operation::Fire(EventName::InitEnvironment, _) => Event::Failed(Scope::Environment),
        _ => Event::Done,
    };
    let walked = names(&walk(&plan(FOUR_CASES), never));
    assert_eq!(
        walked
            .iter()
            .filter(|name| name.ends_with("init_environment"))
            .count(),
        3
    );
    assert_eq!(walked[walked.len() - 2..], ["end_experiment", "Failed"]);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Done),
        1 => Just(Event::Failed(Scope::Case)),
        1 => Just(Event::Failed(Scope::Environment)),
        1 => Just(Event::Failed(Scope::Run)),
        1 => Just(Event::Interrupted),
    ]
}

proptest! {
    /// No sequence of events leaves interference behind: whatever was started is ended, last and once.
    #[test]
    fn every_walk_ends_with_end_experiment(events in prop::collection::vec(any_event(), 1..60)) {
        let plan = plan(FOUR_CASES);
        let walked = walk(&plan, |step, _| events[step % events.len()].clone());
        let ends = walked.iter().filter(|op| matches!(op, Operation::Fire(EventName::EndExperiment, _))).count();
        prop_assert_eq!(ends, 1);
        prop_assert!(matches!(walked[walked.len() - 2], Operation::Fire(EventName::EndExperiment, None)));
    }

    /// A case is loaded only with every axis that changed since the last good case set, and each case has its turn once.
    #[test]
    fn cases_come_in_order_and_are_collected_once(events in prop::collection::vec(any_event(), 1..60)) {
        let plan = plan(FOUR_CASES);
        let walked = walk(&plan, |step, _| events[step % events.len()].clone());
        let collected: Vec<_> = walked.iter().filter_map(|op| match op {
            Operation::Fire(EventName::StartDataCollection, case) => *case,
            _ => None,
        }).collect();
        prop_assert_eq!(&collected, &(0..collected.len()).collect::<Vec<_>>());
    }

    /// An interrupt is obeyed at once: the next operation ends the experiment.
    #[test]
    fn an_interrupt_ends_the_experiment_at_once(at in 1_usize..20) {
        let plan = plan(FOUR_CASES);
        let walked = walk(&plan, |step, _| if step == at { Event::Interrupted } else { Event::Done });
        if let Some(Operation::Fire(event, _)) = walked.get(at) {
            prop_assert_eq!(event, &EventName::EndExperiment);
            prop_assert_eq!(walked.last(), Some(&Operation::Stop(Ending::Interrupted)));
        }
    }
}
