//! Files on a disk that a process died while writing: listings leave them out, and so would any clean-up.

use std::path::Path as FsPath;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// Removes them below a folder where they are older than `before`, and says how many there were and their bytes. What
/// cannot be removed now is left for the next time.
pub async fn remove_unfinished(folder: &FsPath, before: DateTime<Utc>) -> (u64, u64) {
    let folder = folder.to_owned();
    let removed = tokio::task::spawn_blocking(move || remove_below(&folder, before.into())).await;
    removed.unwrap_or_default()
}

fn remove_below(folder: &FsPath, before: SystemTime) -> (u64, u64) {
    let mut removed = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            // Of a link the link itself: what it leads to is not ours.
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else if is_unfinished(&entry.file_name().to_string_lossy())
                && found.modified().is_ok_and(|at| at < before)
                && std::fs::remove_file(entry.path()).is_ok()
            {
                removed.0 += 1;
                removed.1 += found.len();
            }
        }
    }
    removed
}

/// `target#N`, as files are named until they are whole.
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[tokio::test]
    async fn what_may_still_be_written_and_what_is_named_otherwise_stays() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("day=2026-01-31");
        std::fs::create_dir(&below).unwrap();
        for name in ["part.parquet#1", "part.parquet", "a#b", "c#"] {
            std::fs::write(below.join(name), "half").unwrap();
        }
        let written: DateTime<Utc> =
            std::fs::metadata(below.join("part.parquet#1")).unwrap().modified().unwrap().into();
        assert_eq!(remove_unfinished(folder.path(), written).await, (0, 0), "it is not older");
        assert_eq!(remove_unfinished(folder.path(), written + TimeDelta::seconds(9)).await, (1, 4));
        let left = std::fs::read_dir(&below).unwrap().count();
        assert_eq!(left, 3);
    }
}
