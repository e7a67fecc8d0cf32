//! The movies of `media-microservices` and who plays in them: drawn from a seed, or read from the user's own files.

use super::{CASTS, MOVIES};
use crate::draw::{Draw, Stream, draw, mix};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

const ADJECTIVES: [&str; 40] = [
    "Silent",
    "Golden",
    "Broken",
    "Distant",
    "Burning",
    "Hidden",
    "Last",
    "Crimson",
    "Endless",
    "Frozen",
    "Gentle",
    "Hollow",
    "Iron",
    "Jaded",
    "Kindred",
    "Lonely",
    "Midnight",
    "Naked",
    "Open",
    "Paper",
    "Quiet",
    "Restless",
    "Scarlet",
    "Tender",
    "Uncertain",
    "Violet",
    "Wandering",
    "Young",
    "Ancient",
    "Bitter",
    "Careless",
    "Dark",
    "Electric",
    "Fallen",
    "Grand",
    "Honest",
    "Invisible",
    "Jolly",
    "Lucky",
    "Marvellous",
];
const NOUNS: [&str; 25] = [
    "River",
    "Harbour",
    "Garden",
    "Mirror",
    "Café",
    "Orchestra",
    "Mountain",
    "Letter",
    "Station",
    "Señorita",
    "Lighthouse",
    "Kingdom",
    "Winter",
    "Passenger",
    "Thief",
    "Island",
    "Detective",
    "Carnival",
    "Horizon",
    "Übermut",
    "Bridge",
    "Promise",
    "Shadow",
    "Voyage",
    "Stranger",
];
/// Titles that are there twice: the last movies are called like the first ones, as in the original's data.
const REPEATED: u32 = 5;

/// A person who plays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// From 0.
    pub cast_info_id: u64,
    /// Name.
    pub name: String,
    /// The original's data tell two genders apart, and send whether it is the second.
    pub gender: bool,
    /// A few words.
    pub intro: String,
}

/// A part in a movie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// From 0 within the movie.
    pub cast_id: u64,
    /// Who is played.
    pub character: String,
    /// Who plays.
    pub cast_info_id: u64,
}

/// A movie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Movie {
    /// From 0.
    pub movie_id: u64,
    /// Title; not unique.
    pub title: String,
    /// What it is about.
    pub plot: String,
    /// Who plays whom.
    pub casts: Vec<Member>,
    /// A path of a picture.
    pub poster: String,
    /// Mean rating before the first review.
    pub avg_rating: f64,
    /// How many ratings that is the mean of.
    pub num_rating: u64,
}

/// All movies and all who play in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Movies {
    /// People.
    pub casts: Vec<Cast>,
    /// Movies.
    pub movies: Vec<Movie>,
}

/// A file that does not hold movies.
#[derive(Debug, thiserror::Error)]
#[error("read the {what}: {source}")]
pub struct MoviesError {
    what: &'static str,
    source: serde_json::Error,
}

/// The title of a movie, the same under every seed, since workloads ask for movies by title. Of 1000 titles 995 differ.
#[must_use]
pub fn movie_title(movie: u32) -> String {
    let number = (movie % (MOVIES - REPEATED)) as usize;
    let (adjective, noun) = (
        ADJECTIVES[number % ADJECTIVES.len()],
        NOUNS[number / ADJECTIVES.len()],
    );
    match mix(number as u64) % 5 {
        0 => format!("{adjective} {noun}"),
        1 => format!("The {adjective} {noun}"),
        2 => format!("{noun}, {adjective}"),
        3 => format!("{noun}: The {adjective} One"),
        _ => format!("{adjective} {noun}'s Day {}", number % 9 + 1),
    }
}

impl Movies {
    /// Movies and people of the original's numbers. Everybody plays somewhere.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let mut draw = draw(seed, Stream::Content, 0x6d6f_7669_6573);
        let casts = (0..CASTS).map(|number| cast(number, &mut draw)).collect();
        let mut movies: Vec<_> = (0..MOVIES).map(|number| movie(number, &mut draw)).collect();
        for person in 0..CASTS {
            let at = draw.random_range(0..movies.len());
            // A second part for some.
            let also = draw
                .random_bool(0.2)
                .then(|| draw.random_range(0..movies.len()));
            for movie in [Some(at), also.filter(|&other| other != at)]
                .into_iter()
                .flatten()
            {
                let parts = &mut movies[movie].casts;
                let cast_id = parts.len() as u64;
                let character = format!(
                    "{} the {}",
                    name(&mut draw),
                    ADJECTIVES[draw.random_range(0..ADJECTIVES.len())]
                );
                parts.push(Member {
                    cast_id,
                    character,
                    cast_info_id: person.into(),
                });
            }
        }
        Self { casts, movies }
    }
}

/// A person as The Movie Database's dumps have them.
#[derive(Deserialize)]
struct TmdbCast {
    id: Option<u64>,
    name: Option<String>,
    gender: Option<i64>,
    biography: Option<String>,
}

#[derive(Deserialize)]
struct TmdbMember {
    id: Option<u64>,
    cast_id: Option<u64>,
    character: Option<String>,
}

#[derive(Deserialize)]
struct TmdbMovie {
    id: u64,
    title: String,
    overview: Option<String>,
    #[serde(default)]
    cast: Vec<TmdbMember>,
    poster_path: Option<String>,
    vote_average: Option<f64>,
    vote_count: Option<u64>,
}

impl Movies {
    /// Movies and people from two files in the format of The Movie Database, which is that of the original's data. People
    /// and parts that lack something are left out.
    ///
    /// # Errors
    /// When a text is no array of what it should hold; with line and column.
    pub fn from_tmdb(casts: &str, movies: &str) -> Result<Self, MoviesError> {
        let wrong = |what| move |source| MoviesError { what, source };
        let casts: Vec<TmdbCast> = serde_json::from_str(casts).map_err(wrong("casts"))?;
        let movies: Vec<TmdbMovie> = serde_json::from_str(movies).map_err(wrong("movies"))?;
        let person = |cast: TmdbCast| {
            let intro = cast.biography?;
            Some(Cast {
                cast_info_id: cast.id?,
                name: cast.name?,
                gender: cast.gender? == 2,
                intro,
            })
        };
        let part = |part: TmdbMember| {
            Some(Member {
                cast_id: part.cast_id?,
                character: part.character?,
                cast_info_id: part.id?,
            })
        };
        let movie = |movie: TmdbMovie| Movie {
            movie_id: movie.id,
            title: movie.title,
            plot: movie.overview.unwrap_or_default(),
            casts: movie.cast.into_iter().filter_map(part).collect(),
            poster: movie.poster_path.unwrap_or_default(),
            avg_rating: movie.vote_average.unwrap_or_default(),
            num_rating: movie.vote_count.unwrap_or_default(),
        };
        Ok(Self {
            casts: casts.into_iter().filter_map(person).collect(),
            movies: movies.into_iter().map(movie).collect(),
        })
    }
}

fn cast(number: u32, draw: &mut Draw) -> Cast {
    let name = format!("{} {}", name(draw), name(draw));
    let intro = format!(
        "{name} has played since {}.",
        draw.random_range(1950..=2015)
    );
    Cast {
        cast_info_id: number.into(),
        name,
        gender: draw.random(),
        intro,
    }
}

fn movie(number: u32, draw: &mut Draw) -> Movie {
    let mut plot = String::new();
    for sentence in 0..draw.random_range(2..=5) {
        let word =
            |list: &[&str], draw: &mut Draw| list[draw.random_range(0..list.len())].to_lowercase();
        let (adjective, noun) = (word(&ADJECTIVES, draw), word(&NOUNS, draw));
        let _ = write!(
            plot,
            "{}A {adjective} {noun} changes everything.",
            if sentence == 0 { "" } else { " " }
        );
    }
    Movie {
        movie_id: number.into(),
        title: movie_title(number),
        plot,
        casts: Vec::new(),
        poster: format!("/poster-{number}.jpg"),
        avg_rating: f64::from(draw.random_range(10..=100)) / 10.0,
        num_rating: draw.random_range(10..=20_000),
    }
}

/// Two to four syllables.
fn name(draw: &mut Draw) -> String {
    const SYLLABLES: [&str; 16] = [
        "an", "be", "cor", "da", "el", "fi", "gor", "ha", "in", "jo", "ka", "lu", "mar", "no",
        "ro", "sa",
    ];
    let text: String = (0..draw.random_range(2..=4))
        .map(|_| SYLLABLES[draw.random_range(0..16)])
        .collect();
    text[..1].to_uppercase() + &text[1..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn titles_are_as_many_and_as_distinct_as_the_original() {
        let titles: Vec<_> = (0..MOVIES).map(movie_title).collect();
        assert_eq!(titles.iter().collect::<HashSet<_>>().len(), 995);
        assert_eq!(titles[995], titles[0]);
        assert!(
            titles.iter().any(|title| !title.is_ascii()),
            "some titles need escapes"
        );
    }

    #[test]
    fn dumps_of_the_movie_database_are_read() {
        let casts = r#"[{"id": 7, "name": "A", "gender": 2, "biography": "b", "x": 1}, {"id": 8, "name": null}]"#;
        let movies = r#"[{"id": 9, "title": "T", "overview": "o", "poster_path": "/p", "vote_average": 7.5, "vote_count": 3,
            "cast": [{"id": 7, "cast_id": 1, "character": "C"}, {"id": 8}]}]"#;
        let read = Movies::from_tmdb(casts, movies).unwrap();
        assert_eq!(
            read.casts,
            [Cast {
                cast_info_id: 7,
                name: "A".into(),
                gender: true,
                intro: "b".into()
            }]
        );
        assert_eq!(
            read.movies[0].casts,
            [Member {
                cast_id: 1,
                character: "C".into(),
                cast_info_id: 7
            }]
        );
        assert_eq!(
            (read.movies[0].avg_rating, read.movies[0].num_rating),
            (7.5, 3)
        );
        let told = Movies::from_tmdb("[]", "[{}]").unwrap_err().to_string();
        assert!(
            told.starts_with("read the movies: missing field `id` at line 1"),
            "{told}"
        );
    }

    #[test]
    fn movies_have_the_sizes_of_the_original_and_everybody_plays() {
        let movies = Movies::generate(5);
        assert_eq!((movies.casts.len(), movies.movies.len()), (18_194, 1000));
        let playing: HashSet<_> = movies
            .movies
            .iter()
            .flat_map(|movie| &movie.casts)
            .map(|m| m.cast_info_id)
            .collect();
        assert_eq!(playing.len(), 18_194);
        assert!(
            movies
                .movies
                .iter()
                .all(|movie| !movie.casts.is_empty() && !movie.plot.is_empty())
        );
        assert!(
            movies
                .movies
                .iter()
                .enumerate()
                .all(|(index, movie)| movie.movie_id == index as u64)
        );
        assert_eq!(Movies::generate(5), movies);
        assert_ne!(Movies::generate(6), movies);
    }
}
