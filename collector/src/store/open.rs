//! A client of a store, made of what the variables say that the stores' own tools read.

use super::address::{Address, Kind};
use super::connection::Connection;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ObjectStore, RetryConfig};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

/// How often a request is tried again, with growing pauses: some seconds in all, since who asks knows better when
/// asking again makes sense.
const RETRIES: usize = 5;

/// Variables and their values.
pub(super) type Environment = HashMap<String, String>;

/// The client. Nothing is asked yet.
pub(super) fn open(
    address: &Address,
    environment: &Environment,
    connection: Connection,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        max_retries: RETRIES,
        ..RetryConfig::default()
    };
    let bucket = &address.bucket;
    Ok(match address.kind {
        Kind::S3 => {
            let said = said(environment, "AWS_");
            let builder = said.fold(AmazonS3Builder::new(), |builder, (key, value)| {
                builder.with_config(key, value)
            });
            let builder = builder.with_bucket_name(bucket).with_retry(retry);
            Arc::new(builder.with_http_connector(connection).build()?)
        }
        Kind::Google => {
            let (said, new) = (
                said(environment, "GOOGLE_"),
                GoogleCloudStorageBuilder::new(),
            );
            let builder = said.fold(new, |builder, (key, value)| builder.with_config(key, value));
            let builder = builder.with_bucket_name(bucket).with_retry(retry);
            Arc::new(builder.with_http_connector(connection).build()?)
        }
        Kind::Azure => {
            let (said, new) = (said(environment, "AZURE_"), MicrosoftAzureBuilder::new());
            let builder = said.fold(new, |builder, (key, value)| builder.with_config(key, value));
            let builder = builder.with_container_name(bucket).with_retry(retry);
            Arc::new(builder.with_http_connector(connection).build()?)
        }
    })
}

/// What the variables of this beginning say of a store; others of them are its tools' own.
fn said<'a, K: FromStr>(
    environment: &'a Environment,
    beginning: &'static str,
) -> impl Iterator<Item = (K, &'a String)> {
    let ours = environment
        .iter()
        .filter(move |(name, _)| name.starts_with(beginning));
    ours.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}

/// What to do where no variable says who we are; nothing where one does.
pub(super) fn hint(address: &Address, environment: &Environment) -> &'static str {
    let (names, hint): (&[&str], _) = match address.kind {
        Kind::S3 => (
            &[
                "AWS_ACCESS_KEY_ID",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "AWS_SKIP_SIGNATURE",
            ],
            "; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and a role of this machine was looked for",
        ),
        Kind::Google => (
            &[
                "GOOGLE_APPLICATION_CREDENTIALS",
                "GOOGLE_SERVICE_ACCOUNT",
                "GOOGLE_SERVICE_ACCOUNT_KEY",
            ],
            "; GOOGLE_APPLICATION_CREDENTIALS is not set, and an account of this machine was looked for",
        ),
        Kind::Azure => (
            &["AZURE_STORAGE_ACCOUNT_NAME"],
            "; set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or another of the account's secrets",
        ),
    };
    if names.iter().any(|name| environment.contains_key(*name)) {
        ""
    } else {
        hint
    }
}
