//! Who presses whom in network interference: each node sends to the next, the last one to the first.

/// A sender and its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The node that sends.
    pub from: String,
    /// The node that takes it.
    pub to: String,
}

/// Why there is no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RingError {
    /// No link between nodes can be pressed on.
    #[error(
        "press on the network between nodes: there is one node, `{0}`; name a second one, or press on loopback"
    )]
    One(String),
    /// None at all.
    #[error("press on the network between nodes: there is no node")]
    None,
    /// A node would have two successors.
    #[error("press on the network between nodes: `{0}` is named twice")]
    Twice(String),
}

/// The ring over the nodes, in their order.
///
/// # Errors
/// When there are fewer than two, or one is there twice.
pub(super) fn ring(nodes: &[String]) -> Result<Vec<Link>, RingError> {
    if let Some(at) = (1..nodes.len()).find(|&at| nodes[..at].contains(&nodes[at])) {
        return Err(RingError::Twice(nodes[at].clone()));
    }
    match nodes {
        [] => Err(RingError::None),
        [node] => Err(RingError::One(node.clone())),
        _ => {
            let next = nodes.iter().cycle().skip(1);
            Ok(nodes
                .iter()
                .zip(next)
                .map(|(from, to)| Link {
                    from: from.clone(),
                    to: to.clone(),
                })
                .collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_node_sends_once_takes_once_and_never_to_itself(count in 2_usize..40) {
            let nodes: Vec<_> = (0..count).map(|n| format!("n{n}")).collect();
            let links = ring(&nodes).unwrap();
            let mut at = nodes[0].clone();
            for step in 1..=count {
                let out: Vec<_> = links.iter().filter(|link| link.from == at).collect();
                prop_assert_eq!(out.len(), 1);
                prop_assert_ne!(&out[0].to, &at);
                at.clone_from(&out[0].to);
                // One ring, not two: the start comes back after all nodes, and not before.
                prop_assert_eq!(at == nodes[0], step == count);
            }
        }
    }

    #[test]
    fn fewer_than_two_are_refused() {
        assert_eq!(ring(&[]), Err(RingError::None));
        assert_eq!(ring(&["a".into()]), Err(RingError::One("a".into())));
        assert_eq!(
            ring(&["a".into(), "b".into(), "a".into()]),
            Err(RingError::Twice("a".into()))
        );
    }
}
