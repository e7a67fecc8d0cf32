//! `aefm get-file`: what a run deploys and needs, as files to read, to edit and to apply.

use super::given::read;
use super::{Exit, complain, init};
use crate::cli::{GetFileArgs, Given, Wanted};
use crate::experiment::Experiment;
use crate::experiment::kubernetes::{Kubernetes, Source};
use crate::handler::Handlers;
use crate::platform::kubernetes::manifests::Manifests;
use crate::platform::kubernetes::manifests::written::{files, yaml};
use crate::platform::kubernetes::rbac::{ACCOUNT, Grant};
use crate::platform::kubernetes::{application, content, rights};
use aefm_workloads::catalogue::Application;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const CONTAINERFILE: &str = include_str!("../../../Containerfile");

/// The application, and where it goes.
struct Subject {
    app: String,
    experiment: Experiment,
    kubernetes: Kubernetes,
    /// An experiment was named: what it says is meant.
    named: bool,
}

/// Files by their paths below the folder.
type Files = Vec<(PathBuf, Vec<u8>)>;

pub(super) fn run(args: &GetFileArgs, handlers: &Handlers) -> Exit {
    let subject = match subject(args, handlers) {
        Ok(subject) => subject,
        Err(exit) => return exit,
    };
    let wanted = match args.wanted {
        Wanted::All => vec![
            Wanted::Manifests,
            Wanted::Rbac,
            Wanted::Image,
            Wanted::NginxConfigs,
        ],
        one => vec![one],
    };
    let mut exit = Exit::Ok;
    for one in wanted {
        let made = match one {
            Wanted::NginxConfigs => nginx_configs(&subject, args.wanted == one),
            Wanted::Rbac => rbac(&subject),
            Wanted::Image => Ok(vec![("Containerfile".into(), CONTAINERFILE.into())]),
            Wanted::All | Wanted::Manifests => manifests(&subject),
        };
        let written = made
            .map_err(|reason| (Exit::Failed, reason))
            .and_then(|files| {
                check(&args.dir, &files, args.force).map_err(|reason| (Exit::Usage, reason))?;
                write(&args.dir, &files, args.force).map_err(|reason| (Exit::Failed, reason))
            });
        if let Err((worse, reason)) = written {
            complain(&format!("failed to {reason}"));
            exit = worse;
        }
    }
    exit
}

/// What the experiment says, the default one if none is named; `--app` takes another application.
fn subject(args: &GetFileArgs, handlers: &Handlers) -> Result<Subject, Exit> {
    let given = Given {
        file: args.file.clone(),
        set: args.set.clone(),
    };
    let experiment = read(&given, handlers)?.experiment;
    let application = Application::by_name(args.app.as_deref().unwrap_or(&experiment.app))
        .map_err(|error| {
            complain(&format!("failed to {error}"));
            Exit::Usage
        })?;
    Ok(Subject {
        app: application.name,
        kubernetes: experiment.kubernetes.clone(),
        experiment,
        named: args.file.is_some(),
    })
}

/// The objects of the application itself: an experiment that deploys the emulated one has none to edit.
fn objects(subject: &Subject) -> Result<Manifests, String> {
    let mut kubernetes = subject.kubernetes.clone();
    if kubernetes.deploy == Source::Emulated {
        kubernetes.deploy = Source::Catalogue;
    }
    application::objects(&subject.app, &kubernetes, &[], &[]).map_err(|error| error.to_string())
}

fn manifests(subject: &Subject) -> Result<Files, String> {
    let folder = Path::new("manifests").join(&subject.app);
    let below = |(name, text): (String, String)| (folder.join(name), text.into_bytes());
    Ok(files(&objects(subject)?)?.into_iter().map(below).collect())
}

fn rbac(subject: &Subject) -> Result<Files, String> {
    let Subject {
        app,
        experiment,
        kubernetes,
        named,
    } = subject;
    let namespace = application::namespace(app, kubernetes);
    // Emulated services are made of what any run is. Who has not chosen yet may deploy either.
    let emulated = *named && kubernetes.deploy == Source::Emulated;
    let Manifests { infra, under_test } = if emulated {
        Manifests::default()
    } else {
        objects(subject)?
    };
    let nodes = kubernetes.nodes.named();
    let grant = Grant::new(
        &namespace,
        &rights::needs(experiment),
        nodes.as_deref(),
        &[infra, under_test].concat(),
    );
    let mut text = format!(
        "# The rights of `aefm run` for {app} in namespace {namespace}, and no more. An administrator applies this once:\n\
         #\n#   kubectl apply -f FILE\n#   kubectl -n {namespace} create token {ACCOUNT} --duration 24h\n#\n\
         # and the token goes into a kubeconfig: `kubectl config set-credentials {ACCOUNT} --token TOKEN`.\n#\n"
    );
    for line in grant.explained().lines() {
        text += &format!("# {line}\n");
    }
    for object in grant.objects() {
        text += &format!("---\n{}", yaml(&object)?);
    }
    Ok(vec![(
        Path::new("rbac").join(format!("{app}.yaml")),
        text.into_bytes(),
    )])
}

/// Files of front ends. An application without any is a fault only where they were asked for.
fn nginx_configs(subject: &Subject, asked: bool) -> Result<Files, String> {
    let components = Application::by_name(&subject.app)
        .map_err(|error| error.to_string())?
        .components();
    let folder = Path::new("nginx-configs").join(&subject.app);
    let mut files = Files::new();
    for wanted in components
        .iter()
        .filter_map(|component| component.content.as_ref())
    {
        let fetched = content::fetch(wanted).map_err(|error| error.to_string())?;
        files.extend(
            fetched
                .into_iter()
                .map(|(path, bytes)| (folder.join(path), bytes)),
        );
    }
    if files.is_empty() && asked {
        return Err(format!(
            "find files of nginx: {} has no nginx; social-network and media-microservices do",
            subject.app
        ));
    }
    Ok(files)
}

/// Nothing that is there is written over unasked, and then nothing is written at all.
fn check(dir: &Path, files: &Files, force: bool) -> Result<(), String> {
    let there: Vec<_> = files
        .iter()
        .map(|(path, _)| dir.join(path))
        .filter(|path| path.exists())
        .collect();
    let Some(first) = there.first().filter(|_| !force) else {
        return Ok(());
    };
    let more = if there.len() > 1 {
        format!(" and {} more files exist", there.len() - 1)
    } else {
        " exists".to_owned()
    };
    Err(format!(
        "write {}: it{more}; choose another folder with --dir, or write over what is there with --force",
        first.display()
    ))
}

fn write(dir: &Path, files: &Files, force: bool) -> Result<(), String> {
    for (path, bytes) in files {
        let path = dir.join(path);
        init::write(&path, bytes, force)
            .map_err(|error| format!("write {}: {error}", path.display()))?;
    }
    let Some((first, _)) = files.first() else {
        return Ok(());
    };
    // One file, or the folder of the application's.
    let (shown, count) = match files.len() {
        1 => (first.clone(), "one file".to_owned()),
        many => (first.iter().take(2).collect(), format!("{many} files")),
    };
    // Nobody reads: the files are there all the same.
    drop(writeln!(
        io::stdout(),
        "wrote {} ({count})",
        dir.join(shown).display()
    ));
    Ok(())
}
