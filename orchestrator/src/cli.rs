//! The command line of `aefm`, as typed.

use crate::experiment::data::Data;
use aefm_collector::store::Address;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Experiments on microservice applications: load, interference, traces, one dataset.
#[derive(Debug, Parser)]
#[command(name = "aefm", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment; without a file, the embedded default one on this machine.
    Run(RunArgs),
    /// Show the cases of an experiment, in their order, and how long it should take; start nothing.
    Plan(PlanArgs),
    /// Tell all that is wrong with an experiment; start nothing, ask no cluster.
    Validate(ValidateArgs),
    /// Write a file of AEFM 0.2.0 in the form of today, with comments, to standard output.
    Migrate(Given),
    /// Remove from a cluster what runs have left there.
    Clean(CleanArgs),
    /// Read a cluster, and write a commented experiment file for it.
    AutoConfig(AutoConfigArgs),
    /// Check this machine, or a cluster, before an experiment runs there.
    Doctor(DoctorArgs),
    /// Write the default experiment as a commented `experiment.yaml`.
    Init(InitArgs),
    /// Write what runs on a cluster deploy and need, as files to edit or to apply; needs no cluster.
    #[command(visible_alias = "download")]
    GetFile(GetFileArgs),
    /// Gather again for a run that is over: what Jaeger, Prometheus and tables of yours still have, without the load.
    Collect(CollectArgs),
    /// Turn saved traces into the tables of a dataset.
    Import(ImportArgs),
    /// Write a run's tables in another form.
    Export(ExportArgs),
    /// Make a container image of this program, without a container engine.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Put a run's dataset into an object store; what is up already is not sent again.
    Upload(UploadArgs),
    /// Constant-rate HTTP load (the program `aefm-load`).
    #[command(disable_help_flag = true)]
    Load(Passed),
    /// Interference of a held and measured intensity (the program `aefm-interfere`).
    #[command(disable_help_flag = true)]
    Interfere(Passed),
    /// Fill a running application with its initial data, and verify it by counts.
    #[command(disable_help_flag = true)]
    InitData(Passed),
    /// What a run on a cluster has in the cluster: it takes in spans; `aefm run` starts it.
    #[command(hide = true)]
    Receive(InPodArgs),
    /// One pod's part of a load; `aefm run` starts these.
    #[command(hide = true)]
    Shard(InPodArgs),
    /// One service of an emulated application; `aefm run` starts these.
    #[command(disable_help_flag = true)]
    Testbed(Passed),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<std::ffi::OsString>,
}

/// `aefm receive`, `aefm shard`
#[derive(Debug, clap::Args)]
pub(crate) struct InPodArgs {
    /// What to do, as JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) spec: String,
}

/// The experiment file, and what is changed of it.
#[derive(Debug, Default, clap::Args)]
pub struct Given {
    /// The experiment file; without one: what AEFM_CONFIGS names, else experiment.yaml or aefm_configs.yaml in this folder,
    /// else the embedded default.
    pub(crate) file: Option<PathBuf>,
    /// Set a key of the file, with a value in YAML: `--set load.duration=5s --set axes.rate='[20, 40]'`. Maps are merged, and
    /// nothing (`--set axes.cpu=`) takes a key away.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// `aefm validate`
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    pub(crate) given: Given,
    /// Print the faults as JSON, on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `aefm run`
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub(crate) given: Given,
    /// Folder of the datasets, or s3://, gs:// or az:// and a place there, instead of the file's `data`.
    #[arg(long, value_name = "DIR|URL", value_parser = Data::read)]
    pub(crate) data: Option<Data>,
    /// Seed of everything drawn, in place of the file's.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Restart the application when the run begins, whatever the file's `environment` says.
    #[arg(long)]
    pub(crate) restart: bool,
    /// What is shown on the terminal beside progress and results; the run's `run.log` has everything.
    #[arg(long, value_enum, default_value_t = Level::Warn)]
    pub(crate) log_level: Level,
}

/// `aefm plan`
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Ask no cluster.
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Seed of everything drawn, in place of the file's.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// `aefm collect`
#[derive(Debug, clap::Args)]
pub struct CollectArgs {
    /// The run's folder, `data/<experiment>/<run>`.
    pub(crate) run: PathBuf,
    /// A file whose `collect` is used in place of the run's own; nothing else needs to be in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// `aefm upload`
#[derive(Debug, clap::Args)]
pub struct UploadArgs {
    /// The run's folder, `data/<experiment>/<run>`.
    pub(crate) run: PathBuf,
    /// Where to, in place of the run's own `data`: s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER.
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    pub(crate) to: Option<Address>,
}

/// `aefm clean`
#[derive(Debug, clap::Args)]
pub struct CleanArgs {
    /// Only this run, even if it is under way; without it, all runs that are over.
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// The kubeconfig's context; without one its current context.
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// Look in this namespace alone.
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
    /// Only show what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `aefm init`
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Folder to write to; made when missing.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Folder to write to, as AEFM 0.2.0 had it.
    #[arg(short = 'd', long = "dir", value_name = "DIR", conflicts_with = "dir")]
    pub(crate) folder: Option<PathBuf>,
    /// Write over an existing file.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `aefm image`
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Write an archive for `docker load`, `podman load` or `ctr images import`: this program and its libraries alone.
    Tar(ImageTarArgs),
}

/// `aefm image tar`
#[derive(Debug, clap::Args)]
pub struct ImageTarArgs {
    /// The file; without one, standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The image's name, which `kubernetes.image` of an experiment takes.
    #[arg(long, value_name = "NAME:TAG", default_value = concat!("aefm:", env!("CARGO_PKG_VERSION")))]
    pub(crate) name: String,
    /// Another build of `aefm`, in place of the running one: a static one, or one for another machine.
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Option<PathBuf>,
}

/// `aefm get-file`
#[derive(Debug, clap::Args)]
pub struct GetFileArgs {
    /// What to write.
    #[arg(value_enum, default_value_t = Wanted::All)]
    pub(crate) wanted: Wanted,
    /// The application; without one the experiment's.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
    /// An experiment file whose `app` and `kubernetes` are used; without one: the one that `aefm run` would take.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Set a key of the file, as `aefm run` does.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Folder to write to; made when missing.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Write over existing files.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What `aefm get-file` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// All of these.
    All,
    /// Files of the application's nginx, from its upstream (the one thing here that needs a network).
    NginxConfigs,
    /// The application's objects, one a file: `kubernetes.manifests` takes the folder, edited or not.
    Manifests,
    /// An account with the rights that a run needs, and no more.
    Rbac,
    /// The file to build the image with.
    Image,
}

/// `aefm auto-config`
#[derive(Debug, clap::Args)]
pub struct AutoConfigArgs {
    /// hotel-reservation, social-network, media-microservices, train-ticket, or testbed: emulated services.
    #[arg(long)]
    pub(crate) app: Option<String>,
    /// The experiment's name; without it the application's.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The kubeconfig's context; without one its current context.
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// The file to write, `-` for standard output.
    #[arg(long, value_name = "FILE", default_value = "experiment.yaml")]
    pub(crate) out: PathBuf,
    /// Write over an existing file.
    #[arg(long)]
    pub(crate) force: bool,
    /// Ask nothing: take what is proposed where no flag says otherwise.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Nodes of the components under test, by name, with commas between.
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub(crate) testbed: Option<Vec<String>>,
    /// Nodes of stores and other infrastructure.
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub(crate) infra: Option<Vec<String>>,
    /// Nodes of the load.
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub(crate) load: Option<Vec<String>>,
    /// The image that has this `aefm`.
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// The namespace; without it the application's own.
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
    /// A Service, namespace/name[:port], or a URL, or `none`; without it the one that is found.
    #[arg(long, value_name = "WHERE")]
    pub(crate) prometheus: Option<String>,
}

/// `aefm doctor`
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub(crate) given: Given,
    /// Where it is to run, where there is no file to say so.
    #[arg(long, value_enum)]
    pub(crate) platform: Option<Place>,
    /// The kubeconfig's context, in place of the file's.
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// Try each image on its nodes, with a pod that does nothing.
    #[arg(long)]
    pub(crate) try_images: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where an experiment runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// On this machine.
    Local,
    /// On a cluster.
    Kubernetes,
}

/// How much of the log is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What is doubtful, too.
    Warn,
    /// What happens, too.
    Info,
    /// Everything.
    Debug,
}

/// `aefm import`
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// What the files are.
    #[arg(value_enum)]
    pub(crate) kind: Traces,
    /// The files, plain or packed with gzip or zstd; for aefm-csv the folder of the five.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Folder of the tables; made when missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The case that the traces become (aefm-csv has its own).
    #[arg(long, value_name = "ID", default_value = "c001", value_parser = aefm_collector::sink::case_id)]
    pub(crate) case: String,
    /// Write over the case if it is there already.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Kinds of saved traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Traces {
    /// Jaeger's JSON: answers of /api/traces as its page and API save them, and spans of its Elasticsearch index.
    Jaeger,
    /// OTLP as JSON or protobuf, files of the collector's file exporter, Tempo's answers, JSON of SDKs' console exporters.
    Otlp,
    /// Zipkin's JSON, version 2.
    Zipkin,
    /// The five CSV files of AEFM 0.2.0.
    AefmCsv,
}

/// `aefm export`
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The run's folder, `data/<experiment>/<run>`.
    pub(crate) run: PathBuf,
    /// The form.
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// Folder of the files; made when missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Write over files that are there already.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Forms of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The five CSV files of AEFM 0.2.0, with its names and columns.
    AefmCsv,
    /// Spans as OTLP's JSON, a trace a line, a file a case.
    Otlp,
    /// Spans as Jaeger's JSON, a file a case; microseconds, as Jaeger has them.
    JaegerJson,
    /// Every table as one CSV file.
    Csv,
    /// MSCallGraph, MSRTMCR, MSResource and Node of Alibaba's microservice trace of 2022.
    Alibaba,
}
