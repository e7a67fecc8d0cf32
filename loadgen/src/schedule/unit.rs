//! Arrival processes of rate one: positions of requests 0, 1, 2, ... on an axis where one request is due per unit.

use aefm_workloads::draw::{Draw, Stream, draw};
use aefm_workloads::load::Arrival;
use rand_xoshiro::rand_core::Rng;

/// Draws positions in order.
pub(super) enum Unit {
    /// Request k at k.
    Constant { next: u64 },
    /// Gaps of mean one, exponentially distributed. Boxed for the generator's size.
    Poisson { draw: Box<Draw>, position: f64 },
}

impl Unit {
    pub(super) fn new(arrival: Arrival, seed: u64) -> Self {
        match arrival {
            Arrival::Constant => Self::Constant { next: 0 },
            Arrival::Poisson => Self::Poisson {
                draw: Box::new(draw(seed, Stream::Arrival, 0)),
                position: 0.0,
            },
        }
    }

    /// Goes `steps` (at least 1) requests on and says where that request is.
    pub(super) fn advance(&mut self, steps: u64) -> f64 {
        match self {
            Self::Constant { next } => {
                *next += steps;
                (*next - 1) as f64
            }
            Self::Poisson { draw, position } => {
                for _ in 0..steps {
                    *position += exponential(draw);
                }
                *position
            }
        }
    }
}

/// An exponential draw of mean one by inversion. The logarithm is `libm`'s, the same to the last bit on any machine,
/// since a schedule's fingerprint depends on it.
fn exponential(draw: &mut Draw) -> f64 {
    let uniform = ((draw.next_u64() >> 11) + 1) as f64 * 2f64.powi(-53);
    -libm::log(uniform)
}
