use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use super::*;

fn url_of(folder: &std::path::Path) -> Url {
    Url::from_directory_path(folder).unwrap()
}

fn nothing_set(_: &str) -> Option<String> {
    None
}

fn create() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

#[test]
fn a_lake_folder_that_is_missing_is_created() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a folder/with spaces/lake");
    open_lake(&url_of(&folder), &nothing_set).unwrap();
    assert!(folder.is_dir());
}

#[test]
fn a_raw_folder_that_is_missing_is_named_and_not_created() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("raw");
    let error = open(&url_of(&folder), &nothing_set).unwrap_err();
    assert!(error.to_string().contains("does not exist; create it"), "{error}");
    assert_eq!(error.kind(), ErrorKind::User);
    assert!(!folder.exists());
}

#[test]
fn a_file_where_a_folder_is_expected_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("lake");
    std::fs::write(&file, "x").unwrap();
    let url = Url::from_file_path(&file).unwrap();
    assert!(matches!(open(&url, &nothing_set), Err(StoreError::NotAFolder { .. })));
    assert!(matches!(open_lake(&url, &nothing_set), Err(StoreError::NotAFolder { .. })));
}

#[test]
fn an_unknown_scheme_is_refused_with_those_known() {
    let url = Url::parse("ftp://host/x").unwrap();
    let error = open(&url, &nothing_set).unwrap_err();
    assert!(error.to_string().contains("use file:, s3://, gs:// or az://"), "{error}");
}

#[test]
fn a_secret_in_a_url_is_refused_and_not_printed() {
    for text in ["s3://AKIA:hush@bucket/x", "az://box/x?sig=hush", "file:///x?hush"] {
        let error = open(&Url::parse(text).unwrap(), &nothing_set).unwrap_err();
        assert!(matches!(error, StoreError::SecretInUrl { .. }), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[test]
fn a_server_with_a_secret_or_without_a_scheme_is_refused_by_the_name_of_its_variable() {
    for (variable, value, said) in [
        ("AZURE_STORAGE_ENDPOINT", "https://name.blob.core.windows.net/?sv=2023&sig=hush", "must not carry"),
        ("AZURE_STORAGE_ENDPOINT", "https://host/#hush", "must not carry"),
        ("AZURE_AUTHORITY_HOST", "https://user:hush@host", "must not carry"),
        ("AZURE_STORAGE_ENDPOINT", "localhost:10000", "is not the URL of a server"),
        ("AZURE_STORAGE_ENDPOINT", "hush", "is not the URL of a server"),
        ("AZURITE_BLOB_STORAGE_URL", "file:///hush", "is not the URL of a server"),
    ] {
        let env = |name: &str| match name {
            "AZURE_STORAGE_ACCOUNT_NAME" => Some("name".to_owned()),
            name => (name == variable).then(|| value.to_owned()),
        };
        let error = open(&Url::parse("az://box/x").unwrap(), &env).unwrap_err().to_string();
        assert!(error.starts_with(variable) && error.contains(said) && !error.contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn a_key_where_a_path_is_expected_is_in_no_error() {
    let key = "{\n \"private_key\": \"hush\"\n}";
    for variable in ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"] {
        let env = |name: &str| (name == variable).then(|| key.to_owned());
        let error = open(&Url::parse("gs://bucket/x").unwrap(), &env).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(error.to_string().contains(&format!("file from {variable}")) && !told.contains("hush"), "{told}");
    }
    let env = |name: &str| match name {
        "AWS_WEB_IDENTITY_TOKEN_FILE" => Some("token-hush-hush".to_owned()),
        "AWS_ROLE_ARN" => Some("arn:aws:iam::1:role/x".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        _ => None,
    };
    let (store, root) = open(&Url::parse("s3://bucket/x").unwrap(), &env).unwrap();
    let error = store.get(&root).await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains("'AWS_WEB_IDENTITY_TOKEN_FILE'") && !told.contains("hush"), "{told}");
}

#[test]
fn buckets_open_from_the_variables_their_tools_read() {
    let env = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AZURE_STORAGE_ACCOUNT_NAME" => Some("name".to_owned()),
        "AZURE_STORAGE_ACCOUNT_KEY" => Some("aHVzaA==".to_owned()),
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:9".to_owned()),
        "AWS_ALLOW_HTTP" | "GOOGLE_SKIP_SIGNATURE" => Some("true".to_owned()),
        _ => None,
    };
    for text in ["s3://bucket/a/b", "gs://bucket/a/b", "az://box/a/b"] {
        let (_, root) = open(&Url::parse(text).unwrap(), &env).unwrap();
        assert_eq!(root.as_ref(), "a/b", "{text}");
    }
}

#[tokio::test]
async fn the_second_create_of_an_object_fails_and_keeps_the_first() {
    let home = tempfile::tempdir().unwrap();
    let (store, root) = open_lake(&url_of(home.path()), &nothing_set).unwrap();
    let path = root.join("log").join("0.json");
    store.put_opts(&path, "first".into(), create()).await.unwrap();
    let error = store.put_opts(&path, "second".into(), create()).await.unwrap_err();
    assert!(matches!(error, object_store::Error::AlreadyExists { .. }), "{error}");
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "first");
}

#[tokio::test]
async fn a_put_replaces_and_leaves_nothing_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let (store, root) = open_lake(&url_of(home.path()), &nothing_set).unwrap();
    let path = root.clone().join("x");
    store.put(&path, "one".into()).await.unwrap();
    let put = store.put(&path, "three".into()).await.unwrap();
    assert_eq!(put.e_tag, store.head(&path).await.unwrap().e_tag);
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "three");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_upload_is_seen_whole_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let (store, root) = open_lake(&url_of(home.path()), &nothing_set).unwrap();
    let path = root.clone().join("part").join("data");
    let mut upload = store.put_multipart(&path).await.unwrap();
    let (one, two) = (upload.put_part("ab".into()), upload.put_part("cd".into()));
    two.await.unwrap();
    one.await.unwrap();
    assert!(store.list(Some(&root)).try_collect::<Vec<_>>().await.unwrap().is_empty());
    upload.complete().await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "abcd");
    assert!(upload.complete().await.is_err());
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (store, root) = open_lake(&url_of(home.path()), &nothing_set).unwrap();
    let mut upload = store.put_multipart(&root.join("data")).await.unwrap();
    upload.put_part("ab".into()).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_put_counts_its_fsyncs() {
    let home = tempfile::tempdir().unwrap();
    let (store, root) = open_lake(&url_of(home.path()), &nothing_set).unwrap();
    let before = fsync_totals();
    store.put(&root.join("x"), "one".into()).await.unwrap();
    let after = fsync_totals();
    assert!(after.calls >= before.calls + 2, "the file and its folder");
    assert!(after.time > before.time);
}

#[tokio::test]
async fn a_folder_removed_since_is_created_again() {
    let home = tempfile::tempdir().unwrap();
    let (store, root) = open_lake(&url_of(home.path()), &nothing_set).unwrap();
    let path = root.clone().join("a").join("x");
    store.put(&path, "one".into()).await.unwrap();
    std::fs::remove_dir_all(home.path().join("a")).unwrap();
    store.put(&path, "two".into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "two");
}
