//! Stores that refuse, files that move while they are read.

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::support::*;
use crate::error::ErrorKind;
use crate::ingest::*;

fn local(folder: &tempfile::TempDir) -> World {
    let mut world = World::new();
    world.store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    world
}

#[tokio::test]
async fn a_local_file_is_read_by_every_worker() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = local(&folder);
    world.options.block_bytes = 4096;
    world.options.threads = 4;
    let mut text = String::from("id,name\n");
    (0..50_000).for_each(|id| text.push_str(&format!("{id},\"name, {id}\"\n")));
    world.put("raw/a.csv", &text).await;
    let contract = columns("path: '*.csv'", &["id BIGINT!", "name VARCHAR"]);
    let loaded = world.load(&contract, "2024-01-01").await.unwrap();
    let expected: Vec<String> = (0..50_000).map(|id| format!("{id}|name, {id}|{}", id + 1)).collect();
    assert_eq!(joined(&loaded), expected);
}

#[tokio::test]
async fn an_empty_bucket_and_a_missing_folder_give_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let contract = columns("path: 'orders/*.csv'", &["id BIGINT!"]);
    for store in [local(&folder).store, World::new().store] {
        assert_eq!(discover(&*store, &Path::from("raw"), &contract).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_directory_called_like_an_export_is_named() {
    let contract = columns("path: 'orders/*.csv'", &["id BIGINT!"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("raw/orders/x.csv")).unwrap();
    let world = local(&folder);
    for content in [false, true] {
        if content {
            world.put("raw/orders/x.csv/part-0", "id\n1\n").await;
        }
        let error = discover(&*world.store, &Path::from("raw"), &contract).await.unwrap_err();
        assert!(error.to_string().contains("`orders/x.csv`") && error.to_string().contains("directory"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Data);
    }
}

#[tokio::test]
async fn a_date_that_does_not_exist_in_a_name_is_told() {
    let contract = columns("path: 'o_{date:%Y-%m-%d}.csv'", &["id BIGINT!"]);
    let world = World::new();
    world.put("raw/o_2024-02-31.csv", "id\n").await;
    let error = world.plan(&contract, "2024-12-01").await.unwrap_err();
    assert!(error.to_string().contains("o_2024-02-31.csv"), "{error}");
}

#[tokio::test]
async fn a_file_that_grows_shrinks_or_goes_after_the_listing_is_left_for_the_next_night() {
    let contract = columns("path: '*.csv'", &["id BIGINT!"]);
    let folder = tempfile::tempdir().unwrap();
    for mut world in [local(&folder), World::new()] {
        for change in ["id\n1\n2\n3\n", "id\n", ""] {
            world.put("raw/a.csv", "id\n1\n").await;
            let plan = world.plan(&contract, "2024-01-01").await.unwrap();
            world.put("raw/a.csv", change).await;
            let kept = Arc::new(Kept::default());
            let loaded = load(Arc::clone(&world.store), &contract, &plan, &world.options, kept).await;
            let error = loaded.err().unwrap();
            assert!(error.to_string().contains("`a.csv` changed while it was read"), "{error}");
            assert!(error.to_string().contains("next night"), "{error}");
        }
        assert_eq!(world.load(&contract, "2024-01-02").await.unwrap().report.rows, 0);
    }
}

#[tokio::test]
async fn a_file_cut_down_while_it_is_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let world = local(&folder);
    world.put("raw/a.csv", "id\n1\n2\n3\n").await;
    let contract = columns("path: '*.csv'", &["id BIGINT!"]);
    let mut plan = world.plan(&contract, "2024-01-01").await.unwrap();
    // A store without etags: only what is read tells.
    plan.deliveries[0].file.etag = None;
    std::fs::write(folder.path().join("raw/a.csv"), "id\n1\n").unwrap();
    let kept = Arc::new(Kept::default());
    let error = load(Arc::clone(&world.store), &contract, &plan, &world.options, kept).await.err().unwrap();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}

#[test]
fn a_store_that_refuses_is_the_users_to_mend_and_one_that_fails_is_tried_again() {
    let refused = object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(std::io::Error::from(std::io::ErrorKind::PermissionDenied)),
    };
    let error = IngestError::storage("a.csv", "open", refused);
    assert!(error.to_string().contains("the right to read it") && error.to_string().contains("a.csv"), "{error}");
    assert_eq!(error.kind(), ErrorKind::User);
    let broken = object_store::Error::Generic { store: "S3", source: "connection reset".into() };
    assert_eq!(IngestError::storage("a.csv", "open", broken).kind(), ErrorKind::Retry);
}

#[tokio::test]
async fn what_the_contract_says_wrongly_is_told_with_its_field() {
    for (head, field) in [
        ("format: { delimiter: ';;' }", "format.delimiter"),
        ("format: { quote: ',' }", "format.quote"),
        ("format: { encoding: latin-99 }", "format.encoding"),
        ("format: { date_formats: ['%Q'] }", "format.date_formats"),
    ] {
        let contract = columns(&format!("path: '*.csv'\n{head}"), &["id DATE"]);
        let error = load_file(&contract, "a.csv", "id\n\n", 1 << 20, 1).await.err().unwrap();
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(error.kind(), ErrorKind::User);
    }
}

struct Full;

impl SinkFactory for Full {
    fn open(&self) -> Result<Box<dyn BatchSink>, SinkError> {
        Err(SinkError { kind: ErrorKind::Retry, source: "no space left".into() })
    }
}

#[tokio::test]
async fn a_sink_that_fails_stops_the_load() {
    let world = World::new();
    world.put("raw/a.csv", "id\n1\n").await;
    let contract = columns("path: '*.csv'", &["id BIGINT!"]);
    let plan = world.plan(&contract, "2024-01-01").await.unwrap();
    let error = load(Arc::clone(&world.store), &contract, &plan, &world.options, Arc::new(Full)).await.err().unwrap();
    assert_eq!((error.kind(), error.to_string().contains("no space left")), (ErrorKind::Retry, true));
}
