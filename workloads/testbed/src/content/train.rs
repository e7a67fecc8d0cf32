//! The trips of `train-ticket`: five a day each way.

use serde_json::{Value, json};

/// The trips between two cities; between a city and itself there are none.
pub(super) fn trips(from: &str, to: &str) -> Value {
    let trip = |number: u32| {
        json!({
            "tripId": { "type": "G", "number": format!("{}", 1234 + number) },
            "startingStation": from,
            "terminalStation": to,
            "startingTime": format!("{:02}:00", 8 + 2 * number),
            "economyClass": 1_073_741_823 - number,
            "priceForEconomyClass": format!("{}.0", 50 + 5 * number),
        })
    };
    let trips: Vec<_> = (0..5).filter(|_| from != to).map(trip).collect();
    json!({ "status": 1, "msg": "Success", "data": trips })
}
