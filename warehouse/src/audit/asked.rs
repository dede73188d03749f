//! Keys that a run asks of once, though several tables ask: views that hand on the keys of one table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use tokio::sync::OnceCell;

type Answers = BTreeMap<String, Arc<OnceCell<bool>>>;

/// What was answered already, of one choice of rows.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    answers: Arc<Mutex<Answers>>,
    /// Tells apart of which files of the tables it was asked.
    scope: String,
}

impl Asked {
    /// The same answers, of other files of the tables.
    #[must_use]
    pub fn of(&self, scope: impl Into<String>) -> Self {
        Self { answers: Arc::clone(&self.answers), scope: scope.into() }
    }

    /// The answer of whoever asked first of these columns of a table.
    pub(super) async fn once(
        &self,
        context: &SessionContext,
        keys: &str,
        answer: impl Future<Output = Result<bool, DataFusionError>>,
    ) -> Result<bool, DataFusionError> {
        let Some(columns) = handed_on(context.sql(keys).await?.into_optimized_plan()?) else {
            return answer.await;
        };
        let name = format!("{} {columns}", self.scope);
        let cell = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(name).or_default())
        };
        cell.get_or_try_init(|| answer).await.copied()
    }
}

/// The table and the columns of which a query gives all rows as they are.
fn handed_on(mut plan: LogicalPlan) -> Option<String> {
    loop {
        plan = match plan {
            LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
                let columns: Vec<&str> =
                    scan.projected_schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Some(format!("{} {}", scan.table_name, columns.join(",")));
            }
            LogicalPlan::Projection(projection) if projection.expr.iter().all(is_column) => {
                Arc::unwrap_or_clone(projection.input)
            }
            LogicalPlan::SubqueryAlias(alias) => Arc::unwrap_or_clone(alias.input),
            _ => return None,
        };
    }
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => is_column(&alias.expr),
        _ => false,
    }
}
