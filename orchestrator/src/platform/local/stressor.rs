//! One stressor process: its lease, its intensity, its samples.

use super::child::Child;
use super::spawn::{Program, Spawner};
use crate::platform::Held;
use aefm_workloads::interference::{Control, InterferenceSample, InterferenceSpec, Kind};
use std::io;
use std::time::Duration;
use tokio::io::{BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Time between samples.
const REPORT: Duration = Duration::from_millis(500);
/// The stressor stops itself when it hears nothing for this long...
const LEASE: Duration = Duration::from_secs(10);
/// ...and it hears something this often.
const RENEWAL: Duration = Duration::from_secs(2);
/// How long an intensity may take until it is held.
const HOLD_DEADLINE: Duration = Duration::from_secs(15);

/// A stressor of one kind on the testbed's cores.
#[derive(Debug)]
pub(super) struct Stressor {
    kind: Kind,
    /// Lines for its standard input.
    orders: mpsc::Sender<String>,
    samples: watch::Receiver<Vec<InterferenceSample>>,
    exit: super::child::Exit,
    keeper: JoinHandle<Child>,
}

impl Stressor {
    /// Starts a stressor at the intensity of its spec, with our lease and pace of reports.
    pub(super) async fn start(
        spawner: &Spawner,
        mut spec: InterferenceSpec,
    ) -> Result<Self, String> {
        let (kind, cores) = (spec.kind, spec.cores.clone());
        spec.report_ms = millis(REPORT);
        spec.lease_ms = Some(millis(LEASE));
        let failed =
            |error: &dyn std::fmt::Display| format!("start {} interference: {error}", kind.name());
        let args = ["interfere", "--spec", "-"].map(str::to_owned).to_vec();
        let program = Program {
            name: format!("{} interference", kind.name()),
            args,
            cores,
        };
        let mut child = spawner
            .spawn(program)
            .await
            .map_err(|error| failed(&error))?;
        let spec = serde_json::to_string(&spec).map_err(|error| failed(&error))?;
        child.tell(&spec).await.map_err(|error| failed(&error))?;
        let lines = child
            .lines()
            .ok_or_else(|| failed(&"its output is taken"))?;
        let exit = child.exit();
        let (sender, samples) = watch::channel(Vec::new());
        tokio::spawn(read(lines, sender));
        let (orders, queue) = mpsc::channel(4);
        let keeper = tokio::spawn(keep(child, queue));
        Ok(Self {
            kind,
            orders,
            samples,
            exit,
            keeper,
        })
    }

    /// Whether its process is gone.
    pub(super) fn ended(&self) -> bool {
        self.exit.ended().is_some()
    }

    /// Waits for its end.
    pub(super) async fn end(&self) {
        self.exit.clone().wait().await;
    }

    /// Asks for an intensity and waits until it is held, or the machine has no room for more, or for as long as that may
    /// take.
    pub(super) async fn set(&mut self, intensity: f64) -> Result<Held, String> {
        let name = self.kind.name();
        let order =
            serde_json::to_string(&Control { intensity }).map_err(|error| error.to_string())?;
        let before = self.samples.borrow_and_update().len();
        self.orders
            .send(order)
            .await
            .map_err(|_| format!("steer {name} interference: its process is gone"))?;
        let told = |samples: &Vec<InterferenceSample>| {
            samples[before..]
                .iter()
                .any(|sample| sample.has_settled(intensity))
        };
        let held = tokio::time::timeout(HOLD_DEADLINE, self.samples.wait_for(told))
            .await
            .map(|told| told.is_ok());
        let last = self.samples.borrow()[before..].last().cloned();
        match (held, last) {
            // Late is not never: what is reached under load is judged by what was measured then.
            (Ok(true) | Err(_), Some(last)) => Ok(Held {
                achieved: last.achieved,
                reached: last.is_at(intensity),
            }),
            (Ok(_), _) => Err(format!(
                "hold {name} interference of {intensity}: its process ended"
            )),
            (Err(_), None) => Err(format!(
                "hold {name} interference of {intensity}: its process has said nothing for {HOLD_DEADLINE:?}"
            )),
        }
    }

    /// The samples that end in a window of wall-clock time.
    pub(super) fn between(&self, from_ns: i64, to_ns: i64) -> Vec<InterferenceSample> {
        let within = |sample: &&InterferenceSample| {
            !sample.summary && (from_ns..to_ns).contains(&sample.wall_ns)
        };
        self.samples
            .borrow()
            .iter()
            .filter(within)
            .cloned()
            .collect()
    }

    /// Ends the process and waits until it is gone.
    pub(super) async fn stop(self, patience: Duration) {
        drop(self.orders);
        if let Ok(child) = self.keeper.await {
            child.stop(patience).await;
        }
    }
}

/// Writes orders and, in between, renews the lease; ends when the orders do.
async fn keep(mut child: Child, mut orders: mpsc::Receiver<String>) -> Child {
    loop {
        let line = match tokio::time::timeout(RENEWAL, orders.recv()).await {
            Ok(Some(order)) => order,
            Ok(None) => return child,
            Err(_) => String::new(),
        };
        if child.tell(&line).await.is_err() {
            // It is gone; its exit says so to whoever watches.
            orders.close();
        }
    }
}

async fn read(
    mut lines: Lines<BufReader<pipe::Receiver>>,
    samples: watch::Sender<Vec<InterferenceSample>>,
) -> io::Result<()> {
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line) {
            Ok(sample) => samples.send_modify(|samples| samples.push(sample)),
            Err(error) => tracing::warn!("a stressor said `{line}`: {error}"),
        }
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
