//! What a view's own SELECT says of its rows: keys that it groups by differ, a column that it joins by is never NULL.
//!
//! Asking the rows would run the SELECT again, once for each question.

use std::collections::BTreeSet;

use datafusion::common::{Column, DFSchema, JoinType, NullEquality, TableReference};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, Join, LogicalPlan, Operator};

use super::checks::{Check, Reads};

/// What holds of the tables that a view reads.
pub struct Inputs<'a> {
    /// Whether a column of a table is never NULL.
    pub never_null: &'a dyn Fn(&str, &str) -> bool,
    /// Whether no two rows of a table have the same values in some columns.
    pub differ: &'a dyn Fn(&str, &BTreeSet<&str>) -> bool,
}

impl Check {
    /// Whether the check holds of the rows of a plan whatever they are. `false` says only that they have to be asked.
    pub fn follows(&self, plan: &LogicalPlan, inputs: &Inputs<'_>) -> bool {
        let places = |names: &[String]| -> Option<BTreeSet<usize>> {
            names.iter().map(|name| plan.schema().index_of_column_by_name(None, name)).collect()
        };
        match &self.reads {
            Reads::Keys { columns } => places(columns).is_some_and(|columns| inputs.tell_apart(plan, &columns)),
            Reads::Rows { nulls_of, .. } if !nulls_of.is_empty() => {
                places(nulls_of).is_some_and(|columns| columns.iter().all(|column| inputs.is_there(plan, *column)))
            }
            _ => false,
        }
    }
}

impl Inputs<'_> {
    /// Whether no two rows of a plan have the same values in the columns at some places.
    fn tell_apart(&self, plan: &LogicalPlan, columns: &BTreeSet<usize>) -> bool {
        match plan {
            LogicalPlan::Projection(projection) => {
                let schema = projection.input.schema();
                let handed_on = columns.iter().filter_map(|place| handed_on(projection.expr.get(*place)?, schema));
                self.tell_apart(&projection.input, &handed_on.collect())
            }
            LogicalPlan::SubqueryAlias(alias) => self.tell_apart(&alias.input, columns),
            LogicalPlan::Filter(filter) => self.tell_apart(&filter.input, columns),
            LogicalPlan::Sort(sort) => self.tell_apart(&sort.input, columns),
            LogicalPlan::Limit(limit) => self.tell_apart(&limit.input, columns),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                (0..input.schema().fields().len()).all(|place| columns.contains(&place))
                    || self.tell_apart(input, columns)
            }
            LogicalPlan::Aggregate(aggregate) => {
                !has_sets(&aggregate.group_expr)
                    && (0..aggregate.group_expr.len()).all(|place| columns.contains(&place))
            }
            LogicalPlan::Join(join) => self.tell_apart_joined(join, columns),
            LogicalPlan::TableScan(scan) => {
                let fields = scan.projected_schema.fields();
                let names = columns.iter().filter_map(|place| fields.get(*place)).map(|field| field.name().as_str());
                (self.differ)(&name_of(&scan.table_name), &names.collect())
            }
            _ => false,
        }
    }

    /// Rows that a join repeats by no more than one of the other side are as different as they were.
    fn tell_apart_joined(&self, join: &Join, columns: &BTreeSet<usize>) -> bool {
        let cut = join.left.schema().fields().len();
        let keys = equal_places(join);
        let of_left = || columns.iter().copied().filter(|place| *place < cut).collect();
        let of_right = || columns.iter().filter_map(|place| place.checked_sub(cut)).collect();
        let left_once = matches!(join.join_type, JoinType::Inner | JoinType::Left)
            && self.tell_apart(&join.left, &of_left())
            && self.tell_apart(&join.right, &keys.iter().map(|(_, right)| *right).collect());
        left_once
            || matches!(join.join_type, JoinType::Inner | JoinType::Right)
                && self.tell_apart(&join.right, &of_right())
                && self.tell_apart(&join.left, &keys.iter().map(|(left, _)| *left).collect())
    }

    /// Whether the column at a place is never NULL.
    fn is_there(&self, plan: &LogicalPlan, place: usize) -> bool {
        match plan {
            LogicalPlan::Projection(projection) => match projection.expr.get(place).map(unnamed) {
                Some(Expr::Literal(value, _)) => !value.is_null(),
                Some(expr) => handed_on(expr, projection.input.schema())
                    .is_some_and(|place| self.is_there(&projection.input, place)),
                None => false,
            },
            LogicalPlan::SubqueryAlias(alias) => self.is_there(&alias.input, place),
            LogicalPlan::Filter(filter) => {
                let column = Column::from(filter.input.schema().qualified_field(place));
                compares(&filter.predicate, &column) || self.is_there(&filter.input, place)
            }
            LogicalPlan::Sort(sort) => self.is_there(&sort.input, place),
            LogicalPlan::Limit(limit) => self.is_there(&limit.input, place),
            LogicalPlan::Distinct(Distinct::All(input)) => self.is_there(input, place),
            // Its own columns come after those of its input.
            LogicalPlan::Window(window) => {
                place < window.input.schema().fields().len() && self.is_there(&window.input, place)
            }
            LogicalPlan::Aggregate(aggregate) if !has_sets(&aggregate.group_expr) => aggregate
                .group_expr
                .get(place)
                .and_then(|expr| handed_on(expr, aggregate.input.schema()))
                .is_some_and(|place| self.is_there(&aggregate.input, place)),
            LogicalPlan::Join(join) => self.is_there_joined(join, place),
            LogicalPlan::TableScan(scan) => {
                let field = scan.projected_schema.fields().get(place);
                field.is_some_and(|field| {
                    !field.is_nullable() || (self.never_null)(&name_of(&scan.table_name), field.name())
                })
            }
            _ => false,
        }
    }

    fn is_there_joined(&self, join: &Join, place: usize) -> bool {
        let left = join.left.schema().fields().len();
        match join.join_type {
            JoinType::Inner => {
                let column = Column::from(join.schema.qualified_field(place));
                let is_key = |expr: &Expr| matches!(expr, Expr::Column(key) if *key == column);
                let by_key = join.null_equality == NullEquality::NullEqualsNothing
                    && join.on.iter().any(|(one, other)| is_key(one) || is_key(other));
                by_key
                    || join.filter.as_ref().is_some_and(|filter| compares(filter, &column))
                    || match place.checked_sub(left) {
                        None => self.is_there(&join.left, place),
                        Some(place) => self.is_there(&join.right, place),
                    }
            }
            JoinType::Left => place < left && self.is_there(&join.left, place),
            JoinType::Right => place.checked_sub(left).is_some_and(|place| self.is_there(&join.right, place)),
            _ => false,
        }
    }
}

/// The places, in the left and in the right side, of columns that a join makes equal.
fn equal_places(join: &Join) -> Vec<(usize, usize)> {
    let pair =
        |one: &Expr, other: &Expr| Some((handed_on(one, join.left.schema())?, handed_on(other, join.right.schema())?));
    let by_key = join.on.iter().filter_map(|(left, right)| pair(left, right));
    let conditions = join.filter.iter().flat_map(split_conjunction);
    let by_condition = conditions.filter_map(|part| match part {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            pair(left, right).or_else(|| pair(right, left))
        }
        _ => None,
    });
    by_key.chain(by_condition).collect()
}

/// Whether a condition holds only where a column has a value: one of its parts compares the column.
fn compares(condition: &Expr, column: &Column) -> bool {
    let is_it = |expr: &Expr| matches!(expr, Expr::Column(found) if found == column);
    split_conjunction(condition).into_iter().any(|part| match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let settles = matches!(
                op,
                Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
            );
            settles && (is_it(left) || is_it(right))
        }
        Expr::IsNotNull(expr) => is_it(expr),
        _ => false,
    })
}

/// The place of the column that an expression hands on as it is.
fn handed_on(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match unnamed(expr) {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    }
}

fn unnamed(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unnamed(&alias.expr),
        other => other,
    }
}

fn has_sets(group: &[Expr]) -> bool {
    group.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)))
}

fn name_of(table: &TableReference) -> String {
    table.schema().map_or_else(|| table.table().to_owned(), |layer| format!("{layer}.{}", table.table()))
}

#[cfg(test)]
mod tests {
    use datafusion::execution::context::SessionContext;

    use super::*;
    use crate::audit::checks;
    use crate::functions::{session, session_config};
    use crate::graph::fixtures::model;

    async fn tables() -> SessionContext {
        let context = session(session_config(2), Default::default());
        for sql in [
            "create schema core",
            "create table core.people as select * from (values ('a', 'x', 1), (NULL, 'y', 2)) as t(id, name, age)",
            "create table core.orders as select * from (values ('a', 'o1'), (NULL, 'o2')) as t(id, order_id)",
        ] {
            context.sql(sql).await.unwrap().collect().await.unwrap();
        }
        context
    }

    /// Which checks of a view with the key `id, name` follow, where of people `name` is always there and the key.
    async fn follow(sql: &str) -> Vec<String> {
        let context = tables().await;
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        let columns = "columns: [{ name: id, type: VARCHAR }, { name: name, type: VARCHAR }]\nkey: [id, name]";
        let inputs = Inputs {
            never_null: &|table, column| (table, column) == ("core.people", "name"),
            differ: &|table, columns| table == "core.people" && columns.contains("name"),
        };
        let checks = checks(&model("core.x", sql, columns));
        assert_eq!(checks.len(), 2, "never NULL, never twice");
        checks.into_iter().filter(|check| check.follows(&plan, &inputs)).map(|check| check.name).collect()
    }

    #[tokio::test]
    async fn what_is_grouped_by_differs_and_what_is_joined_by_is_there() {
        let by_both = "select o.id, p.name, count(*) as n from core.orders as o
            inner join core.people as p on p.id = o.id and p.age > 1 group by o.id, p.name";
        assert_eq!(follow(by_both).await, ["key_not_null", "key_unique"]);
        let within = "with aged as (select o.id, p.name, row_number() over (partition by o.id order by p.age) as place
            from core.orders as o inner join core.people as p on p.id = o.id)
            select id, name, max(place) as place from aged where place < 3 group by id, name";
        assert_eq!(follow(within).await, ["key_not_null", "key_unique"]);
    }

    #[tokio::test]
    async fn a_key_by_which_more_is_grouped_may_be_there_twice() {
        let more = "select id, name from core.people where id is not null group by id, name, age";
        assert_eq!(follow(more).await, ["key_not_null"]);
        assert_eq!(follow("select id, name from core.people group by id, name").await, ["key_unique"]);
        let sets = "select id, name from core.people where id is not null group by grouping sets ((id), (id, name))";
        assert_eq!(follow(sets).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_outer_join_leaves_nulls_and_a_join_by_another_column_repeats_rows() {
        let outer = "select o.id, p.name from core.orders as o left join core.people as p on p.id = o.id";
        assert_eq!(follow(outer).await, Vec::<String>::new());
        let inner = "select o.id, p.name from core.orders as o inner join core.people as p on p.id = o.id";
        assert_eq!(follow(inner).await, ["key_not_null"]);
        let kept =
            "select p.id, p.name from core.people as p left join core.orders as o on o.id = p.id where p.id > ''";
        assert_eq!(follow(kept).await, ["key_not_null"]);
        let null =
            "select o.id, p.name from core.orders as o inner join core.people as p on p.id is not distinct from o.id";
        assert_eq!(follow(null).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_join_by_the_other_sides_key_repeats_no_row() {
        let once = "select p.name as id, p.name from core.people as p left join core.people as q on q.name = p.name";
        assert_eq!(follow(once).await, ["key_not_null", "key_unique"]);
        let by_more =
            "select p.id, q.name from core.people as p inner join core.people as q on q.name = p.name and q.age > 1";
        assert_eq!(follow(by_more).await, ["key_unique"]);
        let by_less = "select p.name as id, p.name from core.people as p left join core.people as q on q.age = p.age";
        assert_eq!(follow(by_less).await, ["key_not_null"]);
        let kept = "select p.id, p.name from core.orders as o left join core.people as p on p.name = o.order_id";
        assert_eq!(follow(kept).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_view_that_hands_on_a_key_of_its_table_has_it() {
        let handed_on = "select upper(name) as id, name from (select name, age from core.people where age > 1) as t";
        assert_eq!(follow(handed_on).await, ["key_unique"]);
        assert_eq!(follow("select 'one' as id, name from core.people").await, ["key_not_null", "key_unique"]);
        assert_eq!(follow("select name as id, upper(name) as name from core.people").await, ["key_unique"]);
        assert_eq!(follow("select id, upper(name) as name from core.people").await, Vec::<String>::new());
        let twice = "select id, name from core.people union all select id, name from core.people";
        assert_eq!(follow(twice).await, Vec::<String>::new());
    }
}
