use std::time::Duration;

use object_store::memory::InMemory;

use super::*;
use crate::store::faults::{FaultyStore, Rule, UploadFault};

/// A store where something of each upload goes wrong, and a file on its way to it.
fn upload(fault: UploadFault) -> (FaultyStore, Upload) {
    let store = FaultyStore::new(Arc::new(InMemory::new()), Rule::Uploads(fault));
    let upload = Upload::new(&(Arc::new(store.clone()) as Arc<dyn ObjectStore>), &Path::from("part.parquet"));
    (store, upload)
}

/// Bytes that are no two parts the same.
fn bytes(parts: usize) -> Bytes {
    (0..parts * PART_BYTES + 7).map(|at| u8::try_from(at / 1000 % 251).unwrap()).collect::<Vec<u8>>().into()
}

async fn written(upload: &mut Upload, bytes: &Bytes) -> Result<(), ParquetError> {
    // As row groups come: across the ends of parts.
    for chunk in bytes.chunks(PART_BYTES / 2 + 5) {
        upload.write(bytes.slice_ref(chunk)).await?;
    }
    upload.complete().await
}

#[tokio::test]
async fn what_is_written_is_there_whole_however_many_parts_it_takes() {
    for parts in [0, 1, 3] {
        let (store, mut upload) = upload(UploadFault::None);
        let bytes = bytes(parts);
        written(&mut upload, &bytes).await.unwrap();
        drop(upload);
        let found = store.get(&Path::from("part.parquet")).await.unwrap().bytes().await.unwrap();
        assert!(found == bytes, "{parts} parts");
        assert_eq!(store.aborted(), 0);
    }
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted_and_leaves_nothing() {
    for fault in [UploadFault::Part(1), UploadFault::Part(3), UploadFault::Part(4), UploadFault::Complete] {
        let (store, mut upload) = upload(fault);
        let error = written(&mut upload, &bytes(3)).await.unwrap_err();
        assert!(error.to_string().contains("broken off"), "{fault:?}: {error}");
        assert_eq!(store.aborted(), 1, "{fault:?}");
        // What is left of it makes no object.
        assert!(upload.complete().await.is_err(), "{fault:?}");
        drop(upload);
        assert!(store.head(&Path::from("part.parquet")).await.is_err(), "{fault:?}");
        assert_eq!(store.aborted(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn an_upload_that_nobody_ends_is_aborted() {
    let (store, mut upload) = upload(UploadFault::None);
    upload.write(bytes(2)).await.unwrap();
    drop(upload);
    let aborted = async {
        while store.aborted() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), aborted).await.unwrap();
    assert!(store.head(&Path::from("part.parquet")).await.is_err());
}
