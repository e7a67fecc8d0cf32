//! The mixes of `hotel-reservation`, after the original's request shapes.

use super::Request;
use super::text::{Thousandths, TwoDigits, append};
use crate::draw::Draw;
use rand::RngExt;

/// Share of searches in the mixed workload; the rest is recommendations, then logins and reservations in equal parts.
const SEARCH: f64 = 0.60;
const RECOMMEND: f64 = 0.39;
const LOGIN: f64 = 0.005;

pub(super) fn mixed(draw: &mut Draw, request: &mut Request) {
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

pub(super) fn search(draw: &mut Draw, request: &mut Request) {
    let day_in = draw.random_range(9..=23);
    let day_out = draw.random_range(day_in + 1..=24);
    request.start("GET");
    let to = &mut request.target;
    append!(
        to,
        "/hotels?inDate=2015-04-",
        TwoDigits(day_in),
        "&outDate=2015-04-",
        TwoDigits(day_out)
    );
    place(draw, to);
}

pub(super) fn recommend(draw: &mut Draw, request: &mut Request) {
    let coin: f64 = draw.random();
    let by = match coin {
        coin if coin < 0.33 => "dis",
        coin if coin < 0.66 => "rate",
        _ => "price",
    };
    request.start("GET");
    append!(&mut request.target, "/recommendations?require=", by);
    place(draw, &mut request.target);
}

pub(super) fn login(draw: &mut Draw, request: &mut Request) {
    let user = draw.random_range(0..=500);
    request.start("GET");
    request.write(format_args!(
        "/user?username=Cornell_{user}&password={}",
        Password(user)
    ));
}

pub(super) fn reserve(draw: &mut Draw, request: &mut Request) {
    let day_in = draw.random_range(9..=23);
    let day_out = day_in + draw.random_range(1..=5);
    let hotel = draw.random_range(1..=80);
    let user = draw.random_range(0..=500);
    request.start("POST");
    // The original sends the literal "nil" for the place, and services have to take it.
    request.write(format_args!(
        "/reservation?inDate=2015-04-{day_in:02}&outDate=2015-04-{day_out:02}&lat=nil&lon=nil&hotelId={hotel}\
         &customerName=Cornell_{user}&username=Cornell_{user}&password={}&number=1",
        Password(user)
    ));
}

/// Adds a place around San Francisco on a grid of a thousandth of a degree: the original's 38.0235 + (0..481 - 240.5) / 1000
/// and -122.095 + (0..325 - 157) / 1000, in the shortest digits, which are those that it prints.
fn place(draw: &mut Draw, target: &mut String) {
    let lat = 37_783 + draw.random_range(0..=481);
    let lon = -122_252 + draw.random_range(0..=325);
    append!(target, "&lat=", Thousandths(lat), "&lon=", Thousandths(lon));
}

/// The user's number ten times over.
struct Password(i32);

impl std::fmt::Display for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (0..10).try_for_each(|_| write!(f, "{}", self.0))
    }
}

#[cfg(test)]
mod tests;
