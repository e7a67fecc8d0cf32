//! Which proxy leads to a cluster: the kubeconfig's own, or the environment's, as kubectl and curl take it.

use std::net::IpAddr;

/// What says which proxy there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `proxy-url` of the kubeconfig's cluster.
    pub(super) own: Option<String>,
    /// `HTTPS_PROXY` or `https_proxy`.
    pub(super) https: Option<String>,
    /// `HTTP_PROXY` or `http_proxy`.
    pub(super) http: Option<String>,
    /// `ALL_PROXY` or `all_proxy`.
    pub(super) all: Option<String>,
    /// `NO_PROXY` or `no_proxy`.
    pub(super) none: Option<String>,
}

/// A proxy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProxyError {
    /// It is of another kind.
    #[error("use the proxy {0}: http, https and socks5 are spoken here")]
    Scheme(String),
    /// It is no URL.
    #[error("use the proxy {0}: write it as http://HOST:PORT or socks5://HOST:PORT")]
    Url(String),
    /// It asks who we are.
    #[error("use the proxy {0}: a user and a password are sent to http and https proxies only")]
    Login(String),
}

impl Said {
    /// What a kubeconfig and the environment say.
    #[must_use]
    pub(super) fn here(own: Option<String>) -> Self {
        let of = |upper: &str| {
            let lower = upper.to_ascii_lowercase();
            let known = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            known(upper).or_else(|| known(&lower))
        };
        Self {
            own: own.filter(|own| !own.is_empty()),
            https: of("HTTPS_PROXY"),
            http: of("HTTP_PROXY"),
            all: of("ALL_PROXY"),
            none: of("NO_PROXY"),
        }
    }

    /// The proxy to a server; none: the way there is straight.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn to(&self, server: &hyper::Uri) -> Result<Option<hyper::Uri>, ProxyError> {
        // What the kubeconfig says is meant for this very server.
        if let Some(own) = &self.own {
            return usable(own).map(Some);
        }
        let of_scheme = if server.scheme_str() == Some("http") {
            &self.http
        } else {
            &self.https
        };
        let Some(proxy) = of_scheme.as_ref().or(self.all.as_ref()) else {
            return Ok(None);
        };
        if is_loopback(server) || self.excludes(server) {
            return Ok(None);
        }
        usable(proxy).map(Some)
    }

    fn excludes(&self, server: &hyper::Uri) -> bool {
        let host = bare(server.host().unwrap_or_default()).to_ascii_lowercase();
        let port = server.port_u16().unwrap_or(443);
        let list = self.none.as_deref().unwrap_or_default();
        let mut entries = list.split([',', ' ']).filter(|entry| !entry.is_empty());
        entries.any(|entry| matches(&entry.to_ascii_lowercase(), &host, port))
    }
}

/// `*`, a name (its subdomains included), `.name` (these alone), an address or a range of them; with a port or without.
fn matches(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let address: Option<IpAddr> = host.parse().ok();
    if let Some((net, bits)) = entry.split_once('/') {
        let net: Option<IpAddr> = bare(net).parse().ok();
        let within = net
            .zip(address)
            .zip(bits.parse().ok())
            .map(|((net, address), bits)| is_within(address, net, bits));
        return within.unwrap_or(false);
    }
    if let Ok(wanted) = bare(entry).parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        None => (entry, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Ok(wanted) = bare(name).parse::<IpAddr>() {
        return address == Some(wanted);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name) && host.len() > name.len(),
        None => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

fn is_within(address: IpAddr, net: IpAddr, bits: u32) -> bool {
    let (address, net, width) = match (address, net) {
        (IpAddr::V4(address), IpAddr::V4(net)) => {
            (u128::from(address.to_bits()), u128::from(net.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(net)) => (address.to_bits(), net.to_bits(), 128),
        _ => return false,
    };
    let shift = width - bits.min(width);
    // A range of all addresses has nothing to compare.
    address.checked_shr(shift).unwrap_or(0) == net.checked_shr(shift).unwrap_or(0)
}

fn is_loopback(server: &hyper::Uri) -> bool {
    let host = bare(server.host().unwrap_or_default());
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

/// A proxy's URL as the client takes it. Who is in it is not shown.
fn usable(typed: &str) -> Result<hyper::Uri, ProxyError> {
    let whole = if typed.contains("://") {
        typed.to_owned()
    } else {
        format!("http://{typed}")
    };
    let shown = shown(&whole);
    let uri: hyper::Uri = whole.parse().map_err(|_| ProxyError::Url(shown.clone()))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(ProxyError::Url(shown));
    };
    match scheme {
        "http" | "https" => Ok(uri.clone()),
        "socks5" | "socks5h" if authority.as_str().contains('@') => Err(ProxyError::Login(shown)),
        "socks5" | "socks5h" => {
            let port = authority.port_u16().unwrap_or(1080);
            format!("socks5://{}:{port}", authority.host())
                .parse()
                .map_err(|_| ProxyError::Url(shown))
        }
        _ => Err(ProxyError::Scheme(shown)),
    }
}

/// A URL without the user and password in it.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{}", &rest[end..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to(said: &Said, server: &str) -> Option<String> {
        let proxy = said.to(&server.parse().unwrap()).unwrap();
        proxy.map(|proxy| proxy.to_string())
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_kubeconfigs_own_comes_first_then_the_schemes_then_the_one_for_all() {
        let mut said = Said {
            all: text("socks5h://all"),
            ..Said::default()
        };
        let server = "https://api.example.org:6443";
        assert_eq!(to(&said, server).unwrap(), "socks5://all:1080/");
        said.http = text("http://plain:1");
        assert_eq!(to(&said, server).unwrap(), "socks5://all:1080/");
        said.https = text("proxy:3128");
        assert_eq!(to(&said, server).unwrap(), "http://proxy:3128/");
        assert_eq!(to(&said, "http://api:80").unwrap(), "http://plain:1/");
        said.none = text("*");
        assert_eq!(to(&said, server), None);
        said.own = text("socks5://own:9");
        assert_eq!(to(&said, server).unwrap(), "socks5://own:9/");
        said.own = None;
        said.none = None;
        for near in [
            "https://localhost:1",
            "https://127.0.0.1:6443",
            "https://[::1]:1",
        ] {
            assert_eq!(to(&said, near), None, "{near}");
        }
    }

    #[test]
    fn exceptions_are_names_addresses_and_ranges() {
        for (list, server, is_excepted) in [
            ("example.org", "https://api.example.org:6443", true),
            ("example.org", "https://example.org", true),
            ("example.org", "https://anexample.org", false),
            (".example.org", "https://example.org", false),
            (".example.org", "https://a.example.org", true),
            ("*.example.org", "https://a.b.example.org", true),
            ("a,, API.Example.org ,", "https://api.example.org", true),
            ("10.0.0.0/8", "https://10.9.8.7:6443", true),
            ("10.0.0.0/8", "https://11.9.8.7:6443", false),
            ("10.0.0.7", "https://10.0.0.7", true),
            ("10.0.0.7:6443", "https://10.0.0.7:6443", true),
            ("10.0.0.7:443", "https://10.0.0.7:6443", false),
            ("fd00::/8", "https://[fd12::1]:6443", true),
            ("[fd12::1]", "https://[fd12::1]:6443", true),
            ("0.0.0.0/0", "https://1.2.3.4", true),
            ("api:6443", "https://api:6443", true),
            ("10.0.0.0/99", "https://10.0.0.0", true),
        ] {
            let said = Said {
                https: text("http://proxy:1"),
                none: text(list),
                ..Said::default()
            };
            assert_eq!(to(&said, server).is_none(), is_excepted, "{list} {server}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_password() {
        for (proxy, said) in [
            ("socks4://h:1", "http, https and socks5"),
            ("ftp://u:secret@h:1", "http, https and socks5"),
            ("socks5://u:secret@h:1", "http and https proxies only"),
            ("http://", "http://HOST:PORT"),
        ] {
            let own = Said {
                own: text(proxy),
                ..Said::default()
            };
            let error = own
                .to(&"https://a".parse().unwrap())
                .unwrap_err()
                .to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_within_every_range_that_begins_as_it_does(bits in 0_u32..=32, address: u32, flip in 0_u32..32) {
            let (one, other) = (std::net::Ipv4Addr::from(address), std::net::Ipv4Addr::from(address ^ (1 << (31 - flip))));
            prop_assert!(is_within(one.into(), one.into(), bits));
            prop_assert_eq!(is_within(other.into(), one.into(), bits), flip >= bits);
        }
    }
}
