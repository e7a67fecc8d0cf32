//! The calls that initialise `media-microservices`.

use super::{Expect, Probe};
use crate::mix::{Request, text};
use crate::population::{Cast, Movie, Movies};
use serde_json::{Value, json};

fn send_json(request: &mut Request, target: &str, body: &Value) {
    request.start_json("POST");
    request.target.push_str(target);
    request.body.extend(body.to_string().as_bytes());
}

fn form(request: &mut Request, target: &str) {
    request.start_form("POST");
    request.target.push_str(target);
}

pub(super) fn cast(cast: &Cast, request: &mut Request) {
    let Cast {
        cast_info_id,
        name,
        gender,
        intro,
    } = cast;
    let body =
        json!({ "cast_info_id": cast_info_id, "name": name, "gender": gender, "intro": intro });
    send_json(request, "/wrk2-api/cast-info/write", &body);
}

pub(super) fn movie_info(movie: &Movie, request: &mut Request) {
    let body = json!({
        "movie_id": movie.movie_id.to_string(),
        "title": movie.title,
        "plot_id": movie.movie_id,
        "casts": movie.casts,
        "thumbnail_ids": [movie.poster],
        "photo_ids": [],
        "video_ids": [],
        "avg_rating": movie.avg_rating,
        "num_rating": movie.num_rating,
    });
    send_json(request, "/wrk2-api/movie-info/write", &body);
}

pub(super) fn plot(movie: &Movie, request: &mut Request) {
    send_json(
        request,
        "/wrk2-api/plot/write",
        &json!({ "plot_id": movie.movie_id, "plot": movie.plot }),
    );
}

pub(super) fn title(movie: &Movie, request: &mut Request) {
    form(request, "/wrk2-api/movie/register");
    request.body.extend(b"title=");
    text::form_value(&movie.title, &mut request.body);
    text::format(
        &mut request.body,
        format_args!("&movie_id={}", movie.movie_id),
    );
}

pub(super) fn numbered_title(number: u32, request: &mut Request) {
    form(request, "/wrk2-api/movie/register");
    text::format(
        &mut request.body,
        format_args!("title=title_{number}&movie_id=movie_id_{number}"),
    );
}

/// There is nothing to read; a review is taken only where its user and its movie are there.
pub(super) fn probes(movies: &Movies, users: u32, sample: usize) -> Vec<Probe> {
    let probe = |user: u32| {
        let mut request = Request::default();
        form(&mut request, "/wrk2-api/review/compose");
        let body = &mut request.body;
        text::format(
            body,
            format_args!(
                "username=username_{0}&password=password_{0}&title=",
                user + 1
            ),
        );
        match movies
            .movies
            .get(user as usize % movies.movies.len().max(1))
        {
            Some(movie) => text::form_value(&movie.title, body),
            None => text::format(body, format_args!("title_{}", user + 1)),
        }
        body.extend(b"&rating=5&text=initialised");
        Probe {
            request,
            expect: Expect::Success,
        }
    };
    spread(users, sample).map(probe).collect()
}

/// `sample` of `users` users, evenly spread, the first and the last among them.
pub(super) fn spread(users: u32, sample: usize) -> impl Iterator<Item = u32> {
    let sample = u32::try_from(sample).unwrap_or(u32::MAX).min(users);
    let at = move |n: u32| u64::from(n) * u64::from(users - 1) / u64::from((sample - 1).max(1));
    (0..sample).map(move |n| at(n) as u32)
}
