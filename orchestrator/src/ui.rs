//! What a person sees while a run goes on: a progress bar on a terminal, plain lines elsewhere. All of it goes to
//! standard error; standard output is for results.

mod eta;
pub(crate) mod results;

use crate::plan::Plan;
use aefm_workloads::unit::say_duration;
use eta::Eta;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Progress of a run. Cheap to clone; safe to use from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Ui(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// On a terminal only.
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    eta: Eta,
    began: Instant,
    name: String,
    doing: String,
}

/// The bar moves in thousandths.
const TICKS: u64 = 1000;

impl Ui {
    /// A run that begins now.
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(TICKS), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:24.cyan/blue} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━╸ "));
            bar
        });
        let state = State {
            eta: Eta::new(0, Duration::ZERO),
            began: Instant::now(),
            name: String::new(),
            doing: String::new(),
        };
        Self(Arc::new(Inner {
            bar,
            state: Mutex::new(state),
        }))
    }

    /// The plan is known.
    pub(crate) fn planned(&self, plan: &Plan) {
        self.with(|state, _| state.eta = Eta::new(plan.cases.len(), plan.estimate));
    }

    /// A case begins.
    pub(crate) fn case_begins(&self, at: usize, name: &str) {
        self.with(|state, now| {
            state.eta.begins(at, now);
            name.clone_into(&mut state.name);
        });
    }

    /// What is being done now.
    pub(crate) fn doing(&self, what: &str) {
        self.with(|state, _| what.clone_into(&mut state.doing));
    }

    /// A message that stays, above the bar.
    pub(crate) fn say(&self, line: &str) {
        match &self.0.bar {
            Some(bar) => bar.println(line),
            // Nobody reads: nothing to do about it.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    /// A case is finished: one line for those who read lines, with the time left while there is some.
    pub(crate) fn case_ended(&self, line: &str, is_last: bool) {
        if self.0.bar.is_none() {
            let left = self.left().filter(|_| !is_last);
            let left = left.map(|left| format!("; about {left} left"));
            self.say(&format!("{line}{}", left.unwrap_or_default()));
        }
    }

    /// How long the run still takes, in words.
    fn left(&self) -> Option<String> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.eta.left(state.began.elapsed());
        (!left.is_zero()).then(|| say_duration(left))
    }

    /// The run is over.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
    }

    /// Redraws the time left; called about twice a second.
    pub(crate) fn tick(&self) {
        self.with(|_, _| ());
    }

    fn with(&self, change: impl FnOnce(&mut State, Duration)) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.began.elapsed();
        change(&mut state, now);
        if let Some(bar) = &self.0.bar {
            let left = state.eta.left(now);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a thousand"
            )]
            bar.set_position((state.eta.share(now) * TICKS as f64) as u64);
            let left = say_duration(left);
            bar.set_message(format!(
                "{} {}, {left} left  {}",
                state.eta.count(),
                state.name,
                state.doing
            ));
        }
    }
}
