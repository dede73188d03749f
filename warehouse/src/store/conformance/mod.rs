//! What any storage must keep for a lake to lie on it: the same suite on a folder, on S3 servers, on Azure's
//! emulator and on a server that speaks Google's words, through the store that the product opens.
//!
//! Servers are started by `python -m tests.peers.support.stores NAME`, and a test whose server cannot be
//! had says so and ends; see `server.rs`.

mod server;
mod suite;

use url::Url;

use super::{Environment, open_lake};
use server::Server;

/// Opens a location as a lake and holds it to everything.
async fn hold(url: &Url, env: &Environment<'_>) {
    let (store, root) = open_lake(url, env).unwrap();
    suite::hold(&store, &root).await;
}

async fn hold_server(name: &str) {
    let Some(server) = Server::start(name) else {
        return;
    };
    hold(&server.url, &|variable| server.variable(variable)).await;
}

/// A server that checks secrets must not take another; how it says so is for `doctor` to tell.
async fn refuses_a_wrong_secret(name: &str, secret: &str, wrong: &str) {
    let Some(server) = Server::start(name) else {
        return;
    };
    let env = |variable: &str| if variable == secret { Some(wrong.to_owned()) } else { server.variable(variable) };
    let (store, root) = open_lake(&server.url, &env).unwrap();
    let error = store.put_opts(&root.join("x"), "x".into(), suite::create()).await.unwrap_err();
    let refused =
        matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. });
    assert!(refused, "{error}");
    assert!(!format!("{error} {error:?}").contains(wrong), "the secret is in the error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_what_a_lake_needs() {
    let home = tempfile::tempdir().unwrap();
    hold(&Url::from_directory_path(home.path()).unwrap(), &|_| None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_behind_a_lock_keeps_what_a_lake_needs() {
    hold_server("moto").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn radosgw_keeps_what_a_lake_needs() {
    hold_server("radosgw").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn radosgw_refuses_a_wrong_secret() {
    refuses_a_wrong_secret("radosgw", "AWS_SECRET_ACCESS_KEY", "not-the-secret").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite_keeps_what_a_lake_needs() {
    hold_server("azurite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite_refuses_a_wrong_secret() {
    refuses_a_wrong_secret("azurite", "AZURE_STORAGE_ACCOUNT_KEY", "bm90LXRoZS1zZWNyZXQ=").await;
}

/// Google's own emulators write nothing under a condition: `tests/peers/support/gcs.py` says what stands in.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_googles_words_keeps_what_a_lake_needs() {
    hold_server("google").await;
}
