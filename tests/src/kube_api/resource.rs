//! The resources the double serves: what discovery lists, and how a path's words become a kind.

/// A kind of object and how the API speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    /// "" for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    /// Whether `status` is a subresource, out of reach of ordinary writes.
    pub(crate) status: bool,
    /// The minor version of the server that brought it.
    pub(crate) since: u32,
}

const fn resource(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    status: bool,
) -> Resource {
    Resource {
        group,
        version,
        plural,
        kind,
        namespaced,
        status,
        since: 20,
    }
}

const fn since(minor: u32, resource: Resource) -> Resource {
    Resource {
        since: minor,
        ..resource
    }
}

/// All of them.
pub(crate) static RESOURCES: &[Resource] = &[
    resource("", "v1", "namespaces", "Namespace", false, true),
    resource("", "v1", "nodes", "Node", false, true),
    resource("", "v1", "pods", "Pod", true, true),
    resource("", "v1", "services", "Service", true, true),
    resource("", "v1", "endpoints", "Endpoints", true, false),
    resource("", "v1", "configmaps", "ConfigMap", true, false),
    resource("", "v1", "secrets", "Secret", true, false),
    resource("", "v1", "serviceaccounts", "ServiceAccount", true, false),
    resource("", "v1", "events", "Event", true, false),
    resource(
        "",
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        false,
        true,
    ),
    resource(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
        true,
    ),
    resource("", "v1", "resourcequotas", "ResourceQuota", true, true),
    resource("", "v1", "limitranges", "LimitRange", true, false),
    resource("apps", "v1", "deployments", "Deployment", true, true),
    resource("apps", "v1", "replicasets", "ReplicaSet", true, true),
    resource("apps", "v1", "statefulsets", "StatefulSet", true, true),
    resource("apps", "v1", "daemonsets", "DaemonSet", true, true),
    resource("batch", "v1", "jobs", "Job", true, true),
    resource(
        "rbac.authorization.k8s.io",
        "v1",
        "roles",
        "Role",
        true,
        false,
    ),
    resource(
        "rbac.authorization.k8s.io",
        "v1",
        "rolebindings",
        "RoleBinding",
        true,
        false,
    ),
    resource(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterroles",
        "ClusterRole",
        false,
        false,
    ),
    resource(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
        false,
    ),
    resource(
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        false,
        false,
    ),
    resource(
        "storage.k8s.io",
        "v1",
        "storageclasses",
        "StorageClass",
        false,
        false,
    ),
    resource(
        "node.k8s.io",
        "v1",
        "runtimeclasses",
        "RuntimeClass",
        false,
        false,
    ),
    resource(
        "networking.k8s.io",
        "v1",
        "ingresses",
        "Ingress",
        true,
        true,
    ),
    resource(
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        true,
        false,
    ),
    since(
        21,
        resource(
            "discovery.k8s.io",
            "v1",
            "endpointslices",
            "EndpointSlice",
            true,
            false,
        ),
    ),
];

impl Resource {
    /// As `apiVersion` has it.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As messages have it: `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// The resource of a group by its plural name.
pub(crate) fn find(group: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|resource| resource.group == group && resource.plural == plural)
}

/// The resource of a kind that is known to be there.
pub(crate) fn of(kind: &str) -> &'static Resource {
    RESOURCES
        .iter()
        .find(|resource| resource.kind == kind)
        .unwrap_or_else(|| panic!("no resource of kind {kind}"))
}

/// The resource that an object's `apiVersion` and `kind` name.
pub(crate) fn of_object(api_version: &str, kind: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|resource| resource.kind == kind && resource.api_version() == api_version)
}
