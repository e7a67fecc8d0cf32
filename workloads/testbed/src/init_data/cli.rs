//! `aefm init-data APP --url URL`: puts an application's data there.

use super::{Options, Report, StageReport, UrlError, initialise};
use aefm_workloads::catalogue::names;
use aefm_workloads::init_data::{POSTS_MAX, Plan};
use aefm_workloads::population::{Follows, FollowsError, Movies, MoviesError, REVIEWERS};
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Put an application's data there: users, follows and posts, or casts, movies and users.
///
/// What is there already is left as it is, so an initialisation that was broken off is finished by starting it again.
///
/// Exit codes: 0 all data are there, 1 some are not, 2 a wrong argument or file.
#[derive(Debug, Parser)]
#[command(name = "aefm init-data", version)]
struct Args {
    /// `social-network` or `media-microservices`
    app: String,
    /// Where its entry listens
    #[arg(long, value_name = "URL")]
    url: String,
    /// Seed of the follow graph, posts and movies
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// The social network's follow graph: a file with two user numbers a line, in place of a generated one
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// Posts a user writes at most
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(POSTS_MAX)))]
    posts: u32,
    /// People who play, as The Movie Database dumps them; with --movies, in place of generated ones
    #[arg(long, value_name = "FILE", requires = "movies")]
    casts: Option<PathBuf>,
    /// Movies, as The Movie Database dumps them
    #[arg(long, value_name = "FILE", requires = "casts")]
    movies: Option<PathBuf>,
    /// Users of media-microservices
    #[arg(long, default_value_t = REVIEWERS, value_name = "N")]
    users: u32,
    /// Calls at the same time
    #[arg(long, default_value_t = 64, value_name = "N")]
    connections: usize,
    /// Make all calls even if a sample of the data is there
    #[arg(long)]
    force: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    #[error("find data for `{0}`: there are some for social-network and media-microservices")]
    App(String),
    #[error("read {}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{source} (in {})", path.display())]
    Graph { path: PathBuf, source: FollowsError },
    #[error(transparent)]
    Movies(#[from] MoviesError),
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("start: {0}")]
    Start(std::io::Error),
}

/// Initialises the application that the arguments name (`args[0]` is the program's name).
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; a closed terminal is no reason to fail.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match initialised(&args) {
        Ok(report) => {
            tell(&report, args.json);
            ExitCode::from(u8::from(!report.complete()))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "aefm init-data: failed to {error}");
            ExitCode::from(2)
        }
    }
}

fn initialised(args: &Args) -> Result<Report, PlanError> {
    let plan = plan(args)?;
    let options = Options {
        url: args.url.clone(),
        connections: args.connections,
        force: args.force,
        sample: 50,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PlanError::Start)?;
    Ok(runtime.block_on(initialise(&plan, &options, show))?)
}

fn plan(args: &Args) -> Result<Plan, PlanError> {
    match names::application(&args.app) {
        Some("social-network") => {
            let follows = match &args.graph {
                Some(path) => Follows::parse(&text(path)?).map_err(|source| PlanError::Graph {
                    path: path.clone(),
                    source,
                })?,
                None => Follows::generate(args.seed),
            };
            Ok(Plan::social_network(args.seed, follows, args.posts))
        }
        Some("media-microservices") => {
            let movies = match (&args.casts, &args.movies) {
                (Some(casts), Some(movies)) => Movies::from_tmdb(&text(casts)?, &text(movies)?)?,
                _ => Movies::generate(args.seed),
            };
            Ok(Plan::media_microservices(movies, args.users))
        }
        _ => Err(PlanError::App(args.app.clone())),
    }
}

fn text(path: &Path) -> Result<String, PlanError> {
    std::fs::read_to_string(path).map_err(|source| PlanError::File {
        path: path.to_owned(),
        source,
    })
}

/// A line of progress, for whoever waits.
fn show(stage: &StageReport) {
    let StageReport {
        kind,
        planned,
        done,
        there,
        refused,
        failed,
    } = stage;
    let _ = writeln!(
        std::io::stderr(),
        "{kind}: {done} of {planned} done, {there} there already, {refused} refused, {failed} failed"
    );
}

fn tell(report: &Report, json: bool) {
    let mut out = std::io::stdout();
    if json {
        let _ = writeln!(out, "{}", serde_json::to_string(report).unwrap_or_default());
        return;
    }
    for stage in &report.stages {
        let StageReport {
            kind,
            planned,
            done,
            there,
            refused,
            failed,
        } = stage;
        let _ = writeln!(
            out,
            "{kind:<12} {planned:>7} planned {done:>7} done {there:>7} there already {refused:>7} refused {failed:>7} failed"
        );
    }
    if report.skipped {
        let _ = writeln!(out, "the data of {} are there already", report.app);
    }
    let _ = writeln!(
        out,
        "{} of {} questions about the data answered as expected",
        report.confirmed, report.asked
    );
    for reason in &report.reasons {
        let _ = writeln!(out, "  {reason}");
    }
}
