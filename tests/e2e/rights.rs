//! What `aefm get-file rbac` grants: a run with that account and nothing else comes out whole, also where pods must be as
//! restricted as Kubernetes can ask for, and where one verb is missing the run says which.

use crate::cluster::Place;
use crate::session::{Finished, aefm};
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
fn written(dir: &Path, kubernetes: &str) -> Vec<Value> {
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
    /// Applies the manifests as an administrator does, and makes a kubeconfig of the account's token.
    fn make(namespace: &'static str) -> Option<Self> {
        let mut place = Place::find(namespace)?;
        let dir = tempfile::tempdir().expect("a folder");
        let objects = written(
            dir.path(),
            &format!("kubernetes: {{namespace: {namespace}}}"),
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
        let accounts: Api<ServiceAccount> = Api::namespaced(place.client.clone(), namespace);
        let spec = TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        };
        let wanted = TokenRequest {
            spec,
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let made = accounts.create_token_request("aefm", &parameters, &wanted);
        let token = place
            .runtime
            .block_on(made)
            .expect("a token")
            .status
            .expect("a status")
            .token;
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

#[test]
fn a_verb_that_is_missing_is_told_with_its_resource() {
    let Some(account) = Account::make("aefm-e2e-right") else {
        return;
    };
    for (resource, verb) in [
        ("deployments", "create"),
        ("jobs", "patch"),
        ("nodes/proxy", "get"),
    ] {
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
