//! The mixes of `hotel-reservation`, after the original's request shapes.

use super::{Request, Workload};
use crate::draw::{Draw, Stream, draw};
use rand::RngExt;
use std::fmt::Write;

/// Share of searches in the mixed workload; the rest is recommendations, then logins and reservations in equal parts.
const SEARCH: f64 = 0.60;
const RECOMMEND: f64 = 0.39;
const LOGIN: f64 = 0.005;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "hotel-reservation/mixed",
        about: "60 % search, 39 % recommendation, 0.5 % login, 0.5 % reservation",
        fill: |seed, number, request| mixed(&mut draw(seed, Stream::Content, number), request),
    },
    Workload {
        name: "hotel-reservation/search",
        about: "hotels near a place that are free between two days",
        fill: |seed, number, request| search(&mut draw(seed, Stream::Content, number), request),
    },
    Workload {
        name: "hotel-reservation/recommendation",
        about: "hotels near a place by distance, rating or price",
        fill: |seed, number, request| recommend(&mut draw(seed, Stream::Content, number), request),
    },
    Workload {
        name: "hotel-reservation/login",
        about: "a user logs in",
        fill: |seed, number, request| login(&mut draw(seed, Stream::Content, number), request),
    },
    Workload {
        name: "hotel-reservation/reservation",
        about: "a user books a room",
        fill: |seed, number, request| reserve(&mut draw(seed, Stream::Content, number), request),
    },
];

fn mixed(draw: &mut Draw, request: &mut Request) {
    let coin: f64 = draw.random();
    if coin < SEARCH {
        search(draw, request);
    } else if coin < SEARCH + RECOMMEND {
        recommend(draw, request);
    } else if coin < SEARCH + RECOMMEND + LOGIN {
        login(draw, request);
    } else {
        reserve(draw, request);
    }
}

fn search(draw: &mut Draw, request: &mut Request) {
    let day_in = draw.random_range(9..=23);
    let day_out = draw.random_range(day_in + 1..=24);
    let (lat, lon) = place(draw);
    request.start("GET");
    write(request, format_args!("/hotels?inDate=2015-04-{day_in:02}&outDate=2015-04-{day_out:02}&lat={lat}&lon={lon}"));
}

fn recommend(draw: &mut Draw, request: &mut Request) {
    let coin: f64 = draw.random();
    let by = match coin {
        coin if coin < 0.33 => "dis",
        coin if coin < 0.66 => "rate",
        _ => "price",
    };
    let (lat, lon) = place(draw);
    request.start("GET");
    write(request, format_args!("/recommendations?require={by}&lat={lat}&lon={lon}"));
}

fn login(draw: &mut Draw, request: &mut Request) {
    let user = draw.random_range(0..=500);
    request.start("GET");
    write(request, format_args!("/user?username=Cornell_{user}&password={}", Password(user)));
}

fn reserve(draw: &mut Draw, request: &mut Request) {
    let day_in = draw.random_range(9..=23);
    let day_out = day_in + draw.random_range(1..=5);
    let hotel = draw.random_range(1..=80);
    let user = draw.random_range(0..=500);
    request.start("POST");
    // The original sends the literal "nil" for the place, and services have to take it.
    write(
        request,
        format_args!(
            "/reservation?inDate=2015-04-{day_in:02}&outDate=2015-04-{day_out:02}&lat=nil&lon=nil&hotelId={hotel}\
             &customerName=Cornell_{user}&username=Cornell_{user}&password={}&number=1",
            Password(user)
        ),
    );
}

/// A place around San Francisco on a grid of a thousandth of a degree, printed as the original prints it.
fn place(draw: &mut Draw) -> (f64, f64) {
    let lat = 38.0235 + (f64::from(draw.random_range(0..=481)) - 240.5) / 1000.0;
    let lon = -122.095 + (f64::from(draw.random_range(0..=325)) - 157.0) / 1000.0;
    (round_13(lat), round_13(lon))
}

/// Fourteen significant digits at most for these magnitudes, as `%.14g` leaves them.
fn round_13(degrees: f64) -> f64 {
    let scale = if degrees.abs() < 100.0 { 1e12 } else { 1e11 };
    (degrees * scale).round() / scale
}

/// The user's number ten times over.
struct Password(i32);

impl std::fmt::Display for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (0..10).try_for_each(|_| write!(f, "{}", self.0))
    }
}

fn write(request: &mut Request, target: std::fmt::Arguments<'_>) {
    request.target.write_fmt(target).expect("a string takes any text");
}
