//! The mix of `media-microservices`, after the original's request shape.

use super::{Request, text};
use crate::draw::Draw;
use crate::population::{MOVIES, REVIEWERS, movie_title};
use rand::RngExt;

/// Length of a review.
const TEXT: usize = 256;

pub(super) fn compose_review(draw: &mut Draw, request: &mut Request) {
    let user = draw.random_range(1..=REVIEWERS);
    let movie = draw.random_range(0..MOVIES);
    let rating = draw.random_range(0..=10);
    request.start("POST");
    request.headers.push(("Content-Type", "application/x-www-form-urlencoded".to_owned()));
    request.write(format_args!("/wrk2-api/review/compose"));
    let body = &mut request.body;
    text::format(body, format_args!("username=username_{user}&password=password_{user}&title="));
    text::form_value(&movie_title(movie), body);
    text::format(body, format_args!("&rating={rating}&text="));
    text::alphanumerics(draw, TEXT, body);
}

#[cfg(test)]
mod tests;
