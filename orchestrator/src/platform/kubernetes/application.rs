//! What is deployed: the objects of the catalogue's application or of the user's own folder, as a run wants them.

use super::cluster::name_of;
use super::content::{self, ContentError};
use super::emulated::{self, Emulation};
use super::entrance;
use super::manifests::{self, ManifestError, Manifests};
use super::origin::Origin;
use super::pod::{self, PodOptions};
use super::render::{self, Settings, UnknownName};
use crate::experiment::Experiment;
use crate::experiment::kubernetes::{Kubernetes, Source};
use aefm_workloads::catalogue::render::Options;
use aefm_workloads::catalogue::{Application, CatalogueError, render as render_catalogue};
use aefm_workloads::graph::{GraphError, ServiceGraph};
use serde_json::{Value, json};

/// Why there is nothing to deploy.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// The catalogue does not have it.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The emulated application has no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A spec cannot be written.
    #[error("write a spec: {0}")]
    Spec(#[from] serde_json::Error),
    /// The folder cannot be used.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// The user's files of nginx cannot be used.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// There is no nginx for them.
    #[error(
        "use `kubernetes.nginx_configs`: {0} has no nginx; social-network and media-microservices do"
    )]
    NoNginx(String),
    /// A setting names what is not there.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// A setting names what is not in the catalogue.
    #[error(transparent)]
    UnknownComponent(#[from] render_catalogue::UnknownName),
}

/// The namespace of an experiment: the user's, or the application's own.
#[must_use]
pub fn namespace(app: &str, kubernetes: &Kubernetes) -> String {
    let own = || {
        Application::by_name(app)
            .map_or_else(|_| "aefm".to_owned(), |application| application.namespace)
    };
    kubernetes.namespace.clone().unwrap_or_else(own)
}

/// The objects of the catalogue's application or of a folder; nothing for the emulated one, whose objects know each
/// other's addresses.
///
/// # Errors
/// When they cannot be had, or a setting names what is not there.
pub fn objects(
    app: &str,
    kubernetes: &Kubernetes,
    testbed: &[String],
    infra: &[String],
) -> Result<Manifests, ApplicationError> {
    let mut settings = Settings {
        namespace: namespace(app, kubernetes),
        pull_policy: kubernetes.pull_policy.to_owned(),
        ..Settings::default()
    };
    let mut objects = match &kubernetes.deploy {
        Source::Emulated => return Ok(Manifests::default()),
        Source::Catalogue => {
            let application = Application::by_name(app)?;
            let given = nginx_configs(&application, kubernetes)?;
            let options = Options {
                content_config_map: given.as_ref().map(name_of),
                // Scripts of front ends hold it, too.
                namespace: Some(settings.namespace.clone()),
                images: kubernetes.images.clone(),
                replicas: kubernetes.replicas.clone(),
                ..Options::default()
            };
            let rendered = render_catalogue::render(&application, &options)?;
            Manifests {
                infra: rendered.infra,
                under_test: given.into_iter().chain(rendered.under_test).collect(),
            }
        }
        Source::Folder(folder) => {
            let read = manifests::read(folder)?;
            settings.origin = Origin::of(read.infra.iter().chain(&read.under_test));
            settings.images.clone_from(&kubernetes.images);
            settings.replicas.clone_from(&kubernetes.replicas);
            render::check(&[&read.infra[..], &read.under_test[..]].concat(), &settings)?;
            read
        }
    };
    settings.nodes = infra.to_vec();
    objects
        .infra
        .iter_mut()
        .for_each(|object| render::apply(object, &settings));
    settings.nodes = testbed.to_vec();
    settings.limits = kubernetes.limits.clone();
    objects
        .under_test
        .iter_mut()
        .for_each(|object| render::apply(object, &settings));
    Ok(objects)
}

/// The ConfigMap of the user's own files for the application's nginx, if there are any.
fn nginx_configs(
    application: &Application,
    kubernetes: &Kubernetes,
) -> Result<Option<Value>, ApplicationError> {
    let Some(folder) = &kubernetes.nginx_configs else {
        return Ok(None);
    };
    let content = application
        .components()
        .into_iter()
        .find_map(|component| component.content);
    let content = content.ok_or_else(|| ApplicationError::NoNginx(application.name.clone()))?;
    Ok(Some(content::config_map(
        &content,
        folder,
        "nginx-configs",
    )?))
}

/// All objects as a plan shows them. Addresses that only a deployment can tell are told by name there.
///
/// # Errors
/// When they cannot be had, or a setting names what is not there.
pub fn planned(
    experiment: &Experiment,
    testbed: &[String],
    infra: &[String],
) -> Result<Vec<Value>, ApplicationError> {
    let kubernetes = &experiment.kubernetes;
    if kubernetes.deploy != Source::Emulated {
        let Manifests { infra, under_test } = objects(&experiment.app, kubernetes, testbed, infra)?;
        return Ok([infra, under_test].concat());
    }
    let graph = ServiceGraph::of_app(&experiment.app)?;
    let emulation = Emulation {
        options: PodOptions::new(kubernetes, &namespace(&experiment.app, kubernetes)),
        app: experiment.app.clone(),
        limits: kubernetes.limits.clone(),
        nodes: testbed.to_vec(),
        otlp: format!("http://receiver:{}", pod::PORT),
        seed: 0,
        entry: (graph.entry().to_owned(), entrance::service_type(kubernetes)),
    };
    let mut planned = Vec::new();
    for service in graph.services_in_start_order() {
        let peers = graph
            .children(service)
            .into_iter()
            .map(|child| (child.to_owned(), format!("{child}:{}", pod::PORT)));
        planned.extend(emulated::objects(&emulation, service, peers.collect())?);
    }
    Ok(planned)
}

/// Gives volumes on a node's disk a folder of their own, so that each time they begin empty.
pub fn renew_volumes(objects: &mut [Value], time: &str) {
    for object in objects
        .iter_mut()
        .filter(|object| object["kind"] == "PersistentVolume")
    {
        if let Some(path) = object["spec"]["hostPath"]["path"].as_str() {
            object["spec"]["hostPath"]["path"] =
                json!(format!("{}/{time}", path.trim_end_matches('/')));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::kubernetes::Limits;

    #[test]
    fn the_catalogue_is_rendered_with_all_settings() {
        let kubernetes = Kubernetes {
            deploy: Source::Catalogue,
            namespace: Some("mine".into()),
            pull_policy: "Never",
            replicas: [("frontend".into(), 4)].into(),
            limits: Limits {
                cpu: Some("100m".into()),
                memory: Some("100Mi".into()),
            },
            ..Kubernetes::default()
        };
        let objects = objects(
            "hotel-reservation",
            &kubernetes,
            &["t".into()],
            &["i".into()],
        )
        .unwrap();
        let deployment = |objects: &[Value], name: &str| {
            objects
                .iter()
                .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == name)
                .unwrap()
                .clone()
        };
        let frontend = deployment(&objects.under_test, "frontend");
        assert_eq!(
            (
                &frontend["spec"]["replicas"],
                &frontend["metadata"]["namespace"]
            ),
            (&json!(4), &json!("mine"))
        );
        let pod = &frontend["spec"]["template"]["spec"];
        assert_eq!(
            pod["containers"][0]["resources"]["requests"],
            json!({ "cpu": "100m", "memory": "100Mi" })
        );
        assert!(pod["affinity"].to_string().contains("\"t\""));
        assert!(
            deployment(&objects.infra, "consul")["spec"]["template"]["spec"]["affinity"]
                .to_string()
                .contains("\"i\"")
        );
    }

    #[test]
    fn a_folder_with_what_the_catalogue_renders_is_the_same_application() {
        for app in Application::shipped().unwrap() {
            let dir = tempfile::tempdir().unwrap();
            let settled = |deploy| {
                let limits = Limits {
                    cpu: Some("100m".into()),
                    memory: None,
                };
                let kubernetes = Kubernetes {
                    deploy,
                    namespace: Some("mine".into()),
                    limits,
                    ..Kubernetes::default()
                };
                let Manifests {
                    mut infra,
                    mut under_test,
                } = objects(&app.name, &kubernetes, &["t".into()], &["i".into()]).unwrap();
                infra.sort_by_key(ToString::to_string);
                under_test.sort_by_key(ToString::to_string);
                (infra, under_test)
            };
            let kubernetes = Kubernetes {
                deploy: Source::Catalogue,
                ..Kubernetes::default()
            };
            let mut written =
                manifests::written::files(&objects(&app.name, &kubernetes, &[], &[]).unwrap())
                    .unwrap();
            // The one thing that no setting of a folder reaches: host names in a script.
            let own = format!(".{}.svc.", app.namespace);
            written
                .iter_mut()
                .for_each(|(_, text)| *text = text.replace(&own, ".mine.svc."));
            for (name, text) in written {
                let path = dir.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            assert_eq!(
                settled(Source::Folder(dir.path().into())),
                settled(Source::Catalogue),
                "{}",
                app.name
            );
        }
    }

    #[test]
    fn front_ends_look_for_services_in_the_experiments_namespace() {
        let kubernetes = Kubernetes {
            deploy: Source::Catalogue,
            namespace: Some("mine".into()),
            ..Kubernetes::default()
        };
        let shown = json!(
            objects("social-network", &kubernetes, &[], &[])
                .unwrap()
                .under_test
        )
        .to_string();
        assert!(
            shown.contains(".mine.svc.cluster.local") && !shown.contains("social-network.svc"),
            "{shown}"
        );
    }

    #[test]
    fn files_of_nginx_come_from_the_users_folder_where_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let kubernetes = Kubernetes {
            deploy: Source::Catalogue,
            namespace: Some("mine".into()),
            nginx_configs: Some(dir.path().into()),
            ..Kubernetes::default()
        };
        let objects = |app: &str| objects(app, &kubernetes, &[], &[]);
        assert!(
            objects("hotel-reservation")
                .unwrap_err()
                .to_string()
                .contains("has no nginx")
        );
        assert!(matches!(
            objects("social-network"),
            Err(ApplicationError::Content(_))
        ));
        for name in [
            "lua-scripts",
            "pages",
            "nginx.conf",
            "jaeger-config.json",
            "gen-lua",
        ] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let under_test = objects("social-network").unwrap().under_test;
        assert_eq!(
            under_test[0]["metadata"],
            json!({ "name": "nginx-configs", "namespace": "mine" })
        );
        assert!(!json!(under_test).to_string().contains("git fetch"));
    }

    #[test]
    fn volumes_are_new_each_time() {
        let mut objects = vec![
            json!({ "kind": "PersistentVolume", "spec": { "hostPath": { "path": "/data/a/" } } }),
        ];
        renew_volumes(&mut objects, "r1-2");
        assert_eq!(objects[0]["spec"]["hostPath"]["path"], "/data/a/r1-2");
    }

    #[test]
    fn every_application_has_a_namespace_of_its_own() {
        assert_eq!(
            namespace("hotel-reservation", &Kubernetes::default()),
            "hotel-reserv"
        );
        assert_eq!(namespace("none", &Kubernetes::default()), "aefm");
    }
}
