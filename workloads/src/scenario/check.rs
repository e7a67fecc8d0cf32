//! From a scenario file to a scenario that cannot fail when it is used: all faults at once, each with its place.

use super::draws::Generator;
use super::file::{File, Request, Session, Take, Value};
use super::take::Taker;
use super::template::Template;
use super::{RequestPlan, Scenario, SessionPlan};
use rand_distr::Zipf;
use rand_distr::weighted::WeightedAliasIndex;
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Methods that a scenario may use.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Longest text that is drawn.
const MAX_LENGTH: usize = 1 << 20;

/// Something that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFault {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for ScenarioFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.reason
        )
    }
}

#[derive(Default)]
struct Faults(Vec<ScenarioFault>);

impl Faults {
    fn add(&mut self, at: Location, reason: impl Into<String>) {
        self.0.push(ScenarioFault {
            line: at.line(),
            column: at.column(),
            reason: reason.into(),
        });
    }
}

pub(super) fn check(
    file: File,
    mut read: impl FnMut(&str) -> Result<String, String>,
) -> Result<Scenario, Vec<ScenarioFault>> {
    let mut faults = Faults::default();
    let mut values = BTreeMap::new();
    for (name, value) in file.values {
        let at = value.referenced;
        if name.contains(['.', '}', ':']) || name.contains(char::is_whitespace) {
            faults.add(
                at,
                format!(
                    "`{name}` cannot be written in a template: use letters, digits, `_` and `-`"
                ),
            );
        }
        match generator(value.value, &mut read) {
            Ok(generator) => {
                values.insert(name, generator);
            }
            Err(reason) => faults.add(at, format!("`{name}`: {reason}")),
        }
    }
    if file.sessions.value.is_empty() {
        faults.add(file.sessions.referenced, "there must be a session");
    }
    let weights: Vec<_> = file
        .sessions
        .value
        .iter()
        .map(|session| weight(session, &mut faults))
        .collect();
    let sessions = file
        .sessions
        .value
        .into_iter()
        .map(|session| plan(session, &values, &mut faults))
        .collect();
    let weights = WeightedAliasIndex::new(weights);
    match weights {
        Ok(weights) if faults.0.is_empty() => Ok(Scenario {
            name: file.name,
            about: file.about,
            values,
            sessions,
            weights,
        }),
        Err(_) if faults.0.is_empty() => {
            faults.add(file.sessions.referenced, "the weights must not all be zero");
            Err(faults.0)
        }
        _ => {
            faults.0.sort_by_key(|fault| (fault.line, fault.column));
            Err(faults.0)
        }
    }
}

fn weight(session: &Session, faults: &mut Faults) -> f64 {
    let Some(weight) = &session.weight else {
        return 1.0;
    };
    if weight.value.is_finite() && weight.value >= 0.0 {
        return weight.value;
    }
    faults.add(weight.referenced, "a weight must be a number from 0 up");
    1.0
}

fn generator(
    value: Value,
    read: &mut impl FnMut(&str) -> Result<String, String>,
) -> Result<Generator, String> {
    let lasts = |length: usize| {
        if length <= MAX_LENGTH {
            Ok(length)
        } else {
            Err(format!("`length` is at most {MAX_LENGTH}"))
        }
    };
    match value {
        Value::Range { min, max } if min > max => {
            Err(format!("`min` ({min}) is above `max` ({max})"))
        }
        Value::Range { min, max } => Ok(Generator::Range { min, max }),
        Value::Decimal { min, max, decimals } => {
            let units = |value: f64| (value * 10f64.powi(i32::from(decimals))).round();
            let fits = |value: f64| units(value).abs() < 9e15;
            if min <= max && decimals <= 12 && fits(min) && fits(max) {
                Ok(Generator::Decimal {
                    min: units(min) as i64,
                    max: units(max) as i64,
                    decimals,
                })
            } else {
                Err("`min` must not be above `max`, `decimals` at most 12, and both together at most 15 digits"
                    .to_owned())
            }
        }
        Value::Choice(items) if items.is_empty() => {
            Err("there must be something to choose from".to_owned())
        }
        Value::Choice(items) => Ok(Generator::Choice {
            items,
            weights: None,
        }),
        Value::Weighted(items) => {
            let weights = WeightedAliasIndex::new(items.values().copied().collect());
            let weights = weights
                .map_err(|_| "weights must be numbers from 0 up, and not all zero".to_owned())?;
            Ok(Generator::Choice {
                items: items.into_keys().collect(),
                weights: Some(weights),
            })
        }
        Value::Zipf { max, exponent } => Zipf::new(max as f64, exponent)
            .map(Generator::Zipf)
            .map_err(|_| "`max` must be at least 1 and `exponent` a number from 0 up".to_owned()),
        Value::Sequence { count: Some(0), .. } => Err("`count` must be at least 1".to_owned()),
        Value::Sequence { start, step, count } => Ok(Generator::Sequence {
            start,
            step,
            count: count.unwrap_or(u64::MAX),
        }),
        Value::Alphanumeric { length } => lasts(length).map(Generator::Alphanumeric),
        Value::Digits { length } => lasts(length).map(Generator::Digits),
        Value::Csv { file, order } => {
            let (columns, rows) =
                rows(&read(&file).map_err(|reason| format!("read {file}: {reason}"))?)
                    .map_err(|reason| format!("read {file}: {reason}"))?;
            Ok(Generator::Rows {
                columns,
                rows,
                order,
            })
        }
    }
}

type Rows = (Vec<String>, Vec<Vec<String>>);

fn rows(text: &str) -> Result<Rows, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let fields = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let columns = fields(reader.headers().map_err(|error| error.to_string())?);
    let rows: Result<Vec<_>, _> = reader
        .records()
        .map(|record| record.map(|record| fields(&record)))
        .collect();
    let rows = rows.map_err(|error| error.to_string())?;
    if rows.is_empty() {
        Err("it has no row below its head line".to_owned())
    } else {
        Ok((columns, rows))
    }
}

fn plan(
    session: Session,
    values: &BTreeMap<String, Generator>,
    faults: &mut Faults,
) -> SessionPlan {
    let Session { name, requests, .. } = session;
    if requests.value.is_empty() {
        faults.add(
            requests.referenced,
            format!("session `{name}` must have a request"),
        );
    }
    let mut taken = BTreeSet::new();
    let mut plans = Vec::new();
    for request in requests.value {
        let names: Vec<_> = request.take.keys().cloned().collect();
        plans.push(request_plan(
            request,
            &Known {
                values,
                taken: &taken,
            },
            faults,
        ));
        // What an answer brings is there for the requests behind it.
        taken.extend(names);
    }
    SessionPlan {
        name,
        requests: plans,
    }
}

/// The values that a request may name.
struct Known<'a> {
    values: &'a BTreeMap<String, Generator>,
    taken: &'a BTreeSet<String>,
}

fn request_plan(request: Request, known: &Known<'_>, faults: &mut Faults) -> RequestPlan {
    let method = request.method.as_ref().map_or(Some("GET"), |asked| {
        METHODS.into_iter().find(|method| *method == asked.value)
    });
    if let (None, Some(asked)) = (method, &request.method) {
        faults.add(
            asked.referenced,
            format!(
                "`{}` is not a method: there are {}",
                asked.value,
                METHODS.join(", ")
            ),
        );
    }
    if !request.path.value.starts_with(['/', '$']) {
        faults.add(request.path.referenced, "a path begins with `/`");
    }
    let path = template(&request.path, known, faults);
    let headers = request
        .headers
        .into_iter()
        .map(|(name, value)| header(name, &value, known, faults))
        .collect();
    let body = request
        .body
        .as_ref()
        .map_or_else(Template::default, |body| template(body, known, faults));
    let take = request
        .take
        .into_iter()
        .map(|(name, take)| (name, taker(take, faults)))
        .collect();
    RequestPlan {
        method: method.unwrap_or("GET"),
        path,
        headers,
        body,
        take,
    }
}

fn header(
    name: String,
    value: &Spanned<String>,
    known: &Known<'_>,
    faults: &mut Faults,
) -> (&'static str, Template) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        faults.add(value.referenced, format!("`{name}` is not a header's name"));
    }
    if ["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
        faults.add(
            value.referenced,
            format!("`{name}` follows from the body: leave it out"),
        );
    }
    if value.value.contains(['\r', '\n']) {
        faults.add(value.referenced, "a header is one line");
    }
    // Requests name their headers for good, so that native workloads need no allocation; a scenario is read once, and
    // its names live as long as the process.
    (name.leak(), template(value, known, faults))
}

fn taker(take: Spanned<Take>, faults: &mut Faults) -> Taker {
    match &take.value {
        Take::Json(pointer) if !pointer.is_empty() && !pointer.starts_with('/') => {
            faults.add(
                take.referenced,
                format!("`{pointer}` is not a JSON pointer: write `/data/token`"),
            );
        }
        Take::Cookie(name) if name.is_empty() || name.contains(['=', ';', ' ']) => {
            faults.add(take.referenced, format!("`{name}` is not a cookie's name"));
        }
        Take::Between { start, end } if start.is_empty() || end.is_empty() => {
            faults.add(take.referenced, "`start` and `end` must not be empty");
        }
        _ => {}
    }
    Taker::new(take.value)
}

fn template(text: &Spanned<String>, known: &Known<'_>, faults: &mut Faults) -> Template {
    let template = match Template::parse(&text.value) {
        Ok(template) => template,
        Err(fault) => {
            faults.add(
                text.referenced,
                format!(
                    "{} (character {} of `{}`)",
                    fault.reason,
                    fault.at + 1,
                    text.value
                ),
            );
            return Template::default();
        }
    };
    for name in template.names() {
        if let Some(reason) = known.missing(name) {
            faults.add(text.referenced, reason);
        }
    }
    template
}

impl Known<'_> {
    /// Why there is no value of that name, if so.
    fn missing(&self, name: &str) -> Option<String> {
        if self.taken.contains(name) {
            return None;
        }
        let (first, column) = name
            .split_once('.')
            .map_or((name, None), |(first, column)| (first, Some(column)));
        match (self.values.get(first).map(Generator::columns), column) {
            (Some(None), None) => None,
            (Some(Some(columns)), Some(column)) if columns.iter().any(|known| known == column) => {
                None
            }
            (Some(Some(columns)), _) => Some(format!(
                "`{name}`: name a column, there are {}",
                columns.join(", ")
            )),
            (Some(None), Some(_)) => Some(format!("`{first}` has no columns")),
            (None, _) => Some(format!(
                "there is no value `{first}` here{}",
                self.suggestion(first)
            )),
        }
    }

    fn suggestion(&self, name: &str) -> String {
        let known = self.values.keys().chain(self.taken);
        let near = known
            .map(|known| (strsim::osa_distance(known, name), known))
            .min();
        near.filter(|(distance, _)| *distance <= 2)
            .map_or(String::new(), |(_, near)| {
                format!(", did you mean `{near}`?")
            })
    }
}
