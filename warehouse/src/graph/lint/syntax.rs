//! The rules that the text alone decides.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, DateTimeField, Distinct, ExactNumberInfo, Expr, NamedWindowExpr,
    OrderByKind, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, TimezoneInfo, Value, ValueWithSpan, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::guard::never_zero;
use super::portable::TABLE;
use crate::graph::error::{At, GraphError, Rule};
use crate::graph::parse::{Parsed, normal, normal_name};

/// Whether all rows of a query are alike, so that it is the same which of them a LIMIT keeps.
fn gives_one_value(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    select.projection.iter().all(|item| {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            return false;
        };
        matches!(expr, Expr::Value(_))
    })
}

/// Finds what the two engines would read differently, or each night differently.
pub fn lint(file: &str, layer: &str, parsed: &Parsed) -> Vec<GraphError> {
    let mut linter = Linter { file, staging: layer == "staging", findings: Vec::new() };
    let ControlFlow::Continue(()) = parsed.statement.visit(&mut linter);
    linter.findings
}

pub(super) struct Linter<'a> {
    file: &'a str,
    /// Staging may take a raw export as it is.
    staging: bool,
    findings: Vec<GraphError>,
}

impl Linter<'_> {
    pub(super) fn find(&mut self, span: Span, rule: Rule, found: String, portable: &str) {
        let at = At::span(self.file, span);
        self.findings.push(GraphError::NotPortable { at, rule, found, portable: portable.to_owned() });
    }

    fn query(&mut self, query: &Query) {
        let mut ordered = false;
        match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(keys)) => {
                ordered = true;
                self.order_by(keys);
            }
            Some(OrderByKind::All(_)) => {
                self.find(
                    query.span(),
                    Rule::Syntax,
                    "ORDER BY ALL is DuckDB's alone".to_owned(),
                    "name the columns, with NULLS LAST",
                );
            }
            None => {}
        }
        if (query.limit_clause.is_some() || query.fetch.is_some()) && !ordered && !gives_one_value(query) {
            let found = "LIMIT without ORDER BY keeps rows by chance".to_owned();
            self.find(query.span(), Rule::LimitWithoutOrder, found, "add ORDER BY with a unique key and NULLS LAST");
        }
        if let SetExpr::Select(select) = query.body.as_ref()
            && matches!(select.distinct, Some(Distinct::On(_)))
            && !ordered
        {
            let found = "DISTINCT ON without ORDER BY keeps rows by chance".to_owned();
            self.find(select.span(), Rule::LimitWithoutOrder, found, "add ORDER BY with a unique key and NULLS LAST");
        }
    }

    fn select(&mut self, select: &Select) {
        for window in &select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &window.1 {
                self.order_by(&spec.order_by);
            }
        }
        if self.staging {
            return;
        }
        let tables: Vec<(String, String)> = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)))
            .filter_map(stored_table)
            .collect();
        for item in &select.projection {
            let starred = match item {
                SelectItem::Wildcard(_) => tables.first().map(|(table, _)| table),
                SelectItem::QualifiedWildcard(kind, _) => {
                    let of = kind.to_string().to_lowercase();
                    tables
                        .iter()
                        .find(|(table, alias)| of.trim_end_matches(".*") == alias || of.trim_end_matches(".*") == table)
                        .map(|(table, _)| table)
                }
                _ => None,
            };
            if let Some(table) = starred {
                let found = format!("`select *` takes whatever columns `{table}` has that night");
                self.find(
                    item.span(),
                    Rule::SelectStar,
                    found,
                    "name the columns; `select *` is for CTEs of this file and for staging",
                );
            }
        }
    }

    fn table_factor(&mut self, factor: &TableFactor) {
        let refused = match factor {
            TableFactor::Table { name, args: Some(_), alias, .. } => {
                let function = normal_name(name);
                let named = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
                match (TABLE.contains(&function.as_str()), named) {
                    (true, true) => return,
                    (true, false) => Some((
                        format!("`{function}` names its column differently in each engine"),
                        "write generate_series(…) AS t(n)",
                    )),
                    (false, _) => Some((
                        format!("a model does not read `{function}(…)`"),
                        "read a source through its contract, or generate_series(…) AS t(n)",
                    )),
                }
            }
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                Some(("TABLESAMPLE differs at every run".to_owned(), "filter on a hash of the key, or leave it out"))
            }
            TableFactor::Table { version: Some(_), .. } => Some((
                "a model does not choose a version of a table".to_owned(),
                "read the table: the night decides its version",
            )),
            TableFactor::Table { .. } | TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => None,
            _ => Some((
                format!("`{factor}` in FROM is not read alike"),
                "write a join, a subquery or generate_series(…) AS t(n)",
            )),
        };
        if let Some((found, portable)) = refused {
            self.find(factor.span(), Rule::Syntax, found, portable);
        }
    }

    fn expression(&mut self, expr: &Expr) {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::BinaryOp { left, op, right } => self.binary(expr, left, op, right),
            Expr::Cast { kind, data_type, .. } => {
                if matches!(kind, CastKind::SafeCast) {
                    let found = "SAFE_CAST is in neither engine".to_owned();
                    self.find(expr.span(), Rule::Cast, found, "write TRY_CAST(x AS type)");
                }
                self.type_name(expr.span(), data_type);
            }
            Expr::TypedString(typed) => self.type_name(expr.span(), &typed.data_type),
            Expr::Extract { field, .. } => {
                let part = field.to_string();
                self.date_part(expr.span(), &part);
            }
            Expr::Ceil { field, .. } | Expr::Floor { field, .. }
                if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) =>
            {
                self.find(
                    expr.span(),
                    Rule::Syntax,
                    format!("`{expr}` is not read alike"),
                    "write date_trunc or round(x, n)",
                );
            }
            Expr::Substring { substring_from, .. } => self.start_of_text(expr.span(), substring_from.as_deref()),
            Expr::IsDistinctFrom(left, right) => self.distinct_from(expr, left, "IS DISTINCT FROM", right),
            Expr::IsNotDistinctFrom(left, right) => self.distinct_from(expr, left, "IS NOT DISTINCT FROM", right),
            Expr::AtTimeZone { .. } => {
                let portable = "timestamps already are the wall clock in the project's zone: leave it out";
                self.find(expr.span(), Rule::Syntax, "AT TIME ZONE is not read alike".to_owned(), portable);
            }
            Expr::SimilarTo { .. } | Expr::RLike { .. } => {
                let found = format!("`{expr}` matches differently in each engine");
                self.find(expr.span(), Rule::Syntax, found, "write LIKE or ILIKE");
            }
            Expr::Struct { .. }
            | Expr::Map(_)
            | Expr::Array(_)
            | Expr::Dictionary(_)
            | Expr::Lambda(_)
            | Expr::Named { .. }
            | Expr::JsonAccess { .. }
            | Expr::CompoundFieldAccess { .. }
            | Expr::MatchAgainst { .. }
            | Expr::Collate { .. }
            | Expr::Overlay { .. }
            | Expr::Convert { .. } => {
                self.find(
                    expr.span(),
                    Rule::Syntax,
                    format!("`{expr}` is not read alike"),
                    "use plain columns, operators and functions",
                );
            }
            _ => {}
        }
    }

    /// DataFusion's parser takes all that follows as the operand; DuckDB stops at AND, OR and comparisons.
    fn distinct_from(&mut self, expr: &Expr, left: &Expr, words: &str, right: &Expr) {
        if matches!(right, Expr::BinaryOp { op, .. } if binds_loosely(op)) {
            let found = format!("DataFusion alone reads `{left} {words} {right}` as `{left} {words} ({right})`");
            let portable = format!("put the comparison in parentheses: ({left} {words} …)");
            self.find(expr.span(), Rule::Syntax, found, &portable);
        }
    }

    fn binary(&mut self, expr: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) {
        use BinaryOperator as Op;
        match op {
            Op::Divide | Op::Modulo if !never_zero(right) => {
                let found = format!("`{expr}` fails or not, by engine, where `{right}` is 0");
                self.find(
                    expr.span(),
                    Rule::UnguardedDivision,
                    found,
                    &format!("write {left} {op} NULLIF({right}, 0)"),
                );
            }
            Op::Divide
            | Op::Modulo
            | Op::Plus
            | Op::Minus
            | Op::Multiply
            | Op::StringConcat
            | Op::Eq
            | Op::NotEq
            | Op::Lt
            | Op::LtEq
            | Op::Gt
            | Op::GtEq
            | Op::And
            | Op::Or => {}
            Op::BitwiseXor | Op::PGExp => {
                self.find(
                    expr.span(),
                    Rule::Syntax,
                    format!("`{op}` is a power in DuckDB and XOR in DataFusion"),
                    &format!("write power({left}, {right})"),
                );
            }
            Op::DuckIntegerDivide | Op::MyIntegerDivide => {
                let portable = format!("write floor(CAST({left} AS DOUBLE) / NULLIF({right}, 0))");
                self.find(expr.span(), Rule::Syntax, format!("integer division `{op}` is DuckDB's alone"), &portable);
            }
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => {
                let found = format!("`{op}` matches the whole text in DuckDB and a part of it in DataFusion");
                self.find(expr.span(), Rule::Syntax, found, "write LIKE or ILIKE");
            }
            _ => self.find(
                expr.span(),
                Rule::Syntax,
                format!("operator `{op}` is not read alike"),
                "use arithmetic, comparison, AND, OR, ||",
            ),
        }
    }

    fn type_name(&mut self, span: Span, data_type: &DataType) {
        let portable = match data_type {
            DataType::Varchar(None)
            | DataType::Text
            | DataType::String(None)
            | DataType::Boolean
            | DataType::Bool
            | DataType::Integer(None)
            | DataType::Int(None)
            | DataType::BigInt(None)
            | DataType::Double(ExactNumberInfo::None)
            | DataType::DoublePrecision
            | DataType::Date
            | DataType::Timestamp(None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => return,
            DataType::Decimal(info) | DataType::Numeric(info) => match info {
                ExactNumberInfo::PrecisionAndScale(_, _) => return,
                _ => "write DECIMAL(p,s): without both, each engine takes its own",
            },
            DataType::Float(_) | DataType::Real | DataType::Float4 | DataType::Float8 => "write DOUBLE",
            DataType::Timestamp(_, _) | DataType::Datetime(_) => "write TIMESTAMP",
            DataType::Varchar(_) | DataType::Char(_) | DataType::CharVarying(_) => "write VARCHAR; cut with left(x, n)",
            _ => "use VARCHAR, BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL(p,s), DATE or TIMESTAMP",
        };
        self.find(span, Rule::Cast, format!("type `{data_type}` is not read alike"), portable);
    }
}

/// Operators that bind no tighter than a comparison.
fn binds_loosely(op: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    matches!(op, Op::And | Op::Or | Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq)
}

/// The table of a FROM item that is stored (not a CTE), and what it is called there.
fn stored_table(factor: &TableFactor) -> Option<(String, String)> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    if name.0.len() < 2 {
        return None;
    }
    let table = normal_name(name);
    let last = table.rsplit('.').next().unwrap_or_default().to_owned();
    let alias = alias.as_ref().map_or(last, |alias| normal(&alias.name));
    Some((table, alias))
}

impl Visitor for Linter<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.query(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        self.select(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        self.table_factor(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        self.expression(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        if let Value::Number(number, _) = &value.value
            && number.to_ascii_lowercase().contains('e')
        {
            let found = format!("`{number}` is DOUBLE in DuckDB and DECIMAL in DataFusion");
            self.find(value.span, Rule::Cast, found, "write the number out, in CAST(… AS DOUBLE) where it is one");
        }
        ControlFlow::Continue(())
    }
}
