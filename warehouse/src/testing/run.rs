//! Running unit tests, several at a time, each in a catalog of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemoryCatalogProviderList, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::{SessionState, SessionStateBuilder};
use futures::StreamExt;

use super::after::{after, moments};
use super::compare::difference;
use super::fixture::{FixtureError, rows};
use crate::functions::{session, session_config};
use crate::graph::schemas::{empty, register};
use crate::graph::{At, Graph, Node, Resolved, plan_model};
use crate::nearest::{did_you_mean, nearest};
use crate::project::model::{Model, UnitTest};

/// Rows a batch holds in tests: fixtures are small, and so should be what operators set aside.
const BATCH_ROWS: usize = 256;

/// A table under its `layer.name`.
type Named = (String, Arc<dyn TableProvider>);

/// One test and whether it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    pub model: String,
    pub test: String,
    /// Where the test is written.
    pub at: At,
    pub passed: bool,
    /// Empty where it passed; else the difference, or what kept it from running.
    pub message: String,
}

/// Why a test has no rows to compare.
#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error("`given` names table `{table}`, which {model} does not read — {advice}")]
    UnknownInput { model: String, table: String, advice: String },
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    #[error("the model cannot be run: {0}")]
    Query(#[from] DataFusionError),
}

/// Runs every test of the models in `selected`; outcomes in the order of the graph.
///
/// At most `threads` tests run at a time.
pub async fn run_unit_tests(
    graph: &Graph,
    models: &BTreeMap<String, Model>,
    resolved: &Resolved,
    selected: &BTreeSet<String>,
    threads: usize,
) -> Vec<TestOutcome> {
    let config = session_config(1).with_batch_size(BATCH_ROWS).with_information_schema(false);
    let state = session(config, Arc::default()).state();
    let cases: Vec<(&Node, &Model, &UnitTest)> = graph
        .nodes
        .iter()
        .filter(|node| selected.contains(&node.name))
        .filter_map(|node| models.get(&node.name).map(|model| (node, model)))
        .flat_map(|(node, model)| model.spec.tests.iter().map(move |test| (node, model, test)))
        .collect();
    let runs = cases.into_iter().map(|(node, model, test)| {
        let state = state.clone();
        async move {
            let verdict = run_one(state, node, model, test, resolved).await;
            TestOutcome {
                model: model.name.clone(),
                test: test.name.value.clone(),
                at: At::line(&model.yml_file, test.name.line),
                passed: matches!(verdict, Ok(None)),
                message: match verdict {
                    Ok(difference) => difference.unwrap_or_default(),
                    Err(error) => error.to_string(),
                },
            }
        }
    });
    futures::stream::iter(runs).buffered(threads.max(1)).collect().await
}

/// The difference between what the test expects and what the model gives.
async fn run_one(
    state: SessionState,
    node: &Node,
    model: &Model,
    test: &UnitTest,
    resolved: &Resolved,
) -> Result<Option<String>, TestError> {
    let schemas = &resolved.schemas;
    let tables = inputs(node, test, schemas)?;
    let catalogs = Arc::new(MemoryCatalogProviderList::new());
    let state = SessionStateBuilder::new_from_existing(state).with_catalog_list(catalogs).build();
    let context = SessionContext::new_with_state(state);
    register(&context, tables)?;
    let mut given = Vec::new();
    for moment in moments(resolved.windows.get(&model.name), model, test) {
        let plan = plan_model(&context.state(), model, &node.parsed, moment).await?;
        given.extend(context.execute_logical_plan(plan).await?.collect().await?);
    }
    let schema =
        schemas.get(&model.name).ok_or_else(|| DataFusionError::Internal(format!("no schema of {}", model.name)))?;
    let prior = rows(&model.name, schema, &test.prior)?;
    let got = after(&context, model, test, given, prior).await?;
    let expected = rows(&model.name, schema, &test.expect)?;
    Ok(compare(test, schema, expected, &got)?)
}

fn compare(
    test: &UnitTest,
    schema: &SchemaRef,
    expected: RecordBatch,
    got: &[RecordBatch],
) -> Result<Option<String>, DataFusionError> {
    let named: BTreeSet<&String> = test.expect.iter().flat_map(|row| row.keys()).collect();
    let all = schema.fields().iter().map(|field| field.name());
    // In the order of the yml; where no row is expected, all of it, so that what came can be seen.
    let columns: Vec<String> = all.filter(|name| named.is_empty() || named.contains(name)).cloned().collect();
    Ok(difference(&columns, &[expected], got)?)
}

/// The model's direct inputs as tables: the given rows, or none.
fn inputs(node: &Node, test: &UnitTest, schemas: &BTreeMap<String, SchemaRef>) -> Result<Vec<Named>, TestError> {
    for table in test.given.keys() {
        if !node.inputs.contains(table) {
            let reads: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
            let otherwise = format!("it reads {}", reads.join(", "));
            let advice = did_you_mean(nearest(table, reads.iter().copied()), &otherwise);
            return Err(TestError::UnknownInput { model: node.name.clone(), table: table.clone(), advice });
        }
    }
    let mut tables: Vec<Named> = Vec::with_capacity(node.inputs.len());
    for name in &node.inputs {
        let Some(schema) = schemas.get(name) else { continue };
        let table: Arc<dyn TableProvider> = match test.given.get(name) {
            None => empty(schema),
            Some(given) => Arc::new(MemTable::try_new(Arc::clone(schema), vec![vec![rows(name, schema, given)?]])?),
        };
        tables.push((name.clone(), table));
    }
    Ok(tables)
}
