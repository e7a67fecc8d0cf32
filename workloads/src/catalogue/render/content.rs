//! Files of front ends: fetched by an init container at a pinned commit, and fitted to the cluster.

use super::super::Content;
use serde_json::{Value, json};
use std::fmt::Write;

/// Mounts of the fetched files: each copy is one entry of the volume, named after its last part.
pub(super) fn mounts(content: &Content) -> Value {
    let mount = |to: &str| json!({ "name": "content", "mountPath": to, "subPath": entry(to) });
    content.copies.iter().map(|copy| mount(&copy.to)).collect()
}

/// The name of a copy within the volume.
fn entry(to: &str) -> &str {
    to.rsplit('/').next().unwrap_or(to)
}

/// Volumes, and the init container that fills them: git and a shell fetch one commit and nothing of its history.
pub(super) fn fetched(content: &Content, image: &str, namespace: &str) -> (Value, Value) {
    (
        json!([{ "name": "content", "emptyDir": {} }]),
        filler(image, &script(content, namespace), &[("content", "/content")]),
    )
}

/// The same with files that the user gives. A ConfigMap's keys are files, not folders, hence an archive.
pub(super) fn unpacked(config_map: &str, image: &str) -> (Value, Value) {
    let volumes = json!([
        { "name": "content", "emptyDir": {} },
        { "name": "given", "configMap": { "name": config_map } },
    ]);
    let script = "tar -xzf /given/content.tar.gz -C /content\n";
    (volumes, filler(image, script, &[("content", "/content"), ("given", "/given")]))
}

fn filler(image: &str, script: &str, mounts: &[(&str, &str)]) -> Value {
    let mounts: Vec<_> = mounts.iter().map(|(name, path)| json!({ "name": name, "mountPath": path })).collect();
    json!({
        "name": "content",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-ec", script],
        "volumeMounts": mounts,
    })
}

/// Lua's sockets resolve names by nginx's resolver and know no search path: the scripts get whole host names, and nginx
/// the cluster's name server. The tracer is told to sample everything and where Jaeger is.
fn script(content: &Content, namespace: &str) -> String {
    let mut script = format!(
        "git init -q /src\ncd /src\ngit fetch -q --depth 1 {} {}\ngit checkout -q FETCH_HEAD\n",
        content.repository, content.commit
    );
    for copy in &content.copies {
        // Into a volume that may be there from an earlier attempt of the same pod.
        let _ = writeln!(script, "rm -rf /content/{0} && cp -r {1} /content/{0}", entry(&copy.to), copy.from);
    }
    let _ = write!(
        script,
        "server=$(awk '/^nameserver/ {{ print $2; exit }}' /etc/resolv.conf)\n\
         sed -i \"s/resolver [^;]*;/resolver $server ipv6=off;/\" /content/nginx.conf\n\
         find /content/lua-scripts -name '*.lua' -exec \
         sed -i 's/\"\\([a-z-]*-service\\)\", *9090/\"\\1.{namespace}.svc.cluster.local\", 9090/' {{}} +\n\
         cat > /content/jaeger-config.json <<'END'\n{}\nEND\n",
        tracer(&content.trace_service)
    );
    script
}

fn tracer(service: &str) -> Value {
    json!({
        "service_name": service,
        "disabled": false,
        "reporter": { "logSpans": false, "localAgentHostPort": "jaeger:6831", "queueSize": 1_000_000, "bufferFlushInterval": 10 },
        "sampler": { "type": "const", "param": 1 },
    })
}
