//! The hotel's mix, its distributions and the exact shape of its requests.

use super::super::Workload;
use super::super::tests::{assert_shares, assert_uniform, number, requests, value};
use super::*;

fn kind(request: &Request) -> (&'static str, String) {
    assert!(request.headers.is_empty() && request.body.is_empty());
    (
        request.method,
        request.target.split('?').next().unwrap().to_owned(),
    )
}

#[test]
fn the_mix_is_that_of_the_original() {
    let shares = [
        ("GET", "/hotels", 0.6),
        ("GET", "/recommendations", 0.39),
        ("GET", "/user", 0.005),
        ("POST", "/reservation", 0.005),
    ];
    let shares = shares.map(|(method, path, share)| ((method, path.to_owned()), share));
    assert_shares(
        requests("hotel-reservation/mixed", 1).map(|request| kind(&request)),
        shares,
    );
}

#[test]
fn each_part_of_the_mix_is_also_a_workload_of_its_own() {
    for (name, path) in [
        ("search", "/hotels"),
        ("recommendation", "/recommendations"),
        ("login", "/user"),
        ("reservation", "/reservation"),
    ] {
        let mut all = requests(&format!("hotel-reservation/{name}"), 2);
        assert!(all.all(|request| kind(&request).1 == path), "{name}");
    }
}

#[test]
fn a_search_is_between_two_days_of_april_at_a_place_on_the_grid() {
    let mut places = std::collections::HashSet::new();
    let (mut days_in, mut lats, mut lons) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests("hotel-reservation/search", 3) {
        let target = &request.target;
        let day = |name| {
            number(
                value(target, name)
                    .strip_prefix("2015-04-")
                    .filter(|day| day.len() == 2)
                    .unwrap(),
            )
        };
        let (day_in, day_out) = (day("inDate"), day("outDate"));
        assert!(day_in < day_out && day_out <= 24, "{target}");
        days_in.push(day_in);
        let thousandths = |name, text: &str| {
            let degrees: f64 = text.parse().unwrap();
            assert_eq!(text, degrees.to_string(), "{name} in its shortest digits");
            (degrees * 1000.0).round() as i64
        };
        lats.push(thousandths("lat", value(target, "lat")));
        lons.push(thousandths("lon", value(target, "lon")));
        places.insert((lats.last().copied(), lons.last().copied()));
    }
    assert_uniform(days_in.into_iter(), 9, 23);
    assert_uniform(lats.into_iter(), 37_783, 38_264);
    assert_uniform(lons.into_iter(), -122_252, -121_927);
    assert!(
        places.len() > 15_000,
        "latitude and longitude are drawn apart: {}",
        places.len()
    );
}

#[test]
fn the_last_day_is_uniform_after_the_first() {
    let day = |request: &Request, name| number(&value(&request.target, name)[8..]);
    let of_day_20 =
        requests("hotel-reservation/search", 4).filter(|request| day(request, "inDate") == 20);
    assert_uniform(of_day_20.map(|request| day(&request, "outDate")), 21, 24);
}

#[test]
fn recommendations_are_by_distance_rating_or_price() {
    let by = requests("hotel-reservation/recommendation", 5)
        .map(|request| value(&request.target, "require").to_owned());
    assert_shares(
        by,
        [
            ("dis".into(), 0.33),
            ("rate".into(), 0.33),
            ("price".into(), 0.34),
        ],
    );
}

#[test]
fn a_user_logs_in_with_their_number_ten_times() {
    let users = requests("hotel-reservation/login", 6).map(|request| {
        let user = value(&request.target, "username")
            .strip_prefix("Cornell_")
            .unwrap();
        assert_eq!(value(&request.target, "password"), user.repeat(10));
        number(user)
    });
    assert_uniform(users, 0, 500);
}

#[test]
fn a_reservation_takes_one_to_five_nights() {
    let (mut hotels, mut nights) = (Vec::new(), Vec::new());
    for request in requests("hotel-reservation/reservation", 7) {
        let day = |name| number(&value(&request.target, name)[8..]);
        nights.push(day("outDate") - day("inDate"));
        hotels.push(number(value(&request.target, "hotelId")));
        assert!((9..=23).contains(&day("inDate")));
        assert_eq!(
            value(&request.target, "customerName"),
            value(&request.target, "username")
        );
    }
    assert_uniform(nights.into_iter(), 1, 5);
    assert_uniform(hotels.into_iter(), 1, 80);
}

/// Which request comes when is part of the promise "same seed, same requests".
#[test]
fn the_shapes_are_pinned() {
    let target = |name: &str| {
        let mut request = Request::default();
        Workload::by_name(name).unwrap().fill(42, 0, &mut request);
        format!("{} {}", request.method, request.target)
    };
    assert_eq!(
        target("hotel-reservation/search"),
        "GET /hotels?inDate=2015-04-23&outDate=2015-04-24&lat=38.139&lon=-122.23"
    );
    assert_eq!(
        target("hotel-reservation/recommendation"),
        "GET /recommendations?require=price&lat=37.931&lon=-122.012"
    );
    assert_eq!(
        target("hotel-reservation/login"),
        "GET /user?username=Cornell_472&password=472472472472472472472472472472"
    );
    assert_eq!(
        target("hotel-reservation/reservation"),
        "POST /reservation?inDate=2015-04-23&outDate=2015-04-25&lat=nil&lon=nil&hotelId=60\
         &customerName=Cornell_35&username=Cornell_35&password=35353535353535353535&number=1"
    );
}
