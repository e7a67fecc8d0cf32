//! The follow graph of `social-network`: drawn from a seed, or read from the user's own edges.

use super::{EDGES, USERS};
use crate::draw::{Stream, draw};
use rand::RngExt;
use rand_distr::{Distribution, LogNormal, weighted::WeightedAliasIndex};
use std::collections::HashSet;

/// Spread of the users' popularity: the standard deviation of its logarithm. With it and the bound below, degrees come
/// out as in the original's graph (a college's friendships): a tenth up to 6, half up to 29, nine tenths up to 87, at
/// most 313.
const POPULARITY_SIGMA: f64 = 0.95;
/// No user is more popular than so many medians.
const POPULARITY_MAX: f64 = 13.0;

/// An undirected graph without loops and double edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follows {
    users: u32,
    edges: Vec<(u32, u32)>,
}

/// What is wrong with a user's edges.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowsError {
    /// A line that is no edge.
    #[error("read line {line} of the graph: `{text}` is not two user numbers, write `12 34`")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// No edge at all.
    #[error("read the graph: it has no edge")]
    Empty,
}

impl Follows {
    /// A graph of the original's size: each user has an edge, and the rest of the edges prefers popular users.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let mut draw = draw(seed, Stream::Content, 0x666f_6c6c_6f77);
        let popularity = LogNormal::new(0.0, POPULARITY_SIGMA).expect("a finite spread");
        let weights = (0..USERS)
            .map(|_| popularity.sample(&mut draw).min(POPULARITY_MAX))
            .collect();
        let popular = WeightedAliasIndex::new(weights).expect("positive weights");
        let (mut seen, mut edges) = (HashSet::with_capacity(EDGES), Vec::with_capacity(EDGES));
        let mut add = |one: u32, other: u32| {
            let edge = (one.min(other), one.max(other));
            if one != other && seen.insert(edge) {
                edges.push(edge);
            }
            edges.len()
        };
        for user in 0..USERS {
            // Anyone else; popular users get enough edges below.
            add(user, (user + draw.random_range(1..USERS)) % USERS);
        }
        let mut pick = || popular.sample(&mut draw) as u32;
        while add(pick(), pick()) < EDGES {}
        Self {
            users: USERS,
            edges,
        }
    }

    /// A graph from a text of one edge a line: two user numbers, parted by spaces, commas or tabs. Empty lines and lines
    /// that begin with `#` or `%` do not count; loops and repeated edges are left out.
    ///
    /// # Errors
    /// At the first line that is no edge, or when there is none at all.
    pub fn parse(text: &str) -> Result<Self, FollowsError> {
        let (mut seen, mut edges, mut users) = (HashSet::new(), Vec::new(), 0);
        for (index, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with(['#', '%']) {
                continue;
            }
            let mut numbers = text
                .split([' ', '\t', ','])
                .filter(|part| !part.is_empty())
                .map(str::parse::<u32>);
            let (Some(Ok(one)), Some(Ok(other))) = (numbers.next(), numbers.next()) else {
                return Err(FollowsError::Line {
                    line: index + 1,
                    text: text.to_owned(),
                });
            };
            let edge = (one.min(other), one.max(other));
            users = users.max(edge.1.saturating_add(1));
            if one != other && seen.insert(edge) {
                edges.push(edge);
            }
        }
        if edges.is_empty() {
            Err(FollowsError::Empty)
        } else {
            Ok(Self { users, edges })
        }
    }

    /// Users are 0 to this, without the last.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.users
    }

    /// The edges, the lower user first.
    #[must_use]
    pub fn edges(&self) -> &[(u32, u32)] {
        &self.edges
    }

    /// Who each user follows, which is who follows them, in ascending order.
    #[must_use]
    pub fn neighbours(&self) -> Vec<Vec<u32>> {
        let mut neighbours = vec![Vec::new(); self.users as usize];
        for &(one, other) in &self.edges {
            neighbours[one as usize].push(other);
            neighbours[other as usize].push(one);
        }
        neighbours.iter_mut().for_each(|list| list.sort_unstable());
        neighbours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn a_generated_graph_has_the_sizes_of_the_original(seed: u64) {
            let graph = Follows::generate(seed);
            prop_assert_eq!((graph.users(), graph.edges().len()), (962, 18_812));
            let distinct: HashSet<_> = graph.edges().iter().collect();
            prop_assert_eq!(distinct.len(), 18_812);
            prop_assert!(graph.edges().iter().all(|(one, other)| one < other && *other < 962));
            let mut degrees: Vec<_> = graph.neighbours().iter().map(Vec::len).collect();
            degrees.sort_unstable();
            prop_assert!(degrees[0] >= 1, "every user follows someone");
            for (rank, original, range) in [(96, 6, 5..=11), (481, 29, 22..=32), (866, 87, 75..=100), (961, 313, 220..=380)] {
                prop_assert!(range.contains(&degrees[rank]), "rank {}: {}, in the original {}", rank, degrees[rank], original);
            }
            prop_assert_eq!(&Follows::generate(seed), &graph);
        }

        #[test]
        fn a_graph_comes_back_from_its_text(seed: u64) {
            let graph = Follows::generate(seed);
            let text: String = graph.edges().iter().map(|(one, other)| format!("{other}, {one}\n")).collect();
            prop_assert_eq!(Follows::parse(&format!("% a comment\n\n{text}1 1\n0 0\n")).unwrap(), graph);
        }
    }

    #[test]
    fn what_is_no_edge_is_told() {
        let error = Follows::parse("1 2\n3 x\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "read line 2 of the graph: `3 x` is not two user numbers, write `12 34`"
        );
        assert_eq!(Follows::parse("# nothing\n"), Err(FollowsError::Empty));
    }
}
