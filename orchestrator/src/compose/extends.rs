//! `extends: base.yaml`: a file that another one is written over. Its path starts from the file that says it.

use super::sources::{Sources, shift, shift_faults};
use super::{Start, World, merge, variables};
use crate::experiment::fault::Faults;
use crate::experiment::node::{self, Located, Node};
use std::path::{Path, PathBuf};

/// The key of a file that names the one below it.
pub(super) const KEY: &str = "extends";

/// A file on the way down: what it is called, and the one path that it has.
struct Step {
    name: String,
    path: Option<PathBuf>,
}

/// Reads the first file and, over and over, the one that it extends; what was said last counts. Nothing where a file is
/// no YAML.
pub(super) fn read(
    start: &Start<'_>,
    world: &World<'_>,
    sources: &mut Sources,
    faults: &mut Faults,
) -> Option<Located> {
    // The first file's own path is what the way back to it is known by; where it cannot be had, there is none.
    let path = start.path.map(|path| {
        let own = (world.read)(path).map(|(own, _)| own);
        own.unwrap_or_else(|_| path.to_owned())
    });
    let mut way = vec![Step {
        name: start.name.to_owned(),
        path,
    }];
    let mut folder = start.path.and_then(Path::parent).map(Path::to_owned);
    let mut merged = parsed(start.name, start.text, sources, faults)?;
    while let Some(base) = take_base(&mut merged, world, faults) {
        let path = folder.unwrap_or_default().join(&base.name);
        let name = path.display().to_string();
        let (own, text) = match (world.read)(&path) {
            Ok(read) => read,
            Err(error) => {
                let message = format!("`{KEY}`: failed to read {name}: {error}");
                faults.add(base.place, message);
                return None;
            }
        };
        if let Some(first) = way.iter().position(|step| step.path.as_ref() == Some(&own)) {
            let mut names: Vec<_> = way[first..].iter().map(|step| step.name.as_str()).collect();
            names.push(&way[first].name);
            let message = format!("`{KEY}` goes in a circle: {}", names.join(" -> "));
            faults.add(base.place, message);
            return None;
        }
        let mut below = parsed(&name, &text, sources, faults)?;
        if !matches!(below.node, Node::Map(_) | Node::Null) {
            let what = below.node.describe();
            faults.add(
                below.place,
                format!("the file is a map of keys, not {what}"),
            );
            return None;
        }
        if below.node == Node::Null {
            below.node = Node::Map(Vec::new());
        }
        merged = merge::over(below, merged);
        folder = path.parent().map(Path::to_owned);
        way.push(Step {
            name,
            path: Some(own),
        });
    }
    Some(merged)
}

fn parsed(name: &str, text: &str, sources: &mut Sources, faults: &mut Faults) -> Option<Located> {
    let before = sources.add(name, text);
    match node::parse(text) {
        Ok(mut root) => {
            shift(&mut root, before, 0);
            Some(root)
        }
        Err(of_one) => {
            shift_faults(of_one, before, 0, faults);
            None
        }
    }
}

struct Base {
    name: String,
    place: crate::experiment::fault::Place,
}

/// Takes the key out of a tree.
fn take_base(root: &mut Located, world: &World<'_>, faults: &mut Faults) -> Option<Base> {
    let Node::Map(entries) = &mut root.node else {
        return None;
    };
    let at = entries.iter().position(|(key, _)| key.name == KEY)?;
    let (_, mut value) = entries.remove(at);
    let mut wrong = Faults::default();
    variables::expand(&mut value, world.variable, &mut wrong);
    if !wrong.is_empty() {
        shift_faults(wrong, 0, 0, faults);
        return None;
    }
    let place = value.place;
    match value.node {
        Node::Text(name) if !name.is_empty() => Some(Base { name, place }),
        other => {
            let message = format!("`{KEY}` names one file, such as base.yaml, not {other}");
            faults.add(place, message);
            None
        }
    }
}
