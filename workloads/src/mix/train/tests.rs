//! The query's mix and its exact shape.

use super::super::tests::{assert_shares, requests};

#[test]
fn half_of_the_trips_go_each_way() {
    let bodies = requests("train-ticket/query", 1).map(|request| {
        assert_eq!(
            (request.method, request.target.as_str()),
            ("POST", "/api/v1/travelservice/trips/left")
        );
        assert_eq!(
            request.headers,
            [("Content-Type", "application/json".into())]
        );
        String::from_utf8(request.body).unwrap()
    });
    let body = |from, to| {
        format!(r#"{{"departureTime":"2100-11-31","startingPlace":"{from}","endPlace":"{to}"}}"#)
    };
    assert_shares(
        bodies,
        [
            (body("shanghai", "suzhou"), 0.5),
            (body("suzhou", "shanghai"), 0.5),
        ],
    );
}
