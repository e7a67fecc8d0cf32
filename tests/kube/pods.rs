//! What goes through the API server to a pod and back: logs, forwarded ports, proxied requests; and its last words.

use crate::ground::{Ground, PATIENCE, holds, on_both};
use aefm::platform::kubernetes::found::Found;
use aefm::platform::kubernetes::service_proxy::ServiceProxy;
use futures_util::{AsyncBufReadExt, TryStreamExt};
use kube::Api;
use kube::api::{DynamicObject, ListParams, LogParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_both! {
    a_log_is_followed_to_its_end => super::followed;
    a_log_has_a_tail => super::tail;
    a_container_that_waits_has_no_log => super::no_log;
    a_pod_that_is_deleted_is_told_so_first => super::told_to_end;
    a_port_is_forwarded => super::forwarded;
    a_port_that_refuses_is_told => super::refused_port;
    a_service_has_the_ready_pods_and_a_proxy => super::service;
    a_service_is_a_port_of_this_machine => super::proxied;
    a_config_map_is_mounted => super::mounted;
}

impl Ground {
    pub(crate) fn pods(&self) -> Api<k8s_openapi::api::core::v1::Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn logs(&self, pod: &str) -> String {
        self.pods()
            .logs(pod, &LogParams::default())
            .await
            .expect("a log")
    }

    /// Events about an object of this name.
    pub(crate) async fn events(&self, name: &str) -> Vec<Value> {
        let begun = std::time::Instant::now();
        loop {
            let of = ListParams::default().fields(&format!("involvedObject.name={name}"));
            let found = self.api("Event").list(&of).await.expect("a list").items;
            // They come a little after what they tell of.
            if found
                .iter()
                .any(|one: &DynamicObject| one.data["type"] == "Warning")
                || begun.elapsed() > PATIENCE
            {
                return found
                    .into_iter()
                    .map(|one| serde_json::to_value(one).expect("it came as JSON"))
                    .collect();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

pub(crate) fn is_running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running" && holds(pod, "Ready")
}

pub(crate) fn has_ended(pod: &Value) -> bool {
    ["Succeeded", "Failed"]
        .iter()
        .any(|phase| pod["status"]["phase"] == *phase)
}

async fn followed(ground: Ground) {
    ground
        .create(&ground.pod("p", "for i in 1 2 3 4; do echo line $i; sleep 0.3; done"))
        .await
        .expect("it is made");
    ground
        .until("Pod", "p", "has begun", |pod| {
            pod["status"]["phase"] != "Pending"
        })
        .await;
    let params = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let lines = ground
        .pods()
        .log_stream("p", &params)
        .await
        .expect("a stream")
        .lines();
    let lines: Vec<String> = tokio::time::timeout(PATIENCE, lines.try_collect())
        .await
        .expect("it ends")
        .expect("it holds");
    assert_eq!(lines, ["line 1", "line 2", "line 3", "line 4"]);
    let done = ground.until("Pod", "p", "has ended", has_ended).await;
    assert_eq!(done["status"]["phase"], "Succeeded");
    assert_eq!(
        ground.logs("p").await.lines().count(),
        4,
        "it can be read afterwards"
    );
}

async fn tail(ground: Ground) {
    ground
        .create(&ground.pod("p", "echo one; echo two >&2; echo three"))
        .await
        .expect("it is made");
    ground.until("Pod", "p", "has ended", has_ended).await;
    let params = LogParams {
        tail_lines: Some(1),
        timestamps: true,
        ..LogParams::default()
    };
    let last = ground.pods().logs("p", &params).await.expect("a log");
    let (at, text) = last
        .trim_end()
        .split_once(' ')
        .expect("an instant and a line");
    assert!(at.ends_with('Z') && at.starts_with("20"), "{at}");
    assert!(
        ["two", "three"].contains(&text),
        "the two streams may change places: {text}"
    );
}

async fn no_log(ground: Ground) {
    let mut pod = ground.pod("p", "sleep 1000");
    pod["spec"]["nodeSelector"] = json!({"aefm.test/nowhere": "yes"});
    ground.create(&pod).await.expect("it is made");
    match ground.pods().logs("p", &LogParams::default()).await {
        // A real server has none to give for a pod that has no node: an empty one, or a refusal.
        Ok(text) => assert_eq!(text, ""),
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 400, "{status:?}"),
        Err(error) => panic!("{error}"),
    }
}

async fn told_to_end(ground: Ground) {
    let mut pod = ground.pod(
        "p",
        "trap 'echo told; exit 0' TERM; while :; do sleep 0.1; done",
    );
    pod["spec"]["terminationGracePeriodSeconds"] = json!(600);
    ground.create(&pod).await.expect("it is made");
    ground.until("Pod", "p", "runs", is_running).await;
    let params = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let lines = ground
        .pods()
        .log_stream("p", &params)
        .await
        .expect("a stream")
        .lines();
    ground
        .delete("Pod", "p", &kube::api::DeleteParams::default())
        .await
        .expect("it is to go");
    let going = ground.get("Pod", "p").await;
    assert!(
        going.is_err() || going.is_ok_and(|pod| pod["metadata"]["deletionTimestamp"].is_string())
    );
    let lines: Vec<String> = tokio::time::timeout(PATIENCE, lines.try_collect())
        .await
        .expect("it ends")
        .expect("it holds");
    assert_eq!(lines, ["told"]);
    ground.until_gone("Pod", "p").await;
}

/// A pod that serves its own `/bin` folder on port 8080.
async fn serving(ground: &Ground) {
    let mut pod = ground.pod("p", "httpd -f -h /bin -p $POD_IP:8080");
    pod["metadata"]["labels"] = json!({"app": "web"});
    let container = &mut pod["spec"]["containers"][0];
    container["ports"] = json!([{"name": "http", "containerPort": 8080}]);
    container["readinessProbe"] = json!({"tcpSocket": {"port": "http"}, "periodSeconds": 1});
    // The kubelet forwards to the pod's loopback: it listens there as well, where that is another address.
    if ground.double.is_none() {
        container["command"][3] = json!("httpd -f -h /bin -p 8080");
    }
    ground.create(&pod).await.expect("it is made");
    ground.until("Pod", "p", "is ready", is_running).await;
}

async fn forwarded(ground: Ground) {
    serving(&ground).await;
    for _ in 0..2 {
        let mut forwarder = ground
            .pods()
            .portforward("p", &[8080])
            .await
            .expect("it is forwarded");
        let mut stream = forwarder.take_stream(8080).expect("it was asked for");
        stream
            .write_all(b"GET /nothing HTTP/1.0\r\n\r\n")
            .await
            .expect("it takes a request");
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer))
            .await
            .expect("it ends")
            .expect("it holds");
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

async fn refused_port(ground: Ground) {
    ground
        .create(&ground.pod("p", "sleep 1000"))
        .await
        .expect("it is made");
    ground.until("Pod", "p", "runs", is_running).await;
    let mut forwarder = ground
        .pods()
        .portforward("p", &[9])
        .await
        .expect("the pod is there");
    let error = forwarder.take_error(9).expect("a channel of its own");
    let mut stream = forwarder.take_stream(9).expect("it was asked for");
    stream.write_all(b"x").await.expect("nobody knows yet");
    let why = tokio::time::timeout(PATIENCE, error)
        .await
        .expect("it is told in time");
    assert!(
        why.is_some_and(|why| why.contains("refused")),
        "the error names the cause"
    );
}

async fn service(ground: Ground) {
    serving(&ground).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "main", "port": 80, "targetPort": "http"}]},
    });
    let made = ground.apply(&service).await;
    assert!(
        made["spec"]["clusterIP"]
            .as_str()
            .is_some_and(|address| address.split('.').count() == 4),
        "{made}"
    );
    let has_pod = |one: &Value| one["subsets"][0]["addresses"][0]["targetRef"]["name"] == "p";
    let there = ground
        .until("Endpoints", "web", "has the pod", has_pod)
        .await;
    assert_eq!(there["subsets"][0]["ports"][0]["port"], 8080);
    let path = format!(
        "/api/v1/namespaces/{}/services/web:main/proxy/nothing",
        ground.namespace
    );
    let request = hyper::Request::get(path)
        .body(Vec::new())
        .expect("a request");
    match ground.client.request_text(request).await {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 404, "the pod itself answered"),
        other => panic!("{other:?}"),
    }
}

/// What a port of this machine answers to a request.
async fn asked(proxy: &ServiceProxy, path: &str) -> Vec<u8> {
    let address = proxy.url().strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic eDp5\r\nConnection: close\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it takes a request");
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("it ends")
        .expect("it holds");
    answer
}

async fn proxied(ground: Ground) {
    serving(&ground).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "main", "port": 80, "targetPort": "http"}]},
    });
    ground.apply(&service).await;
    let has_pod = |one: &Value| one["subsets"][0]["addresses"][0]["targetRef"]["name"] == "p";
    ground
        .until("Endpoints", "web", "has the pod", has_pod)
        .await;
    let at = |port| Found {
        namespace: ground.namespace.clone(),
        name: "web".into(),
        port,
        secure: false,
        because: String::new(),
    };
    let proxy = ServiceProxy::listen(ground.client.clone(), &at(80))
        .await
        .expect("a port");
    let answer = asked(&proxy, "/busybox?some=thing").await;
    let head = String::from_utf8_lossy(&answer[..200]);
    assert!(
        head.starts_with("HTTP/1.1 200") && answer.len() > 500_000,
        "{} bytes of {head}",
        answer.len()
    );
    assert!(
        answer.windows(4).any(|bytes| bytes == b"\x7fELF"),
        "the whole program"
    );
    assert!(asked(&proxy, "/nothing").await.starts_with(b"HTTP/1.1 404"));
    let nowhere = ServiceProxy::listen(ground.client.clone(), &at(81))
        .await
        .expect("a port");
    assert!(
        asked(&nowhere, "/busybox")
            .await
            .starts_with(b"HTTP/1.1 504"),
        "nobody is there, and that is said in time"
    );
}

async fn mounted(ground: Ground) {
    ground
        .apply(&crate::ground::config_map(
            "spec",
            "spec.json",
            "{\"rate\": 5}\n",
        ))
        .await;
    let mut pod = ground.pod("p", "cat \"$FILE\"");
    pod["spec"]["volumes"] = json!([{"name": "spec", "configMap": {"name": "spec"}}]);
    let container = &mut pod["spec"]["containers"][0];
    container["volumeMounts"] = json!([{"name": "spec", "mountPath": "/etc/aefm"}]);
    container["env"] = json!([{"name": "FILE", "value": "/etc/aefm/spec.json"}]);
    ground.create(&pod).await.expect("it is made");
    ground.until("Pod", "p", "has ended", has_ended).await;
    assert_eq!(ground.logs("p").await, "{\"rate\": 5}\n");
}
