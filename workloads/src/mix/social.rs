//! The mixes of `social-network`, after the original's request shapes.

use super::Request;
use super::text::{self, append};
use crate::draw::Draw;
use crate::population::USERS;
use rand::RngExt;

const READ_HOME: f64 = 0.60;
const READ_USER: f64 = 0.30;

/// Length of a post's text without mentions and links.
const TEXT: usize = 256;
/// Length of a link's random part.
const LINK: usize = 64;
/// Digits of a medium's id.
const MEDIUM: usize = 18;

pub(super) fn mixed(draw: &mut Draw, request: &mut Request) {
    let coin: f64 = draw.random();
    if coin < READ_HOME {
        read_home(draw, request);
    } else if coin < READ_HOME + READ_USER {
        read_user(draw, request);
    } else {
        compose(draw, request);
    }
}

pub(super) fn read_home(draw: &mut Draw, request: &mut Request) {
    read("home", draw, request);
}

pub(super) fn read_user(draw: &mut Draw, request: &mut Request) {
    read("user", draw, request);
}

fn read(timeline: &str, draw: &mut Draw, request: &mut Request) {
    let user = draw.random_range(0..USERS);
    let start: u32 = draw.random_range(0..=100);
    request.start_form("GET");
    let to = &mut request.target;
    append!(
        to,
        "/wrk2-api/",
        timeline,
        "-timeline/read?user_id=",
        user,
        "&start=",
        start,
        "&stop=",
        start + 10
    );
}

pub(super) fn compose(draw: &mut Draw, request: &mut Request) {
    let user = draw.random_range(0..USERS);
    request.start_form("POST");
    request.write(format_args!("/wrk2-api/post/compose"));
    post(draw, user, USERS, &mut request.body);
}

/// The body of a new post by one of `users` users (at least 2), a form whose values are not escaped: the original does
/// not, and its services count on it.
pub(crate) fn post(draw: &mut Draw, user: u32, users: u32, out: &mut Vec<u8>) {
    append!(out, "username=username_", user, "&user_id=", user, "&text=");
    text::alphanumerics(draw, TEXT, out);
    for _ in 0..draw.random_range(1..=6) {
        // Anyone but the author, each alike.
        let other = (user + draw.random_range(1..users)) % users;
        append!(out, " @username_", other);
    }
    for _ in 0..draw.random_range(1..=6) {
        out.extend(b" http://");
        text::alphanumerics(draw, LINK, out);
    }
    let media = draw.random_range(1..=5);
    out.extend(b"&media_ids=[");
    for medium in 0..media {
        out.extend(if medium == 0 { &b"\""[..] } else { b",\"" });
        text::digits(draw, MEDIUM, out);
        out.push(b'"');
    }
    out.extend(b"]&media_types=[");
    for medium in 0..media {
        out.extend(if medium == 0 {
            &b"\"png\""[..]
        } else {
            b",\"png\""
        });
    }
    out.extend(b"]&post_type=0");
}

#[cfg(test)]
mod tests;
