//! The social network's mix, its distributions and the exact shape of its requests.

use super::super::tests::{assert_shares, assert_uniform, number, requests, value};
use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

#[test]
fn the_mix_is_that_of_the_original() {
    let kinds = requests("social-network/mixed", 1).map(|request| {
        assert_eq!(request.headers, [("Content-Type", FORM.into())]);
        (
            request.method,
            request.target.split('?').next().unwrap().to_owned(),
        )
    });
    let shares = [
        ("GET", "/wrk2-api/home-timeline/read", 0.6),
        ("GET", "/wrk2-api/user-timeline/read", 0.3),
        ("POST", "/wrk2-api/post/compose", 0.1),
    ];
    assert_shares(
        kinds,
        shares.map(|(method, path, share)| ((method, path.to_owned()), share)),
    );
}

#[test]
fn timelines_are_read_ten_posts_at_a_time_by_registered_users() {
    for name in ["home", "user"] {
        let (mut users, mut starts) = (Vec::new(), Vec::new());
        for request in requests(&format!("social-network/read-{name}-timeline"), 2) {
            let of = |key| number(value(&request.target, key));
            assert_eq!(of("stop"), of("start") + 10);
            users.push(of("user_id"));
            starts.push(of("start"));
            let (user, start) = (of("user_id"), of("start"));
            let stop = start + 10;
            let whole =
                format!("/wrk2-api/{name}-timeline/read?user_id={user}&start={start}&stop={stop}");
            assert_eq!(request.target, whole);
        }
        assert_uniform(users.into_iter(), 0, 961);
        assert_uniform(starts.into_iter(), 0, 100);
    }
}

#[test]
fn a_post_has_text_mentions_links_and_media() {
    let (mut users, mut mentions, mut links, mut media) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for request in requests("social-network/compose-post", 3) {
        let body = body(&request);
        let user = value(body, "user_id");
        assert!(
            body.starts_with(&format!("username=username_{user}&user_id={user}&text=")),
            "{body}"
        );
        assert!(body.ends_with("&post_type=0"), "{body}");
        let words: Vec<_> = value(body, "text").split(' ').collect();
        assert!(words[0].len() == 256 && words[0].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let mentioned = words
            .iter()
            .filter_map(|word| word.strip_prefix("@username_"));
        assert!(
            mentioned
                .clone()
                .all(|other| other != user && (0..962).contains(&number(other))),
            "{body}"
        );
        let linked = words.iter().filter_map(|word| word.strip_prefix("http://"));
        assert!(
            linked
                .clone()
                .all(|link| link.len() == 64
                    && link.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
        let ids: Vec<String> = serde_json::from_str(value(body, "media_ids")).unwrap();
        assert!(
            ids.iter()
                .all(|id| id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_digit()))
        );
        let types: Vec<String> = serde_json::from_str(value(body, "media_types")).unwrap();
        assert_eq!(types, vec!["png"; ids.len()]);
        users.push(number(user));
        mentions.push(mentioned.count() as i64);
        links.push(linked.count() as i64);
        assert_eq!(
            words.len() as i64,
            1 + mentions.last().unwrap() + links.last().unwrap()
        );
        media.push(ids.len() as i64);
    }
    assert_uniform(users.into_iter(), 0, 961);
    assert_uniform(mentions.into_iter(), 1, 6);
    assert_uniform(links.into_iter(), 1, 6);
    assert_uniform(media.into_iter(), 1, 5);
}

#[test]
fn letters_and_digits_are_all_alike() {
    let request = requests("social-network/compose-post", 4).take(300);
    let letters = request.flat_map(|request| {
        value(body(&request), "text")[..256]
            .bytes()
            .collect::<Vec<_>>()
    });
    let shares = (b'a'..=b'z')
        .chain(b'A'..=b'Z')
        .chain(b'0'..=b'9')
        .map(|byte| (byte, 1.0 / 62.0));
    let mut counts = std::collections::BTreeMap::<u8, u64>::new();
    letters.for_each(|byte| *counts.entry(byte).or_default() += 1);
    let order: Vec<_> = shares.map(|(byte, _)| byte).collect();
    assert_eq!(counts.len(), order.len());
    let ranks = counts.iter().flat_map(|(byte, count)| {
        let rank = order.iter().position(|known| known == byte).unwrap() as i64;
        std::iter::repeat_n(rank, usize::try_from(*count).unwrap())
    });
    assert_uniform(ranks, 0, 61);
}
