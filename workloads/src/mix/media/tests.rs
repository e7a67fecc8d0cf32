//! The review's distributions and its exact shape.

use super::super::tests::{assert_uniform, number, requests, value};
use super::*;
use std::collections::HashSet;

#[test]
fn a_review_is_of_a_movie_that_is_there_by_a_user_who_is_there() {
    let titles: HashSet<String> = (0..MOVIES).map(movie_title).collect();
    let (mut users, mut ratings, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for request in requests("media-microservices/compose-review", 1) {
        assert_eq!(
            (request.method, request.target.as_str()),
            ("POST", "/wrk2-api/review/compose")
        );
        assert_eq!(
            request.headers,
            [("Content-Type", "application/x-www-form-urlencoded".into())]
        );
        let body = std::str::from_utf8(&request.body).unwrap();
        let user = value(body, "username").strip_prefix("username_").unwrap();
        let names: Vec<_> = body
            .split('&')
            .map(|pair| pair.split('=').next().unwrap())
            .collect();
        assert_eq!(names, ["username", "password", "title", "rating", "text"]);
        assert_eq!(value(body, "password"), format!("password_{user}"));
        let title = unescape(value(body, "title"));
        assert!(titles.contains(&title), "{title}");
        seen.insert(title);
        assert!(
            value(body, "text").len() == 256
                && value(body, "text")
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric())
        );
        users.push(number(user));
        ratings.push(number(value(body, "rating")));
    }
    assert_uniform(users.into_iter(), 1, 1000);
    assert_uniform(ratings.into_iter(), 0, 10);
    assert_eq!(seen.len(), 995, "every title is asked for");
}

#[test]
fn a_title_is_escaped_byte_by_byte() {
    let mut out = Vec::new();
    text::form_value("Café: Señor's Day-1.", &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "Caf%C3%A9%3A+Se%C3%B1or%27s+Day-1."
    );
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
