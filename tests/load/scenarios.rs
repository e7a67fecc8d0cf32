//! Scenario files: sessions that carry what answers brought, on connections of their own.

use crate::harness::{Run, program, run};
use aefm_tests::target::{Request, Target, Wire, answer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A shop that gives a token at the login and wants it back; what it saw, by user.
type Visits = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

const SHOP: &str = "
name: shop
values:
  user: {sequence: {}}
  city: {csv: {file: cities.csv, order: in_turn}}
sessions:
  - name: buy
    requests:
      - method: POST
        path: /login
        body: ${user}
        take: {token: {json: /token}, seat: {header: X-Seat}}
      - path: /cart/${user}?token=${token:url}&city=${city.name}
        headers: {X-Seat: '${seat}'}
        take: {total: {between: {start: 'total=', end: ';'}}}
      - method: POST
        path: /pay/${user}/${total}
";

fn serve(wire: &mut Wire, request: &Request, visits: &Visits) -> bool {
    let mut words = request.head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let visit = |user: &str, what: &str| {
        visits
            .lock()
            .unwrap()
            .entry(user.to_owned())
            .or_default()
            .push(what.to_owned());
    };
    if (method, path) == ("POST", "/shop/login") {
        let user = String::from_utf8_lossy(&request.body).into_owned();
        visit(&user, "login");
        let body = format!("{{\"token\":\"t {user}\"}}");
        return wire.send(format!(
            "HTTP/1.1 200 OK\r\nx-seat: s{user}\r\nTransfer-Encoding: chunked\r\n\r\n\
            4\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            &body[..4],
            body.len() - 4,
            &body[4..]
        ));
    }
    let user = path
        .trim_start_matches("/shop/cart/")
        .trim_start_matches("/shop/pay/")
        .split(['?', '/'])
        .next()
        .unwrap();
    let cart = format!("/shop/cart/{user}?token=t%20{user}&city=");
    if path.starts_with(&cart) && request.head.contains(&format!("X-Seat: s{user}\r\n")) {
        visit(user, &path[cart.len()..]);
        return wire.send(answer(200, &format!("total={user}0;")));
    }
    let paid = path == format!("/shop/pay/{user}/{user}0");
    visit(user, if paid { "pay" } else { path });
    wire.send(answer(if paid { 200 } else { 409 }, ""))
}

fn shop() -> (Target, Visits) {
    let visits = Visits::default();
    let own = Arc::clone(&visits);
    (
        Target::start(move |wire| {
            while wire
                .request()
                .is_some_and(|request| serve(wire, &request, &own))
            {}
        }),
        visits,
    )
}

fn play(text: &str, arguments: &str, url: &str) -> (Run, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cities.csv"), "name\nulm\nbonn\n").unwrap();
    let path = dir.path().join("shop.yaml");
    std::fs::write(&path, text).unwrap();
    let run = run(
        program(&format!("-q --json --grace 1s {arguments} --scenario"))
            .arg(&path)
            .arg(url),
    );
    (run, path.display().to_string())
}

#[test]
fn a_session_goes_on_with_what_its_answers_brought() {
    for arguments in [
        "-t2 -c8 -R 300 -d 1s",
        "-t2 -c8 -R max --requests 300",
        "-t2 -c8 -R 300 -d 1s --no-keepalive",
    ] {
        let (target, visits) = shop();
        let (run, _) = play(SHOP, arguments, &format!("{}shop/", target.url()));
        assert_eq!(
            (run.outcome("ok"), run.sum()),
            (300, 300),
            "{arguments}: {} {:?}",
            run.json,
            visits.lock().unwrap()
        );
        let visits = visits.lock().unwrap();
        let whole = visits.values().filter(|steps| steps.len() == 3).count();
        // One connection's session may be under way at the end.
        assert!(
            ((300 - 16) / 3..=100).contains(&whole),
            "{arguments}: {whole} whole sessions"
        );
        for (user, steps) in visits.iter() {
            let city = ["ulm", "bonn"][user.parse::<usize>().unwrap() % 2];
            assert_eq!(
                steps[..],
                ["login", city, "pay"][..steps.len()],
                "{arguments}: user {user}"
            );
        }
    }
}

#[test]
fn a_session_ends_where_an_answer_lacks_what_it_needs() {
    let target = Target::healthy();
    let (run, _) = play(SHOP, "-t1 -c2 -R 100 -d 1s", &target.url());
    assert_eq!(
        (run.outcome("protocol"), run.outcome("ok")),
        (100, 0),
        "{}",
        run.json
    );
    run.fault("take `");
    assert!(
        target
            .seen
            .heads()
            .iter()
            .all(|head| head.starts_with("POST /login ")),
        "each begins a new session"
    );
    let refusing =
        Target::start(|wire| while wire.request().is_some_and(|_| wire.send(answer(503, ""))) {});
    let (run, _) = play(SHOP, "-t1 -c2 -R 100 -d 1s", &refusing.url());
    assert_eq!(
        (run.outcome("http_5xx"), run.sum()),
        (100, 100),
        "{}",
        run.json
    );
    assert!(
        run.json["faults"].as_object().unwrap().is_empty(),
        "{}",
        run.json
    );
}

#[test]
fn a_cookie_out_of_several_and_a_host_of_its_own_are_sent() {
    let target = Target::start(|wire| {
        while let Some(request) = wire.request() {
            let number = wire.seen().requests();
            let right = request.head.contains("Host: shop.test\r\n")
                && request.head.matches("Host: ").count() == 1
                && (request.head.starts_with("GET /in ")
                    || request.head.contains("Cookie: sid=s1=\r\n"));
            let answered = wire.send(format!(
                "HTTP/1.1 {} X\r\nSet-Cookie: a=b\r\nSet-Cookie: sid=s1=; Path=/\r\n\
                 Set-Cookie: c={number}\r\nContent-Length: 0\r\n\r\n",
                if right { 200 } else { 500 }
            ));
            if !answered {
                return;
            }
        }
    });
    let text = "name: x
sessions:
  - name: s
    requests:
      - path: /in
        headers: {Host: shop.test}
        take: {sid: {cookie: sid}}
      - path: /out
        headers: {Host: shop.test, Cookie: 'sid=${sid}'}
";
    let (run, _) = play(text, "-t1 -c2 -R 100 -d 1s", &target.url());
    assert_eq!((run.outcome("ok"), run.sum()), (100, 100), "{}", run.json);
}

#[test]
fn what_would_break_a_request_is_not_sent() {
    let target = Target::start(|wire| {
        while wire
            .request()
            .is_some_and(|_| wire.send(answer(200, "[a b]")))
        {}
    });
    let text = "name: x\nsessions: [{name: s, requests: [{path: /a, take: {t: {between: {start: '[', end: ']'}}}}, {path: '/${t}'}]}]";
    let (run, _) = play(text, "-t1 -c1 -R 100 -d 1s", &target.url());
    assert_eq!(
        (run.outcome("ok"), run.outcome("protocol")),
        (50, 50),
        "{}",
        run.json
    );
    run.fault("write ${name:url}");
}

#[test]
fn a_fault_in_the_file_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.yaml");
    for (text, words) in [
        ("name: x\nsesions: []\n", "sesions"),
        (
            "name: x\nsessions:\n  - name: s\n    requests:\n      - path: /${usr}\n",
            "line 5, column 15: there is no value `usr`",
        ),
        (&SHOP.replace("cities.csv", "gone.csv"), "gone.csv"),
    ] {
        std::fs::write(&path, text).unwrap();
        let target = Target::healthy();
        let output = program("-R 10 -d 1s -q --scenario")
            .arg(&path)
            .arg(target.url())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && err.contains(words) && err.contains("line "),
            "{err}"
        );
        assert_eq!(target.seen.requests(), 0);
    }
}
