//! `aefm auto-config`

mod ask;

use super::{Exit, complain, init};
use crate::auto_config::app::{APPS, App};
use crate::auto_config::roles::{self, Asked, Roles};
use crate::auto_config::{self, Prometheus, PrometheusPlace, Wishes};
use crate::cli::AutoConfigArgs;
use crate::doctor::scrape;
use crate::experiment::Experiment;
use crate::experiment::collect::ServiceName;
use crate::experiment::kubernetes::Kubernetes;
use crate::platform::kubernetes::SurveyError;
use crate::platform::kubernetes::cluster::{Cluster, ClusterError};
use crate::platform::kubernetes::found::{self, Target};
use crate::platform::kubernetes::service_proxy::ServiceProxy;
use crate::platform::kubernetes::snapshot::Snapshot;
use ask::{Asker, Ended};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Why no file is written.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Survey(#[from] SurveyError),
    #[error(transparent)]
    Ended(#[from] Ended),
    /// What was typed, or flagged, is not possible.
    #[error("{0}")]
    Usage(String),
    #[error("start: {0}")]
    Start(#[from] io::Error),
}

pub(super) fn run(args: &AutoConfigArgs) -> Exit {
    let to_stdout = args.out == Path::new("-");
    if !to_stdout && !args.force && args.out.exists() {
        return exists(&args.out);
    }
    let stdin = io::stdin();
    let asker = (stdin.is_terminal() && !args.yes).then(|| Asker::new(stdin.lock(), io::stderr()));
    let text = match make(args, asker) {
        Ok(text) => text,
        Err(stop) => {
            complain(&format!("failed to {stop}"));
            return if matches!(stop, Stop::Usage(_)) {
                Exit::Usage
            } else {
                Exit::Failed
            };
        }
    };
    // What a flag says may be no name, no image.
    if let Err(faults) = Experiment::read(&text, &|_| false) {
        drop(io::stderr().write_all(faults.show("what these choices make", &text).as_bytes()));
        return Exit::Usage;
    }
    if to_stdout {
        // Nobody reads: nothing to do about it.
        drop(io::stdout().write_all(text.as_bytes()));
        return Exit::Ok;
    }
    match init::write(&args.out, text.as_bytes(), args.force) {
        Ok(()) => {
            drop(writeln!(
                io::stdout(),
                "wrote {0}; check the cluster against it with `aefm doctor {0}`",
                args.out.display()
            ));
            Exit::Ok
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => exists(&args.out),
        Err(error) => {
            complain(&format!("failed to write {}: {error}", args.out.display()));
            Exit::Failed
        }
    }
}

fn exists(path: &Path) -> Exit {
    complain(&format!(
        "{} exists; name another file with --out, or write over it with --force",
        path.display()
    ));
    Exit::Usage
}

fn make(
    args: &AutoConfigArgs,
    asker: Option<Asker<io::StdinLock<'_>, io::Stderr>>,
) -> Result<String, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (cluster, snapshot, all) = runtime.block_on(async {
        let cluster = Cluster::connect(args.context.as_deref()).await?;
        let named: Vec<String> = [&args.testbed, &args.infra, &args.load]
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        let (snapshot, services) = Snapshot::take(&cluster, &named, &[]).await?;
        Ok::<_, Stop>((cluster, snapshot, services.unwrap_or_default()))
    })?;
    say(&format!(
        "found {} nodes, {} of which take pods",
        snapshot.nodes.len(),
        snapshot.open().count()
    ));
    snapshot
        .unknown
        .iter()
        .for_each(|unknown| say(&format!("not known: failed to {unknown}")));
    let mut dialogue = Dialogue {
        asker,
        snapshot: &snapshot,
    };
    let app = dialogue.app(args.app.as_deref())?;
    let roles = dialogue.roles(args)?;
    let name = dialogue.text("Name of the experiment", args.name.as_deref(), app.label())?;
    let image = dialogue.text(
        "Image that has this aefm",
        args.image.as_deref(),
        &Kubernetes::default().image,
    )?;
    let place = dialogue.prometheus(args.prometheus.as_deref())?;
    roles.reasons.iter().for_each(|reason| say(reason));
    roles
        .warnings
        .iter()
        .for_each(|warning| say(&format!("beware: {warning}")));
    let prometheus = place.map(|place| Prometheus {
        scrape: runtime.block_on(measure(&cluster, &all, &place)),
        place,
    });
    let (namespace, context) = (args.namespace.clone(), args.context.clone());
    Ok(auto_config::write(
        &snapshot,
        &Wishes {
            app,
            name,
            roles,
            image,
            namespace,
            context,
            prometheus,
        },
    ))
}

/// How far a Prometheus's samples are apart, if it says so.
async fn measure(
    cluster: &Cluster,
    services: &[serde_json::Value],
    place: &PrometheusPlace,
) -> Option<std::time::Duration> {
    let way;
    let url = match place {
        PrometheusPlace::Url(url) => url.as_str(),
        PrometheusPlace::Cluster(service) => {
            let found = found::choose(Target::Prometheus, services, Some(service), None).ok()?;
            way = ServiceProxy::listen(cluster.client(), &found).await.ok()?;
            way.url()
        }
    };
    match scrape::measure(url, aefm_collector::http::HttpOptions::default()).await {
        Ok(scraped) => Some(scraped.interval),
        Err(reason) => {
            say(&format!(
                "how often Prometheus scrapes is not known: failed to {reason}"
            ));
            None
        }
    }
}

/// Flags where there are any, questions where somebody is there to answer, else what is proposed.
struct Dialogue<'a, R, W> {
    asker: Option<Asker<R, W>>,
    snapshot: &'a Snapshot,
}

impl<R: io::BufRead, W: io::Write> Dialogue<'_, R, W> {
    fn app(&mut self, flag: Option<&str>) -> Result<App, Stop> {
        let default = APPS[0].label();
        match (flag, &mut self.asker) {
            (None, Some(asker)) => {
                let known: Vec<_> = APPS.iter().map(App::label).collect();
                Ok(asker.ask(
                    &format!("Application ({})", known.join(", ")),
                    default,
                    App::named,
                )?)
            }
            (flag, _) => App::named(flag.unwrap_or(default))
                .map_err(|reason| Stop::Usage(format!("choose the application: {reason}"))),
        }
    }

    fn text(&mut self, question: &str, flag: Option<&str>, default: &str) -> Result<String, Stop> {
        match (flag, &mut self.asker) {
            (None, Some(asker)) => {
                Ok(asker.ask(question, default, |typed| Ok(typed.to_owned()))?)
            }
            (flag, _) => Ok(flag.unwrap_or(default).to_owned()),
        }
    }

    /// Each answer bears on what is proposed next.
    fn roles(&mut self, args: &AutoConfigArgs) -> Result<Roles, Stop> {
        let mut asked = Asked {
            testbed: args.testbed.clone(),
            infra: args.infra.clone(),
            load: args.load.clone(),
        };
        let choose =
            |asked: &Asked| roles::choose(self.snapshot, asked).map_err(|error| error.to_string());
        let mut roles = choose(&asked).map_err(Stop::Usage)?;
        let Some(asker) = &mut self.asker else {
            return Ok(roles);
        };
        type Part = (
            &'static str,
            fn(&mut Asked) -> &mut Option<Vec<String>>,
            fn(&Roles) -> &Vec<String>,
        );
        let parts: [Part; 3] = [
            (
                "Nodes of the components under test",
                |asked| &mut asked.testbed,
                |roles| &roles.testbed,
            ),
            (
                "Nodes of stores and infrastructure",
                |asked| &mut asked.infra,
                |roles| &roles.infra,
            ),
            (
                "Nodes of the load",
                |asked| &mut asked.load,
                |roles| &roles.load,
            ),
        ];
        for (question, part, proposed) in parts {
            if part(&mut asked).is_some() {
                continue;
            }
            let default = proposed(&roles).join(",");
            (asked, roles) = asker.ask(question, &default, |typed| {
                if typed == default {
                    return Ok((asked.clone(), roles.clone()));
                }
                let mut asked = asked.clone();
                let names = typed
                    .split([',', ' '])
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                *part(&mut asked) = Some(names);
                let roles = choose(&asked)?;
                Ok((asked, roles))
            })?;
        }
        Ok(roles)
    }

    fn prometheus(&mut self, flag: Option<&str>) -> Result<Option<PrometheusPlace>, Stop> {
        let found: Vec<_> = self
            .snapshot
            .prometheus
            .iter()
            .map(|one| format!("{}/{}:{}", one.namespace, one.name, one.port))
            .collect();
        match found.as_slice() {
            [] => say("no Prometheus was found in the cluster"),
            [one] => say(&format!("found Prometheus at Service {one}")),
            several => say(&format!(
                "found several that may be Prometheus: {}",
                several.join(", ")
            )),
        }
        let default = found.first().map_or("none", String::as_str);
        match (flag, &mut self.asker) {
            (None, Some(asker)) => Ok(asker.ask(
                "Prometheus (namespace/service:port, a URL, or none)",
                default,
                place,
            )?),
            (flag, _) => place(flag.unwrap_or(default))
                .map_err(|reason| Stop::Usage(format!("use that Prometheus: {reason}"))),
        }
    }
}

fn place(typed: &str) -> Result<Option<PrometheusPlace>, String> {
    match typed {
        "none" => Ok(None),
        url if url.contains("://") => Ok(Some(PrometheusPlace::Url(url.to_owned()))),
        service => {
            ServiceName::parse(service).map(|service| Some(PrometheusPlace::Cluster(service)))
        }
    }
}

/// To whoever watches; the file says it, too.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
