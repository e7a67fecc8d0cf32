//! Standard input and output of a container, through the API server: how stressors are held and steered.

use crate::ground::{Ground, PATIENCE, on_both};
use crate::pods::{has_ended, is_running};
use kube::api::{AttachParams, AttachedProcess};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

on_both! {
    standard_input_reaches_an_attached_container => super::attached;
    the_end_of_the_input_ends_the_container => super::input_ends;
    an_input_outlives_the_client_that_left => super::input_stays;
    an_input_for_one_client_ends_with_it => super::input_leaves;
}

async fn with_input(ground: &Ground, script: &str, once: bool) -> AttachedProcess {
    let mut pod = ground.pod("p", script);
    pod["spec"]["containers"][0]["stdin"] = json!(true);
    pod["spec"]["containers"][0]["stdinOnce"] = json!(once);
    ground.create(&pod).await.expect("it is made");
    ground.until("Pod", "p", "runs", is_running).await;
    ground.attach().await
}

impl Ground {
    async fn attach(&self) -> AttachedProcess {
        let params = AttachParams::default()
            .stdin(true)
            .stdout(true)
            .stderr(false);
        self.pods()
            .attach("p", &params)
            .await
            .expect("it is attached")
    }
}

async fn attached(ground: Ground) {
    let mut process = with_input(&ground, "while read line; do echo got $line; done", true).await;
    let mut input = process.stdin().expect("it was asked for");
    let mut output = BufReader::new(process.stdout().expect("it was asked for")).lines();
    for word in ["one", "two"] {
        input
            .write_all(format!("{word}\n").as_bytes())
            .await
            .expect("it takes a line");
        let line = tokio::time::timeout(PATIENCE, output.next_line())
            .await
            .expect("an answer in time");
        assert_eq!(line.expect("it holds"), Some(format!("got {word}")));
    }
    assert_eq!(
        ground.logs("p").await,
        "got one\ngot two\n",
        "what is attached to is logged, too"
    );
}

async fn input_ends(ground: Ground) {
    let mut process = with_input(&ground, "cat >/dev/null; echo over; exit 4", true).await;
    let mut input = process.stdin().expect("it was asked for");
    input.write_all(b"x\n").await.expect("it takes a line");
    input.shutdown().await.expect("it can be closed");
    drop(input);
    let ended = ground.until("Pod", "p", "has ended", has_ended).await;
    assert_eq!(
        ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
        4
    );
    assert_eq!(ground.logs("p").await, "over\n");
}

/// Waits until a log says just this.
async fn until_logged(ground: &Ground, wanted: &str) {
    let begun = std::time::Instant::now();
    while ground.logs("p").await != wanted {
        assert!(
            begun.elapsed() < PATIENCE,
            "the log never is {wanted:?}, but {:?}",
            ground.logs("p").await
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn input_stays(ground: Ground) {
    let mut process = with_input(&ground, "while read line; do echo got $line; done", false).await;
    for (word, logged) in [("one", "got one\n"), ("two", "got one\ngot two\n")] {
        let mut input = process.stdin().expect("it was asked for");
        input
            .write_all(format!("{word}\n").as_bytes())
            .await
            .expect("it takes a line");
        until_logged(&ground, logged).await;
        process.abort();
        process = ground.attach().await;
    }
    assert!(
        is_running(&ground.get("Pod", "p").await.expect("it is there")),
        "nobody has ended its input"
    );
}

async fn input_leaves(ground: Ground) {
    let mut process = with_input(
        &ground,
        "while read line; do echo got $line; done; echo over",
        true,
    )
    .await;
    let mut input = process.stdin().expect("it was asked for");
    input.write_all(b"one\n").await.expect("it takes a line");
    until_logged(&ground, "got one\n").await;
    process.abort();
    ground.until("Pod", "p", "has ended", has_ended).await;
    assert_eq!(ground.logs("p").await, "got one\nover\n");
}
