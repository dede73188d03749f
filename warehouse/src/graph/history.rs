//! What ML nodes learn from past nights is known as of these nights: a column of an export that says how things are
//! today, and keeps no history, knows what came after.
//!
//! The way of each column that is learnt from is followed back, and that of whatever decides which rows there are. It
//! ends well at an event, at a key, at a column declared `fixed`, and at a history that is asked by its `valid_from`.
//!
//! What the engine says of a row's delivery (`_night`, `_delivery`, …) is known from that night on. Of rows that are only
//! added it may be learnt from where rows are kept by their `_night`; where a later delivery takes a row's place, the one
//! that a past night knew is not there to be asked. Which delivery of a key counts may be decided by it: of what is known
//! at any night all deliveries say the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use datafusion::sql::sqlparser::tokenizer::Location;

use super::build::Graph;
use super::error::{At, GraphError};
use super::lineage::{Lineage, Place};
use super::plan_error::{search, search_last};
use super::resolve::{Resolved, learning};
use crate::ingest::{NIGHT, is_of_the_engine};
use crate::project::contract::{Contract, Delivery};
use crate::project::ml::MlNode;
use crate::project::model::{Materialized, Model, VALID_FROM};

/// Columns that ML nodes learn from past nights and that no past night knew.
pub(super) fn history_errors(
    graph: &Graph,
    resolved: &Resolved,
    models: &BTreeMap<String, Model>,
    contracts: &BTreeMap<String, Contract>,
) -> Vec<GraphError> {
    let learning: Vec<&MlNode> = learning(models).filter(|node| node.looks_back()).collect();
    if learning.is_empty() {
        return Vec::new();
    }
    let behind = graph.ancestors(learning.iter().map(|node| node.spec.features.as_str()));
    let nodes = graph.nodes.iter().filter(|node| behind.contains(&node.name));
    match Lineage::over(nodes, resolved, contracts) {
        Ok(lineage) => {
            let contracts = contracts.values().map(|contract| (contract.table.as_str(), contract)).collect();
            let past = Past { lineage: &lineage, models, contracts };
            learning.into_iter().flat_map(|node| past.errors(node)).collect()
        }
        Err(error) => vec![GraphError::Plan { at: At::new("sql", 0, 0), message: error.to_string() }],
    }
}

/// What the engine's columns say of rows that are only added, and the way out.
const ADDED: (&str, &str) = (
    "is known from the night of the delivery on",
    "keep rows that were delivered by the row's night, by their `_night` (`delivered_on <= night`)",
);
/// The same of rows whose place a later delivery takes.
const REPLACED: (&str, &str) = (
    "is that of the last delivery, which took the place of those before",
    "write `fixed: true` at the column of a model that never changes it",
);

/// What a place is to somebody who asks for a past night.
enum Known<'a> {
    /// Made of others, which say.
    AsItsOrigins,
    /// The same at any night.
    Always,
    /// By the nights of a history.
    ByNight { history: &'a str },
    /// From the night of its delivery on.
    Delivered { contract: &'a Contract },
    /// As it is today.
    Today { contract: &'a Contract, how: &'static str },
}

struct Past<'a> {
    lineage: &'a Lineage,
    models: &'a BTreeMap<String, Model>,
    /// By bronze table.
    contracts: BTreeMap<&'a str, &'a Contract>,
}

/// Places that a walk came to, each with the step by which it left its first table.
#[derive(Default)]
struct Walked<'a> {
    places: BTreeMap<&'a Place, Step<'a>>,
    tables: BTreeSet<&'a str>,
}

/// A table, and the column by which what was found bears on it.
#[derive(Clone, Copy)]
struct Step<'a> {
    table: &'a str,
    by: &'a Place,
}

impl<'a> Step<'a> {
    /// The column as the table's SQL names it.
    fn named(&self) -> &'a str {
        match self.by {
            Place::Column { column, .. } | Place::Raw { column, .. } => column,
        }
    }
}

fn valid_from(history: &str) -> Place {
    Place::Column { table: history.to_owned(), column: VALID_FROM.to_owned() }
}

impl<'a> Past<'a> {
    fn known(&self, place: &'a Place) -> Known<'a> {
        let Place::Column { table, column } = place else { return Known::Always };
        if let Some(contract) = self.contracts.get(table.as_str()).copied() {
            return match contract.without_history(column) {
                Some(how) => Known::Today { contract, how },
                None if is_of_the_engine(column) => Known::Delivered { contract },
                None => Known::Always,
            };
        }
        let Some(model) = self.models.get(table) else { return Known::Always };
        let is_fixed = model.spec.columns.iter().any(|known| known.fixed && known.name.as_str() == column);
        match model.spec.materialized {
            _ if is_fixed => Known::Always,
            Materialized::Scd2 => {
                let is_known = column == VALID_FROM || model.spec.key.iter().any(|key| key.as_str() == column);
                if is_known { Known::Always } else { Known::ByNight { history: table } }
            }
            _ => Known::AsItsOrigins,
        }
    }

    /// Follows columns back to where it is known what they were; with `rows`, also what decides the rows of every table
    /// on the way.
    fn walk(&self, from: impl IntoIterator<Item = Step<'a>>, rows: bool) -> Walked<'a> {
        let mut walked = Walked::default();
        let mut queue: VecDeque<(&'a Place, Step<'a>)> = from.into_iter().map(|step| (step.by, step)).collect();
        while let Some((place, step)) = queue.pop_front() {
            if walked.places.contains_key(place) {
                continue;
            }
            walked.places.insert(place, step);
            let (Known::AsItsOrigins, Place::Column { table, .. }) = (self.known(place), place) else { continue };
            if walked.tables.insert(table) && rows {
                queue.extend(self.rows_of(table).map(|step| (step.by, step)));
            }
            queue.extend(self.lineage.made_of(place).map(|origin| (origin, step)));
        }
        walked
    }

    fn rows_of(&self, table: &'a str) -> impl Iterator<Item = Step<'a>> {
        self.lineage.decided_by(table).map(move |by| Step { table, by })
    }

    fn errors(&self, node: &'a MlNode) -> Vec<GraphError> {
        let features = node.spec.features.as_str();
        let Some(model) = self.models.get(features) else { return Vec::new() };
        let declared = model.spec.columns.iter().filter(|column| !column.fixed);
        let columns: Vec<(&str, Place)> = node
            .learnt(declared.map(|column| column.name.as_str()))
            .into_iter()
            .map(|column| (column, Place::Column { table: features.to_owned(), column: column.to_owned() }))
            .collect();
        let mut errors = Vec::new();
        let mut tables = BTreeSet::from([features]);
        for (column, place) in &columns {
            let learnt = Learnt { node, model, column };
            let origins = self.lineage.made_of(place);
            let walked = self.walk(origins.map(|by| Step { table: features, by }), false);
            errors.extend(self.of_value(&learnt, &walked));
            tables.extend(walked.tables);
        }
        let deciding = tables.iter().copied().flat_map(|table| self.rows_of(table));
        let walked = self.walk(deciding, true);
        errors.extend(walked.places.iter().filter_map(|(place, step)| self.of_rows(node, place, *step)));
        tables.extend(walked.tables);
        errors.extend(tables.iter().copied().flat_map(|table| self.of_histories(node, table, &tables)));
        errors
    }

    /// What is wrong with the histories that decide which rows a table has.
    fn of_histories(&self, node: &MlNode, table: &'a str, all: &BTreeSet<&'a str>) -> Vec<GraphError> {
        let mut wrong = BTreeMap::new();
        for step in self.rows_of(table) {
            let walked = self.walk([step], false);
            for place in walked.places.keys() {
                let (Known::ByNight { history }, Place::Column { column, .. }) = (self.known(place), place) else {
                    continue;
                };
                let near = walked.tables.iter().copied().chain([table]);
                if !self.look_at_the_night(near, history) && !self.is_asked_by_night(table, history, all) {
                    wrong.entry(history).or_insert((column, step));
                }
            }
        }
        let told = |(history, (column, step)): (&str, (&String, Step<'a>))| {
            let model = self.models.get(table)?;
            Some(GraphError::RowsOfToday {
                at: found_at(model, search(&model.sql, step.named())),
                node: node.file.clone(),
                model: model.name.clone(),
                column: column.clone(),
                history: history.to_owned(),
            })
        };
        wrong.into_iter().filter_map(told).collect()
    }

    /// Whether one of the tables looks at a history's `valid_from` by what it has of it through this one.
    fn is_asked_by_night(&self, table: &str, history: &str, all: &BTreeSet<&'a str>) -> bool {
        all.iter().copied().any(|asking| {
            let walked = self.walk(self.rows_of(asking), false);
            walked.tables.contains(table) && walked.places.contains_key(&valid_from(history))
        })
    }

    /// What is wrong with where a column's value comes from.
    fn of_value(&self, learnt: &Learnt<'_>, walked: &Walked<'a>) -> Vec<GraphError> {
        let (node, column) = (learnt.node.file.clone(), learnt.column.to_owned());
        let mut errors = Vec::new();
        for place in walked.places.keys() {
            match (self.known(place), place) {
                (Known::Today { contract, how }, Place::Column { column: raw, .. }) => {
                    errors.push(GraphError::NoHistory {
                        at: learnt.at(),
                        node: node.clone(),
                        column: column.clone(),
                        raw: raw.clone(),
                        source_name: contract.name.clone(),
                        how,
                        contract: contract.file.clone(),
                    });
                }
                (Known::Delivered { contract }, Place::Column { table, column: raw }) => {
                    let is_added = contract.spec.delivery == Delivery::Append;
                    let night = Place::Column { table: table.clone(), column: NIGHT.to_owned() };
                    if is_added && self.are_decided_by(self.behind(learnt.node, walked), &night) {
                        continue;
                    }
                    let (says, way_out) = if is_added { ADDED } else { REPLACED };
                    errors.push(GraphError::OfDelivery {
                        at: learnt.at(),
                        node: node.clone(),
                        column: column.clone(),
                        raw: raw.clone(),
                        source_name: contract.name.clone(),
                        says,
                        way_out,
                    });
                }
                (Known::ByNight { history }, _) if !self.asks_for_the_night(learnt.node, walked, history) => {
                    errors.push(GraphError::HistoryOfToday {
                        at: learnt.at(),
                        node: node.clone(),
                        column: column.clone(),
                        history: history.to_owned(),
                    });
                }
                _ => {}
            }
        }
        errors
    }

    /// Whether the tables through which a column comes from a history look at its `valid_from`.
    fn asks_for_the_night(&self, node: &'a MlNode, walked: &Walked<'a>, history: &str) -> bool {
        walked.places.contains_key(&valid_from(history)) || self.look_at_the_night(self.behind(node, walked), history)
    }

    /// The tables through which a column of the features comes.
    fn behind(&self, node: &'a MlNode, walked: &Walked<'a>) -> impl Iterator<Item = &'a str> {
        walked.tables.clone().into_iter().chain([node.spec.features.as_str()])
    }

    fn look_at_the_night(&self, tables: impl Iterator<Item = &'a str>, history: &str) -> bool {
        self.are_decided_by(tables, &valid_from(history))
    }

    /// Whether a place decides which rows one of the tables has.
    fn are_decided_by(&self, tables: impl Iterator<Item = &'a str>, place: &Place) -> bool {
        self.walk(tables.flat_map(|table| self.rows_of(table)), false).places.contains_key(place)
    }

    /// What is wrong with a column that decides which rows there are.
    fn of_rows(&self, node: &MlNode, place: &'a Place, step: Step<'a>) -> Option<GraphError> {
        let (Known::Today { contract, how }, Place::Column { column: raw, .. }) = (self.known(place), place) else {
            return None;
        };
        let model = self.models.get(step.table)?;
        Some(GraphError::RowsWithoutHistory {
            at: found_at(model, search(&model.sql, step.named())),
            node: node.file.clone(),
            model: model.name.clone(),
            raw: raw.clone(),
            source_name: contract.name.clone(),
            how,
            contract: contract.file.clone(),
        })
    }
}

/// A column of the features that is learnt from.
struct Learnt<'a> {
    node: &'a MlNode,
    model: &'a Model,
    column: &'a str,
}

impl Learnt<'_> {
    /// Where the last SELECT gives it.
    fn at(&self) -> At {
        found_at(self.model, search_last(&self.model.sql, self.column))
    }
}

fn found_at(model: &Model, found: Option<Location>) -> At {
    found.map_or_else(|| At::new(&model.sql_file, 0, 0), |at| At::location(&model.sql_file, at))
}
