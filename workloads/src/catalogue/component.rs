//! Components of an application: one container each, grouped in the file by what they have in common.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a component is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Measured, and disturbed.
    UnderTest,
    /// Stores, queues, tracing.
    Infra,
}

/// A port of a component or Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The number, inside the container as well as at the Service.
    pub port: u16,
    /// TCP unless said otherwise.
    #[serde(default)]
    pub protocol: Protocol,
    /// The port on every node, where it is reached from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<u16>,
}

/// A port's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// The most that a container may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Cores, as Kubernetes writes them (`200m`).
    pub cpu: String,
    /// Memory, as Kubernetes writes it (`500Mi`).
    pub memory: String,
}

/// A probe of the first port that must succeed before the component counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Time before the first attempt, s.
    pub initial_delay_s: u32,
    /// Time between attempts, s.
    pub period_s: u32,
    /// Time that an attempt may take, s.
    pub timeout_s: u32,
}

/// A volume that outlives the pod: claim `<claim>-pvc` on volume `<claim>-pv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// First part of the names.
    pub claim: String,
    /// Size, as Kubernetes writes it.
    pub size: String,
    /// Where it is mounted.
    pub path: String,
}

/// Files that an init container fetches from upstream, so that nothing has to be copied to nodes by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Key of an image with git and a shell.
    pub image: String,
    /// Where to fetch from.
    pub repository: String,
    /// What to fetch: a whole commit id.
    pub commit: String,
    /// The service name that the fetched tracer configuration is to report.
    pub trace_service: String,
    /// What goes where.
    pub copies: Vec<Copy>,
}

/// One file or folder of a [`Content`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// Path in the repository.
    pub from: String,
    /// Path in the container.
    pub to: String,
}

/// What members of a group share, and the members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    role: Role,
    image: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<Port>,
    #[serde(default)]
    limits: Option<Limits>,
    #[serde(default)]
    ready: Option<Ready>,
    #[serde(default)]
    content: Option<Content>,
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    name: String,
    #[serde(default)]
    image: Option<String>,
    /// A port of its own, in place of the group's.
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    node_port: Option<u16>,
    #[serde(default)]
    replicas: Option<u32>,
    #[serde(default)]
    trace_service: Option<String>,
    #[serde(default)]
    storage: Option<Storage>,
    #[serde(default)]
    needs: Vec<String>,
}

/// One component: a Deployment of single-container pods, and a Service of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its name, which is its host name in the cluster.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Key of its image in [`super::Application::images`].
    pub image_key: String,
    /// Its image, with a tag.
    pub image: String,
    /// What is run; empty: what the image runs.
    pub command: Vec<String>,
    /// Arguments; empty: those of the image.
    pub args: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Ports, the first one being the service's own.
    pub ports: Vec<Port>,
    /// Pods unless said otherwise.
    pub replicas: u32,
    /// Limits unless said otherwise.
    pub limits: Option<Limits>,
    /// When it counts as ready.
    pub ready: Option<Ready>,
    /// Files fetched before it starts.
    pub content: Option<Content>,
    /// A volume that outlives it.
    pub storage: Option<Storage>,
    /// Its service name in traces; infrastructure has none.
    pub trace_service: Option<String>,
    /// Components that it cannot work without.
    pub needs: Vec<String>,
}

impl Group {
    pub(super) fn components(
        &self,
        images: &BTreeMap<String, String>,
    ) -> impl Iterator<Item = Component> {
        self.members
            .iter()
            .map(|member| self.component(member, images))
    }

    fn component(&self, member: &Member, images: &BTreeMap<String, String>) -> Component {
        let image_key = member.image.as_ref().unwrap_or(&self.image).clone();
        // A key without an image is a fault, and told as such; until then it stands for itself.
        let image = images
            .get(&image_key)
            .unwrap_or(&image_key)
            .replace("{name}", &member.name);
        let fill = |texts: &[String]| texts.iter().map(|text| fill(text, &member.name)).collect();
        let trace_service = member
            .trace_service
            .clone()
            .unwrap_or_else(|| member.name.clone());
        Component {
            name: member.name.clone(),
            role: self.role,
            image,
            image_key,
            command: fill(&self.command),
            args: fill(&self.args),
            env: self.env.clone(),
            ports: self.ports(member),
            replicas: member.replicas.unwrap_or(1),
            limits: self.limits.clone(),
            ready: self.ready,
            content: self.content.clone(),
            storage: member.storage.clone(),
            trace_service: (self.role == Role::UnderTest).then_some(trace_service),
            needs: member.needs.clone(),
        }
    }

    fn ports(&self, member: &Member) -> Vec<Port> {
        let mut ports = match member.port {
            Some(port) => vec![Port {
                port,
                protocol: Protocol::Tcp,
                node_port: None,
            }],
            None => self.ports.clone(),
        };
        if let Some(port) = ports.first_mut() {
            port.node_port = member.node_port.or(port.node_port);
        }
        ports
    }
}

/// `{name}` is the component's name, `{camel}` the same as the thrift services spell it: `ComposePostService`.
fn fill(text: &str, name: &str) -> String {
    let camel = name
        .split('-')
        .map(|part| part[..1].to_uppercase() + &part[1..])
        .collect::<String>();
    text.replace("{name}", name).replace("{camel}", &camel)
}
