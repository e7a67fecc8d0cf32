//! What is known of the measured phase beyond its bins.

use super::{Hist, add, hist};
use aefm_workloads::load::Outcome;
use std::collections::BTreeMap;

/// Totals of the measured phase of one worker, or of all.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Response times that are lower bounds: time-outs, unfinished and unsent. They are in the bins' histograms, too.
    pub censored: Hist,
    /// Response times of errors that ended by themselves, by outcome: they never flatter the headline.
    pub errors: BTreeMap<Outcome, Hist>,
    /// From intended until a connection was free, for requests that had to wait for one.
    pub wait: Hist,
    /// From sent to the first byte of the answer.
    pub first_byte: Hist,
    /// TCP or unix connects that came about, whole run.
    pub connect: Hist,
    /// TLS handshakes that came about, whole run.
    pub tls: Hist,
    /// Answers by status.
    pub status: BTreeMap<u16, u64>,
    /// The most connections that were open at once; of several workers, the sum of theirs.
    pub open_most: u64,
    /// Connections opened after the first of each.
    pub reconnects: u64,
    /// What went wrong with connections and answers, and how often, whole run.
    pub faults: BTreeMap<String, u64>,
    /// CPU time of the worker from time zero to its end, ns; the largest where workers are added up.
    pub cpu_ns: u64,
    /// Wall time for the same, ns.
    pub wall_ns: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            censored: hist(),
            errors: BTreeMap::new(),
            wait: hist(),
            first_byte: hist(),
            connect: hist(),
            tls: hist(),
            status: BTreeMap::new(),
            open_most: 0,
            reconnects: 0,
            faults: BTreeMap::new(),
            cpu_ns: 0,
            wall_ns: 0,
        }
    }
}

/// How many different faults are told apart; texts of peers' errors must not fill the memory.
const FAULTS_MAX: usize = 64;

impl Totals {
    /// Counts a fault by its text.
    pub fn fault(&mut self, text: String) {
        if let Some(count) = self.faults.get_mut(&text) {
            *count += 1;
        } else if self.faults.len() < FAULTS_MAX {
            self.faults.insert(text, 1);
        }
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: &Self) {
        for (sum, part) in [
            (&mut self.censored, &other.censored),
            (&mut self.wait, &other.wait),
            (&mut self.first_byte, &other.first_byte),
            (&mut self.connect, &other.connect),
            (&mut self.tls, &other.tls),
        ] {
            add(sum, part);
        }
        for (outcome, part) in &other.errors {
            add(self.errors.entry(*outcome).or_insert_with(hist), part);
        }
        for (status, count) in &other.status {
            *self.status.entry(*status).or_default() += count;
        }
        for (text, count) in &other.faults {
            *self.faults.entry(text.clone()).or_default() += count;
        }
        self.open_most += other.open_most;
        self.reconnects += other.reconnects;
        self.cpu_ns = self.cpu_ns.max(other.cpu_ns);
        self.wall_ns = self.wall_ns.max(other.wall_ns);
    }
}
