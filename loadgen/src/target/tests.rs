//! URLs, taken apart.

use super::*;

#[test]
fn urls_come_apart() {
    let parts = |url: &str| {
        let target = Target::parse(url).unwrap();
        (
            target.tls,
            target.host,
            target.port,
            target.authority,
            target.path,
        )
    };
    let own = |tls, host: &str, port, authority: &str, path: &str| {
        (
            tls,
            host.to_owned(),
            port,
            authority.to_owned(),
            path.to_owned(),
        )
    };
    assert_eq!(
        parts("http://a.b:81/x?y=z#q"),
        own(false, "a.b", 81, "a.b:81", "/x?y=z")
    );
    assert_eq!(parts("HTTPS://a?y"), own(true, "a", 443, "a", "/?y"));
    assert_eq!(
        parts("http://u:p@[::1]:8080"),
        own(false, "::1", 8080, "[::1]:8080", "/")
    );
    let unix = Target::parse("unix:/run/x.sock:/status").unwrap();
    assert_eq!(
        (unix.unix, unix.path.as_str()),
        (Some(PathBuf::from("/run/x.sock")), "/status")
    );
}

#[test]
fn a_users_name_and_password_are_sent_as_they_are_meant() {
    let sent = |url: &str| Target::parse(url).unwrap().authorization;
    let basic = |text: &str| Some(format!("Basic {}", STANDARD.encode(text)));
    assert_eq!(sent("http://user:secret@host/"), basic("user:secret"));
    assert_eq!(sent("https://user@host/"), basic("user:"));
    assert_eq!(sent("http://a%40b:p%3A%25:q@host"), basic("a@b:p:%:q"));
    assert_eq!(sent("http://host/@x:y@z"), None);
    assert_eq!(sent("http://@host/"), None);
    assert_eq!(
        Target::parse("http://u:p%@host/"),
        Err(UrlError::Percent("p%".to_owned()))
    );
    assert!(Target::place("u:p@host:80").is_err() && Target::place("host:80/x").is_err());
    assert_eq!(Target::place("[::1]:80").unwrap().port, 80);
}

#[test]
fn a_zone_is_for_this_machine_only() {
    for url in ["http://[fe80::1%25lo]:81/x", "http://[fe80::1%lo]:81/x"] {
        let target = Target::parse(url).unwrap();
        assert_eq!(
            (
                target.host.as_str(),
                target.zone.as_deref(),
                target.authority.as_str(),
                target.lookup_name().as_str()
            ),
            ("fe80::1", Some("lo"), "[fe80::1]:81", "fe80::1%lo")
        );
        let found = target.resolve().unwrap();
        let [Address::Ip(SocketAddr::V6(address))] = found[..] else {
            panic!("{url} has one address");
        };
        assert!(address.scope_id() > 0 && address.port() == 81);
    }
    let numbered = Target::parse("http://[fe80::1%2525]/").unwrap();
    assert_eq!(
        (numbered.zone.as_deref(), numbered.authority.as_str()),
        (Some("25"), "[fe80::1]")
    );
    assert!(
        Target::parse("http://[fe80::1%25no-such-link]/")
            .unwrap()
            .resolve()
            .is_err()
    );
}

#[test]
fn a_sockets_path_may_have_colons() {
    let parts = |url: &str| {
        let target = Target::parse(url).unwrap();
        (target.unix.unwrap().display().to_string(), target.path)
    };
    let own = |socket: &str, path: &str| (socket.to_owned(), path.to_owned());
    assert_eq!(parts("unix:/run/x.sock"), own("/run/x.sock", "/"));
    assert_eq!(parts("unix:/run/a:b.sock"), own("/run/a:b.sock", "/"));
    assert_eq!(
        parts("unix:/run/a:b.sock:/s?q"),
        own("/run/a:b.sock", "/s?q")
    );
    assert_eq!(
        parts("unix:/a.sock:/p?u=http://x"),
        own("/a.sock", "/p?u=http://x")
    );
    assert_eq!(parts("unix:/a%3A/b%25c:/p"), own("/a:/b%c", "/p"));
    assert!(Target::parse("unix:/a%zz").is_err() && Target::parse("unix::/x").is_err());
}

#[test]
fn a_port_may_go_without_saying() {
    let named = |url| Target::parse(url).unwrap().named_port();
    assert_eq!(
        (
            named("http://a"),
            named("http://[::1]:80/"),
            named("unix:/x")
        ),
        (None, Some(80), None)
    );
}

#[test]
fn what_is_no_url_is_named() {
    assert!(matches!(
        Target::parse("localhost:80"),
        Err(UrlError::Scheme(_))
    ));
    assert!(matches!(Target::parse("ftp://x"), Err(UrlError::Scheme(_))));
    for url in [
        "http:///x",
        "http://[::1/",
        "http://[::1]x:80/",
        "http://[name]:80/",
        "http://u:p@/",
    ] {
        assert!(
            matches!(Target::parse(url), Err(UrlError::Host(_))),
            "{url}"
        );
    }
    assert!(matches!(
        Target::parse("http://x:0/"),
        Err(UrlError::Port(_))
    ));
    assert!(matches!(
        Target::parse("http://x/a b\r\n"),
        Err(UrlError::Character(_))
    ));
}
