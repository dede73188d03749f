//! Whether a denominator can be zero.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use crate::graph::parse::normal_name;

/// Zero never reaches the division: `NULLIF(…)`, a literal other than zero, `greatest(…, 1)`, and
/// products, casts and signs of these.
pub fn never_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => never_zero(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => never_zero(inner),
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => never_zero(left) && never_zero(right),
        Expr::Value(value) => matches!(&value.value, Value::Number(number, _) if positive(number)),
        Expr::Function(function) => guarding(function),
        _ => false,
    }
}

fn positive(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(|value| value > 0.0)
}

fn guarding(function: &Function) -> bool {
    let arguments = arguments(function);
    match normal_name(&function.name).as_str() {
        "nullif" => arguments.get(1).is_some_and(|second| is_zero(second)),
        "greatest" => arguments.iter().any(|argument| {
            matches!(argument, Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if positive(number)))
        }),
        "pi" | "exp" => true,
        "sqrt" | "abs" => arguments.first().is_some_and(|first| never_zero(first)),
        _ => false,
    }
}

fn is_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_zero(inner),
        Expr::Value(value) => {
            matches!(&value.value, Value::Number(number, _) if number.parse::<f64>().is_ok_and(|value| value == 0.0))
        }
        _ => false,
    }
}

/// The plain expressions a function is called with.
pub fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let expression = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    list.args.iter().filter_map(expression).collect()
}
