//! The ground a test stands on: a namespace of its own on the double or on a real cluster, and short ways to speak to it.

use aefm_tests::kube_api::KubeApi;
use aefm_tests::parts::{self, Part};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Nothing here takes longer, even on a machine that does three other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Makes of `async fn(Ground)` two tests: one on the double, one on a real cluster.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident => $test:expr;)*) => {$(
        $(#[$doc])*
        mod $name {
            #[test]
            fn double() {
                $crate::ground::on_double($test);
            }

            #[test]
            fn real() {
                $crate::ground::on_real($test);
            }
        }
    )*};
}
pub(crate) use on_both;

/// A namespace of a test's own.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The double, if it is one.
    pub(crate) double: Option<KubeApi>,
    /// An image with `/bin/busybox`.
    image: String,
}

/// What the API answered: an object, or the code and the message of a refusal.
pub(crate) type Answer = Result<Value, (u16, String)>;

/// Runs a test on a fresh double.
pub(crate) fn on_double<F: Future<Output = ()>>(test: impl FnOnce(Ground) -> F) {
    let Some(busybox) = parts::find(Part::Busybox) else {
        return;
    };
    let api = KubeApi::start();
    let image = "aefm.local/busybox:1".to_owned();
    api.program(&image, busybox);
    run(&api.kubeconfig(), image, Some(api), test);
}

/// Runs a test on the real cluster; without one it says so.
pub(crate) fn on_real<F: Future<Output = ()>>(test: impl FnOnce(Ground) -> F) {
    let Some(kubeconfig) = parts::find(Part::Cluster) else {
        return;
    };
    run(&kubeconfig, parts::busybox_image(), None, test);
}

fn run<F: Future<Output = ()>>(
    kubeconfig: &Path,
    image: String,
    double: Option<KubeApi>,
    test: impl FnOnce(Ground) -> F,
) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads");
    runtime.block_on(async {
        let namespace = format!(
            "aefm-suite-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let client = client(kubeconfig).await;
        let there =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let namespaces = Api::<DynamicObject>::all_with(client.clone(), &resource("Namespace"));
        namespaces
            .create(&PostParams::default(), &dynamic(&there))
            .await
            .expect("a namespace of the test's own");
        let ground = Ground {
            client,
            namespace: namespace.clone(),
            double,
            image,
        };
        // A pod that comes before the account it runs as is refused.
        ground
            .until("ServiceAccount", "default", "is there", |_| true)
            .await;
        test(ground).await;
        // What a failed test leaves is left to be looked at.
        namespaces
            .delete(&namespace, &DeleteParams::default())
            .await
            .ok();
    });
}

/// A client of the cluster that a file names.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("AEFM_KUBECONFIG names a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .expect("it can be used");
    Client::try_from(config).expect("a client")
}

fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Deployment" | "ReplicaSet" | "StatefulSet" => ("apps", "v1"),
        "Job" => ("batch", "v1"),
        "Role" | "ClusterRole" => ("rbac.authorization.k8s.io", "v1"),
        "RuntimeClass" => ("node.k8s.io", "v1"),
        "SelfSubjectAccessReview" => ("authorization.k8s.io", "v1"),
        _ => ("", "v1"),
    };
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if kind == "Endpoints" {
        "endpoints".clone_into(&mut resource.plural);
    }
    resource
}

pub(crate) fn dynamic(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).expect("an object")
}

fn answer(result: Result<DynamicObject, kube::Error>) -> Answer {
    match result {
        Ok(object) => Ok(serde_json::to_value(object).expect("it came as JSON")),
        Err(kube::Error::Api(status)) => Err((status.code, status.message)),
        Err(error) => panic!("no answer of the API: {error}"),
    }
}

impl Ground {
    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        match kind {
            "Namespace"
            | "Node"
            | "PersistentVolume"
            | "ClusterRole"
            | "RuntimeClass"
            | "SelfSubjectAccessReview" => Api::all_with(self.client.clone(), &resource(kind)),
            _ => Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind)),
        }
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Answer {
        answer(self.api(kind).get(name).await)
    }

    pub(crate) async fn create(&self, object: &Value) -> Answer {
        let kind = object["kind"].as_str().expect("a kind");
        answer(
            self.api(kind)
                .create(&PostParams::default(), &dynamic(object))
                .await,
        )
    }

    pub(crate) async fn replace(&self, object: &Value) -> Answer {
        let (kind, name) = (
            object["kind"].as_str().expect("a kind"),
            object["metadata"]["name"].as_str().expect("a name"),
        );
        answer(
            self.api(kind)
                .replace(name, &PostParams::default(), &dynamic(object))
                .await,
        )
    }

    /// Server-side apply.
    pub(crate) async fn apply_as(&self, params: &PatchParams, object: &Value) -> Answer {
        let (kind, name) = (
            object["kind"].as_str().expect("a kind"),
            object["metadata"]["name"].as_str().expect("a name"),
        );
        answer(
            self.api(kind)
                .patch(name, params, &Patch::Apply(object))
                .await,
        )
    }

    /// Server-side apply as the project does it.
    ///
    /// # Panics
    /// If it is refused.
    pub(crate) async fn apply(&self, object: &Value) -> Value {
        self.apply_as(&PatchParams::apply("aefm"), object)
            .await
            .expect("it is applied")
    }

    pub(crate) async fn merge(&self, kind: &str, name: &str, patch: &Value) -> Answer {
        answer(
            self.api(kind)
                .patch(name, &PatchParams::default(), &Patch::Merge(patch))
                .await,
        )
    }

    pub(crate) async fn delete(
        &self,
        kind: &str,
        name: &str,
        params: &DeleteParams,
    ) -> Result<(), (u16, String)> {
        match self.api(kind).delete(name, params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err((status.code, status.message)),
            Err(error) => panic!("no answer of the API: {error}"),
        }
    }

    pub(crate) async fn list(&self, kind: &str, labels: &str) -> Vec<Value> {
        let found = self
            .api(kind)
            .list(&kube::api::ListParams::default().labels(labels))
            .await
            .expect("a list");
        found
            .items
            .into_iter()
            .map(|object| serde_json::to_value(object).expect("it came as JSON"))
            .collect()
    }

    /// Looks at an object until it is as wanted.
    pub(crate) async fn until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.get(kind, name).await;
            match found {
                Ok(object) if wanted(&object) => return object,
                other => assert!(
                    begun.elapsed() < PATIENCE,
                    "{kind} {name} never {what}: {other:?}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Looks until an object is gone.
    pub(crate) async fn until_gone(&self, kind: &str, name: &str) {
        let begun = Instant::now();
        while let Ok(left) = self.get(kind, name).await {
            assert!(
                begun.elapsed() < PATIENCE,
                "{kind} {name} never goes: {left}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A container that runs a script of busybox's shell, in which every applet is there.
    pub(crate) fn script(&self, script: &str) -> Value {
        json!({
            "name": "main", "image": self.image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/busybox", "sh", "-c", script],
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        })
    }

    /// The specification of a pod with this container; it does not wait to be killed.
    pub(crate) fn pod_spec(&self, script: &str) -> Value {
        json!({"terminationGracePeriodSeconds": 0, "containers": [self.script(script)]})
    }

    /// A pod of its own.
    pub(crate) fn pod(&self, name: &str, script: &str) -> Value {
        let mut spec = self.pod_spec(script);
        spec["restartPolicy"] = json!("Never");
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    }

    pub(crate) fn deployment(&self, name: &str, replicas: u32, script: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": self.pod_spec(script)},
            },
        })
    }
}

/// A config map with one entry.
pub(crate) fn config_map(name: &str, key: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: value}})
}

/// Whether a condition of an object is true.
pub(crate) fn holds(object: &Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    conditions
        .iter()
        .any(|one| one["type"] == condition && one["status"] == "True")
}
