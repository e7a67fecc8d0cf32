//! What an emulated application keeps: enough for data initialisation to be seen in later answers. It lives in the
//! process that takes the calls, and ends with it.

use crate::parameters::Parameters;
use aefm_workloads::graph::Kept;
use aefm_workloads::testbed::DataCounts;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Things of one kind that are kept at most; more are refused.
const MAX_KEPT: usize = 1_000_000;
/// Posts of a timeline that are kept: the newest.
const MAX_TIMELINE: usize = 64;

/// Why something is not kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// As in the original, where a second registration fails on the server.
    #[error("User {0} already existed.")]
    Exists(String),
    #[error("User: {0} is not registered.")]
    Unknown(String),
    #[error("there is no room for more than {MAX_KEPT} of a kind")]
    Full,
}

struct Post {
    number: u64,
    user: u32,
    username: String,
    text: String,
}

type Timelines = HashMap<u32, VecDeque<Arc<Post>>>;

/// All that one process keeps.
#[derive(Default)]
pub(crate) struct Store {
    /// Ids by name. Users without an id of their own get the next number.
    users: HashMap<String, u32>,
    /// Followers by id.
    followers: HashMap<u32, BTreeSet<u32>>,
    posts: u64,
    home: Timelines,
    own: Timelines,
    /// Everything that is only counted, by kind and id.
    others: BTreeMap<Kept, BTreeSet<String>>,
}

impl Store {
    /// Keeps what a call with these parameters leaves behind.
    pub(crate) fn keep(&mut self, kept: Kept, parameters: &Parameters) -> Result<(), StoreError> {
        let text = |name: &str| parameters.get(name).unwrap_or_default();
        match kept {
            Kept::User => self.register(text("username"), text("user_id").parse().ok()),
            Kept::Follow => self.follow(text("user_name"), text("followee_name")),
            Kept::Post => {
                self.post(
                    text("user_id").parse().unwrap_or_default(),
                    text("username"),
                    text("text"),
                );
                Ok(())
            }
            Kept::Cast => self.other(kept, text("cast_info_id")),
            Kept::MovieInfo => self.other(kept, text("movie_id")),
            Kept::Plot => self.other(kept, text("plot_id")),
            Kept::Movie => self.other(kept, &format!("{}\n{}", text("title"), text("movie_id"))),
        }
    }

    /// How much there is of each kind, kinds without any left out.
    pub(crate) fn counts(&self) -> DataCounts {
        let others = self
            .others
            .iter()
            .map(|(kept, ids)| (*kept, ids.len() as u64));
        let follows = self
            .followers
            .values()
            .map(|followers| followers.len() as u64)
            .sum();
        let own = [
            (Kept::User, self.users.len() as u64),
            (Kept::Follow, follows),
            (Kept::Post, self.posts),
        ];
        own.into_iter()
            .chain(others)
            .filter(|(_, count)| *count > 0)
            .map(|(kept, n)| (kept.name().to_owned(), n))
            .collect()
    }

    /// The posts `start` to `stop` of those whom a user follows, or that mention them.
    pub(crate) fn home_timeline(&self, parameters: &Parameters) -> Value {
        shown(&self.home, parameters)
    }

    /// The posts `start` to `stop` of a user.
    pub(crate) fn user_timeline(&self, parameters: &Parameters) -> Value {
        shown(&self.own, parameters)
    }

    fn register(&mut self, name: &str, id: Option<u32>) -> Result<(), StoreError> {
        if self.users.contains_key(name) {
            return Err(StoreError::Exists(name.to_owned()));
        }
        if self.users.len() >= MAX_KEPT {
            return Err(StoreError::Full);
        }
        let id = id.unwrap_or_else(|| u32::try_from(self.users.len()).unwrap_or(u32::MAX));
        self.users.insert(name.to_owned(), id);
        Ok(())
    }

    fn follow(&mut self, user: &str, followee: &str) -> Result<(), StoreError> {
        let id = |name: &str| {
            self.users
                .get(name)
                .copied()
                .ok_or_else(|| StoreError::Unknown(name.to_owned()))
        };
        let (user, followee) = (id(user)?, id(followee)?);
        self.followers.entry(followee).or_default().insert(user);
        Ok(())
    }

    fn post(&mut self, user: u32, username: &str, text: &str) {
        let mut receivers = self.followers.get(&user).cloned().unwrap_or_default();
        let mentioned = text.split(' ').filter_map(|word| word.strip_prefix('@'));
        receivers.extend(mentioned.filter_map(|name| self.users.get(name)));
        let post = Arc::new(Post {
            number: self.posts,
            user,
            username: username.to_owned(),
            text: text.to_owned(),
        });
        self.posts += 1;
        push(&mut self.own, user, &post);
        receivers
            .into_iter()
            .for_each(|receiver| push(&mut self.home, receiver, &post));
    }

    fn other(&mut self, kept: Kept, id: &str) -> Result<(), StoreError> {
        let ids = self.others.entry(kept).or_default();
        if ids.len() >= MAX_KEPT {
            return Err(StoreError::Full);
        }
        ids.insert(id.to_owned());
        Ok(())
    }
}

fn push(timelines: &mut Timelines, user: u32, post: &Arc<Post>) {
    // Anyone may post: the bound on users is also one on timelines.
    if timelines.len() >= MAX_KEPT && !timelines.contains_key(&user) {
        return;
    }
    let timeline = timelines.entry(user).or_default();
    timeline.push_front(Arc::clone(post));
    timeline.truncate(MAX_TIMELINE);
}

fn shown(timelines: &Timelines, parameters: &Parameters) -> Value {
    let number = |name: &str| {
        parameters
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0usize)
    };
    let (start, stop) = (number("start"), number("stop"));
    let user = u32::try_from(number("user_id")).unwrap_or(u32::MAX);
    let posts = timelines
        .get(&user)
        .into_iter()
        .flatten()
        .skip(start)
        .take(stop.saturating_sub(start));
    posts
        .map(|post| {
            json!({
                "post_id": post.number.to_string(),
                "creator": { "user_id": post.user.to_string(), "username": post.username },
                "text": post.text,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Parameters {
        Parameters::of(Some(text), "", b"")
    }

    fn keep(store: &mut Store, kept: Kept, text: &str) -> Result<(), StoreError> {
        store.keep(kept, &form(text))
    }

    #[test]
    fn posts_reach_followers_and_those_who_are_mentioned() {
        let mut store = Store::default();
        for user in 0..4 {
            keep(
                &mut store,
                Kept::User,
                &format!("username=u{user}&user_id={user}"),
            )
            .unwrap();
        }
        keep(&mut store, Kept::Follow, "user_name=u1&followee_name=u0").unwrap();
        for post in 0..3 {
            keep(
                &mut store,
                Kept::Post,
                &format!("user_id=0&username=u0&text=p{post} @u2 @nobody"),
            )
            .unwrap();
        }
        let texts = |timeline: Value| {
            let posts = timeline.as_array().unwrap().clone();
            posts
                .iter()
                .map(|post| post["text"].as_str().unwrap()[..2].to_owned())
                .collect::<Vec<_>>()
        };
        for (user, own, home) in [(0, 3, 0), (1, 0, 3), (2, 0, 3), (3, 0, 0)] {
            let all = form(&format!("user_id={user}&start=0&stop=10"));
            assert_eq!(
                (
                    texts(store.user_timeline(&all)).len(),
                    texts(store.home_timeline(&all)).len()
                ),
                (own, home)
            );
        }
        assert_eq!(
            texts(store.home_timeline(&form("user_id=1&start=1&stop=3"))),
            ["p1", "p0"],
            "the newest come first"
        );
        assert_eq!(
            texts(store.home_timeline(&form("user_id=1&start=3&stop=1"))),
            [""; 0]
        );
        let counts: Vec<_> = store.counts().into_iter().collect();
        assert_eq!(
            counts,
            [("follow".into(), 1), ("post".into(), 3), ("user".into(), 4)]
        );
    }

    #[test]
    fn a_user_is_registered_once_and_only_users_follow() {
        let mut store = Store::default();
        keep(&mut store, Kept::User, "username=a").unwrap();
        assert_eq!(
            keep(&mut store, Kept::User, "username=a"),
            Err(StoreError::Exists("a".into()))
        );
        assert_eq!(
            keep(&mut store, Kept::Follow, "user_name=a&followee_name=b"),
            Err(StoreError::Unknown("b".into()))
        );
    }

    #[test]
    fn timelines_are_bounded() {
        let mut store = Store::default();
        for _ in 0..MAX_TIMELINE + 10 {
            keep(&mut store, Kept::Post, "user_id=0&username=a&text=x").unwrap();
        }
        let all = store.user_timeline(&form("user_id=0&start=0&stop=1000"));
        assert_eq!(all.as_array().unwrap().len(), MAX_TIMELINE);
        assert_eq!(store.counts()["post"], MAX_TIMELINE as u64 + 10);
    }
}
