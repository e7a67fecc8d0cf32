//! Who and what is in an application's data: users and whom they follow, movies and who plays in them. Made up from a
//! seed with the sizes of the original's data sets, so that workloads and data initialisation speak of the same.

mod follows;
mod movies;

pub use follows::{Follows, FollowsError};
pub use movies::{Cast, Member, Movie, Movies, MoviesError, movie_title};

/// Registered users of `social-network`: 0 to 961.
pub const USERS: u32 = 962;
/// Undirected edges of its follow graph; each is followed both ways.
pub const EDGES: usize = 18_812;
/// Movies of `media-microservices`.
pub const MOVIES: u32 = 1000;
/// People who play in them.
pub const CASTS: u32 = 18_194;
/// Registered users of `media-microservices`: 1 to 1000.
pub const REVIEWERS: u32 = 1000;
