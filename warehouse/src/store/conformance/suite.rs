//! The promises, one a function.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

/// Writers that race for one object, and how often they do.
const RACERS: usize = 32;
const RACES: usize = 8;
/// More objects than a page of any server's listing.
const PAGES: usize = 1100;
/// The smallest part that S3 takes, but for the last.
const PART: usize = 5 << 20;

type Store = Arc<dyn ObjectStore>;

pub(super) fn create() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

pub(super) async fn hold(store: &Store, root: &Path) {
    of_many_that_create_one_object_exactly_one_does(store, &root.clone().join("races")).await;
    what_was_put_is_listed_at_once_and_what_was_deleted_is_not(store, &root.clone().join("listing")).await;
    a_long_listing_is_whole(store, &root.clone().join("pages")).await;
    ranges_are_exact(store, &root.clone().join("ranges")).await;
    an_upload_is_there_once_it_is_complete(store, &root.clone().join("uploads")).await;
    the_last_put_is_read(store, &root.clone().join("overwrites")).await;
    what_is_not_there_is_not_found(store, &root.clone().join("missing")).await;
    names_are_kept_as_they_are(store, &root.clone().join("names")).await;
}

async fn read(store: &Store, path: &Path) -> Bytes {
    store.get(path).await.unwrap().bytes().await.unwrap()
}

async fn listed(store: &Store, folder: &Path) -> BTreeSet<String> {
    let found: Vec<_> = store.list(Some(folder)).try_collect().await.unwrap();
    found.into_iter().map(|entry| entry.location.to_string()).collect()
}

async fn of_many_that_create_one_object_exactly_one_does(store: &Store, folder: &Path) {
    for race in 0..RACES {
        let path = folder.clone().join(format!("{race}"));
        let tries = (0..RACERS).map(|racer| {
            let (store, path) = (Arc::clone(store), path.clone());
            tokio::spawn(async move { store.put_opts(&path, format!("racer {racer}").into(), create()).await })
        });
        let mut winners = Vec::new();
        for (racer, tried) in join_all(tries).await.into_iter().enumerate() {
            match tried.unwrap() {
                Ok(_) => winners.push(racer),
                Err(Error::AlreadyExists { .. }) => {}
                Err(error) => panic!("a loser must be told that the object is there: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "winners of race {race}: {winners:?}");
        assert_eq!(read(store, &path).await, format!("racer {}", winners[0]));
        let late = store.put_opts(&path, "late".into(), create()).await.unwrap_err();
        assert!(matches!(late, Error::AlreadyExists { .. }), "{late}");
    }
}

async fn what_was_put_is_listed_at_once_and_what_was_deleted_is_not(store: &Store, folder: &Path) {
    let mut expected = BTreeSet::new();
    for number in 0..20 {
        let path = folder.clone().join(format!("{number:02}"));
        store.put_opts(&path, "x".into(), create()).await.unwrap();
        expected.insert(path.to_string());
        assert_eq!(listed(store, folder).await, expected, "after a put");
    }
    for gone in expected.clone().into_iter().step_by(2) {
        store.delete(&Path::parse(&gone).unwrap()).await.unwrap();
        expected.remove(&gone);
        assert_eq!(listed(store, folder).await, expected, "after a delete");
    }
    // A folder is not its neighbour that begins with the same letters.
    let neighbour = Path::from(format!("{folder}-2")).join("x");
    store.put(&neighbour, "x".into()).await.unwrap();
    assert_eq!(listed(store, folder).await, expected);
    let below = folder.clone().join("below");
    store.put(&below.clone().join("x"), "x".into()).await.unwrap();
    let level = store.list_with_delimiter(Some(folder)).await.unwrap();
    assert_eq!(level.common_prefixes, [below]);
    assert_eq!(level.objects.len(), expected.len());
}

async fn a_long_listing_is_whole(store: &Store, folder: &Path) {
    for some in (0..PAGES).collect::<Vec<_>>().chunks(RACERS) {
        let puts = some.iter().map(|number| {
            let path = folder.clone().join(format!("{number:05}"));
            async move { store.put(&path, "x".into()).await.map(|_| path.to_string()) }
        });
        for put in join_all(puts).await {
            put.unwrap();
        }
    }
    assert_eq!(listed(store, folder).await.len(), PAGES);
    let offset = folder.clone().join("00999");
    let after: Vec<_> = store.list_with_offset(Some(folder), &offset).try_collect().await.unwrap();
    assert_eq!(after.len(), PAGES - 1000);
}

async fn ranges_are_exact(store: &Store, folder: &Path) {
    let path = folder.clone().join("x");
    let content: Bytes = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    store.put(&path, content.clone().into()).await.unwrap();
    assert_eq!(store.head(&path).await.unwrap().size, content.len() as u64);
    for range in [0..1, 17..4711, 399_999..400_000, 0..400_000] {
        let expected = content.slice(range.start as usize..range.end as usize);
        assert_eq!(store.get_range(&path, range.clone()).await.unwrap(), expected, "{range:?}");
    }
    let ranges = [5..10, 390_000..400_000, 7..8];
    let parts = store.get_ranges(&path, &ranges).await.unwrap();
    for (part, range) in parts.iter().zip(&ranges) {
        assert_eq!(part, &content.slice(range.start as usize..range.end as usize), "{range:?}");
    }
}

async fn an_upload_is_there_once_it_is_complete(store: &Store, folder: &Path) {
    let path = folder.clone().join("whole");
    let parts = [Bytes::from(vec![1; PART]), Bytes::from(vec![2; PART]), Bytes::from(vec![3; 17])];
    let mut upload = store.put_multipart(&path).await.unwrap();
    // Written beside each other: the order of the calls counts, not that of the answers.
    let written: Vec<_> = parts.iter().map(|part| upload.put_part(PutPayload::from(part.clone()))).collect();
    for part in join_all(written).await {
        part.unwrap();
    }
    assert!(listed(store, folder).await.is_empty(), "an upload that is not complete is listed");
    assert!(matches!(store.head(&path).await, Err(Error::NotFound { .. })));
    upload.complete().await.unwrap();
    assert_eq!(read(store, &path).await, parts.concat());

    let given_up = folder.clone().join("given-up");
    let mut upload = store.put_multipart(&given_up).await.unwrap();
    upload.put_part(PutPayload::from(parts[0].clone())).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(listed(store, folder).await, BTreeSet::from([path.to_string()]));
}

async fn the_last_put_is_read(store: &Store, folder: &Path) {
    let path = folder.clone().join("x");
    for text in ["first", "second, and longer", ""] {
        store.put(&path, text.into()).await.unwrap();
        assert_eq!(read(store, &path).await, text);
        assert_eq!(store.head(&path).await.unwrap().size, text.len() as u64);
    }
    store.delete(&path).await.unwrap();
    store.put_opts(&path, "after the delete".into(), create()).await.unwrap();
    assert_eq!(read(store, &path).await, "after the delete");
}

async fn what_is_not_there_is_not_found(store: &Store, folder: &Path) {
    let path = folder.clone().join("x");
    assert!(matches!(store.get(&path).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.head(&path).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.get_range(&path, 0..1).await, Err(Error::NotFound { .. })));
    assert!(listed(store, folder).await.is_empty());
    // Some say that there was nothing to delete, some do not; none does harm.
    match store.delete(&path).await {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(error) => panic!("a delete of nothing: {error}"),
    }
}

async fn names_are_kept_as_they_are(store: &Store, folder: &Path) {
    let names = ["with space", "plus+and&", "per%cent", "ñandú-€", "semi;colon,comma", "a=b", "'; drop table x; --"];
    for name in names {
        let path = folder.clone().join(name);
        store.put_opts(&path, name.into(), create()).await.unwrap();
        assert_eq!(read(store, &path).await, name);
    }
    assert_eq!(listed(store, folder).await.len(), names.len());
}
