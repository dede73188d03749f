//! What was delivered, against what the lake has of it: rows are known by the simulator that made them up.

use std::collections::{BTreeMap, BTreeSet};

use super::exports::Misfit;
use super::reader::Row;
use super::world::{Broken, World};

const DELIVERED: &str = "2 every delivered row is in bronze or in quarantine once, value by value";

impl World {
    /// No record of a delivery is there twice, and each has the values of some content of its file.
    pub(super) fn check_bronze(&self, source: usize, rows: &[Row]) -> Result<(), Broken> {
        let (table, files) = (self.design.sources[source].table(), &self.exports[source].files);
        let mut records = BTreeSet::new();
        for row in rows {
            let record = (row.get("_delivery"), row.get("_record"));
            if !records.insert(record) {
                return Err(format!("{table}: record {record:?} is there twice"));
            }
            let number = row.get("_record").and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            let file = row.get("_file").and_then(|path| files.get(path));
            let found = values(row);
            let mut delivered =
                file.into_iter().flat_map(|file| file.contents()).filter_map(|content| content.rows.get(number?));
            if !delivered.any(|delivered| delivered.values() == found) {
                return Err(format!("{table}: a row that nobody delivered: {row:?}"));
            }
        }
        Ok(())
    }

    /// Every row that was delivered is where the contract says.
    pub(super) async fn check_delivered(&mut self) -> Result<(), Broken> {
        self.known.count(DELIVERED);
        let quarantine = self.stranger.newest("ops.quarantine").await?;
        for (source, exports) in self.design.sources.clone().iter().zip(self.exports.clone()) {
            let content: BTreeMap<&str, u64> = exports
                .files
                .iter()
                .filter_map(|(path, file)| Some((path.as_str(), file.loaded.as_ref()?.content.number)))
                .collect();
            let text = |row: &Row, column: &str| row.get(column).cloned().unwrap_or_default();
            let name = |path: &str| match source.skips_twins() {
                true => content.get(path).map(u64::to_string).unwrap_or_else(|| path.to_owned()),
                false => path.to_owned(),
            };
            let (mut rows, mut held, mut discarded) = (Vec::new(), Vec::new(), Vec::new());
            for (path, loaded) in exports.loaded(source) {
                for (record, row) in (1..).zip(loaded.content.rows.iter()) {
                    let night = if source.dated { loaded.night.to_string() } else { String::new() };
                    match (row.amount, loaded.misfits) {
                        (None, Misfit::Held) => held.push((name(path), record.to_string())),
                        (None, Misfit::Discarded) => discarded.push((name(path), record.to_string())),
                        _ => rows.push((name(path), record.to_string(), night, row.values())),
                    }
                }
            }
            let there = self.stranger.newest(&source.table()).await?;
            let there = there.iter().map(|row| {
                let night = if source.dated { text(row, "_night") } else { String::new() };
                (name(&text(row, "_file")), text(row, "_record"), night, values(row))
            });
            same(&source.table(), there.collect(), rows)?;
            let with = |status: &str| -> Vec<(String, String)> {
                let of =
                    quarantine.iter().filter(|row| text(row, "source") == source.name && text(row, "status") == status);
                of.map(|row| (name(&text(row, "file")), text(row, "record"))).collect()
            };
            same(&format!("held rows of {}", source.name), with("held"), held)?;
            if !exports.files.values().any(|file| file.was_corrected()) {
                same(&format!("discarded rows of {}", source.name), with("discarded"), discarded)?;
            }
        }
        Ok(())
    }
}

/// What a row of bronze has of its file.
fn values(row: &Row) -> Row {
    row.iter()
        .filter(|(column, _)| !column.starts_with('_'))
        .map(|(column, value)| (column.clone(), value.clone()))
        .collect()
}

fn same<T: Ord + std::fmt::Debug>(what: &str, mut found: Vec<T>, mut wanted: Vec<T>) -> Result<(), Broken> {
    found.sort();
    wanted.sort();
    if found == wanted {
        return Ok(());
    }
    let more: Vec<&T> = found.iter().filter(|row| wanted.binary_search(row).is_err()).take(3).collect();
    let less: Vec<&T> = wanted.iter().filter(|row| found.binary_search(row).is_err()).take(3).collect();
    Err(format!("{what}: {} rows for {}; too much: {more:?}; missing: {less:?}", found.len(), wanted.len()))
}
