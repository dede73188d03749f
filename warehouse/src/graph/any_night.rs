//! A history is asked for nights that are long past: all that is behind it can be read as of any night.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{At, GraphError};
use super::parse::parse;
use crate::ingest::names_one_file;
use crate::project::contract::{Contract, Delivery};
use crate::project::model::{Materialized, Model};

/// What a history reads, itself or through views, and can be had of the newest night alone.
pub(super) fn any_night(
    model: &Model,
    models: &BTreeMap<String, Model>,
    contracts: &BTreeMap<String, Contract>,
    errors: &mut Vec<GraphError>,
) {
    let mut waiting = vec![model];
    let mut seen = BTreeSet::new();
    while let Some(reader) = waiting.pop() {
        let Ok(parsed) = parse(&reader.sql_file, &reader.sql) else { continue };
        for (table, span) in &parsed.inputs {
            let at = At::span(&reader.sql_file, *span);
            if table.starts_with("bronze.") {
                let contract = contracts.values().find(|contract| contract.table == *table);
                errors.extend(
                    contract
                        .filter(|contract| is_written_over(contract))
                        .map(|contract| of_one_file(at, model, contract)),
                );
                continue;
            }
            match models.get(table) {
                Some(read) if read.spec.materialized == Materialized::View => {
                    if seen.insert(table.clone()) {
                        waiting.push(read);
                    }
                }
                _ => errors.push(GraphError::HistoryOfTable { at, model: model.name.clone(), table: table.clone() }),
            }
        }
    }
}

/// Whether a delivery takes the place of the one before, and with it of its night. A file to which events are added has
/// what it had: each night reads those up to its day.
fn is_written_over(contract: &Contract) -> bool {
    let only_grows = contract.spec.delivery == Delivery::Append && contract.spec.event_time.is_some();
    names_one_file(&contract.spec.path) && !only_grows
}

fn of_one_file(at: At, model: &Model, contract: &Contract) -> GraphError {
    let path = contract.spec.path.value.clone();
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let end = path.get(name..).and_then(|file| file.find('.')).map_or(path.len(), |dot| name + dot);
    let (stem, extension) = path.split_at_checked(end).unwrap_or((path.as_str(), ""));
    GraphError::HistoryOfOneFile {
        at,
        model: model.name.clone(),
        table: contract.table.clone(),
        dated: format!("'{stem}_{{date:%Y-%m-%d}}{extension}'"),
        path,
        contract: contract.file.clone(),
    }
}
