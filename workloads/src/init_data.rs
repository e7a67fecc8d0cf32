//! Data initialisation, the pure part: which calls put an application's data there, and which answers show that it is.
//! The calls come in stages; those of one stage may be made in any order and at the same time.

mod media;
mod social;

use crate::graph::Kept;
use crate::mix::Request;
use crate::population::{Follows, Movies};
use crate::testbed::DataCounts;
use std::sync::Arc;

/// All calls that initialise one application.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The application.
    pub app: &'static str,
    /// Stages, one after another.
    pub stages: Vec<Stage>,
}

/// Calls that do not wait for each other.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What it puts there.
    pub kept: Kept,
    source: Source,
}

/// Where a stage's calls come from: made one by one, since all of them would be tens of megabytes.
#[derive(Clone, Debug)]
enum Source {
    Users {
        count: u32,
        first: u32,
        with_id: bool,
    },
    Follows(Arc<Follows>),
    Posts(Arc<social::Posts>),
    Casts(Arc<Movies>),
    MovieInfos(Arc<Movies>),
    Plots(Arc<Movies>),
    Movies(Arc<Movies>),
    NumberedMovies {
        count: u32,
    },
}

/// A question whose answer shows whether data are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What to ask.
    pub request: Request,
    /// What the answer must be.
    pub expect: Expect,
}

/// Posts a user may have in a plan: timelines are not read further down.
pub const POSTS_MAX: u32 = social::SHOWN as u32;

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A JSON array of at least so many items.
    Items(usize),
    /// Any success.
    Success,
}

impl Plan {
    /// `social-network`: users, who follows whom both ways, and posts (0 to `posts_max` a user, at most [`POSTS_MAX`]).
    #[must_use]
    pub fn social_network(seed: u64, follows: Follows, posts_max: u32) -> Self {
        let posts = Arc::new(social::Posts::draw(
            seed,
            follows.users(),
            posts_max.min(POSTS_MAX),
        ));
        let follows = Arc::new(follows);
        let users = Source::Users {
            count: follows.users(),
            first: 0,
            with_id: true,
        };
        let stages = vec![
            Stage {
                kept: Kept::User,
                source: users,
            },
            Stage {
                kept: Kept::Follow,
                source: Source::Follows(follows),
            },
            Stage {
                kept: Kept::Post,
                source: Source::Posts(posts),
            },
        ];
        Self {
            app: "social-network",
            stages,
        }
    }

    /// `media-microservices`: casts, movies with their plots and titles, and so many users, each with a movie of their
    /// number, as the original has it.
    #[must_use]
    pub fn media_microservices(movies: Movies, users: u32) -> Self {
        let movies = Arc::new(movies);
        let sources = [
            (Kept::Cast, Source::Casts(Arc::clone(&movies))),
            (Kept::MovieInfo, Source::MovieInfos(Arc::clone(&movies))),
            (Kept::Plot, Source::Plots(Arc::clone(&movies))),
            (Kept::Movie, Source::Movies(movies)),
            (
                Kept::User,
                Source::Users {
                    count: users,
                    first: 1,
                    with_id: false,
                },
            ),
            (Kept::Movie, Source::NumberedMovies { count: users }),
        ];
        let stages = sources
            .into_iter()
            .map(|(kept, source)| Stage { kept, source })
            .collect();
        Self {
            app: "media-microservices",
            stages,
        }
    }

    /// How much of each kind is there afterwards, if nothing was there before.
    #[must_use]
    pub fn expected(&self) -> DataCounts {
        let mut counts = DataCounts::new();
        for stage in &self.stages {
            *counts.entry(stage.kept.name().to_owned()).or_default() += stage.len() as u64;
        }
        counts
    }

    /// Questions whose answers show that all data are there, about `sample` users spread over all of them.
    #[must_use]
    pub fn probes(&self, sample: usize) -> Vec<Probe> {
        match self
            .stages
            .iter()
            .map(|stage| &stage.source)
            .collect::<Vec<_>>()[..]
        {
            [_, Source::Follows(follows), Source::Posts(posts)] => {
                social::probes(follows, posts, sample)
            }
            [
                _,
                _,
                _,
                Source::Movies(movies),
                Source::Users { count, .. },
                _,
            ] => media::probes(movies, *count, sample),
            _ => Vec::new(),
        }
    }
}

impl Stage {
    /// How many calls it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Users { count, .. } | Source::NumberedMovies { count } => *count as usize,
            Source::Follows(follows) => 2 * follows.edges().len(),
            Source::Posts(posts) => posts.len(),
            Source::Casts(movies) => movies.casts.len(),
            Source::MovieInfos(movies) | Source::Plots(movies) | Source::Movies(movies) => {
                movies.movies.len()
            }
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes `request` call `index` of this stage.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn call(&self, index: usize, request: &mut Request) {
        match &self.source {
            Source::Users { first, with_id, .. } => {
                social::register(first + index as u32, *with_id, request);
            }
            Source::Follows(follows) => social::follow(follows, index, request),
            Source::Posts(posts) => posts.call(index, request),
            Source::Casts(movies) => media::cast(&movies.casts[index], request),
            Source::MovieInfos(movies) => media::movie_info(&movies.movies[index], request),
            Source::Plots(movies) => media::plot(&movies.movies[index], request),
            Source::Movies(movies) => media::title(&movies.movies[index], request),
            Source::NumberedMovies { .. } => media::numbered_title(index as u32 + 1, request),
        }
    }

    /// Who a call is on behalf of and how many of that user's calls come before it, where making it twice would leave
    /// two things behind: such a call is left out when the user has more of them already.
    #[must_use]
    pub fn repeats(&self, index: usize) -> Option<(u32, u32)> {
        match &self.source {
            Source::Posts(posts) => Some(posts.of(index)),
            _ => None,
        }
    }

    /// For a stage whose calls must not be repeated: how many users it has calls for.
    #[must_use]
    pub fn users_to_ask(&self) -> Option<u32> {
        match &self.source {
            Source::Posts(posts) => Some(posts.users()),
            _ => None,
        }
    }

    /// Makes `request` the question how many of a user's things are there already; the answer is a JSON array of them.
    pub fn ask(&self, user: u32, request: &mut Request) {
        social::own_timeline(user, request);
    }
}

#[cfg(test)]
mod tests;
