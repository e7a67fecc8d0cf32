//! The calls that initialise `social-network`.

use super::{Expect, Probe};
use crate::draw::{Stream, draw};
use crate::mix::{Request, social, text};
use crate::population::Follows;
use rand::RngExt;
use std::collections::BTreeSet;

/// Posts that a probe asks for at most: timelines may be cut off further down.
pub(super) const SHOWN: usize = 50;
/// Keeps the draws of posts apart from those of requests.
const POSTS: u64 = 1 << 62;

/// Who writes how many posts, and what they say.
#[derive(Clone, Debug)]
pub(super) struct Posts {
    seed: u64,
    users: u32,
    /// Author of each post, and how many of theirs come before.
    posts: Vec<(u32, u32)>,
}

impl Posts {
    /// Each user writes 0 to `most` posts. They come in rounds, so that timelines interleave their authors.
    pub(super) fn draw(seed: u64, users: u32, most: u32) -> Self {
        let counts = (0..users).map(|user| {
            draw(seed, Stream::Content, POSTS | u64::from(user)).random_range(0..=most)
        });
        let mut posts: Vec<_> = counts
            .enumerate()
            .flat_map(|(user, count)| (0..count).map(move |n| (user as u32, n)))
            .collect();
        posts.sort_by_key(|(user, before)| (*before, *user));
        Self { seed, users, posts }
    }

    pub(super) fn len(&self) -> usize {
        self.posts.len()
    }

    pub(super) fn users(&self) -> u32 {
        self.users
    }

    pub(super) fn of(&self, index: usize) -> (u32, u32) {
        self.posts[index]
    }

    pub(super) fn call(&self, index: usize, request: &mut Request) {
        let (user, _) = self.posts[index];
        form(request, "/wrk2-api/post/compose");
        let mut draw = draw(self.seed, Stream::Content, POSTS | 1 << 61 | index as u64);
        social::post(&mut draw, user, self.users.max(2), &mut request.body);
    }

    /// How many posts each user writes.
    fn own(&self) -> Vec<usize> {
        let mut own = vec![0; self.users as usize];
        self.posts
            .iter()
            .for_each(|(user, _)| own[*user as usize] += 1);
        own
    }

    /// How many posts reach each user: those of the users they follow, and those that mention them.
    fn home(&self, follows: &Follows) -> Vec<usize> {
        let followers = follows.neighbours();
        let mut home = vec![0; self.users as usize];
        let mut request = Request::default();
        for (index, (author, _)) in self.posts.iter().enumerate() {
            self.call(index, &mut request);
            let mut receivers: BTreeSet<u32> =
                followers[*author as usize].iter().copied().collect();
            receivers.extend(mentions(&request.body));
            receivers
                .into_iter()
                .filter(|user| *user < self.users)
                .for_each(|user| home[user as usize] += 1);
        }
        home
    }
}

/// Users whom a post's body mentions.
fn mentions(body: &[u8]) -> Vec<u32> {
    let body = String::from_utf8_lossy(body);
    let numbers = body.split("@username_").skip(1);
    let digits = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    numbers
        .filter_map(|text| digits(text).parse().ok())
        .collect()
}

fn form(request: &mut Request, target: &str) {
    request.start_form("POST");
    request.target.push_str(target);
}

/// Both applications take this call; `media-microservices` gives ids by itself.
pub(super) fn register(user: u32, with_id: bool, request: &mut Request) {
    form(request, "/wrk2-api/user/register");
    let body = &mut request.body;
    text::format(
        body,
        format_args!(
            "first_name=first_name_{user}&last_name=last_name_{user}&username=username_{user}&password=password_{user}"
        ),
    );
    if with_id {
        text::format(body, format_args!("&user_id={user}"));
    }
}

/// Call 2n follows edge n one way, call 2n + 1 the other.
pub(super) fn follow(follows: &Follows, index: usize, request: &mut Request) {
    let (one, other) = follows.edges()[index / 2];
    let (user, followee) = if index.is_multiple_of(2) {
        (one, other)
    } else {
        (other, one)
    };
    form(request, "/wrk2-api/user/follow");
    text::format(
        &mut request.body,
        format_args!("user_name=username_{user}&followee_name=username_{followee}"),
    );
}

/// The newest posts of a user.
pub(super) fn own_timeline(user: u32, request: &mut Request) {
    timeline("user", user, request);
}

fn timeline(kind: &str, user: u32, request: &mut Request) {
    request.start("GET");
    request.target.push_str(&format!(
        "/wrk2-api/{kind}-timeline/read?user_id={user}&start=0&stop={SHOWN}"
    ));
}

/// Own timelines show posts, home timelines show posts and who follows whom.
pub(super) fn probes(follows: &Follows, posts: &Posts, sample: usize) -> Vec<Probe> {
    let (own, home) = (posts.own(), posts.home(follows));
    let probe = |kind, user: u32, count: usize| {
        let mut request = Request::default();
        timeline(kind, user, &mut request);
        Probe {
            request,
            expect: Expect::Items(count.min(SHOWN)),
        }
    };
    let both = |user: u32| {
        [
            probe("user", user, own[user as usize]),
            probe("home", user, home[user as usize]),
        ]
    };
    super::media::spread(posts.users, sample)
        .flat_map(both)
        .collect()
}
