//! Plans of queries with long select lists.
//!
//! The SQL planner compares each column of a list with all before it, and writes out both names each time: a list of 5,000
//! takes it half a minute, wherever it is read. Planned part by part it takes none. That this comes to the same plan is
//! looked at and not guessed: every part must stand on an equal plan, as it does where each row is computed by itself. CTEs
//! are planned first, one by one, and read as views. A query of any other shape is planned whole.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::expand_wildcard;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::sql::parser::Statement as PlanStatement;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, GroupByExpr, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value, Visit, Visitor,
    WildcardAdditionalOptions, With,
};

use super::parse::normal;
use crate::functions::CATALOG;

/// Columns that a list names from which it is long, and columns of a table from which its `*` is.
const LONG: usize = 256;
/// Columns that a part names; an item that names more is one by itself.
const PART: usize = 64;
/// Where names without a layer are looked for: CTEs have none, tables always do.
const UNQUALIFIED: &str = "public";

/// The plan of a statement, whatever the length of its lists.
///
/// # Errors
/// What the planner finds wrong.
pub async fn plan_statement(state: &SessionState, statement: Statement) -> Result<LogicalPlan> {
    // On the heap: who plans is deep in the stack already, and the planner goes deeper.
    Box::pin(planned(state, PlanStatement::Statement(Box::new(statement)))).await
}

async fn planned(state: &SessionState, whole: PlanStatement) -> Result<LogicalPlan> {
    if let PlanStatement::Statement(statement) = &whole
        && let Statement::Query(query) = statement.as_ref()
        && is_long(state, &whole).await
        && let Some(mut planner) = Planner::over(state)
        // The planner's own words where it is wrong.
        && let Ok(plan) = Box::pin(planner.query(query.as_ref().clone())).await
    {
        return Ok(plan);
    }
    state.statement_to_plan(whole).await
}

/// Whether a list of the statement is long, or may be for the tables that it reads.
async fn is_long(state: &SessionState, statement: &PlanStatement) -> bool {
    let PlanStatement::Statement(query) = statement else { return false };
    if query.visit(&mut Lists).is_break() {
        return true;
    }
    for reference in state.resolve_table_references(statement).unwrap_or_default() {
        let Ok(schema) = state.schema_for_ref(reference.clone()) else { continue };
        if let Ok(Some(table)) = schema.table(reference.table()).await
            && table.schema().fields().len() > LONG
        {
            return true;
        }
    }
    false
}

/// Stops at a long list.
struct Lists;

impl Visitor for Lists {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        match query.body.as_ref() {
            SetExpr::Select(select) if select.projection.iter().map(length).sum::<usize>() > LONG => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Columns that an item names; one that names none counts as one.
fn length(item: &SelectItem) -> usize {
    let mut named = Named(0);
    let ControlFlow::Continue(()) = item.visit(&mut named);
    named.0.max(1)
}

struct Named(usize);

impl Visitor for Named {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<Infallible> {
        self.0 += usize::from(matches!(expr, SqlExpr::Identifier(_) | SqlExpr::CompoundIdentifier(_)));
        ControlFlow::Continue(())
    }
}

/// A list in parts: those of all columns by themselves, the others short.
fn parts(items: &[SelectItem]) -> Vec<&[SelectItem]> {
    let mut parts = Vec::new();
    for run in items.chunk_by(|left, right| !is_all(left) && !is_all(right)) {
        let (mut first, mut so_far) = (0, 0);
        for (place, item) in run.iter().enumerate() {
            let more = length(item);
            if place > first && so_far + more > PART {
                parts.extend(run.get(first..place));
                (first, so_far) = (place, 0);
            }
            so_far += more;
        }
        parts.extend(run.get(first..));
    }
    parts
}

/// Plans a query's CTEs as views of the session, for as long as it is planned.
pub(super) struct Planner<'a> {
    state: &'a SessionState,
    views: Arc<dyn SchemaProvider>,
    names: Vec<String>,
}

impl Drop for Planner<'_> {
    fn drop(&mut self) {
        self.forget(0);
    }
}

impl<'a> Planner<'a> {
    pub(super) fn over(state: &'a SessionState) -> Option<Self> {
        let views = state.catalog_list().catalog(CATALOG)?.schema(UNQUALIFIED)?;
        Some(Self { state, views, names: Vec::new() })
    }

    /// The plan of a query; its CTEs are seen within it alone.
    async fn query(&mut self, query: Query) -> Result<LogicalPlan> {
        let seen_outside = self.names.len();
        let rest = self.without_ctes(query).await?;
        let plan = match self.by_parts(&rest).await? {
            Some(plan) => Ok(plan),
            None => self.whole(rest).await,
        };
        self.forget(seen_outside);
        plan
    }

    /// Takes away all views but the first so many.
    fn forget(&mut self, kept: usize) {
        for name in self.names.drain(kept..) {
            // A view that stays is in nobody's way: the next of its name is planned whole.
            drop(self.views.deregister_table(&name));
        }
    }

    /// The plan by parts alone.
    #[cfg(test)]
    pub(super) async fn parts_of(&mut self, query: Query) -> Result<Option<LogicalPlan>> {
        let rest = self.without_ctes(query).await?;
        self.by_parts(&rest).await
    }

    /// Plans the query's CTEs, each after those it reads, and registers them under their names.
    async fn without_ctes(&mut self, mut query: Query) -> Result<Query> {
        let is_plain = |with: &With| !with.recursive && with.cte_tables.iter().all(|cte| cte.alias.columns.is_empty());
        if let Some(with) = query.with.take_if(|with| is_plain(with)) {
            for cte in with.cte_tables {
                let plan = Box::pin(self.query(*cte.query)).await?;
                let name = normal(&cte.alias.name);
                self.views.register_table(name.clone(), Arc::new(ViewTable::new(plan, None)))?;
                self.names.push(name);
            }
        }
        Ok(query)
    }

    async fn whole(&self, query: Query) -> Result<LogicalPlan> {
        self.state.statement_to_plan(PlanStatement::Statement(Box::new(Statement::Query(Box::new(query))))).await
    }

    /// The plan of a list whose parts all stand on the same; `None` where they do not, or where there is one part.
    async fn by_parts(&self, query: &Query) -> Result<Option<LogicalPlan>> {
        let mut rest = query.clone();
        let SetExpr::Select(select) = rest.body.as_mut() else { return Ok(None) };
        if !reads_tables(select) {
            return Ok(None);
        }
        let items = std::mem::take(&mut select.projection);
        if items.iter().any(is_all) && !is_ungrouped(select) {
            return Ok(None);
        }
        let mut list = List::default();
        let parts = parts(&items);
        if parts.len() < 2 && !items.iter().any(is_all) {
            return Ok(None);
        }
        for part in parts {
            let is_added = match part {
                [all] if is_all(all) => {
                    let LogicalPlan::Projection(nothing) = self.part(&rest, &[one()]).await? else { return Ok(None) };
                    list.add_all(nothing)?
                }
                items => match self.part(&rest, items).await? {
                    LogicalPlan::Projection(part) => list.add(part),
                    _ => false,
                },
            };
            if !is_added {
                return Ok(None);
            }
        }
        list.plan()
    }

    async fn part(&self, rest: &Query, items: &[SelectItem]) -> Result<LogicalPlan> {
        let mut query = rest.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = items.to_vec();
        }
        self.whole(query).await
    }
}

/// Whether the query reads tables and CTEs alone: a query within FROM would be planned with each part.
fn reads_tables(select: &Select) -> bool {
    let mut read = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    select.exclude.is_none() && read.all(|relation| matches!(relation, TableFactor::Table { .. }))
}

fn is_ungrouped(select: &Select) -> bool {
    matches!(&select.group_by, GroupByExpr::Expressions(by, more) if by.is_empty() && more.is_empty())
        && select.having.is_none()
}

/// `*`, and nothing more.
fn is_all(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(options) if is_bare(options))
}

fn is_bare(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

/// An item that asks for no column.
fn one() -> SelectItem {
    SelectItem::UnnamedExpr(SqlExpr::value(Value::Number("1".to_owned(), false)))
}

/// A list that grows by parts.
#[derive(Default)]
struct List {
    /// What all parts stand on.
    input: Option<Arc<LogicalPlan>>,
    exprs: Vec<Expr>,
    fields: Vec<(Option<TableReference>, arrow::datatypes::FieldRef)>,
}

impl List {
    /// Whether a part stands on what those before it do.
    fn stands_on(&mut self, input: &Arc<LogicalPlan>) -> bool {
        **self.input.get_or_insert_with(|| Arc::clone(input)) == **input
    }

    fn add(&mut self, part: Projection) -> bool {
        if !self.stands_on(&part.input) {
            return false;
        }
        self.fields.extend(part.schema.iter().map(|(table, field)| (table.cloned(), Arc::clone(field))));
        self.exprs.extend(part.expr);
        true
    }

    /// Adds every column of what a part stands on.
    fn add_all(&mut self, part: Projection) -> Result<bool> {
        let schema = part.input.schema();
        let all = expand_wildcard(schema, &part.input, None)?;
        // Some are left out of joins by USING.
        if all.len() != schema.fields().len() || !self.stands_on(&part.input) {
            return Ok(false);
        }
        self.fields.extend(schema.iter().map(|(table, field)| (table.cloned(), Arc::clone(field))));
        self.exprs.extend(all);
        Ok(true)
    }

    fn plan(self) -> Result<Option<LogicalPlan>> {
        let Some(input) = self.input else { return Ok(None) };
        if !input.schema().functional_dependencies().is_empty() {
            return Ok(None);
        }
        let schema = DFSchema::new_with_metadata(self.fields, input.schema().metadata().clone())?;
        Ok(Some(LogicalPlan::Projection(Projection::try_new_with_schema(self.exprs, input, Arc::new(schema))?)))
    }
}
