//! One tree over another: maps merge deeply, everything else replaces, and nothing at all takes a key away.

use crate::experiment::node::{Key, Located, Node};

/// What `upper` says, and below it what only `lower` says.
pub(crate) fn over(lower: Located, upper: Located) -> Located {
    let place = upper.place;
    match (lower.node, upper.node) {
        (Node::Map(mut entries), Node::Map(added)) => {
            for (key, value) in added {
                add(&mut entries, key, value);
            }
            Located {
                node: Node::Map(entries),
                place,
            }
        }
        (node, Node::Null) => Located {
            node,
            place: lower.place,
        },
        (_, node) => Located { node, place },
    }
}

fn add(entries: &mut Vec<(Key, Located)>, key: Key, value: Located) {
    let Some(at) = entries.iter().position(|(known, _)| known.name == key.name) else {
        if value.node != Node::Null {
            entries.push((key, value));
        }
        return;
    };
    if value.node == Node::Null {
        entries.remove(at);
        return;
    }
    let below = std::mem::replace(
        &mut entries[at].1,
        Located {
            node: Node::Null,
            place: value.place,
        },
    );
    entries[at] = (key, over(below, value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::node::parse;

    fn merged(lower: &str, upper: &str) -> String {
        let both = over(parse(lower).expect("YAML"), parse(upper).expect("YAML"));
        super::super::emit::text(&both)
    }

    #[test]
    fn maps_merge_deeply_and_all_else_replaces() {
        let base = "load: {duration: 5s, connections: 4}\naxes: {rate: [20, 40]}\nseed: 1\n";
        assert_eq!(
            merged(base, "load: {duration: 9s}\naxes: {rate: [30]}\nname: x\n"),
            "load:\n  duration: 9s\n  connections: 4\naxes:\n  rate: [30]\nseed: 1\nname: x\n"
        );
        assert_eq!(merged("a: {b: 1}\n", "a: [1]\n"), "a: [1]\n");
        assert_eq!(merged("a: [1]\n", "a: {b: 1}\n"), "a:\n  b: 1\n");
    }

    #[test]
    fn nothing_takes_a_key_away_and_a_file_of_nothing_takes_none() {
        assert_eq!(
            merged("a: {b: 1, c: 2}\nd: 3\n", "a: {b: null}\n"),
            "a:\n  c: 2\nd: 3\n"
        );
        assert_eq!(merged("a: 1\n", "b:\n"), "a: 1\n");
        assert_eq!(merged("a: 1\n", "# nothing\n"), "a: 1\n");
    }
}
