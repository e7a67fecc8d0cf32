//! What options make of an application, and what is said of those that make no sense.

use super::*;

#[test]
fn options_reach_the_objects() {
    let options = Options {
        namespace: Some("mine".into()),
        replicas: [("search".to_owned(), 3)].into(),
        pod: Some(Limits {
            cpu: "0.1".into(),
            memory: "100Mi".into(),
        }),
        testbed_nodes: vec!["06".into()],
        infra_nodes: vec!["07".into(), "08".into()],
        ..Options::default()
    };
    let rendered = render(&app("hotel"), &options).unwrap();
    let object = |objects: &[Value], kind: &str, name: &str| {
        let found = objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    };
    let search = object(&rendered.under_test, "Deployment", "search");
    assert_eq!(search["metadata"]["namespace"], "mine");
    assert_eq!(search["spec"]["replicas"], 3);
    let pod = &search["spec"]["template"]["spec"];
    let resources = &pod["containers"][0]["resources"];
    assert_eq!(
        resources["limits"],
        serde_json::json!({ "cpu": "0.1", "memory": "100Mi" })
    );
    assert_eq!(resources["requests"], resources["limits"]);
    let nodes = |object: &Value| {
        let required = &object["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        required["nodeSelectorTerms"][0]["matchExpressions"][0]["values"].clone()
    };
    // A node's name stays a text, whatever it looks like.
    assert_eq!(nodes(&search), serde_json::json!(["06"]));
    let consul = object(&rendered.infra, "Deployment", "consul");
    assert_eq!(nodes(&consul), serde_json::json!(["07", "08"]));
    assert!(
        consul["spec"]["template"]["spec"]["containers"][0]
            .get("resources")
            .is_none()
    );
    let volume = object(&rendered.infra, "PersistentVolume", "geo-pv");
    assert!(
        volume["metadata"].get("namespace").is_none(),
        "a volume has no namespace"
    );
    assert_eq!(volume["spec"]["hostPath"]["path"], "/data/volumes/geo-pv");
    let claim = object(&rendered.infra, "PersistentVolumeClaim", "geo-pvc");
    assert_eq!(
        (
            &claim["spec"]["volumeName"],
            &claim["spec"]["storageClassName"]
        ),
        (&"geo-pv".into(), &"geo-storage".into())
    );
    let unknown = Options {
        replicas: [("searhc".to_owned(), 1)].into(),
        ..Options::default()
    };
    let told = render(&app("hotel"), &unknown).unwrap_err().to_string();
    assert_eq!(
        told,
        "deploy hotel-reservation: `replicas` names `searhc`, which is not a component"
    );
}

#[test]
fn every_selector_leads_to_pods() {
    for app in Application::shipped().unwrap() {
        let rendered = render(&app, &Options::default()).unwrap();
        let all: Vec<_> = rendered.infra.iter().chain(&rendered.under_test).collect();
        let of = |kind: &'static str| all.iter().filter(move |object| object["kind"] == kind);
        for service in of("Service") {
            let name = &service["spec"]["selector"]["app.kubernetes.io/name"];
            let pods = of("Deployment").filter(|d| {
                &d["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == name
            });
            assert_eq!(pods.count(), 1, "{}", service["metadata"]["name"]);
        }
        for deployment in of("Deployment") {
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let wanted = &deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"];
            assert_eq!(&labels["app.kubernetes.io/name"], wanted);
        }
    }
}

#[test]
fn front_ends_fetch_their_files_or_take_a_config_map() {
    for (name, front) in [("social", "nginx-thrift"), ("media", "nginx-web-server")] {
        let app = app(name);
        let pod = |options: &Options| {
            let rendered = render(&app, options).unwrap();
            let found = rendered
                .under_test
                .into_iter()
                .find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == front);
            found.unwrap()["spec"]["template"]["spec"].clone()
        };
        let fetching = pod(&Options {
            namespace: Some("mine".into()),
            ..Options::default()
        });
        let script = fetching["initContainers"][0]["command"][2]
            .as_str()
            .unwrap();
        let content = app.component(front).unwrap().content.unwrap();
        assert!(
            script.contains(&format!(
                "git fetch -q --depth 1 {} {}",
                content.repository, content.commit
            )),
            "{script}"
        );
        assert!(script.contains(".mine.svc.cluster.local"), "{script}");
        for mount in fetching["containers"][0]["volumeMounts"]
            .as_array()
            .unwrap()
        {
            let part = mount["subPath"].as_str().unwrap();
            assert!(
                script.contains(&format!("/content/{part}")),
                "{part} is mounted, and not fetched"
            );
        }
        let namespace = Some("mine".into());
        let given = pod(&Options {
            namespace,
            content_config_map: Some("files".into()),
            ..Options::default()
        });
        assert!(
            !given.to_string().contains("git fetch"),
            "nothing is fetched"
        );
        assert!(
            given.to_string().contains(".mine.svc.cluster.local"),
            "and all is fitted"
        );
        assert!(
            given["initContainers"][0]["command"][2]
                .as_str()
                .unwrap()
                .contains("/given/content.tar.gz")
        );
        assert_eq!(given["volumes"][1]["configMap"]["name"], "files");
        assert_eq!(
            given["containers"], fetching["containers"],
            "the front end sees no difference"
        );
        assert!(
            !fetching.to_string().contains("hostPath"),
            "nothing has to be copied to nodes"
        );
    }
}

#[test]
fn faults_are_told_all_at_once() {
    let text = include_str!("../../../catalogue/hotel-reservation.yaml")
        .replace(
            "needs: [consul, jaeger, geo, rate]",
            "needs: [consul, jaegr, geo]",
        )
        .replace("mongo:4.4.6", "mongo")
        .replace(
            "node_port: 30095}\n    members",
            "node_port: 30096}\n    members",
        );
    let told = Application::from_yaml(&text).unwrap_err().to_string();
    for fault in [
        "`search` names `jaegr`, which is not there",
        "image `mongo` is not pinned",
        "node port 30096 is there twice",
    ] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
    let told = Application::from_yaml("name: x\ncolour: red\n")
        .unwrap_err()
        .to_string();
    assert!(told.contains("colour") && told.contains("line 2"), "{told}");
}
