//! What sessions take from answers.

use super::*;

#[test]
fn an_answer_without_what_is_needed_ends_the_session_with_a_reason() {
    let shop = shop();
    let started = || {
        let mut session = shop.start(1, buying(&shop));
        session.next(&shop, &mut Request::default());
        session
    };
    let header = |_: &str| vec!["t"];
    for (body, reason) in [
        (
            &b"<html>"[..],
            "take `seat` from the answer: its body has nothing between `seat=` and `;`",
        ),
        (
            b"<html>seat=1;",
            "take `token` from the answer: its body is not JSON",
        ),
        (
            br#"{"x":"seat=1;"}"#,
            "take `token` from the answer: its body has nothing at `/data/token`",
        ),
    ] {
        let told = started()
            .answer(&shop, header, body)
            .unwrap_err()
            .to_string();
        assert!(told.starts_with(reason), "{told}");
    }
    let told = started()
        .answer(
            &shop,
            |_| Vec::new(),
            br#"{"data":{"token":1},"x":"seat=1;"}"#,
        )
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "take `trace` from the answer: it has no header `x-trace`"
    );
}

#[test]
fn one_cookie_is_taken_out_of_several() {
    let text = "name: x\nsessions: [{name: s, requests: [{path: /a, take: {sid: {cookie: session}}}, {path: '/${sid}'}]}]";
    let scenario = Scenario::from_yaml(text, |_| Err(String::new())).unwrap();
    let taken = |set: &[&'static str]| {
        let mut session = scenario.start(1, 0);
        let mut request = Request::default();
        session.next(&scenario, &mut request);
        let header = |name: &str| {
            if name == "set-cookie" {
                set.to_vec()
            } else {
                Vec::new()
            }
        };
        session
            .answer(&scenario, header, b"")
            .map_err(|error| error.to_string())?;
        session.next(&scenario, &mut request);
        Ok::<_, String>(request.target.clone())
    };
    let several = [
        "theme=dark",
        "session=a1=; Path=/; HttpOnly",
        "not-session=b",
    ];
    assert_eq!(taken(&several), Ok("/a1=".to_owned()));
    // What is set again counts.
    assert_eq!(
        taken(&["session=old; Max-Age=0", "session = new ;Secure"]),
        Ok("/new".to_owned())
    );
    assert_eq!(
        taken(&["Session=a", "session"]),
        Err("take `sid` from the answer: it sets no cookie `session`".to_owned())
    );
}
