//! Kubernetes objects from the catalogue, as plain JSON values: nothing here knows a client library or a cluster.

pub mod content;

use super::{Application, Component, ExtraService, Limits, Port, Role, Storage};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a user decides about a deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The namespace; without one the catalogue's.
    pub namespace: Option<String>,
    /// Pods by component.
    pub replicas: BTreeMap<String, u32>,
    /// Images by their keys in the catalogue, or by component.
    pub images: BTreeMap<String, String>,
    /// Requests and limits of every component under test.
    pub pod: Option<Limits>,
    /// Nodes for components under test; empty: any.
    pub testbed_nodes: Vec<String>,
    /// Nodes for infrastructure; empty: any.
    pub infra_nodes: Vec<String>,
    /// A ConfigMap with the files that front ends mount, in place of fetching them: its key `content.tar.gz` holds them
    /// by the last parts of the paths where they belong (`lua-scripts/`, `nginx.conf`...). They are fitted as the fetched
    /// ones are, but for the tracer's configuration, which is taken as it is.
    pub content_config_map: Option<String>,
}

/// An application's objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// Objects of the infrastructure, which must be ready first: volumes, claims, Deployments, Services.
    pub infra: Vec<Value>,
    /// Objects of the components under test.
    pub under_test: Vec<Value>,
}

/// An option that names what is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deploy {app}: `{key}` names `{name}`, which is not a component{also}")]
pub struct UnknownName {
    /// The application.
    pub app: String,
    /// The option.
    pub key: &'static str,
    /// What it names.
    pub name: String,
    also: &'static str,
}

impl Rendered {
    /// How many objects there are of a kind in both parts: (infrastructure, under test).
    #[must_use]
    pub fn count(&self, kind: &str) -> (usize, usize) {
        let of = |objects: &[Value]| {
            objects
                .iter()
                .filter(|object| object["kind"] == kind)
                .count()
        };
        (of(&self.infra), of(&self.under_test))
    }
}

/// Renders all objects of an application.
///
/// # Errors
/// When an option names a component or an image that the application does not have.
pub fn render(app: &Application, options: &Options) -> Result<Rendered, UnknownName> {
    let components = app.components();
    check(app, &components, options)?;
    let namespace = options.namespace.as_deref().unwrap_or(&app.namespace);
    let context = Context {
        app,
        options,
        namespace,
    };
    let mut rendered = Rendered::default();
    for component in &components {
        let objects = match component.role {
            Role::Infra => &mut rendered.infra,
            Role::UnderTest => &mut rendered.under_test,
        };
        if let Some(storage) = &component.storage {
            objects.extend([context.volume(storage), context.claim(storage)]);
        }
        objects.push(context.deployment(component));
        objects.push(context.service(&component.name, &component.name, &component.ports));
    }
    let extra =
        |service: &ExtraService| context.service(&service.name, &service.selects, &service.ports);
    rendered.infra.extend(app.services.iter().map(extra));
    Ok(rendered)
}

fn check(
    app: &Application,
    components: &[Component],
    options: &Options,
) -> Result<(), UnknownName> {
    let known = |name: &String| components.iter().any(|component| component.name == *name);
    let unknown = |key, name: &String, also| UnknownName {
        app: app.name.clone(),
        key,
        name: name.clone(),
        also,
    };
    if let Some(name) = options.replicas.keys().find(|name| !known(name)) {
        return Err(unknown("replicas", name, ""));
    }
    match options
        .images
        .keys()
        .find(|name| !known(name) && !app.images.contains_key(*name))
    {
        Some(name) => Err(unknown("images", name, " and not an image's key")),
        None => Ok(()),
    }
}

struct Context<'a> {
    app: &'a Application,
    options: &'a Options,
    namespace: &'a str,
}

impl Context<'_> {
    fn labels(&self, name: &str) -> Value {
        json!({
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": self.app.name,
            "app.kubernetes.io/managed-by": "aefm",
        })
    }

    fn object(&self, api: &str, kind: &str, name: &str, spec: &Value) -> Value {
        let metadata =
            json!({ "name": name, "namespace": self.namespace, "labels": self.labels(name) });
        json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec })
    }

    fn image(&self, component: &str, key: &str, default: &str) -> String {
        let given = self
            .options
            .images
            .get(component)
            .or_else(|| self.options.images.get(key));
        given.map_or_else(
            || default.to_owned(),
            |image| image.replace("{name}", component),
        )
    }

    fn deployment(&self, component: &Component) -> Value {
        let mut container = Map::new();
        container.insert("name".into(), json!(component.name));
        container.insert(
            "image".into(),
            json!(self.image(&component.name, &component.image_key, &component.image)),
        );
        container.insert("imagePullPolicy".into(), json!("IfNotPresent"));
        let optional = [("command", &component.command), ("args", &component.args)];
        for (key, texts) in optional.into_iter().filter(|(_, texts)| !texts.is_empty()) {
            container.insert(key.into(), json!(texts));
        }
        if !component.env.is_empty() {
            let env = component
                .env
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }));
            container.insert("env".into(), env.collect());
        }
        let ports = component
            .ports
            .iter()
            .map(|p| json!({ "containerPort": p.port, "protocol": p.protocol }));
        container.insert("ports".into(), ports.collect());
        let under_test = component.role == Role::UnderTest;
        if let Some(limits) = self
            .options
            .pod
            .as_ref()
            .filter(|_| under_test)
            .or(component.limits.as_ref())
        {
            let amounts = json!({ "cpu": limits.cpu, "memory": limits.memory });
            container.insert(
                "resources".into(),
                json!({ "requests": amounts, "limits": amounts }),
            );
        }
        if let Some(ready) = component.ready {
            let probe = json!({
                "tcpSocket": { "port": component.ports[0].port },
                "initialDelaySeconds": ready.initial_delay_s,
                "periodSeconds": ready.period_s,
                "timeoutSeconds": ready.timeout_s,
            });
            container.insert("readinessProbe".into(), probe);
        }
        let mut pod = Map::new();
        self.mount(component, &mut container, &mut pod);
        pod.insert("containers".into(), json!([container]));
        let nodes = if under_test {
            &self.options.testbed_nodes
        } else {
            &self.options.infra_nodes
        };
        if !nodes.is_empty() {
            pod.insert("affinity".into(), on_nodes(nodes));
        }
        let replicas = self
            .options
            .replicas
            .get(&component.name)
            .copied()
            .unwrap_or(component.replicas);
        let spec = json!({
            "replicas": replicas,
            "selector": { "matchLabels": { "app.kubernetes.io/name": component.name } },
            "template": { "metadata": { "labels": self.labels(&component.name) }, "spec": pod },
        });
        self.object("apps/v1", "Deployment", &component.name, &spec)
    }

    /// Volumes of a component: a claim, or files that it needs.
    fn mount(
        &self,
        component: &Component,
        container: &mut Map<String, Value>,
        pod: &mut Map<String, Value>,
    ) {
        if let Some(storage) = &component.storage {
            let claim = json!({ "claimName": format!("{}-pvc", storage.claim) });
            pod.insert(
                "volumes".into(),
                json!([{ "name": "data", "persistentVolumeClaim": claim }]),
            );
            container.insert(
                "volumeMounts".into(),
                json!([{ "name": "data", "mountPath": storage.path }]),
            );
        }
        let Some(wanted) = &component.content else {
            return;
        };
        container.insert("volumeMounts".into(), content::mounts(wanted));
        let default = self
            .app
            .images
            .get(&wanted.image)
            .map_or("", String::as_str);
        let image = self.image(
            &format!("{}-content", component.name),
            &wanted.image,
            default,
        );
        let (volumes, filler) = match &self.options.content_config_map {
            Some(given) => content::unpacked(given, &image, self.namespace),
            None => content::fetched(wanted, &image, self.namespace),
        };
        pod.insert("volumes".into(), volumes);
        pod.insert("initContainers".into(), json!([filler]));
    }

    fn service(&self, name: &str, selects: &str, ports: &[Port]) -> Value {
        let outside = ports.iter().any(|port| port.node_port.is_some());
        let port = |port: &Port| {
            let name = format!(
                "{}-{}",
                format!("{:?}", port.protocol).to_lowercase(),
                port.port
            );
            let mut object = json!({ "name": name, "port": port.port, "targetPort": port.port, "protocol": port.protocol });
            if let Some(node_port) = port.node_port {
                object["nodePort"] = json!(node_port);
            }
            object
        };
        let spec = json!({
            "type": if outside { "NodePort" } else { "ClusterIP" },
            "selector": { "app.kubernetes.io/name": selects },
            "ports": ports.iter().map(port).collect::<Vec<_>>(),
        });
        self.object("v1", "Service", name, &spec)
    }

    fn volume(&self, storage: &Storage) -> Value {
        let name = format!("{}-pv", storage.claim);
        let spec = json!({
            "capacity": { "storage": storage.size },
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": format!("{}-storage", storage.claim),
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": { "path": format!("/data/volumes/{name}"), "type": "DirectoryOrCreate" },
        });
        let mut object = self.object("v1", "PersistentVolume", &name, &spec);
        // The one kind without a namespace.
        object["metadata"]
            .as_object_mut()
            .map(|metadata| metadata.remove("namespace"));
        object
    }

    fn claim(&self, storage: &Storage) -> Value {
        let spec = json!({
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": format!("{}-storage", storage.claim),
            "volumeName": format!("{}-pv", storage.claim),
            "resources": { "requests": { "storage": storage.size } },
        });
        self.object(
            "v1",
            "PersistentVolumeClaim",
            &format!("{}-pvc", storage.claim),
            &spec,
        )
    }
}

fn on_nodes(nodes: &[String]) -> Value {
    let expression = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": nodes });
    let terms = json!({ "nodeSelectorTerms": [{ "matchExpressions": [expression] }] });
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": terms } })
}
