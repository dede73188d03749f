//! The lineage of a project: upstream and downstream of a table or a column.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use datafusion::error::DataFusionError;

use super::trace::{Origin, trace};
use crate::graph::build::{Graph, Node};
use crate::graph::resolve::Resolved;
use crate::nearest::{did_you_mean, nearest};
use crate::project::contract::Contract;

/// A column of a table or of a raw file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `table` is `layer.name`.
    Column { table: String, column: String },
    /// A column of the exports that `path` matches, by its name in the file.
    Raw { source: String, path: String, column: String },
}

impl Place {
    fn column(table: &str, column: &str) -> Self {
        Self::Column { table: table.to_owned(), column: column.to_owned() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column { table, column } => write!(f, "{table}.{column}"),
            Self::Raw { path, column, .. } => write!(f, "{path} [{column}]"),
        }
    }
}

/// How one column bears on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Influence {
    /// Its value is part of the other's.
    Value,
    /// It decides which rows there are: filters, joins, grouping, order.
    Rows,
}

/// One arrow of the lineage, `depth` tables away from what was asked (1 is next to it).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub depth: usize,
    pub from: Place,
    pub to: Place,
    pub influence: Influence,
}

/// A question about a table or column that is not there.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    #[error("there is no table `{table}` — {}", did_you_mean(.nearest.as_deref(), "name a table of the project as layer.name"))]
    UnknownTable { table: String, nearest: Option<String> },
    #[error("`{table}` has no column `{column}` — {}", did_you_mean(.nearest.as_deref(), "name a column it declares"))]
    UnknownColumn { table: String, column: String, nearest: Option<String> },
    #[error("the plan of `{model}` cannot be traced: {source}")]
    Plan { model: String, source: DataFusionError },
}

/// Arrows between columns, in both directions.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    columns: BTreeMap<String, Vec<String>>,
    /// By column: what it is made of.
    values: BTreeMap<Place, BTreeSet<Place>>,
    /// By table: what decides which rows it has.
    rows: BTreeMap<String, BTreeSet<Place>>,
}

impl Lineage {
    /// Traces every model of a resolved graph, and every bronze column to its file.
    ///
    /// # Errors
    /// A plan that cannot be traced: a defect.
    pub fn of(
        graph: &Graph,
        resolved: &Resolved,
        contracts: &BTreeMap<String, Contract>,
    ) -> Result<Self, LineageError> {
        Self::over(graph.nodes.iter(), resolved, contracts)
    }

    /// Traces some models of a resolved graph alone.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(in crate::graph) fn over<'a>(
        nodes: impl Iterator<Item = &'a Node>,
        resolved: &Resolved,
        contracts: &BTreeMap<String, Contract>,
    ) -> Result<Self, LineageError> {
        let mut lineage = Self::default();
        for (table, schema) in &resolved.schemas {
            let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
            lineage.columns.insert(table.clone(), columns);
        }
        for contract in contracts.values() {
            for column in &contract.spec.columns {
                let raw = Place::Raw {
                    source: contract.name.clone(),
                    path: contract.spec.path.value.clone(),
                    column: column.name_in_file().to_owned(),
                };
                lineage.values.entry(Place::column(&contract.table, &column.name)).or_default().insert(raw);
            }
        }
        for node in nodes {
            let Some(plan) = resolved.plans.get(&node.name) else { continue };
            let traced = trace(plan).map_err(|source| LineageError::Plan { model: node.name.clone(), source })?;
            let place = |origin: Origin| Place::Column { table: origin.table, column: origin.column };
            for (field, origins) in plan.schema().fields().iter().zip(traced.columns) {
                let made_of = origins.into_iter().map(place).collect();
                lineage.values.insert(Place::column(&node.name, field.name()), made_of);
            }
            lineage.rows.insert(node.name.clone(), traced.rows.into_iter().map(place).collect());
        }
        Ok(lineage)
    }

    /// What a column is made of, one step back.
    pub(in crate::graph) fn made_of(&self, place: &Place) -> impl Iterator<Item = &Place> {
        self.values.get(place).into_iter().flatten()
    }

    /// What decides which rows a table has, one step back.
    pub(in crate::graph) fn decided_by(&self, table: &str) -> impl Iterator<Item = &Place> {
        self.rows.get(table).into_iter().flatten()
    }

    /// What a table or one column of it is made of, nearest first, back to the raw files.
    ///
    /// With a column, arrows that decide rows are those of its own table only: further up they
    /// would soon be all there is.
    ///
    /// # Errors
    /// A table or column that is not there, with the nearest.
    pub fn upstream(&self, table: &str, column: Option<&str>) -> Result<Vec<Step>, LineageError> {
        let seeds = self.seeds(table, column)?;
        let mut steps = BTreeSet::new();
        for from in self.rows.get(table).into_iter().flatten() {
            for to in &seeds {
                let step = Step { depth: 1, from: from.clone(), to: to.clone(), influence: Influence::Rows };
                steps.insert(step);
            }
        }
        let made_of = |place: &Place| self.values.get(place).cloned().unwrap_or_default();
        walk(seeds, made_of, |depth, at, next| {
            steps.insert(Step { depth, from: next.clone(), to: at.clone(), influence: Influence::Value });
        });
        Ok(steps.into_iter().collect())
    }

    /// What is made of a table or of one column of it, nearest first, to the last mart.
    ///
    /// # Errors
    /// A table or column that is not there, with the nearest.
    pub fn downstream(&self, table: &str, column: Option<&str>) -> Result<Vec<Step>, LineageError> {
        let seeds = self.seeds(table, column)?;
        let mut readers: BTreeMap<&Place, BTreeSet<&Place>> = BTreeMap::new();
        for (to, made_of) in &self.values {
            for from in made_of {
                readers.entry(from).or_default().insert(to);
            }
        }
        let mut steps = BTreeSet::new();
        for (to, deciding) in &self.rows {
            for from in seeds.iter().filter(|seed| deciding.contains(seed)) {
                let all = Place::column(to, "*");
                steps.insert(Step { depth: 1, from: from.clone(), to: all, influence: Influence::Rows });
            }
        }
        let made = |place: &Place| readers.get(place).into_iter().flatten().map(|place| (*place).clone()).collect();
        walk(seeds, made, |depth, at, next| {
            steps.insert(Step { depth, from: at.clone(), to: next.clone(), influence: Influence::Value });
        });
        Ok(steps.into_iter().collect())
    }

    /// The columns asked about.
    fn seeds(&self, table: &str, column: Option<&str>) -> Result<Vec<Place>, LineageError> {
        let Some(columns) = self.columns.get(table) else {
            let nearest = nearest(table, self.columns.keys().map(String::as_str)).map(str::to_owned);
            return Err(LineageError::UnknownTable { table: table.to_owned(), nearest });
        };
        let Some(column) = column else {
            return Ok(columns.iter().map(|column| Place::column(table, column)).collect());
        };
        if !columns.iter().any(|own| own == column) {
            let nearest = nearest(column, columns.iter().map(String::as_str)).map(str::to_owned);
            return Err(LineageError::UnknownColumn { table: table.to_owned(), column: column.to_owned(), nearest });
        }
        Ok(vec![Place::column(table, column)])
    }
}

/// Breadth first, so that a column's depth is its shortest way.
fn walk(seeds: Vec<Place>, next: impl Fn(&Place) -> BTreeSet<Place>, mut arrow: impl FnMut(usize, &Place, &Place)) {
    let mut seen: BTreeSet<Place> = seeds.iter().cloned().collect();
    let mut queue: VecDeque<(usize, Place)> = seeds.into_iter().map(|seed| (1, seed)).collect();
    while let Some((depth, at)) = queue.pop_front() {
        for place in next(&at) {
            arrow(depth, &at, &place);
            if seen.insert(place.clone()) {
                queue.push_back((depth + 1, place));
            }
        }
    }
}
