//! The eighty hotels of `hotel-reservation`: made up, always the same.

use aefm_workloads::draw::mix;
use serde_json::{Value, json};

const HOTELS: u64 = 80;
/// How many hotels an answer has.
const SHOWN: usize = 5;

struct Hotel {
    id: u64,
    lat: f64,
    lon: f64,
    rating: f64,
    price: f64,
}

impl Hotel {
    /// Hotels stand along a diagonal through the area that the workload asks about.
    fn number(id: u64) -> Self {
        let (step, chance) = (id as f64, mix(id));
        Self {
            id,
            lat: 37.78 + 0.006 * step,
            lon: -122.41 + 0.008 * step,
            rating: (chance % 41) as f64 / 10.0 + 1.0,
            price: 90.0 + (chance / 41 % 160) as f64,
        }
    }

    /// Squared distance on the plane: over a city it orders as the distance on the sphere does.
    fn distance(&self, (lat, lon): (f64, f64)) -> f64 {
        let width = lat.to_radians().cos();
        (self.lat - lat).powi(2) + ((self.lon - lon) * width).powi(2)
    }

    fn feature(&self) -> Value {
        json!({
            "type": "Feature",
            "id": self.id.to_string(),
            "properties": {
                "name": format!("Hotel {}", self.id),
                "phone_number": format!("(415) 555-{:04}", 100 + self.id),
                "rating": self.rating,
                "price": self.price,
            },
            "geometry": { "type": "Point", "coordinates": [self.lon, self.lat] },
        })
    }
}

/// The hotels nearest to a place.
pub(super) fn near(place: (f64, f64)) -> Value {
    ordered(|hotel| hotel.distance(place))
}

/// The hotels that are best by distance, rating or price.
pub(super) fn best(by: &str, place: (f64, f64)) -> Value {
    match by {
        "rate" => ordered(|hotel| -hotel.rating),
        "price" => ordered(|hotel| hotel.price),
        _ => near(place),
    }
}

fn ordered(key: impl Fn(&Hotel) -> f64) -> Value {
    let mut hotels: Vec<_> = (1..=HOTELS).map(Hotel::number).collect();
    hotels.sort_by(|one, other| key(one).total_cmp(&key(other)));
    let features: Vec<_> = hotels.iter().take(SHOWN).map(Hotel::feature).collect();
    json!({ "type": "FeatureCollection", "features": features })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(answer: &Value) -> Vec<u64> {
        let features = answer["features"].as_array().unwrap();
        features
            .iter()
            .map(|feature| feature["id"].as_str().unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn the_nearest_hotels_are_near() {
        let place = (Hotel::number(40).lat, Hotel::number(40).lon);
        assert_eq!(ids(&near(place))[0], 40);
        let mut found = ids(&near(place));
        found.sort_unstable();
        assert_eq!(found, [38, 39, 40, 41, 42]);
        assert_eq!(best("dis", place), near(place));
    }

    #[test]
    fn the_best_hotels_are_the_best_of_all() {
        let all = || (1..=HOTELS).map(Hotel::number);
        let cheapest = all().map(|hotel| hotel.price).fold(f64::MAX, f64::min);
        let highest = all().map(|hotel| hotel.rating).fold(f64::MIN, f64::max);
        assert_eq!(
            Hotel::number(ids(&best("price", (0.0, 0.0)))[0]).price,
            cheapest
        );
        assert_eq!(
            Hotel::number(ids(&best("rate", (0.0, 0.0)))[0]).rating,
            highest
        );
    }
}
