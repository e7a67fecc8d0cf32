//! The mix of `media-microservices`, after the original's request shape.

use super::Request;
use super::text::{self, append};
use crate::draw::Draw;
use crate::population::{MOVIES, REVIEWERS, movie_title};
use rand::RngExt;
use std::sync::LazyLock;

/// Length of a review.
const TEXT: usize = 256;

/// Every title as a form's value: made once, since it is the dearest part of a request.
static TITLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let title = |movie| {
        let mut value = Vec::new();
        text::form_value(&movie_title(movie), &mut value);
        value
    };
    (0..MOVIES).map(title).collect()
});

pub(super) fn compose_review(draw: &mut Draw, request: &mut Request) {
    let user = draw.random_range(1..=REVIEWERS);
    let movie = draw.random_range(0..TITLES.len());
    let rating: u32 = draw.random_range(0..=10);
    request.start_form("POST");
    request.write(format_args!("/wrk2-api/review/compose"));
    let body = &mut request.body;
    append!(
        body,
        "username=username_",
        user,
        "&password=password_",
        user,
        "&title="
    );
    body.extend(&TITLES[movie]);
    append!(body, "&rating=", rating, "&text=");
    text::alphanumerics(draw, TEXT, body);
}

#[cfg(test)]
mod tests;
