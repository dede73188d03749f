use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;

use super::*;
use crate::store::faults::{FaultyStore, Rule};

pub(crate) fn lake() -> Lake {
    Lake::new("memory:///lake".parse().unwrap(), Arc::new(InMemory::new()), Path::from("lake"))
}

pub(crate) fn release(night: &str, run_id: &str) -> Release {
    Release {
        format: LAKE_FORMAT,
        night: night.parse().unwrap(),
        sequence: 0,
        run_id: run_id.to_owned(),
        at: "2026-02-01T03:00:00Z".parse().unwrap(),
        tables: BTreeMap::new(),
        views: BTreeMap::new(),
        restores: None,
        shows: None,
    }
}

#[tokio::test]
async fn the_default_is_the_latest_sequence_of_the_highest_night() {
    let lake = lake();
    for (night, run) in [("2026-01-31", "a"), ("2026-02-01", "b"), ("2026-01-31", "c"), ("2026-02-01", "d")] {
        let sequence = next_sequence(&lake, night.parse().unwrap()).await.unwrap();
        write(&lake, &Release { sequence, ..release(night, run) }).await.unwrap();
    }
    let latest = latest(&lake).await.unwrap().unwrap();
    assert_eq!((latest.id().to_string().as_str(), latest.run_id.as_str()), ("2026-02-01.2", "d"));
}

#[tokio::test]
async fn a_listing_that_is_behind_gives_no_two_releases_one_number() {
    let lake = lake();
    let behind = lake.over(Arc::new(FaultyStore::new(Arc::clone(lake.store()), Rule::Unlisted(FOLDER))));
    for (number, run) in ["a", "b", "c"].into_iter().enumerate() {
        let sequence = next_sequence(&behind, "2026-01-31".parse().unwrap()).await.unwrap();
        assert_eq!(sequence as usize, number + 1);
        write(&behind, &Release { sequence, ..release("2026-01-31", run) }).await.unwrap();
    }
    assert_eq!(list(&lake).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_unknown_release_is_refused_with_those_that_exist() {
    let lake = lake();
    write(&lake, &Release { sequence: 1, ..release("2026-01-31", "a") }).await.unwrap();
    let error = read(&lake, "2026-01-31.7".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("2026-01-31.1"), "{error}");
}

#[tokio::test]
async fn a_release_that_maintenance_dropped_is_told_as_such_with_what_keeps_more() {
    let lake = lake();
    for (night, sequence) in [("2026-01-30", 1), ("2026-01-31", 1), ("2026-01-31", 2)] {
        write(&lake, &Release { sequence, ..release(night, "a") }).await.unwrap();
    }
    let at = "2026-02-02T03:00:00Z".parse().unwrap();
    let ids: [ReleaseId; 2] = ["2026-01-30.1", "2026-01-31.1"].map(|id| id.parse().unwrap());
    for id in ids {
        dropped::drop_release(&lake, id, at).await.unwrap().unwrap();
        let said = read(&lake, id).await.unwrap_err().to_string();
        assert!(
            said.contains("was dropped by maintenance") && said.contains("`buho releases pin` keeps more"),
            "{said}"
        );
        dropped::forget(&lake, id).await.unwrap();
    }
    // Of a night that has a later one it is known for ever.
    let told = async |id: ReleaseId| read(&lake, id).await.unwrap_err().to_string();
    assert!(told(ids[1]).await.contains("was dropped by maintenance"));
    for unknown in ["2026-01-30.1", "2026-01-31.3", "2026-01-31.0"] {
        let said = told(unknown.parse().unwrap()).await;
        assert!(said.contains(&format!("release {unknown} does not exist; the latest are: 2026-01-31.2")), "{said}");
    }
}

#[tokio::test]
async fn a_damaged_release_is_told_with_its_file_and_what_readers_get_without_it() {
    let lake = lake();
    for (night, sequence) in [("2026-01-30", 2), ("2026-01-31", 1)] {
        write(&lake, &Release { sequence, ..release(night, "a") }).await.unwrap();
    }
    let newest: ReleaseId = "2026-01-31.1".parse().unwrap();
    let whole = lake.read(&newest.file()).await.unwrap().unwrap();
    for torn in [whole.slice(..whole.len() / 2), "not json".into(), "".into()] {
        lake.store().put(&lake.path(&newest.file()), torn.into()).await.unwrap();
        let error = latest(&lake).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Data);
        let said = error.to_string();
        for part in [
            "release 2026-01-31.1 cannot be read",
            "_buho/releases/2026-01-31-000001.json",
            "remove it: readers get 2026-01-30.2 then",
            "`buho run --night 2026-01-31`",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    lake.store().delete(&lake.path(&newest.file())).await.unwrap();
    assert_eq!(latest(&lake).await.unwrap().unwrap().id().to_string(), "2026-01-30.2");
}

#[tokio::test]
async fn an_older_binary_refuses_a_newer_lake() {
    let lake = lake();
    check_format(&lake, true).await.unwrap();
    check_format(&lake, true).await.unwrap();
    lake.store().put(&lake.path("_buho/format.json"), r#"{"format":99}"#.into()).await.unwrap();
    let error = check_format(&lake, true).await.unwrap_err();
    assert!(error.to_string().contains("newer buho"), "{error}");
}

#[test]
fn ids_read_back_what_they_print_and_sort_by_night_then_sequence() {
    let id: ReleaseId = "2026-01-31.12".parse().unwrap();
    assert_eq!(id.to_string(), "2026-01-31.12");
    assert_eq!(ReleaseId::from_file("2026-01-31-000012.json"), Some(id));
    assert!("2026-01-31.9".parse::<ReleaseId>().unwrap() < id);
    assert!("yesterday".parse::<ReleaseId>().is_err());
}

#[tokio::test]
async fn who_pins_and_who_drops_at_the_same_time_see_each_other() {
    let lake = lake();
    let first = Release { sequence: 1, ..release("2026-01-31", "a") };
    write(&lake, &first).await.unwrap();
    let (id, at) = (first.id(), first.at);
    let reason = Pin { reason: "audit".to_owned(), at };
    // The pin came first, and maintenance had listed none.
    pin(&lake, id, &reason).await.unwrap();
    assert!(dropped::drop_release(&lake, id, at).await.unwrap().is_none());
    assert!(dropped::dropped(&lake, &BTreeSet::new()).await.unwrap().is_empty());
    assert_eq!(read(&lake, id).await.unwrap().run_id, "a");
    unpin(&lake, id).await.unwrap();
    // Maintenance came first, and its note is there while the release can still be read.
    let copy = lake.store().get(&lake.path(&id.file())).await.unwrap().bytes().await.unwrap();
    assert!(dropped::drop_release(&lake, id, at).await.unwrap().is_some());
    lake.store().put(&lake.path(&id.file()), copy.into()).await.unwrap();
    let error = pin(&lake, id, &reason).await.unwrap_err();
    assert!(matches!(error, ReleaseError::Dropping { .. }), "{error}");
    assert!(!is_pinned(&lake, id).await.unwrap());
}
