//! A dataset into a store that speaks S3: whole, again, cut off in the middle, and where it is refused.

use crate::moto::{Moto, variables};
use aefm_collector::store::{Address, Extent, Store, Uploaded};
use aefm_tests::ports;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SMALL: [(&str, &[u8]); 4] = [
    ("run.json", b"{}"),
    ("cases/case=c001/part-0.parquet", b"one"),
    ("cases/case=c002/part-0.parquet", b""),
    ("journal.jsonl", b"{}\n"),
];
const BIG: &str = "spans/case=c001/part-0.parquet";

fn open(variables: [(String, String); 3], url: &str) -> Store {
    Store::open(&Address::parse(url).unwrap(), variables).unwrap()
}

/// A run's folder, with a file beyond a part's size no two parts of which are alike.
fn dataset(dir: &Path) -> (PathBuf, Vec<u8>) {
    let run = dir.join("run");
    let big: Vec<u8> = (0..20_000_000_u32).map(|byte| (byte / 7) as u8).collect();
    for (name, content) in SMALL.into_iter().chain([(BIG, &*big)]) {
        std::fs::create_dir_all(run.join(name).parent().unwrap()).unwrap();
        std::fs::write(run.join(name), content).unwrap();
    }
    std::fs::write(run.join(".reserve"), "room").unwrap();
    (run, big)
}

async fn assert_whole(moto: &Moto, big: &[u8]) {
    for (name, content) in SMALL.into_iter().chain([(BIG, big)]) {
        let there = moto
            .object(&format!("lab/data/e/r/{name}"))
            .await
            .unwrap_or_else(|| panic!("{name} is not there"));
        assert!(there == content, "{name} has {} bytes there", there.len());
    }
    assert_eq!(
        moto.names().await.len(),
        SMALL.len() + 1,
        "nothing else is there"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_goes_up_whole_and_only_what_is_new_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(moto) = Moto::start(dir.path()).await else {
        return;
    };
    let (run, big) = dataset(dir.path());
    let store = open(moto.variables(), "s3://bucket/lab/data/");

    // While a run goes on: its tables, and nothing that says it were over.
    let ahead = store.upload(&run, "e/r", Extent::Tables).await.unwrap();
    assert_eq!(
        ahead,
        Uploaded {
            files: 3,
            bytes: 20_000_003,
            present: 0
        }
    );
    assert!(
        moto.names()
            .await
            .iter()
            .all(|name| name.ends_with(".parquet"))
    );
    let rest = store.upload(&run, "e/r", Extent::Whole).await.unwrap();
    assert_eq!(
        rest,
        Uploaded {
            files: 2,
            bytes: 5,
            present: 3
        }
    );
    assert_whole(&moto, &big).await;

    // Another process knows, too; a file of the same size that was written since, and one that is gone there, go up.
    let store = open(moto.variables(), "s3://bucket/lab/data");
    let again = store.upload(&run, "e/r", Extent::Whole).await.unwrap();
    assert_eq!(
        again,
        Uploaded {
            files: 0,
            bytes: 0,
            present: 5
        }
    );
    let (status, _) = moto
        .ask(
            "DELETE",
            "/bucket/lab/data/e/r/cases/case=c001/part-0.parquet",
            "",
        )
        .await;
    assert_eq!(status, 204);
    std::fs::write(run.join("new"), "[]").unwrap();
    std::fs::rename(run.join("new"), run.join("run.json")).unwrap();
    let again = store.upload(&run, "e/r", Extent::Whole).await.unwrap();
    assert_eq!(
        again,
        Uploaded {
            files: 2,
            bytes: 5,
            present: 3
        }
    );
    assert_eq!(moto.object("lab/data/e/r/run.json").await.unwrap(), b"[]");

    let error = open(moto.variables(), "s3://nowhere/x")
        .upload(&run, "e/r", Extent::Whole)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("s3://nowhere/x: NoSuchBucket"),
        "{error}"
    );
}

/// A way to the store that is cut for good after so many bytes.
async fn cut_after(bytes: i64, to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let left = Arc::new(AtomicI64::new(bytes));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let (mut up, mut down) = ([0; 65536], [0; 65536]);
                while left.load(Ordering::SeqCst) > 0 {
                    let (piece, out) = tokio::select! {
                        read = client.read(&mut up) => (&up[..read.unwrap_or(0)], &mut server),
                        read = server.read(&mut down) => (&down[..read.unwrap_or(0)], &mut client),
                    };
                    left.fetch_sub(piece.len() as i64, Ordering::SeqCst);
                    if piece.is_empty() || out.write_all(piece).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_cut_off_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let Some(moto) = Moto::start(dir.path()).await else {
        return;
    };
    let (run, big) = dataset(dir.path());
    let way = cut_after(12_000_000, moto.port).await;
    let url = "s3://bucket/lab/data";
    let error = open(variables(way, "key", "secret"), url)
        .upload(&run, "e/r", Extent::Whole)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("write e/r/{BIG} to {url}: ")),
        "{error}"
    );

    // No half file, and nothing that says the dataset were whole.
    let there = moto.names().await;
    assert!(
        there.len() == 3
            && !there
                .iter()
                .any(|name| name.ends_with("run.json") || name.ends_with(BIG)),
        "{there:?}"
    );
    let rest = open(moto.variables(), url)
        .upload(&run, "e/r", Extent::Whole)
        .await
        .unwrap();
    assert_eq!(
        rest,
        Uploaded {
            files: 2,
            bytes: 20_000_002,
            present: 3
        }
    );
    assert_whole(&moto, &big).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_write_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let Some(moto) = Moto::start(dir.path()).await else {
        return;
    };
    let (run, _) = dataset(dir.path());
    let iam = async |action: &str| {
        let (status, body) = moto
            .ask("POST", "/", &format!("Version=2010-05-08&Action={action}"))
            .await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{action}: {body}");
        body
    };
    let key_of = async |user: &str| {
        iam(&format!("CreateUser&UserName={user}")).await;
        let told = iam(&format!("CreateAccessKey&UserName={user}")).await;
        let field = |name: &str| {
            let rest = told.split_once(&format!("<{name}>")).expect("it is told").1;
            rest.split('<').next().unwrap().to_owned()
        };
        [field("AccessKeyId"), field("SecretAccessKey")]
    };
    let [[writer, secret], [reader, readers]] = [key_of("writer").await, key_of("reader").await];
    for (user, may) in [("writer", "s3:*"), ("reader", "s3:ListBucket")] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{may}","Resource":"*"}}]}}"#
        );
        let policy = aefm_collector::http::encode(&policy);
        iam(&format!(
            "PutUserPolicy&UserName={user}&PolicyName=may&PolicyDocument={policy}"
        ))
        .await;
    }
    // From now on signatures and rights count.
    assert_eq!(moto.ask("POST", "/moto-api/reset-auth", "0").await.0, 200);

    let url = "s3://bucket/lab";
    let upload = async |key: &str, secret: &str| {
        open(variables(moto.port, key, secret), url)
            .upload(&run, "e/r", Extent::Whole)
            .await
    };
    for (key, secret, says) in [
        ("AKIANOBODY", "x", "InvalidAccessKeyId"),
        (&*writer, "not the secret", "SignatureDoesNotMatch"),
        (&*reader, &*readers, " to s3://bucket/lab: AccessDenied"),
    ] {
        let error = upload(key, secret).await.unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains('<'), "{error}");
    }
    let sent = upload(&writer, &secret).await.unwrap();
    assert_eq!((sent.files, sent.present), (5, 0));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_named_and_so_are_credentials_that_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = dataset(dir.path());
    let nobody = ports::free();
    let error = open(variables(nobody, "key", "secret"), "s3://bucket/x")
        .upload(&run, "e/r", Extent::Whole)
        .await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("s3://bucket/x") && error.contains("refused") && !error.contains("not set"),
        "{error}"
    );

    let metadata = (
        "AWS_METADATA_ENDPOINT".to_owned(),
        format!("http://127.0.0.1:{nobody}"),
    );
    let anonymous = Store::open(&Address::parse("s3://bucket/x").unwrap(), [metadata]).unwrap();
    let error = anonymous
        .put("e/r", Vec::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
        "{error}"
    );
    let half = [("AWS_ACCESS_KEY_ID".to_owned(), "key".to_owned())];
    let error = Store::open(&Address::parse("s3://bucket/x").unwrap(), half)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("open s3://bucket/x") && error.contains("SecretAccessKey"),
        "{error}"
    );
    let error = Store::open(&Address::parse("az://box/x").unwrap(), [])
        .unwrap_err()
        .to_string();
    assert!(error.contains("AZURE_STORAGE_ACCOUNT_NAME"), "{error}");
}
