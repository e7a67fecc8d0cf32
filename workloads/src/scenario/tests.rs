//! Scenarios: what they send is what their file says, seeded, and faults are told with their places.

mod answers;

use super::*;
use crate::mix::{Workload, tests::assert_shares};

const SHOP: &str = "
name: shop
about: browsing, and some buying
values:
  item: {zipf: {max: 1000, exponent: 1.1}}
  by: {weighted: {dis: 0.33, rate: 0.33, price: 0.34}}
  lat: {decimal: {min: 37.783, max: 38.264, decimals: 3}}
  user: {csv: {file: users.csv, order: in_turn}}
  note: {alphanumeric: {length: 20}}
  order: {sequence: {start: 100, step: 2, count: 3}}
sessions:
  - name: browse
    weight: 3
    requests:
      - path: /items/${item}?by=${by}&lat=${lat}
  - name: buy
    weight: 1
    requests:
      - method: POST
        path: /login
        headers: {Content-Type: application/json}
        body: '{\"user\":\"${user.name}\",\"password\":\"${user.password}\"}'
        take:
          token: {json: /data/token}
          seat: {between: {start: 'seat=', end: ';'}}
          trace: {header: X-Trace}
      - path: /cart/${order}?token=${token:url}&seat=${seat}
        headers: {Authorization: 'Bearer ${token}', X-Trace: '${trace}'}
        body: costs $$${order}
";

fn shop() -> Scenario {
    Scenario::from_yaml(SHOP, |file| match file {
        "users.csv" => Ok("name,password\nada,a\n\"bob, jr\",b\n".to_owned()),
        _ => Err("there is no such file".to_owned()),
    })
    .unwrap()
}

fn buying(scenario: &Scenario) -> u64 {
    (0..)
        .find(|number| scenario.start(1, *number).name(scenario) == "buy")
        .unwrap()
}

/// The first request of session `number`.
fn fill(scenario: &Scenario, seed: u64, number: u64, request: &mut Request) {
    scenario.start(seed, number).next(scenario, request);
}

#[test]
fn sessions_come_by_their_weights() {
    let shop = shop();
    let names = (0..20_000).map(|number| shop.start(1, number).name(&shop).to_owned());
    assert_shares(
        names,
        [("browse".to_owned(), 0.75), ("buy".to_owned(), 0.25)],
    );
    assert!(shop.reads_answers());
}

#[test]
fn values_have_their_distributions() {
    let text = SHOP.split("  - name: buy").next().unwrap();
    let browse = Scenario::from_yaml(text, |_| Ok("name,password\na,b\n".to_owned())).unwrap();
    assert!(!browse.reads_answers());
    let mut request = Request::default();
    let mut targets = Vec::new();
    for number in 0..20_000 {
        fill(&browse, 5, number, &mut request);
        targets.push(request.target.clone());
    }
    let part = |target: &str, name: &str| crate::mix::tests::value(target, name).to_owned();
    let by = targets.iter().map(|target| part(target, "by"));
    assert_shares(
        by,
        [
            ("dis".into(), 0.33),
            ("rate".into(), 0.33),
            ("price".into(), 0.34),
        ],
    );
    let lats = targets.iter().map(|target| part(target, "lat"));
    let thousandths = lats.map(|lat| {
        assert_eq!(lat.len(), 6, "{lat} has three decimals");
        lat.replace('.', "").parse().unwrap()
    });
    crate::mix::tests::assert_uniform(thousandths, 37_783, 38_264);
    let item = |target: &String| {
        target
            .strip_prefix("/items/")
            .unwrap()
            .split('?')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let items: Vec<u64> = targets.iter().map(item).collect();
    let count = |item| items.iter().filter(|&&drawn| drawn == item).count() as f64;
    // n in proportion to n^-1.1, within four standard errors.
    let ratio = count(1) / count(8);
    assert!(
        (ratio / 8f64.powf(1.1) - 1.0).abs() < 4.0 * (1.0 / count(1) + 1.0 / count(8)).sqrt(),
        "{ratio}"
    );
    assert!(items.iter().all(|item| (1..=1000).contains(item)));
}

#[test]
fn a_session_carries_what_answers_brought() {
    let shop = shop();
    let number = buying(&shop);
    let mut session = shop.start(1, number);
    let mut request = Request::default();
    assert!(session.next(&shop, &mut request) && session.goes_on(&shop));
    let user = if number.is_multiple_of(2) {
        "ada\",\"password\":\"a"
    } else {
        "bob, jr\",\"password\":\"b"
    };
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        format!("{{\"user\":\"{user}\"}}")
    );
    assert_eq!(
        (request.method, request.target.as_str()),
        ("POST", "/login")
    );
    assert_eq!(
        request.headers,
        [("Content-Type", "application/json".into())]
    );
    let header = |name: &str| Vec::from_iter((name == "x-trace").then_some("t1"));
    session
        .answer(&shop, header, br#"{"data":{"token":"a/b"},"x":"seat=12;"}"#)
        .unwrap();
    assert!(session.next(&shop, &mut request) && !session.goes_on(&shop));
    let order = 100 + 2 * (number % 3);
    assert_eq!(request.target, format!("/cart/{order}?token=a%2Fb&seat=12"));
    assert_eq!(
        request.headers,
        [
            ("Authorization", "Bearer a/b".into()),
            ("X-Trace", "t1".into())
        ]
    );
    assert_eq!(request.body, format!("costs ${order}").into_bytes());
    session.answer(&shop, |_| Vec::new(), b"").unwrap();
    assert!(!session.next(&shop, &mut request));
}

#[test]
fn a_session_is_the_same_whoever_draws_it() {
    let (one, other) = (shop(), shop());
    let mut requests = [Request::default(), Request::default()];
    let mut differs = false;
    for number in 0..200 {
        fill(&one, 9, number, &mut requests[0]);
        fill(&other, 9, number, &mut requests[1]);
        assert_eq!(requests[0], requests[1]);
        fill(&other, 10, number, &mut requests[1]);
        differs |= requests[0] != requests[1];
    }
    assert!(differs, "another seed is another sequence");
}

/// The hotel's search as a scenario: what native code does, a file does, too.
#[test]
fn a_native_workload_can_be_written_as_a_scenario() {
    let text = "
name: search
values:
  lat: {decimal: {min: 37.783, max: 38.264, decimals: 3}}
  lon: {decimal: {min: -122.252, max: -121.927, decimals: 3}}
  in: {range: {min: 10, max: 23}}
sessions:
  - name: search
    requests: [{path: '/hotels?inDate=2015-04-${in}&outDate=2015-04-24&lat=${lat}&lon=${lon}'}]
";
    let scenario = Scenario::from_yaml(text, |_| Err(String::new())).unwrap();
    let (mut own, mut native) = (Request::default(), Request::default());
    fill(&scenario, 1, 1, &mut own);
    Workload::by_name("hotel-reservation/search")
        .unwrap()
        .fill(1, 1, &mut native);
    let names = |request: &Request| {
        let query = request.target.split_once('?').unwrap().1;
        query
            .split('&')
            .map(|pair| pair.split('=').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((own.method, names(&own)), (native.method, names(&native)));
}

#[test]
fn all_faults_are_told_with_their_places() {
    let text = "name: broken
values:
  user: {range: {min: 5, max: 1}}
  item: {choice: [a, b]}
  rows: {csv: {file: gone.csv}}
  list: {csv: {file: users.csv}}
sessions:
  - name: one
    weight: -1
    requests:
      - path: /x?i=${itme}&u=${list.nmae}
      - method: FETCH
        path: x
        headers: {'a b': c}
        body: ${item.x} $
        take: {t: {json: token}}
      - path: /${later}
        take: {later: {header: x}}
  - name: two
    requests: []
";
    let read = |file: &str| {
        if file == "users.csv" {
            Ok("name\na\n".to_owned())
        } else {
            Err("it is gone".to_owned())
        }
    };
    let Err(ScenarioError::Faults(faults)) = Scenario::from_yaml(text, read) else {
        panic!("it was taken")
    };
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let expected = [
        (3, "`user`: `min` (5) is above `max` (1)"),
        (5, "`rows`: read gone.csv: it is gone"),
        (9, "a weight must be a number from 0 up"),
        (11, "there is no value `itme` here, did you mean `item`?"),
        (11, "`list.nmae`: name a column, there are name"),
        (12, "`FETCH` is not a method"),
        (13, "a path begins with `/`"),
        (14, "`a b` is not a header's name"),
        (15, "write `${name}` for a value"),
        (16, "`token` is not a JSON pointer"),
        (17, "there is no value `later` here"),
        (20, "session `two` must have a request"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for ((line, reason), told) in expected.iter().zip(&told) {
        assert!(
            told.starts_with(&format!("line {line}, column ")) && told.contains(reason),
            "{line} {reason}: {told}"
        );
    }
    assert_eq!(faults[3].column, 15, "the place is that of the template");
    let told = Scenario::from_yaml("name: x\nsesions: []\n", read)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("sesions") && told.contains("line 2"),
        "{told}"
    );
}

/// The schema names every key and every kind that the parser takes, and no other.
#[test]
fn the_schema_is_that_of_the_parser() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let keys = |pointer: &str| {
        schema
            .pointer(pointer)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    for (pointer, parsed) in [
        ("/properties", "name: x\nsessions: []\nother: 1\n"),
        (
            "/$defs/session/properties",
            "name: x\nsessions: [{name: y, other: 1}]\n",
        ),
        (
            "/$defs/request/properties",
            "name: x\nsessions: [{name: y, requests: [{path: /, other: 1}]}]\n",
        ),
        (
            "/$defs/value/properties",
            "name: x\nvalues: {v: {other: 1}}\nsessions: []\n",
        ),
    ] {
        let told = Scenario::from_yaml(parsed, |_| Err(String::new()))
            .unwrap_err()
            .to_string();
        let listed = told
            .split("expected one of ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        let listed: Vec<_> = listed
            .split(", ")
            .map(|name| name.trim_matches('`').to_owned())
            .collect();
        let known = keys(pointer);
        for key in &known {
            assert!(
                listed.contains(key),
                "{pointer}: the parser does not know {key}: {told}"
            );
        }
        assert_eq!(
            listed.len(),
            known.len(),
            "{pointer}: the schema lacks something: {told}"
        );
    }
}
