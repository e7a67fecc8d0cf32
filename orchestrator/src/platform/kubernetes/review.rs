//! May we? Asked of the API server itself, verb by verb, before a run finds out.

use super::cluster::{Cluster, ClusterError};
use super::rights::{APPLIED, Need, RIGHTS, Reach, needed};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use std::collections::BTreeSet;

/// So many questions are under way at a time.
const AT_ONCE: usize = 8;

/// A verb on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The verb.
    pub verb: &'static str,
    /// The resource's group, "" for the core.
    pub group: String,
    /// The resource, `pods/log` for a subresource.
    pub resource: String,
    /// The namespace; none for the whole cluster.
    pub namespace: Option<String>,
    /// What it is for, reading on from "to".
    pub purpose: String,
    /// Whether a run goes without it.
    pub is_optional: bool,
}

/// A kind that is applied beside those that every run has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applied {
    /// Its group.
    pub group: String,
    /// Its plural name.
    pub plural: String,
    /// Whether its objects have a namespace.
    pub namespaced: bool,
}

impl Applied {
    /// Whether its objects are made if they are missing, and stay.
    fn is_kept(&self) -> bool {
        ["namespaces", "customresourcedefinitions"].contains(&self.plural.as_str())
    }

    /// Whether its objects need an owner without a namespace.
    #[must_use]
    pub fn needs_anchor(&self) -> bool {
        !self.namespaced && !self.is_kept()
    }
}

/// The questions for some needs in a namespace, and for kinds that are applied there.
#[must_use]
pub fn questions(needs: &[Need], namespace: &str, applied: &BTreeSet<Applied>) -> Vec<Question> {
    let mut questions = Vec::new();
    for right in needed(needs) {
        questions.extend(right.verbs.iter().map(|verb| Question {
            verb,
            group: right.group.to_owned(),
            resource: right.resource.to_owned(),
            namespace: (right.reach == Reach::Namespace).then(|| namespace.to_owned()),
            purpose: right.purpose.to_owned(),
            is_optional: matches!(right.need, Need::Look | Need::Metrics),
        }));
    }
    for kind in applied {
        let Applied {
            group,
            plural,
            namespaced,
        } = kind;
        let verbs: &[&'static str] = if kind.is_kept() {
            &["get", "create"]
        } else {
            APPLIED
        };
        // What the list has for the kind already is asked once.
        let known = |verb: &str| {
            let of = RIGHTS.iter().filter(|right| needs.contains(&right.need));
            of.filter(|right| right.group == group && right.resource == plural)
                .any(|right| right.verbs.contains(&verb))
        };
        questions.extend(
            verbs
                .iter()
                .filter(|verb| !known(verb))
                .map(|verb| Question {
                    verb,
                    group: group.clone(),
                    resource: plural.clone(),
                    namespace: namespaced.then(|| namespace.to_owned()),
                    purpose: "make the application's objects".to_owned(),
                    is_optional: false,
                }),
        );
    }
    questions
}

/// Asks them all; the answers are in the order of the questions.
///
/// # Errors
/// When the server does not say.
pub async fn ask(
    cluster: &Cluster,
    questions: Vec<Question>,
) -> Result<Vec<(Question, bool)>, ClusterError> {
    let answers = stream::iter(questions).map(|question| async {
        let allowed = may(cluster, &question).await?;
        Ok((question, allowed))
    });
    let answers: Vec<_> = answers.buffered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}

async fn may(cluster: &Cluster, question: &Question) -> Result<bool, ClusterError> {
    let (resource, subresource) = match question.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (question.resource.as_str(), None),
    };
    // A namespace is an object of itself.
    let name = question
        .namespace
        .clone()
        .filter(|_| resource == "namespaces");
    let attributes = ResourceAttributes {
        group: Some(question.group.clone()),
        name,
        namespace: question.namespace.clone(),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(question.verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..Default::default()
    };
    let review = SelfSubjectAccessReview {
        spec,
        ..Default::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client());
    let parameters = PostParams::default();
    let answer = cluster
        .ask("ask what we may do", || api.create(&parameters, &review))
        .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_is_asked_once_where_it_must_hold() {
        let widget = Applied {
            group: "x.io".into(),
            plural: "widgets".into(),
            namespaced: true,
        };
        let service = Applied {
            group: String::new(),
            plural: "services".into(),
            namespaced: true,
        };
        let asked = questions(&[Need::Run, Need::Look], "n", &[widget, service].into());
        let of = |resource: &str| {
            asked
                .iter()
                .filter(|one| one.resource == resource)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of("widgets").iter().map(|one| one.verb).collect::<Vec<_>>(),
            APPLIED
        );
        assert_eq!(of("services").len(), 4);
        assert!(
            of("nodes")
                .iter()
                .all(|one| one.namespace.is_none() && !one.is_optional)
        );
        assert!(
            of("pods/log")
                .iter()
                .all(|one| one.namespace.as_deref() == Some("n"))
        );
        assert!(
            of("pods")
                .iter()
                .any(|one| one.is_optional && one.namespace.is_none())
        );
    }
}
