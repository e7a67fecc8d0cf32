//! Initialisation has the original's sizes, and its probes fail where data are missing.

use super::*;
use crate::population::{REVIEWERS, USERS};
use std::collections::{BTreeMap, HashSet};

fn calls(stage: &Stage) -> impl Iterator<Item = Request> {
    (0..stage.len()).map(|index| {
        let mut request = Request::default();
        stage.call(index, &mut request);
        request
    })
}

fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

#[test]
fn the_social_network_gets_users_follows_both_ways_and_posts() {
    let plan = Plan::social_network(1, Follows::generate(1), 20);
    let expected = plan.expected();
    assert_eq!((expected["user"], expected["follow"]), (962, 37_624));
    // Uniform from 0 to 20: 10 a user, give or take four standard errors.
    assert!(expected["post"].abs_diff(9_620) < 4 * 188, "{expected:?}");
    let first = calls(&plan.stages[0]).next().unwrap();
    assert_eq!(
        (first.method, first.target.as_str()),
        ("POST", "/wrk2-api/user/register")
    );
    assert_eq!(
        body(&first),
        "first_name=first_name_0&last_name=last_name_0&username=username_0&password=password_0&user_id=0"
    );
    let follows: HashSet<_> = calls(&plan.stages[1])
        .map(|request| body(&request).to_owned())
        .collect();
    assert_eq!(follows.len(), 37_624, "no call is made twice");
    for call in follows.iter().take(100) {
        let (one, other) = call
            .strip_prefix("user_name=")
            .unwrap()
            .split_once("&followee_name=")
            .unwrap();
        assert!(
            follows.contains(&format!("user_name={other}&followee_name={one}")),
            "{call} goes one way only"
        );
    }
}

#[test]
fn posts_are_seeded_and_never_more_than_allowed() {
    let posts = |seed| {
        calls(&Plan::social_network(seed, Follows::generate(1), 3).stages[2]).collect::<Vec<_>>()
    };
    assert_eq!(posts(5), posts(5));
    assert_ne!(posts(5), posts(6));
    let plan = Plan::social_network(5, Follows::generate(1), 3);
    let mut of = BTreeMap::<u32, Vec<u32>>::new();
    for index in 0..plan.stages[2].len() {
        let (user, before) = plan.stages[2].repeats(index).unwrap();
        of.entry(user).or_default().push(before);
    }
    assert!(
        of.values().all(
            |befores| befores.len() <= 3 && befores.iter().copied().eq(0..befores.len() as u32)
        )
    );
    assert!(of.keys().all(|user| *user < USERS));
}

#[test]
fn media_gets_what_the_original_sends() {
    let plan = Plan::media_microservices(Movies::generate(1), REVIEWERS);
    let expected: Vec<_> = plan.expected().into_iter().collect();
    let named = |name: &str, count| (name.to_owned(), count);
    assert_eq!(
        expected,
        [
            named("cast", 18_194),
            named("movie", 2_000),
            named("movie_info", 1_000),
            named("plot", 1_000),
            named("user", 1_000)
        ]
    );
    let info: serde_json::Value =
        serde_json::from_slice(&calls(&plan.stages[1]).next().unwrap().body).unwrap();
    let keys: Vec<_> = info
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "avg_rating",
            "casts",
            "movie_id",
            "num_rating",
            "photo_ids",
            "plot_id",
            "thumbnail_ids",
            "title",
            "video_ids"
        ]
    );
    assert!(info["movie_id"].is_string() && info["plot_id"].is_number());
    let keys: Vec<_> = info["casts"][0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["cast_id", "cast_info_id", "character"]);
    let user = calls(&plan.stages[4]).next().unwrap();
    assert_eq!(
        body(&user),
        "first_name=first_name_1&last_name=last_name_1&username=username_1&password=password_1"
    );
    let last = calls(&plan.stages[5]).last().unwrap();
    assert_eq!(body(&last), "title=title_1000&movie_id=movie_id_1000");
}

#[test]
fn probes_ask_for_what_the_plan_puts_there() {
    let follows = Follows::parse("0 1\n1 2\n").unwrap();
    let plan = Plan::social_network(3, follows, 4);
    let mut own = [0; 3];
    (0..plan.stages[2].len())
        .for_each(|index| own[plan.stages[2].repeats(index).unwrap().0 as usize] += 1);
    let probes = plan.probes(10);
    assert_eq!(probes.len(), 6, "no more users than there are");
    for (user, pair) in probes.chunks(2).enumerate() {
        assert!(
            pair[0]
                .request
                .target
                .contains(&format!("user-timeline/read?user_id={user}&"))
        );
        assert_eq!(pair[0].expect, Expect::Items(own[user]));
        assert!(pair[1].request.target.contains("home-timeline"));
    }
    let Expect::Items(home) = probes[3].expect else {
        unreachable!()
    };
    assert!(home >= own[0] + own[2], "user 1 follows both others");
    assert_eq!(
        Plan::media_microservices(Movies::generate(1), 100)
            .probes(20)
            .len(),
        20
    );
}
