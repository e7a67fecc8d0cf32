//! What kubelets say of the containers of the run's namespace. They are asked with the account of this pod, which may read
//! figures and nothing else, and only where the kubelet's certificate is one that the cluster's authority signed: whoever
//! shows another one gets no token.

use aefm_collector::http::{Auth, Certificates, Http, HttpOptions};
use aefm_collector::prometheus::counters::METRICS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Where a pod finds its account's token, and the certificates of the cluster's authority.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where a kubelet listens, unless its node says otherwise.
pub const PORT: u16 = 10_250;
/// What its containers use.
const PATH: &str = "/metrics/cadvisor";
/// A kubelet that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// A node of 250 pods says about 10 MB.
const MOST: usize = 64 << 20;

/// The kubelets that may be asked, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Addresses, `host:port`, by the names of nodes.
    pub kubelets: BTreeMap<String, String>,
    /// The namespace whose containers are told of.
    pub namespace: String,
}

impl Asked {
    /// The lines about the namespace's containers that a node's kubelet has now.
    ///
    /// # Errors
    /// When it may not be asked, or does not answer; for people.
    pub(super) async fn figures(&self, node: &str) -> Result<String, String> {
        self.figures_as(node, Path::new(ACCOUNT)).await
    }

    async fn figures_as(&self, node: &str, account: &Path) -> Result<String, String> {
        let address = self
            .kubelets
            .get(node)
            .ok_or_else(|| format!("ask the kubelet of {node}: it is not among those to ask"))?;
        let failed =
            |why: &dyn std::fmt::Display| format!("ask the kubelet of {node} at {address}: {why}");
        // The cluster renews the token while the pod runs.
        let token = std::fs::read_to_string(account.join("token"))
            .map_err(|error| failed(&format!("read the account's token: {error}")))?;
        let options = HttpOptions {
            timeout: PATIENCE,
            answer_bytes: MOST,
            attempts: 1,
            auth: Auth::Bearer(token.trim().to_owned()),
            certificates: Certificates {
                ca: Some(account.join("ca.crt")),
                ..Certificates::default()
            },
            ..HttpOptions::default()
        };
        let http = Http::new(options).map_err(|error| failed(&error))?;
        let answer = http.get(&format!("https://{address}{PATH}")).await;
        let answer = answer.map_err(|error| failed(&said(&error.to_string())))?;
        Ok(of_namespace(
            &String::from_utf8_lossy(&answer),
            &self.namespace,
        ))
    }
}

/// A certificate that nobody vouches for is common: kubelets sign their own unless they are told to ask the cluster.
fn said(reason: &str) -> String {
    if reason.contains("certificate") {
        format!(
            "its certificate was not signed by the cluster's authority, so it got no token ({reason}); \
             with `serverTLSBootstrap: true` a kubelet has one that is"
        )
    } else {
        reason.to_owned()
    }
}

/// The lines that are of use: samples of known metrics with that namespace.
fn of_namespace(text: &str, namespace: &str) -> String {
    let label = format!("namespace=\"{namespace}\"");
    let is_known = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        METRICS.iter().any(|metric| metric.name == name)
    };
    let wanted = |line: &&str| !line.starts_with('#') && line.contains(&label) && is_known(line);
    text.lines()
        .filter(wanted)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    const TEXT: &str = "# HELP container_cpu_usage_seconds_total x\n\
        container_cpu_usage_seconds_total{container=\"c\",namespace=\"mine\",pod=\"p\"} 1.5 1000\n\
        container_cpu_usage_seconds_total{container=\"c\",namespace=\"theirs\",pod=\"q\"} 9 1000\n\
        container_last_seen{container=\"c\",namespace=\"mine\",pod=\"p\"} 7 1000\n";

    #[test]
    fn only_the_namespaces_own_lines_are_told() {
        let told = of_namespace(TEXT, "mine");
        assert_eq!(told.lines().count(), 1);
        assert!(told.contains("pod=\"p\"} 1.5 1000"), "{told}");
    }

    /// A server of TLS for one request, with a certificate for loopback; what it was asked, once it is over.
    fn serve(
        signed: &rcgen::CertifiedKey<rcgen::KeyPair>,
    ) -> (String, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let serving = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, socket);
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).unwrap_or(0);
            asked.truncate(length);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{TEXT}",
                TEXT.len()
            );
            // Who was refused does not listen any more.
            drop(stream.write_all(answer.as_bytes()));
            asked
        });
        (address, serving)
    }

    #[tokio::test]
    async fn a_token_goes_to_certificates_of_the_clusters_authority_alone() {
        let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let account = tempfile::tempdir().unwrap();
        std::fs::write(account.path().join("token"), "the-token\n").unwrap();
        std::fs::write(account.path().join("ca.crt"), own.cert.pem()).unwrap();
        for (shown, is_trusted) in [(&own, true), (&other, false)] {
            let (address, serving) = serve(shown);
            let asked = Asked {
                kubelets: [("n".to_owned(), address)].into(),
                namespace: "mine".to_owned(),
            };
            let figures = asked.figures_as("n", account.path()).await;
            let heard = String::from_utf8_lossy(&serving.join().unwrap()).into_owned();
            if is_trusted {
                assert_eq!(figures.unwrap().lines().count(), 1);
                assert!(
                    heard.starts_with("GET /metrics/cadvisor")
                        && heard.contains("Bearer the-token\r\n"),
                    "{heard}"
                );
            } else {
                let reason = figures.unwrap_err();
                assert!(reason.contains("got no token"), "{reason}");
                assert_eq!(heard, "", "nothing was said to it");
            }
        }
        let asked = Asked::default();
        assert!(
            asked
                .figures("elsewhere")
                .await
                .unwrap_err()
                .contains("not among")
        );
    }
}
