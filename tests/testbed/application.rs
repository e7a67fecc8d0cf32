//! The hotel answers what its workload asks, and refuses what the original refuses.

use crate::client::{get, send};
use crate::process::Application;
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::mix::{Request, Workload};
use aefm_workloads::scenario::Scenario;

fn hotel() -> Application {
    Application::start(&ServiceGraph::of_app("hotel-reservation").unwrap(), None)
}

#[test]
fn every_kind_of_the_hotel_workload_is_answered() {
    let app = hotel();
    let mut request = Request::default();
    for workload in Workload::ALL
        .iter()
        .filter(|workload| workload.name.starts_with("hotel-reservation/"))
    {
        for number in 0..20 {
            workload.fill(1, number, &mut request);
            let answer = send(app.address(), request.method, &request.target, &[], "");
            assert_eq!(
                answer.status, 200,
                "{} {}: {}",
                request.method, request.target, answer.body
            );
            assert!(
                answer.head.contains("content-type: application/json"),
                "{}",
                answer.head
            );
            let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            match request.target.split('?').next().unwrap() {
                "/hotels" | "/recommendations" => {
                    assert_eq!(json["features"].as_array().unwrap().len(), 5);
                }
                _ => assert!(json["message"].as_str().unwrap().ends_with("successfully!")),
            }
        }
    }
}

#[test]
fn every_native_workload_runs_against_its_application_without_an_error() {
    for name in ServiceGraph::shipped() {
        let app = Application::start(&ServiceGraph::of_app(name).unwrap(), None);
        let mut sent = 0;
        let mut request = Request::default();
        for workload in Workload::ALL
            .iter()
            .filter(|workload| workload.app() == name)
        {
            for number in 0..40 {
                workload.fill(3, number, &mut request);
                let headers: Vec<_> = request
                    .headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_ref()))
                    .collect();
                let body = std::str::from_utf8(&request.body).unwrap();
                let answer = send(
                    app.address(),
                    request.method,
                    &request.target,
                    &headers,
                    body,
                );
                assert_eq!(answer.status, 200, "{workload} {number}: {}", answer.body);
                sent += 1;
            }
        }
        assert!(sent > 0, "{name} has no workload");
        let stats = app.services[&app.entry].stats();
        assert_eq!((stats.requests, stats.errors), (sent, 0), "{name}");
    }
}

#[test]
fn a_scenarios_sessions_take_from_answers_what_they_need() {
    let text = include_str!("../../workloads/examples/hotel-session.yaml");
    let scenario = Scenario::from_yaml(text, |file| Err(format!("{file} is not needed"))).unwrap();
    let app = hotel();
    let mut request = Request::default();
    let mut booked = 0;
    for number in 0..40 {
        let mut session = scenario.start(11, number);
        while session.next(&scenario, &mut request) {
            let answer = send(app.address(), request.method, &request.target, &[], "");
            assert_eq!(
                answer.status, 200,
                "{} {}: {}",
                request.method, request.target, answer.body
            );
            session
                .answer(&scenario, |_| Vec::new(), answer.body.as_bytes())
                .unwrap();
            booked += u64::from(request.target.starts_with("/reservation"));
        }
    }
    assert!(booked > 0);
    assert_eq!(
        app.services["reservation"].stats().requests,
        40 + booked,
        "one look a session, and the bookings"
    );
}

#[test]
fn a_new_post_is_in_its_authors_timeline() {
    let app = Application::start(&ServiceGraph::of_app("social-network").unwrap(), None);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = "username=username_1&user_id=1&text=hello&media_ids=[\"1\"]&media_types=[\"png\"]&post_type=0";
    assert_eq!(
        send(app.address(), "POST", "/wrk2-api/post/compose", &form, body).status,
        200
    );
    let posts = get(
        app.address(),
        "/wrk2-api/user-timeline/read?user_id=1&start=0&stop=10",
    )
    .body;
    assert!(posts.contains("\"text\":\"hello\""), "{posts}");
    assert_eq!(get(app.address(), "/_aefm/data").body, "{\"post\":1}");
}

#[test]
fn bad_queries_are_refused_with_a_reason() {
    let app = hotel();
    let days = "inDate=2015-04-09&outDate=2015-04-10";
    let cases = [
        ("GET", "/nowhere".to_owned(), 404, "no such path"),
        ("GET", "/search".to_owned(), 404, "no such path"),
        ("POST", "/hotels".to_owned(), 405, "takes GET"),
        ("GET", "/hotels".to_owned(), 400, "`inDate` is missing"),
        (
            "GET",
            "/hotels?inDate=2015-04-10&outDate=2015-04-10&lat=1&lon=1".to_owned(),
            400,
            "after that of `inDate`",
        ),
        (
            "GET",
            format!("/hotels?{days}&lat=nil&lon=1"),
            400,
            "`lat` must be a number",
        ),
        (
            "GET",
            format!("/hotels?{days}&lat=1&lon=NaN"),
            400,
            "`lon` must be a number",
        ),
        (
            "GET",
            "/recommendations?require=cheap&lat=1&lon=1".to_owned(),
            400,
            "one of dis, rate, price",
        ),
        (
            "GET",
            "/user?username=Cornell_1&password=2222222222".to_owned(),
            400,
            "`password` must be that of `username`",
        ),
        (
            "GET",
            "/user?username=Cornell_501&password=x".to_owned(),
            400,
            "number from 0 to 500",
        ),
        (
            "POST",
            format!("/reservation?{days}&hotelId=81&number=1"),
            400,
            "from 1 to 80",
        ),
    ];
    for (method, target, status, reason) in cases {
        let answer = send(app.address(), method, &target, &[], "");
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        assert!(
            answer.body.contains(reason),
            "{method} {target}: {}",
            answer.body
        );
    }
    let stats = app.services["frontend"].stats();
    assert_eq!(
        (stats.requests, stats.errors),
        (11, 0),
        "a client's fault is no error of the service"
    );
    assert_eq!(
        app.services["search"].stats().requests,
        0,
        "a refused request goes no further"
    );
    assert_eq!(
        get(
            app.address(),
            "/user?username=Cornell_1&password=1111111111"
        )
        .status,
        200
    );
}
