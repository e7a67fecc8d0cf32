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

/// The init container: git and a shell fetch one commit and nothing of its history.
pub(super) fn fetcher(content: &Content, image: &str, namespace: &str) -> Value {
    json!({
        "name": "content",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-ec", script(content, namespace)],
        "volumeMounts": [{ "name": "content", "mountPath": "/content" }],
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
