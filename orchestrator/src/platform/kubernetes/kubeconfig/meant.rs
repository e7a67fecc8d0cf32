//! A kubeconfig as kubectl takes it, before a client sees it: what was pasted with a newline, or left out because kubectl
//! puts it there, is put right, and what no client can use is named. Pure.

use hyper::Uri;
use hyper::header::HeaderValue;
use kube::config::{AuthInfo, Cluster, Kubeconfig};
use secrecy::{ExposeSecret, SecretString};

/// Puts right what a context names, and only that: what others name may be as odd as it likes.
///
/// # Errors
/// A server or a login that cannot be used, in a sentence with the way out.
pub(super) fn put_right(file: &mut Kubeconfig, context: Option<&str>) -> Result<(), String> {
    let chosen = file
        .contexts
        .iter()
        .find(|one| Some(one.name.as_str()) == context)
        .and_then(|one| one.context.clone());
    let Some(chosen) = chosen else {
        // Who reads it on says which contexts there are.
        return Ok(());
    };
    let name = chosen.user.unwrap_or_default();
    let user = file
        .auth_infos
        .iter_mut()
        .find(|one| one.name == name)
        .and_then(|one| one.auth_info.as_mut());
    let mut has_certificate = false;
    if let Some(user) = user {
        has_certificate =
            user.client_certificate.is_some() || user.client_certificate_data.is_some();
        login(user).map_err(|fault| format!("the kubeconfig's user `{name}` {fault}"))?;
    }
    let name = chosen.cluster;
    let cluster = file
        .clusters
        .iter_mut()
        .find(|one| one.name == name)
        .and_then(|one| one.cluster.as_mut());
    match cluster {
        Some(cluster) => address(cluster, has_certificate)
            .map_err(|fault| format!("the kubeconfig's cluster `{name}` {fault}")),
        None => Ok(()),
    }
}

/// A token without the white space around it; logins that nobody offers any more are named.
fn login(user: &mut AuthInfo) -> Result<(), String> {
    if let Some(provider) = &user.auth_provider {
        return Err(format!(
            "logs in by the auth-provider `{}`, which is not spoken here: use its plugin (`exec:`), as `gcloud`, `aws`, \
             `az` and `kubelogin` write it, or a token",
            provider.name
        ));
    }
    let Some(token) = &user.token else {
        return Ok(());
    };
    let trimmed = token.expose_secret().trim().to_owned();
    if trimmed.is_empty() {
        user.token = None;
        return Ok(());
    }
    let is_one = !trimmed.contains(char::is_whitespace);
    if !is_one || HeaderValue::from_str(&format!("Bearer {trimmed}")).is_err() {
        return Err(
            "has a token that no request can carry: it is one word of ASCII letters, digits and signs"
                .to_owned(),
        );
    }
    user.token = Some(SecretString::from(trimmed));
    Ok(())
}

/// An address with its scheme: where it has none kubectl takes https if something of TLS is said, and http otherwise.
fn address(cluster: &mut Cluster, has_certificate: bool) -> Result<(), String> {
    let said = cluster.server.as_deref().unwrap_or_default().trim();
    let speaks_tls = has_certificate
        || cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true);
    let whole = match said {
        "" => return Err("names no server: `server: https://HOST:PORT`".to_owned()),
        said if said.contains("://") => said.to_owned(),
        said if speaks_tls => format!("https://{said}"),
        said => format!("http://{said}"),
    };
    let usable = whole.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !usable {
        return Err(format!(
            "has the server `{said}`, which is no address of an API server: `server: https://HOST:PORT`"
        ));
    }
    cluster.server = Some(whole);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(user: &str, cluster: &str) -> Kubeconfig {
        let text = format!(
            "{{current-context: c, contexts: [{{name: c, context: {{cluster: k, user: u}}}}], \
             users: [{{name: u, user: {user}}}], clusters: [{{name: k, cluster: {cluster}}}]}}"
        );
        Kubeconfig::from_yaml(&text).unwrap()
    }

    /// What becomes of it: the server and the token.
    fn meant(user: &str, cluster: &str) -> Result<(String, Option<String>), String> {
        let mut file = kubeconfig(user, cluster);
        put_right(&mut file, Some("c"))?;
        let server = file.clusters[0].cluster.clone().unwrap().server;
        let user = file.auth_infos[0].auth_info.clone().unwrap();
        let token = user.token.map(|token| token.expose_secret().to_owned());
        Ok((server.unwrap(), token))
    }

    #[test]
    fn a_server_has_a_scheme_and_a_token_no_white_space() {
        for (user, cluster, server, token) in [
            (
                r#"{token: "abc\n"}"#,
                "{server: 'https://a:1'}",
                "https://a:1",
                Some("abc"),
            ),
            (
                r#"{token: "\n"}"#,
                "{server: '127.0.0.1:80'}",
                "http://127.0.0.1:80",
                None,
            ),
            (
                "{}",
                "{server: 'a:6443', insecure-skip-tls-verify: true}",
                "https://a:6443",
                None,
            ),
            (
                "{client-certificate: c.pem}",
                "{server: 'a'}",
                "https://a",
                None,
            ),
            (
                "{}",
                r#"{server: " https://[::1]:6443/k8s/c \n"}"#,
                "https://[::1]:6443/k8s/c",
                None,
            ),
        ] {
            let right = (server.to_owned(), token.map(str::to_owned));
            assert_eq!(meant(user, cluster), Ok(right), "{user} {cluster}");
        }
    }

    #[test]
    fn what_no_client_can_use_is_named() {
        for (user, cluster, word) in [
            (r#"{token: "a b"}"#, "{server: a}", "`u` has a token"),
            (r#"{token: "a\u0001"}"#, "{server: a}", "`u` has a token"),
            ("{auth-provider: {name: gcp}}", "{server: a}", "`gcp`"),
            ("{}", "{}", "`k` names no server"),
            ("{}", "{server: 'ftp://a'}", "`ftp://a`"),
            ("{}", "{server: 'https://'}", "`https://`"),
            ("{}", "{server: 'https://a b'}", "`https://a b`"),
            ("{}", "{server: 'unix:///run/x'}", "`unix:///run/x`"),
        ] {
            let fault = meant(user, cluster).unwrap_err();
            assert!(fault.contains(word), "{user} {cluster}: {fault}");
        }
    }
}
