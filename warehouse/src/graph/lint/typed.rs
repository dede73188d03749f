//! The rules that need types: integer and DECIMAL division, casts that round or print differently,
//! averages of DECIMAL.
//!
//! The types come from the planner itself. The query is planned once more with each operand of
//! interest wrapped in `buho_type_of(n, operand)`, a function that gives back what it is given; in
//! the plan, the type of its argument is read off. So the lint never guesses how a CTE, a join or a
//! CASE decides a type, and still knows the place in the text.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, Expr as PlanExpr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Spanned, Statement, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::graph::error::{At, GraphError, Rule};
use crate::graph::lists::plan_statement;
use crate::graph::parse::normal_name;

const PROBE: &str = "buho_type_of";

/// The function that the probes need in a planning session.
pub fn probe() -> ScalarUDF {
    ScalarUDF::new_from_impl(Probe { signature: Signature::any(2, Volatility::Immutable) })
}

/// Plans the bound query with probes and judges what they tell; nothing where it does not plan,
/// since then the planner's own error has been said.
pub async fn lint_types(file: &str, state: &SessionState, bound: &Statement) -> Vec<GraphError> {
    let mut wrapped = bound.clone();
    let mut prober = Prober::default();
    let ControlFlow::Continue(()) = VisitMut::visit(&mut wrapped, &mut prober);
    if prober.uses.is_empty() {
        return Vec::new();
    }
    let Ok(plan) = plan_statement(state, wrapped).await else {
        return Vec::new();
    };
    let mut types = HashMap::new();
    if read_types(&plan, &mut types).is_err() {
        return Vec::new();
    }
    prober.uses.iter().filter_map(|used| used.judge(file, &types)).collect()
}

/// What is done with an operand whose type decides.
enum Kind {
    Divide { left: usize, right: usize },
    CastToWhole { of: usize },
    CastToText { of: usize },
    Average { of: usize },
    Quantile { of: usize },
}

struct Use {
    kind: Kind,
    span: Span,
    /// As written: the whole, and its operands.
    text: String,
    parts: Vec<String>,
}

impl Use {
    fn judge(&self, file: &str, types: &HashMap<usize, Vec<DataType>>) -> Option<GraphError> {
        let any =
            |id: &usize, test: &dyn Fn(&DataType) -> bool| types.get(id).is_some_and(|types| types.iter().any(test));
        let text = &self.text;
        let part = |index: usize| self.parts.get(index).map(String::as_str).unwrap_or_default();
        let (rule, found, portable) = match &self.kind {
            Kind::Divide { left, right } => {
                let float = |id| any(id, &DataType::is_floating);
                let known = types.contains_key(left) && types.contains_key(right);
                let whole = any(left, &DataType::is_integer) && any(right, &DataType::is_integer);
                if !known || float(left) || float(right) {
                    return None;
                }
                let what = if whole {
                    "cuts off the fraction in DataFusion and keeps it in DuckDB"
                } else {
                    "is DECIMAL in DataFusion and DOUBLE in DuckDB"
                };
                (Rule::Division, format!("`{text}` {what}"), format!("write CAST({} AS DOUBLE) / {}", part(0), part(1)))
            }
            Kind::CastToWhole { of } if any(of, &|kind| kind.is_floating() || is_decimal(kind)) => {
                let found = format!("`{text}` cuts off in DataFusion and rounds in DuckDB");
                (Rule::Cast, found, format!("write CAST(floor({0}) AS …), or floor({0} + 0.5) to round", part(0)))
            }
            Kind::CastToText { of }
                if any(of, &|kind| kind.is_floating() || matches!(kind, DataType::Timestamp(_, _))) =>
            {
                let found = format!("`{text}` is written differently by each engine");
                (Rule::Cast, found, "cast to DATE or DECIMAL(p,s) first".to_owned())
            }
            Kind::Average { of } if any(of, &is_decimal) => {
                let found = format!("`{text}` is a rounded DECIMAL in DataFusion and DOUBLE in DuckDB");
                (Rule::Division, found, format!("write CAST(sum({0}) AS DOUBLE) / NULLIF(count({0}), 0)", part(0)))
            }
            Kind::Quantile { of } if any(of, &|kind| kind.is_integer() || is_decimal(kind)) => {
                let found = format!("`{text}` rounds to the type of `{}` in DataFusion and not in DuckDB", part(0));
                (Rule::Cast, found, format!("take it of CAST({} AS DOUBLE)", part(0)))
            }
            _ => return None,
        };
        Some(GraphError::NotPortable { at: At::span(file, self.span), rule, found, portable })
    }
}

fn is_decimal(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    )
}

#[derive(Default)]
struct Prober {
    /// The same text has the same number, so that a grouped expression stays what it is.
    ids: BTreeMap<String, usize>,
    uses: Vec<Use>,
    /// Expressions around the one being visited, as they were written.
    written: Vec<(String, Vec<String>)>,
}

impl Prober {
    fn wrap(&mut self, expr: &mut Expr) -> usize {
        let next = self.ids.len();
        let id = *self.ids.entry(expr.to_string()).or_insert(next);
        let number = Expr::Value(Value::Number(id.to_string(), false).into());
        let operand = std::mem::replace(expr, number.clone());
        let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
        let list = FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(number), argument(operand)],
            clauses: Vec::new(),
        };
        *expr = Expr::Function(Function {
            name: ObjectName::from(vec![Ident::new(PROBE)]),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(list),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        });
        id
    }

    /// Wraps the operands that matter of one expression.
    fn kind(&mut self, expr: &mut Expr) -> Option<Kind> {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Divide, right } => {
                Some(Kind::Divide { left: self.wrap(left), right: self.wrap(right) })
            }
            Expr::Cast { expr: inner, data_type, .. } if !is_literal(inner) => match data_type {
                SqlType::Integer(_) | SqlType::Int(_) | SqlType::BigInt(_) if !rounded(inner) => {
                    Some(Kind::CastToWhole { of: self.wrap(inner) })
                }
                SqlType::Varchar(_) | SqlType::Text | SqlType::String(_) => {
                    Some(Kind::CastToText { of: self.wrap(inner) })
                }
                _ => None,
            },
            Expr::Function(function) => {
                let name = normal_name(&function.name);
                match name.as_str() {
                    "avg" => Some(Kind::Average { of: self.wrap(argument(function)?) }),
                    "median" => Some(Kind::Quantile { of: self.wrap(argument(function)?) }),
                    "percentile_cont" => {
                        let key = function.within_group.first_mut()?;
                        Some(Kind::Quantile { of: self.wrap(&mut key.expr) })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The first plain argument of a call.
fn argument(function: &mut Function) -> Option<&mut Expr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    match list.args.first_mut() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => Some(expr),
        _ => None,
    }
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(_) | Expr::TypedString(_))
}

/// The fraction is gone already, by a function that both engines read alike.
fn rounded(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => rounded(inner),
        Expr::Floor { .. } | Expr::Ceil { .. } => true,
        Expr::Function(function) => {
            matches!(normal_name(&function.name).as_str(), "round" | "trunc" | "ceil" | "floor")
        }
        _ => false,
    }
}

/// The operands of an expression as they are written, for the message.
fn parts(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::BinaryOp { left, right, .. } => vec![left.to_string(), right.to_string()],
        Expr::Cast { expr, .. } => vec![expr.to_string()],
        Expr::Function(function) => match (function.within_group.first(), &function.args) {
            (Some(key), _) => vec![key.expr.to_string()],
            (None, FunctionArguments::List(list)) => list.args.first().map(ToString::to_string).into_iter().collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

impl VisitorMut for Prober {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let matters =
            matches!(expr, Expr::BinaryOp { op: BinaryOperator::Divide, .. } | Expr::Cast { .. } | Expr::Function(_));
        self.written.push(if matters { (expr.to_string(), parts(expr)) } else { Default::default() });
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let (text, parts) = self.written.pop().unwrap_or_default();
        let span = expr.span();
        if let Some(kind) = self.kind(expr) {
            self.uses.push(Use { kind, span, text, parts });
        }
        ControlFlow::Continue(())
    }
}

/// The types that the probes of a plan were given, by their number.
fn read_types(plan: &LogicalPlan, types: &mut HashMap<usize, Vec<DataType>>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let mut schema = DFSchema::empty();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let PlanExpr::ScalarFunction(call) = part
                    && call.func.name() == PROBE
                    && let [PlanExpr::Literal(ScalarValue::Int64(Some(id)), _), operand] = call.args.as_slice()
                    && let (Ok(id), Ok(kind)) = (usize::try_from(*id), operand.get_type(&schema))
                {
                    types.entry(id).or_default().push(kind);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Probe {
    signature: Signature,
}

impl ScalarUDFImpl for Probe {
    fn name(&self) -> &str {
        PROBE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [_, operand] => Ok(operand.clone()),
            _ => internal_err!("{PROBE} takes a number and an operand"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().nth(1) {
            Some(operand) => Ok(operand),
            None => internal_err!("{PROBE} takes a number and an operand"),
        }
    }
}
