use std::sync::atomic::AtomicBool;

use super::*;

static FAILS: AtomicBool = AtomicBool::new(false);

fn sync_of_a_sick_disk(folder: &FsPath) -> io::Result<()> {
    if FAILS.load(Ordering::SeqCst) { Err(io::Error::other("the disk is sick")) } else { sync_folder(folder) }
}

#[tokio::test]
async fn an_object_whose_folder_could_not_be_synced_is_not_read_before_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folders = Arc::new(Folders { sync: sync_of_a_sick_disk, ..Folders::default() });
    let store = DurableStore { folders, ..DurableStore::new() };
    let at = |name: &str| Path::from_filesystem_path(home.path()).unwrap().join("log").join(name);
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&at("0"), "zero".into(), create()).await.unwrap();
    FAILS.store(true, Ordering::SeqCst);
    store.put_opts(&at("1"), "one".into(), create()).await.unwrap_err();
    assert!(home.path().join("log/1").exists());
    // Whoever asks whether the put was made after all is not told that it was.
    let error = store.get(&at("1")).await.unwrap_err();
    assert!(error.to_string().contains("the disk is sick"), "{error}");
    store.head(&at("1")).await.unwrap_err();
    FAILS.store(false, Ordering::SeqCst);
    assert_eq!(store.get(&at("1")).await.unwrap().bytes().await.unwrap(), "one");
    assert_eq!(store.folders.behind(&home.path().join("log")), 0);
}
