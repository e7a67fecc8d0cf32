//! `aefm clean`

use super::{Exit, complain};
use crate::cli::CleanArgs;
use crate::platform::kubernetes::cluster::{Cluster, ClusterError, title};
use crate::platform::kubernetes::leftovers;
use std::io::{self, Write};

pub(super) fn run(args: &CleanArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("failed to start: {error}"));
            return Exit::Failed;
        }
    };
    match runtime.block_on(clean(args)) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("failed to {error}"));
            Exit::Failed
        }
    }
}

async fn clean(args: &CleanArgs) -> Result<Exit, ClusterError> {
    let cluster = Cluster::connect(args.context.as_deref()).await?;
    let mut found = leftovers::find(&cluster, args.namespace.as_deref()).await?;
    let refused = std::mem::take(&mut found.refused);
    let left = leftovers::choose(&found, args.run.as_deref());
    let verb = if args.dry_run {
        "would remove"
    } else {
        "removes"
    };
    let mut exit = Exit::Ok;
    for made in &left.objects {
        // Nobody reads: it is removed all the same.
        drop(writeln!(io::stdout(), "{verb} {}", leftovers::show(made)));
        if args.dry_run {
            continue;
        }
        if let Err(reason) = leftovers::remove(&cluster, made).await {
            complain(&format!("failed to {reason}"));
            exit = Exit::Failed;
        }
    }
    if left.objects.is_empty() {
        drop(writeln!(
            io::stdout(),
            "nothing is left of {}",
            args.run.as_deref().unwrap_or("any run that is over")
        ));
    }
    for object in &left.unproven {
        let (title, why) = (title(object), leftovers::unproven(object));
        complain(&format!(
            "{title} is left alone: {why}; remove it yourself if nobody needs it"
        ));
    }
    for run in &left.live {
        complain(&format!(
            "run {run} is under way and is left alone; `aefm clean --run {run}` removes it all the same"
        ));
    }
    for reason in refused {
        complain(&format!("failed to {reason}"));
        exit = Exit::Failed;
    }
    Ok(exit)
}
