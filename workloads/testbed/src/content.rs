//! What an emulated service answers: computed from the request, the same for the same request.

mod hotel;
mod train;

use crate::parameters::Parameters;
use crate::store::Store;
use aefm_workloads::graph::Answer;
use serde_json::{Value, json};

/// The answer to a request with these parameters, where the service keeps this.
pub(crate) fn answer(answer: &Answer, parameters: &Parameters, store: &Store) -> Value {
    match answer {
        Answer::Empty => json!({}),
        Answer::Message(text) => json!({ "message": text }),
        Answer::Bytes(bytes) => json!({ "data": "x".repeat(*bytes as usize) }),
        Answer::HotelsNear => hotel::near(place(parameters)),
        Answer::HotelsBest => hotel::best(
            parameters.get("require").unwrap_or_default(),
            place(parameters),
        ),
        Answer::HomeTimeline => store.home_timeline(parameters),
        Answer::UserTimeline => store.user_timeline(parameters),
        Answer::Trips => train::trips(
            parameters.get("startingPlace").unwrap_or_default(),
            parameters.get("endPlace").unwrap_or_default(),
        ),
    }
}

/// Latitude and longitude of a request; without them, the middle of the hotels' city.
fn place(parameters: &Parameters) -> (f64, f64) {
    (
        parameters.number("lat").unwrap_or(38.0235),
        parameters.number("lon").unwrap_or(-122.095),
    )
}
