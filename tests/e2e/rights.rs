//! What `aefm get-file rbac` grants: a run with that account and nothing else comes out whole, also where pods must be as
//! restricted as Kubernetes can ask for, and where one verb is missing the run says which.

use crate::cluster::Place;
use crate::session::{Finished, aefm, int, said as said_by, text};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The cluster as an account of the user's sees it.
struct Account {
    place: Place,
    roles: Vec<Value>,
    dir: tempfile::TempDir,
}

/// What `aefm get-file rbac` writes for an experiment.
pub(crate) fn written(dir: &Path, kubernetes: &str) -> Vec<Value> {
    let file = dir.join("rights.yaml");
    fs::write(
        &file,
        format!("platform: kubernetes\naxes: {{rate: [1]}}\n{kubernetes}\n"),
    )
    .expect("written");
    let got = aefm()
        .args(["get-file", "rbac", "--file"])
        .arg(&file)
        .arg("--dir")
        .arg(dir)
        .output();
    assert!(got.expect("aefm starts").status.success());
    let text = fs::read_to_string(dir.join("rbac/hotel-reservation.yaml")).expect("it is there");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    objects.into_iter().filter(Value::is_object).collect()
}

/// A token of an account in the place's namespace.
fn token(place: &Place, account: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(place.client.clone(), place.namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(3600),
        ..TokenRequestSpec::default()
    };
    let wanted = TokenRequest {
        spec,
        ..TokenRequest::default()
    };
    let parameters = PostParams::default();
    let made = accounts.create_token_request(account, &parameters, &wanted);
    let made = place.runtime.block_on(made).expect("a token");
    made.status.expect("a status").token
}

/// What a server answers to a request with that token: its status alone.
fn status(url: &str, method: &str, token: &str, more: &[&str]) -> String {
    let asked = std::process::Command::new("curl")
        .args([
            "-sk",
            "-m",
            "20",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-X",
            method,
        ])
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .args(more)
        .arg(url)
        .output();
    String::from_utf8_lossy(&asked.expect("curl starts").stdout).into_owned()
}

fn rules(role: &Value) -> &[Value] {
    role["rules"].as_array().map_or(&[], Vec::as_slice)
}

fn is_granted(rule: &Value, resource: &str, verb: &str) -> bool {
    let names = |list: &str, name: &str| {
        rule[list]
            .as_array()
            .into_iter()
            .flatten()
            .any(|known| known == name)
    };
    names("resources", resource) && names("verbs", verb)
}

impl Account {
    /// The account of the file that is written where nothing else is asked for.
    fn make(namespace: &'static str) -> Option<Self> {
        Self::make_for(namespace, "")
    }

    /// Applies the manifests as an administrator does, and makes a kubeconfig of the account's token.
    fn make_for(namespace: &'static str, more: &str) -> Option<Self> {
        let mut place = Place::find(namespace)?;
        let dir = tempfile::tempdir().expect("a folder");
        let objects = written(
            dir.path(),
            &format!("kubernetes: {{namespace: {namespace}{more}}}"),
        );
        objects.iter().for_each(|object| place.apply(object));
        // The strictest of Kubernetes's own standards for pods.
        let strict = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace,
            "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
        place.apply(&strict);
        let roles: Vec<_> = objects
            .iter()
            .filter(|object| object["rules"].is_array())
            .cloned()
            .collect();
        let token = token(&place, "aefm");
        let admin = fs::read_to_string(&place.kubeconfig).expect("a kubeconfig");
        let mut kubeconfig: Value = serde_saphyr::from_str(&admin).expect("YAML");
        kubeconfig["users"][0]["user"] = json!({ "token": token });
        let path = dir.path().join("kubeconfig");
        fs::write(&path, kubeconfig.to_string()).expect("written");
        place.kubeconfig = path.display().to_string();
        Some(Self { place, roles, dir })
    }

    fn run(&self) -> Finished {
        self.place
            .start("rate: [20], cpu: [0, 10]", 4, ", ready: 60s")
            .finish()
    }

    /// Takes all that is granted on a resource away for as long as something is done.
    fn without_all<T>(&self, resource: &str, done: impl FnOnce(&Self) -> T) -> T {
        let is_about = |rule: &Value| rule["resources"] == json!([resource]);
        let whole = self
            .roles
            .iter()
            .find(|role| rules(role).iter().any(is_about))
            .expect("it is among what was granted");
        let mut less = whole.clone();
        less["rules"]
            .as_array_mut()
            .expect("rules")
            .retain(|rule| !is_about(rule));
        self.place.apply(&less);
        let outcome = done(self);
        self.place.apply(whole);
        outcome
    }

    /// Takes one verb away for as long as something is done.
    fn without<T>(&self, resource: &str, verb: &str, done: impl FnOnce(&Self) -> T) -> T {
        let grants = |role: &&Value| {
            rules(role)
                .iter()
                .any(|rule| is_granted(rule, resource, verb))
        };
        let whole = self
            .roles
            .iter()
            .find(grants)
            .expect("it is among what was granted");
        let mut less = whole.clone();
        for rule in less["rules"].as_array_mut().expect("rules") {
            if is_granted(rule, resource, verb) {
                rule["verbs"]
                    .as_array_mut()
                    .expect("verbs")
                    .retain(|known| known != verb);
            }
        }
        less["rules"]
            .as_array_mut()
            .expect("rules")
            .retain(|rule| rule["verbs"] != json!([]));
        self.place.apply(&less);
        let outcome = done(self);
        self.place.apply(whole);
        outcome
    }
}

#[test]
fn the_account_of_get_file_may_do_what_a_run_does() {
    let Some(account) = Account::make("aefm-e2e-rights") else {
        return;
    };
    let run = account.run();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    run.assert_whole(&["c001", "c002"]);
    account.place.assert_nothing_left();
    assert!(
        account.dir.path().exists(),
        "the kubeconfig is needed until here"
    );
}

/// A request that opens a stream, as websockets begin.
const UPGRADE: [&str; 8] = [
    "-H",
    "Connection: Upgrade",
    "-H",
    "Upgrade: websocket",
    "-H",
    "Sec-WebSocket-Version: 13",
    "-H",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

#[test]
fn the_accounts_tokens_run_nothing_in_any_pod_of_a_node() {
    let Some(account) = Account::make("aefm-e2e-tokens") else {
        return;
    };
    let place = &account.place;
    let admin = Place::find("aefm-e2e-tokens").expect("it was found before");
    let api: Api<k8s_openapi::api::core::v1::Node> = Api::all(admin.client.clone());
    let listed = admin.runtime.block_on(api.list(&Default::default()));
    let nodes = listed.expect("nodes").items;
    let address = nodes[0]
        .status
        .iter()
        .flat_map(|status| status.addresses.iter().flatten())
        .find(|address| address.type_ == "InternalIP")
        .map(|address| address.address.clone())
        .expect("an address");
    let kubelet = format!("https://{address}:10250");
    let (metrics, own) = (token(&admin, "aefm-metrics"), token(&admin, "aefm"));
    assert_eq!(
        status(&format!("{kubelet}/metrics/cadvisor"), "GET", &metrics, &[]),
        "200"
    );
    let ways = [
        "/exec/default/web/web?command=id&output=1&error=1",
        "/run/default/web/web?cmd=id",
        "/attach/default/web/web?output=1",
        "/portForward/default/web?port=80",
        "/containerLogs/default/web/web",
        "/pods",
        "/runningpods/",
        "/checkpoint/default/web/web",
        "/logs/",
        "/debug/pprof/",
    ];
    for token in [&metrics, &own] {
        for way in ways {
            for method in ["GET", "POST"] {
                for more in [&[][..], &UPGRADE[..]] {
                    let code = status(&format!("{kubelet}{way}"), method, token, more);
                    assert_eq!(code, "403", "{method} {way} {more:?}");
                }
            }
        }
    }
    // Nor by the API server, which would ask the kubelet in its own name.
    let kubeconfig = fs::read_to_string(&place.kubeconfig).expect("a kubeconfig");
    let kubeconfig: Value = serde_json::from_str(&kubeconfig).expect("it was written as JSON");
    let server = kubeconfig["clusters"][0]["cluster"]["server"]
        .as_str()
        .expect("a server");
    let node = nodes[0].metadata.name.clone().expect("a name");
    for way in [
        "exec/default/web/web?command=id",
        "run/default/web/web",
        "metrics/cadvisor",
    ] {
        for token in [&metrics, &own] {
            let url = format!("{server}/api/v1/nodes/{node}/proxy/{way}");
            assert_eq!(status(&url, "GET", token, &UPGRADE), "403", "{way}");
        }
    }
}

#[test]
fn figures_come_from_kubelets_by_that_account_and_lie_within_the_load() {
    let Some(account) = Account::make("aefm-e2e-figures") else {
        return;
    };
    let run = account
        .place
        .start("rate: [20]", 35, ", ready: 60s")
        .finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    let rows = run.rows("metrics");
    assert!(!rows.is_empty(), "{}", run.stderr());
    let cases = run.rows("cases");
    let (from, to) = (int(&cases[0], "load_start_ns"), int(&cases[0], "end_ns"));
    for row in &rows {
        assert_eq!(text(row, "source"), "kubelet");
        assert!(
            (from..=to).contains(&int(row, "t_ns")),
            "{row:?} of {from} to {to}"
        );
    }
    let usage = run.rows("usage");
    assert!(
        usage
            .iter()
            .any(|row| text(row, "pod").starts_with("frontend-")),
        "{usage:?}"
    );
    account.place.assert_nothing_left();
}

#[test]
fn a_tenant_that_may_not_list_nodes_runs_by_naming_them() {
    let nodes = ", nodes: {testbed: node-1, infra: node-1, load: node-2}";
    let Some(account) = Account::make_for("aefm-e2e-tenant", nodes) else {
        return;
    };
    let run = account
        .place
        .start("rate: [20]", 4, &format!("{nodes}, ready: 60s"))
        .finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    run.assert_whole(&["c001"]);
    // Without any right to nodes and figures it works as well, and says what it has not.
    let blind = account.without_all("nodes", |account| {
        let more = format!("{nodes}, ready: 60s");
        account.place.start("rate: [20]", 4, &more).finish()
    });
    assert!(
        [0, 3].contains(&blind.code()),
        "{}{}",
        blind.stderr(),
        blind.stdout()
    );
    blind.assert_whole(&["c001"]);
    let said: Vec<_> = blind
        .rows("quality")
        .iter()
        .filter(|row| text(row, "source") == "metrics")
        .map(|row| text(row, "reason"))
        .collect();
    assert!(
        said.len() == 1 && said[0].contains("no figures of containers"),
        "{said:?}"
    );
    let doctor = aefm()
        .args(["doctor"])
        .arg(blind.dir.path().join("experiment.yaml"))
        .env("KUBECONFIG", &account.place.kubeconfig)
        .output()
        .expect("aefm starts");
    let shown = said_by(&doctor);
    assert!(!shown.contains("get-file rbac"), "{shown}");
    account.place.assert_nothing_left();
}

#[test]
fn a_verb_that_is_missing_is_told_with_its_resource() {
    let Some(account) = Account::make("aefm-e2e-right") else {
        return;
    };
    for (resource, verb) in [("deployments", "create"), ("jobs", "patch")] {
        let run = account.without(resource, verb, Account::run);
        assert!(
            [1, 3].contains(&run.code()),
            "{verb} {resource}: {}{}",
            run.stderr(),
            run.stdout()
        );
        let reasons = if run.code() == 1 {
            String::new()
        } else {
            format!("{:?}", run.cases())
        };
        let said = run.stderr() + &reasons;
        assert!(
            said.contains(&format!("cannot {verb} resource \"{resource}\"")),
            "{verb} {resource}: {said}"
        );
        account.place.assert_nothing_left();
    }
}
