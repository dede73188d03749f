//! What maintenance takes away that no version of a table has, and what it does with little time.

use std::collections::HashSet;

use super::maintain::{KEEP, LATER, TWO_HOURS_LATER, five_nights};
use super::*;
use crate::lease::Holder;
use crate::release::dropped::dropped;
use crate::run::hold::holding;
use crate::run::maintain::{Limits, work};
use crate::run::stage;
use crate::table::vacuum;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_staged_of_a_table_that_never_went_out_is_removed_once_no_night_takes_it_up() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "-1.00")]);
    assert_eq!(shop.night("2026-02-01").await.nodes.failed, 1);
    let lake = shop.open().await.lake;
    assert!(TableSnapshot::load(&lake, "marts.daily", None).await.unwrap().is_none());
    let folder = shop.root.path().join("lake/marts/daily");
    let files = || {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with("part-")).collect::<HashSet<_>>()
    };
    let staged = files();
    assert_eq!(staged.len(), 1, "{staged:?}");
    for dead in ["part-dead.parquet", "part-dead.parquet#2"] {
        shop.write(&format!("lake/marts/daily/{dead}"), "half a file");
    }
    let vacuumed = async |needed: &[u64], before: &str| {
        let (needed, before) = (needed.iter().copied().collect(), before.parse().unwrap());
        vacuum(&lake, "marts.daily", &needed, &staged, before).await.unwrap().files
    };
    assert_eq!(vacuumed(&[], "2026-02-01T00:00:00Z").await, 0, "what is young may be one that is being written");
    assert_eq!(vacuumed(&[0], LATER).await, 0, "a release names a table whose log is lost");
    assert_eq!((vacuumed(&[], LATER).await, files()), (2, staged.clone()));
    // Days later its note is forgotten.
    shop.write("lake/_buho/stage/marts.daily/note.json#7", "half a note");
    let done = maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    assert_eq!((done.files_removed, files().len()), (2, 0), "{done:?}");
    assert_eq!(shop.night("2026-02-01").await.nodes.failed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_table_is_tidied_up_though_there_is_no_time_for_tables() {
    let shop = five_nights().await;
    maintain(&shop.later(LATER).await, KEEP).await.unwrap();
    shop.write("lake/_buho/ledger/orders/00000000.json", "{}");
    let context = shop.later(TWO_HOURS_LATER).await;
    let ledgers = || std::fs::read_dir(shop.root.path().join("lake/_buho/ledger/orders")).unwrap().count();
    assert!(!dropped(&context.lake, &BTreeSet::new()).await.unwrap().is_empty());
    let limits = Limits { until: Some(TWO_HOURS_LATER.parse().unwrap()), first: 3 };
    let done = holding(&context, Holder::this_process("test", "maintain"), async |lease| {
        work(&context, lease, KEEP, "test", limits).await
    });
    assert!(done.await.unwrap().tables_left > 3);
    assert!(dropped(&context.lake, &BTreeSet::new()).await.unwrap().is_empty());
    assert_eq!(ledgers(), 3, "the one that the log names, and two before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_note_of_what_was_staged_costs_its_table_a_computation_and_no_more() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "-1.00")]);
    shop.night("2026-02-01").await;
    let folder = shop.root.path().join("lake/_buho/stage/marts.daily");
    let notes = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(notes.len(), 1);
    let whole = std::fs::read(&notes[0]).unwrap();
    std::fs::write(&notes[0], &whole[..whole.len() / 2]).unwrap();
    // An old file may be its own: none is removed while the note is young.
    shop.write("lake/marts/daily/part-dead.parquet", "half a file");
    let dead = std::fs::File::options().append(true).open(shop.root.path().join("lake/marts/daily/part-dead.parquet"));
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    dead.unwrap().set_modified(long_ago).unwrap();
    let context = shop.open().await;
    let since = "2026-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(stage::in_use(&context.lake, "marts.daily", since).await.unwrap(), None);
    let done = maintain(&context, KEEP).await.unwrap();
    assert_eq!(done.files_removed, 0, "{done:?}");
    let again = shop.night("2026-02-01").await;
    assert_eq!((again.nodes.failed, again.worst()), (1, Some(crate::error::ErrorKind::Data)), "{again:#?}");
    assert_eq!(stage::in_use(&context.lake, "marts.daily", since).await.unwrap().map(|files| files.len()), Some(1));
}
