//! What was in a cluster before a run is there after it, as it was: after a run that ends well, one that is refused or fails,
//! one that is interrupted or killed, and after `aefm clean`, whatever names and labels the objects have.
//!
//! The contents are drawn. CI tries 30 on the double and 3 on the real cluster; `AEFM_CONTENTS=200` and
//! `AEFM_REAL_CONTENTS=20` try as many.

mod drawn;
mod trial;

use crate::ground::{on_double, on_real};
use aefm_tests::parts;
use drawn::Draw;
use std::sync::atomic::{AtomicU64, Ordering};

/// Trials that go on at the same time, each on a double of its own.
const AT_ONCE: usize = 4;

fn wanted(variable: &str, usual: u64) -> u64 {
    let told = std::env::var(variable).ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(usual)
}

#[test]
fn what_was_there_before_is_there_after_on_the_double() {
    let (next, count) = (AtomicU64::new(0), wanted("AEFM_CONTENTS", 30));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    on_double(|ground| async move {
                        let told = trial::run(&ground, Draw::new(seed)).await;
                        println!("contents {seed}: {told}");
                    });
                }
            });
        }
    });
}

#[test]
fn what_was_there_before_is_there_after_on_a_real_cluster() {
    if parts::cluster().is_none() {
        return;
    }
    for seed in 0..wanted("AEFM_REAL_CONTENTS", 3) {
        on_real(|ground| async move {
            let told = trial::run(&ground, Draw::new(seed)).await;
            println!("contents {seed}: {told}");
        });
    }
}
