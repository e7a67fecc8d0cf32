//! `environment` on a cluster: what a reload and a restart start anew, and what stores still hold after them, by counts.

use crate::cluster::Place;
use aefm_tests::processes::wait_for;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(240);

/// Stores on volumes of their nodes, a Deployment and a StatefulSet, which count how often something was put there, and a
/// front end beside them. A pod tells the count by its log: the number of lines that starts have left on the volume.
fn manifests(place: &Place) -> [(String, String); 3] {
    let image = place.image.as_str();
    let busybox = aefm_tests::parts::busybox_image();
    let namespace = place.namespace;
    assert!(!image.is_empty());
    let workload = |name: &str, script: &str, volumes: &str, mounts: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  strategy: {{type: Recreate}}\n  \
             selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
             terminationGracePeriodSeconds: 0\n      volumes: [{volumes}]\n      containers:\n      - name: main\n        image: {busybox}\n        \
             command: [/bin/busybox, sh, -c, \"{script}\"]\n        volumeMounts: [{mounts}]\n        \
             readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 8080}}]}}\n"
        )
    };
    let serve = "exec /bin/busybox httpd -f -p 8080 -h";
    let store = format!(
        "/bin/busybox echo start >> /data/index.html; /bin/busybox echo count $(/bin/busybox wc -l < /data/index.html); {serve} /data"
    );
    let front = format!("/bin/busybox echo hello > /tmp/index.html; {serve} /tmp");
    let volume = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  capacity: {{storage: 1Mi}}\n  \
             accessModes: [ReadWriteOnce]\n  storageClassName: {name}\n  persistentVolumeReclaimPolicy: Retain\n  \
             hostPath: {{path: /var/tmp/{name}, type: DirectoryOrCreate}}\n"
        )
    };
    let claimed = |name: &str| {
        format!(
            "{{accessModes: [ReadWriteOnce], storageClassName: {name}, volumeName: {name}, resources: {{requests: {{storage: 1Mi}}}}}}"
        )
    };
    let (volume_of_store, volume_of_set) = (namespace.to_owned(), format!("{namespace}-set"));
    let of_store = format!(
        "{}---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {}\n",
        volume(&volume_of_store),
        claimed(&volume_of_store)
    );
    let mount = "{name: data, mountPath: /data}";
    let set = workload("set", &store, "", mount).replace("kind: Deployment", "kind: StatefulSet").replace(
        "  strategy: {type: Recreate}\n",
        &format!(
            "  serviceName: set\n  volumeClaimTemplates:\n  - metadata: {{name: data}}\n    spec: {}\n",
            claimed(&volume_of_set)
        ),
    ) + &volume(&volume_of_set);
    let claim = "{name: data, persistentVolumeClaim: {claimName: data}}";
    let temporary = "{name: tmp, emptyDir: {}}";
    [
        (
            "infra/store.yaml".into(),
            workload("store", &store, claim, mount) + &of_store,
        ),
        ("infra/set.yaml".into(), set),
        (
            "front.yaml".into(),
            workload("front", &front, temporary, "{name: tmp, mountPath: /tmp}"),
        ),
    ]
}

/// Runs three rounds with that renewal between them. Of each workload: its pods, and what the store's said of its count.
fn renewed(namespace: &'static str, renewal: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let place = Place::find(namespace)?;
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in manifests(&place) {
        let path = dir.path().join("own").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    fs::write(
        dir.path().join("page.yaml"),
        "name: page\nsessions: [{name: page, requests: [{path: /index.html}]}]\n",
    )
    .expect("written");
    let text = format!(
        "experiment: renewal\nplatform: kubernetes\nworkload: scenario:page.yaml\naxes: {{rate: [5], round: [1, 2, 3]}}\nshuffle: false\n\
         environment: {{on_change: {{round: {renewal}}}}}\n\
         load: {{arrival: constant, connections: 2, warmup: 500ms, duration: 2s, timeout: 2s, grace: 1s}}\ncollect: {{settle: 1s}}\n\
         kubernetes: {{image: '{}', namespace: {namespace}, pull_policy: Never, manifests: own, entry: 'front:8080', \
         ready: 120s}}\n",
        place.image
    );
    let mut session = place.start_in(dir, &text);
    let mut seen: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let look = || {
        for pod in place.pods(Some("application")) {
            let Some(name) = pod.metadata.name.clone() else {
                continue;
            };
            let workload = name.split('-').next().unwrap_or_default().to_owned();
            let said = log(&place, &name);
            // A StatefulSet's pods come again under their names.
            let known = seen
                .entry(workload)
                .or_default()
                .entry(pod.metadata.uid.unwrap_or_default())
                .or_default();
            if known.is_empty() {
                *known = said;
            }
        }
        session
            .process
            .try_wait()
            .expect("it can be asked")
            .map(drop)
    };
    wait_for(PATIENCE, look).expect("the run ends");
    let run = session.finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    let cases = run.cases();
    assert!(
        cases.len() == 3
            && cases
                .iter()
                .all(|(_, status, _)| status != "failed" && status != "skipped"),
        "{cases:?}"
    );
    place.assert_nothing_left();
    Some(
        seen.into_iter()
            .map(|(workload, pods)| (workload, pods.into_values().collect()))
            .collect(),
    )
}

fn log(place: &Place, pod: &str) -> String {
    let api: Api<Pod> = Api::namespaced(place.client.clone(), place.namespace);
    // It may not run yet, or not any more.
    place
        .runtime
        .block_on(api.logs(pod, &LogParams::default()))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn a_reload_starts_what_is_under_test_anew_and_the_store_keeps_its_data() {
    let Some(pods) = renewed("aefm-e2e-reload", "reload") else {
        return;
    };
    assert_eq!(pods["front"].len(), 3, "once a round: {pods:?}");
    for store in ["store", "set"] {
        assert_eq!(
            pods[store],
            ["count 1"],
            "the store was never started again"
        );
    }
}

#[test]
fn a_restart_starts_everything_anew_with_an_empty_store() {
    let Some(pods) = renewed("aefm-e2e-restart", "restart") else {
        return;
    };
    assert_eq!(pods["front"].len(), 3, "once a round: {pods:?}");
    for store in ["store", "set"] {
        assert_eq!(
            pods[store],
            ["count 1", "count 1", "count 1"],
            "each store began empty"
        );
    }
}
