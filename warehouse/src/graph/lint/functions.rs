//! Function calls: allowed names, and the order that some of them need.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgumentClause, FunctionArguments, OrderByExpr, Spanned, UnaryOperator, Value,
    WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::guard::arguments;
use super::portable::{AGGREGATE, ORDERED_AGGREGATE, ORDERED_WINDOW, Reading, names, reading};
use super::syntax::Linter;
use crate::graph::error::Rule;
use crate::graph::parse::normal_name;
use crate::nearest::nearest;

/// Parts of a date that both engines count alike.
const PARTS: &[&str] =
    &["year", "quarter", "month", "week", "day", "doy", "dow", "isodow", "hour", "minute", "second", "epoch"];

impl Linter<'_> {
    pub(super) fn function(&mut self, function: &Function) {
        let name = normal_name(&function.name);
        let span = function.name.span();
        match reading(&name) {
            Reading::Portable => {}
            _ if series(function, &name) => {}
            Reading::Clock => {
                let found = format!("`{name}` reads the clock");
                return self.find(span, Rule::Clock, found, "use `$night`, the date the run is for");
            }
            Reading::Chance => {
                let found = format!("`{name}` differs at every run");
                return self.find(span, Rule::Clock, found, "derive it from the row, for instance md5(id)");
            }
            Reading::Other(instead) => {
                let found = format!("function `{name}` is not read alike by DataFusion and DuckDB");
                let portable = match nearest(&name, names()) {
                    Some(known) if instead.starts_with("use a function") => format!("did you mean `{known}`?"),
                    _ => instead.to_owned(),
                };
                return self.find(span, Rule::Function, found, &portable);
            }
        }
        self.order_of_call(function, &name);
        self.arguments_of_call(function, &name);
    }

    fn order_of_call(&mut self, function: &Function, name: &str) {
        let span = function.name.span();
        self.order_by(&function.within_group);
        let mut ordered = !function.within_group.is_empty();
        if let FunctionArguments::List(list) = &function.args {
            for clause in &list.clauses {
                if let FunctionArgumentClause::OrderBy(keys) = clause {
                    ordered = true;
                    self.order_by(keys);
                }
            }
        }
        match &function.over {
            Some(WindowType::WindowSpec(spec)) => self.window(name, span, spec),
            None if ORDERED_AGGREGATE.contains(&name) && !ordered => {
                let found = format!("`{name}` without ORDER BY gives its parts in any order");
                self.find(span, Rule::NullOrder, found, &format!("write {name}(x, ',' ORDER BY x NULLS LAST)"));
            }
            _ => {}
        }
    }

    fn window(&mut self, name: &str, span: Span, spec: &WindowSpec) {
        self.order_by(&spec.order_by);
        if spec.order_by.is_empty() && spec.window_name.is_none() && ORDERED_WINDOW.contains(&name) {
            let found = format!("`{name}` over a window without ORDER BY depends on chance");
            self.find(span, Rule::NullOrder, found, "write OVER (… ORDER BY key NULLS LAST)");
        }
    }

    fn arguments_of_call(&mut self, function: &Function, name: &str) {
        let span = function.name.span();
        if let FunctionArguments::List(list) = &function.args
            && list.args.iter().any(|argument| !matches!(argument, FunctionArg::Unnamed(_)))
        {
            let found = format!("`{name}` is called with a named argument");
            self.find(span, Rule::Syntax, found, "give arguments by position");
        }
        let arguments = arguments(function);
        if name == "date_part"
            && let Some(part) = arguments.first().and_then(|first| text(first))
        {
            self.date_part(span, &part);
        }
        if matches!(name, "substr" | "substring") {
            self.start_of_text(span, arguments.get(1).copied());
        }
        if name == "trunc" && arguments.len() > 1 {
            self.find(
                span,
                Rule::Function,
                "`trunc` to decimals is DataFusion's alone".to_owned(),
                "write round(x, n)",
            );
        }
        if function.filter.is_some() && !AGGREGATE.contains(&name) {
            self.find(span, Rule::Syntax, format!("`{name}` takes no FILTER"), "filter the rows before");
        }
    }

    /// A negative start counts from the end in DuckDB and from before the text in DataFusion.
    pub(super) fn start_of_text(&mut self, span: Span, start: Option<&Expr>) {
        if let Some(Expr::UnaryOp { op: UnaryOperator::Minus, .. }) = start {
            let found = "a negative start of substring counts from the end in DuckDB alone".to_owned();
            self.find(span, Rule::Function, found, "write right(x, n)");
        }
    }

    pub(super) fn date_part(&mut self, span: Span, part: &str) {
        let part = part.to_lowercase();
        if !PARTS.contains(&part.as_str()) {
            let portable = "use year, quarter, month, week, day, doy, dow, isodow, hour, minute, second or epoch";
            self.find(span, Rule::Function, format!("EXTRACT of `{part}` is not read alike"), portable);
        }
    }

    pub(super) fn order_by(&mut self, keys: &[OrderByExpr]) {
        for key in keys {
            if key.options.nulls_first.is_none() {
                let direction = match key.options.asc {
                    Some(false) => " DESC",
                    _ => "",
                };
                let found = format!("ORDER BY `{}` does not say where NULLs go, and the engines differ", key.expr);
                let portable = format!("write ORDER BY {}{direction} NULLS LAST (or FIRST)", key.expr);
                self.find(key.expr.span(), Rule::NullOrder, found, &portable);
            }
        }
    }
}

/// A series of days or numbers as rows: `unnest(generate_series(a, b, step))`, the one use of lists
/// that both engines read alike.
fn series(function: &Function, name: &str) -> bool {
    match name {
        "generate_series" => true,
        "unnest" => matches!(
            arguments(function).as_slice(),
            [Expr::Function(inner)] if normal_name(&inner.name) == "generate_series"
        ),
        _ => false,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
