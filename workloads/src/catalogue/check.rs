//! What makes a description of an application usable.

use super::{Application, Component};

/// Something that is wrong with an application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueFault {
    /// Two components or Services share a name.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A name that leads nowhere.
    #[error("{of} names `{name}`, which is not there")]
    Unknown {
        /// Who names it.
        of: String,
        /// The name.
        name: String,
    },
    /// An image that is not the same tomorrow.
    #[error("image `{0}` is not pinned: give it a tag other than `latest`, or a digest")]
    Image(String),
    /// A component that nobody can reach.
    #[error("`{0}` has no port")]
    Port(String),
    /// Two node ports are the same.
    #[error("node port {0} is there twice")]
    NodePort(u16),
    /// A commit that is not whole could become another one.
    #[error("`{0}` fetches `{1}`, which is not a whole commit id")]
    Commit(String, String),
}

pub(super) fn check(app: &Application) -> Vec<CatalogueFault> {
    let components = app.components();
    let mut faults = Vec::new();
    let services = app.services.iter().map(|service| service.name.as_str());
    let names = twice(
        components
            .iter()
            .map(|component| component.name.as_str())
            .chain(services),
    );
    faults.extend(
        names
            .into_iter()
            .map(|name| CatalogueFault::Twice(name.to_owned())),
    );
    faults.extend(unknown(app, &components));
    faults.extend(
        app.images
            .values()
            .filter(|image| !is_pinned(image))
            .cloned()
            .map(CatalogueFault::Image),
    );
    faults.extend(
        components
            .iter()
            .filter(|c| c.ports.is_empty())
            .map(|c| CatalogueFault::Port(c.name.clone())),
    );
    let ports = components
        .iter()
        .map(|component| &component.ports)
        .chain(app.services.iter().map(|s| &s.ports));
    let node_ports = twice(ports.flatten().filter_map(|port| port.node_port));
    faults.extend(node_ports.into_iter().map(CatalogueFault::NodePort));
    for component in &components {
        let commit = component
            .content
            .as_ref()
            .map_or("", |content| &content.commit);
        if component.content.is_some()
            && !(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            faults.push(CatalogueFault::Commit(
                component.name.clone(),
                commit.to_owned(),
            ));
        }
    }
    faults
}

/// A name with a tag or a digest, and not the tag that moves.
fn is_pinned(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.contains("@sha256:")
        || last
            .split_once(':')
            .is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// Items that are there before, too.
fn twice<T: PartialEq + Copy>(items: impl Iterator<Item = T>) -> Vec<T> {
    let items: Vec<_> = items.collect();
    (0..items.len())
        .filter(|&at| items[..at].contains(&items[at]))
        .map(|at| items[at])
        .collect()
}

fn unknown(app: &Application, components: &[Component]) -> Vec<CatalogueFault> {
    let of_entry = ("the entry".to_owned(), &app.entry.component);
    let of_store = ("the trace store".to_owned(), &app.traces.store.component);
    let of_services = app
        .services
        .iter()
        .map(|service| (service.name.clone(), &service.selects));
    let of_needs = components
        .iter()
        .flat_map(|c| c.needs.iter().map(|need| (format!("`{}`", c.name), need)));
    let component = |name: &str| components.iter().any(|component| component.name == name);
    let named = [of_entry, of_store]
        .into_iter()
        .chain(of_services)
        .chain(of_needs);
    let mut faults: Vec<_> = named
        .filter(|(_, name)| !component(name))
        .map(|(of, name)| CatalogueFault::Unknown {
            of,
            name: name.clone(),
        })
        .collect();
    let images = components.iter().flat_map(|c| {
        [
            Some(&c.image_key),
            c.content.as_ref().map(|content| &content.image),
        ]
    });
    let images = images
        .flatten()
        .filter(|key| !app.images.contains_key(*key));
    faults.extend(images.map(|key| CatalogueFault::Unknown {
        of: "a component's image".to_owned(),
        name: key.clone(),
    }));
    faults
}
