//! Files of front ends: fetched by an init container at a pinned commit or given by the user, and fitted to the cluster.

use super::super::Content;
use serde_json::{Value, json};
use std::fmt::Write;

/// The file of the tracer's configuration.
pub const TRACER: &str = "jaeger-config.json";

/// Mounts of the fetched files: each copy is one entry of the volume, named after its last part.
pub(super) fn mounts(content: &Content) -> Value {
    let mount = |to: &str| json!({ "name": "content", "mountPath": to, "subPath": entry(to) });
    content.copies.iter().map(|copy| mount(&copy.to)).collect()
}

/// The name of a copy within the volume: the last part of where it belongs.
#[must_use]
pub fn entry(to: &str) -> &str {
    to.rsplit('/').next().unwrap_or(to)
}

/// Volumes, and the init container that fills them: git and a shell fetch one commit and nothing of its history.
pub(super) fn fetched(content: &Content, image: &str, namespace: &str) -> (Value, Value) {
    (
        json!([{ "name": "content", "emptyDir": {} }]),
        filler(
            image,
            &script(content, namespace),
            &[("content", "/content")],
        ),
    )
}

/// The same with files that the user gives. A ConfigMap's keys are files, not folders, hence an archive.
pub(super) fn unpacked(config_map: &str, image: &str, namespace: &str) -> (Value, Value) {
    let volumes = json!([
        { "name": "content", "emptyDir": {} },
        { "name": "given", "configMap": { "name": config_map } },
    ]);
    let script = format!(
        "tar -xzf /given/content.tar.gz -C /content\n{}",
        fit(namespace)
    );
    (
        volumes,
        filler(
            image,
            &script,
            &[("content", "/content"), ("given", "/given")],
        ),
    )
}

fn filler(image: &str, script: &str, mounts: &[(&str, &str)]) -> Value {
    let mounts: Vec<_> = mounts
        .iter()
        .map(|(name, path)| json!({ "name": name, "mountPath": path }))
        .collect();
    json!({
        "name": "content",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-ec", script],
        "volumeMounts": mounts,
    })
}

fn script(content: &Content, namespace: &str) -> String {
    let mut script = format!(
        "git init -q /src\ncd /src\ngit fetch -q --depth 1 {} {}\ngit checkout -q FETCH_HEAD\n",
        content.repository, content.commit
    );
    for copy in &content.copies {
        // Into a volume that may be there from an earlier attempt of the same pod.
        let _ = writeln!(
            script,
            "rm -rf /content/{0} && cp -r {1} /content/{0}",
            entry(&copy.to),
            copy.from
        );
    }
    let _ = write!(
        script,
        "{}cat > /content/{TRACER} <<'END'\n{}END\n",
        fit(namespace),
        tracer(content)
    );
    script
}

/// Lua's sockets resolve names by nginx's resolver and know no search path: the scripts get whole host names, and nginx
/// the cluster's name server in place of Docker's.
fn fit(namespace: &str) -> String {
    format!(
        "server=$(awk '/^nameserver/ {{ print $2; exit }}' /etc/resolv.conf)\n\
         sed -i \"s/resolver 127\\.0\\.0\\.11[^;]*;/resolver $server ipv6=off;/\" /content/nginx.conf\n\
         find /content/lua-scripts -name '*.lua' -exec \
         sed -i 's/\"\\([a-z-]*-service\\)\", *9090/\"\\1.{namespace}.svc.cluster.local\", 9090/' {{}} +\n"
    )
}

/// The tracer's configuration, which takes the place of upstream's: sample everything, and where Jaeger is.
#[must_use]
pub fn tracer(content: &Content) -> String {
    let configuration = json!({
        "service_name": content.trace_service,
        "disabled": false,
        "reporter": { "logSpans": false, "localAgentHostPort": "jaeger:6831", "queueSize": 1_000_000, "bufferFlushInterval": 10 },
        "sampler": { "type": "const", "param": 1 },
    });
    format!("{configuration}\n")
}
