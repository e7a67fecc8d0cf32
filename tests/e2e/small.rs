//! An application of one small service, the user's own: many runs of it fit on a cluster at once.

use crate::cluster::Place;
use crate::session::Session;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::{Value, json};
use std::fs;

/// Serves a page on port 8080.
pub(crate) const SERVE: &str = "/bin/busybox mkdir /www; /bin/busybox echo hello > /www/index.html; \
                                exec /bin/busybox httpd -f -p 8080 -h /www";

/// A Deployment of one pod that runs a script of busybox's shell.
pub(crate) fn deployment(name: &str, script: &str) -> Value {
    let image = aefm_tests::parts::busybox_image();
    let container = json!({"name": "main", "image": image, "command": ["/bin/busybox", "sh", "-c", script],
        "resources": {"limits": {"memory": "32Mi"}}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}})
}

/// The front: a Deployment that is ready when its port is open, and a Service of a node's port before it.
pub(crate) fn front(script: &str) -> [Value; 2] {
    let mut front = deployment("front", script);
    front["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"type": "NodePort", "selector": {"app": "front"}, "ports": [{"port": 8080}]}});
    [front, service]
}

impl Place {
    /// Starts an experiment of `axes` on these objects, whose load takes `seconds`, with `more` in its section
    /// `kubernetes` and `top` beside it.
    pub(crate) fn start_small(
        &self,
        objects: &[Value],
        axes: &str,
        seconds: u32,
        more: &str,
        top: &str,
    ) -> Session {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("it can be written");
        };
        fs::create_dir(dir.path().join("own")).expect("it can be made");
        let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
        write("own/all.yaml", &documents.join("\n---\n"));
        write(
            "page.yaml",
            "name: page\nsessions: [{name: page, requests: [{path: /index.html}]}]\n",
        );
        let Self {
            image, namespace, ..
        } = self;
        let text = format!(
            "experiment: small\nplatform: kubernetes\nworkload: scenario:page.yaml\naxes: {{{axes}}}\nshuffle: false\n\
             load: {{arrival: constant, connections: 2, warmup: 500ms, duration: {seconds}s, timeout: 5s, grace: 2s}}\n\
             collect: {{settle: 1s}}\n\
             kubernetes: {{image: '{image}', namespace: {namespace}, manifests: own, entry: 'front:8080'{more}}}\n{top}\n"
        );
        self.start_beside(dir, &text)
    }

    /// What handles objects like this one.
    pub(crate) fn api(&self, object: &Value) -> Api<DynamicObject> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&object["apiVersion"]);
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
            group,
            version,
            &text(&object["kind"]),
        ));
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Applies an object as an administrator would.
    pub(crate) fn apply(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let parameters = PatchParams::apply("test").force();
        let applied = self.runtime.block_on(self.api(object).patch(
            name,
            &parameters,
            &Patch::Apply(object),
        ));
        applied.expect("an administrator may do that");
    }

    /// Makes the namespace before a run does.
    pub(crate) fn make_namespace(&self) {
        self.apply(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}),
        );
    }
}
