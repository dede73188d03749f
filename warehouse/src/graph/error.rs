//! What can be wrong with the SQL of a project, found before anything runs.

use std::fmt;

use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use crate::error::ErrorKind;
use crate::nearest::did_you_mean;

/// A place in a file of the project; line and column are 1-based, 0 where they are not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub file: String,
    pub line: u64,
    pub column: u64,
}

impl At {
    pub fn new(file: &str, line: u64, column: u64) -> Self {
        Self { file: file.to_owned(), line, column }
    }

    /// The start of a span of the SQL parser.
    pub fn span(file: &str, span: Span) -> Self {
        Self::location(file, span.start)
    }

    pub fn location(file: &str, location: Location) -> Self {
        Self::new(file, location.line, location.column)
    }

    /// A line of a YAML file.
    pub fn line(file: &str, line: u64) -> Self {
        Self::new(file, line, 0)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// One mistake in a model, with its place and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("{at}: the SQL cannot be read: {message} — correct it here")]
    Syntax { at: At, message: String },
    #[error("{at}: a model is one plain SELECT, this is {found} — {advice}")]
    NotOneSelect { at: At, found: String, advice: String },
    #[error("{at}: table `{table}` has no layer — {}", did_you_mean(.nearest.as_deref(), "write `layer.name`, or define it as a CTE in this file"))]
    UnqualifiedTable { at: At, table: String, nearest: Option<String> },
    #[error("{at}: there is no table `{table}` — {}", did_you_mean(.nearest.as_deref(), "add a model or a contract of that name, or read another table"))]
    UnknownTable { at: At, table: String, nearest: Option<String> },
    #[error("{at}: `{model}` reads `{table}` — {advice}")]
    WrongLayer { at: At, model: String, table: String, advice: &'static str },
    #[error("{at}: the models read each other in a circle: {} — take one of these inputs out", .path.join(" reads "))]
    Cycle { at: At, path: Vec<String> },
    #[error(
        "{at}: `{model}` is a mart and a view — write `materialized: table`: other engines read marts as Delta tables"
    )]
    MartIsView { at: At, model: String },
    #[error("{at}: {found} — {portable}")]
    NotPortable { at: At, rule: Rule, found: String, portable: String },
    #[error("{at}: there is no parameter `{parameter}` — use `$night`, the date the run is for")]
    UnknownParameter { at: At, parameter: String },
    #[error("{at}: `{parameter}` in a model with `materialized: {materialized}` — use `{known}` here")]
    OtherParameter { at: At, parameter: String, materialized: &'static str, known: String },
    #[error(
        "{at}: `{model}` is built by windows of time and does not use `{parameter}` — keep the rows `where <day> >= $window_start and <day> < $window_end`"
    )]
    NoWindow { at: At, model: String, parameter: String },
    #[error(
        "{at}: no table that `{model}` reads is cut by the window where it is read — compare a column of it with `$window_start` and `$window_end` in a WHERE"
    )]
    NothingWindowed { at: At, model: String },
    #[error(
        "{at}: `{model}` keeps a history by night and reads `{table}`, of which only the highest night is kept — read staging views, which can be asked for any night"
    )]
    HistoryOfTable { at: At, model: String, table: String },
    #[error(
        "{at}: `{model}` keeps a history by night and is made of `{table}`, whose one file `{path}` each delivery writes over: every night that was seen would be looked at again with the newest rows, and what was before would be gone — deliver it under a name of its own each time, as `path: {dated}` in {contract}; or, where it hardly ever changes, join it where the history is read"
    )]
    HistoryOfOneFile { at: At, model: String, table: String, path: String, dated: String, contract: String },
    #[error("{at}: there is no column `{column}` — {}", did_you_mean(.nearest.as_deref(), "read a column the tables here have"))]
    UnknownColumn { at: At, column: String, nearest: Option<String> },
    #[error("{at}: the SQL cannot be planned: {message} — correct it here")]
    Plan { at: At, message: String },
    #[error("{at}: the SQL of `{model}` gives no column `{column}` — {}", did_you_mean(.nearest.as_deref(), "select it, or take it out of the yml"))]
    MissingColumn { at: At, model: String, column: String, nearest: Option<String> },
    #[error("{at}: the SQL of `{model}` gives a column `{column}` that the yml does not declare — {}", did_you_mean(.nearest.as_deref(), "declare it with its type, or do not select it"))]
    UndeclaredColumn { at: At, model: String, column: String, nearest: Option<String> },
    #[error(
        "{at}: column `{column}` of `{model}` is declared {declared} and the SQL gives {found} — write CAST(… AS {declared}) AS {column} in the last select, or declare what it gives"
    )]
    TypeDiffers { at: At, model: String, column: String, declared: String, found: String },
    #[error("{at}: `{query}` of the ML node `{node}` cannot be asked: {message}")]
    MlQuery { at: At, node: String, query: &'static str, message: String },
    #[error(
        "{at}: `{features}` does not read the spine `{spine}`, itself or through other models — join it, so that training can ask for past nights"
    )]
    NotOverSpine { at: At, features: String, spine: String },
    #[error(
        "{at}: `{model}` lies between the spine and the features of the ML node `{node}` and asks for `$night` — use the column `night` of `{spine}`: with tonight's date the features of past nights would know what came after"
    )]
    FeaturesOfTonight { at: At, model: String, spine: String, node: String },
    #[error(
        "{at}: `{model}` lies between the spine and the features of the ML node `{node}` with `materialized: {materialized}` — write `table` or `view`: training asks it for past nights"
    )]
    FeaturesKept { at: At, model: String, materialized: &'static str, node: String },
    #[error(
        "{at}: `{column}` is learnt from by {node} and made of `{raw}` of the source `{source_name}`, of which only today's value is kept ({how}): past nights would know what came after — keep its history in a model with `materialized: scd2` and join it by the row's night; or write `fixed: true` at the column in {contract} if a value never changes; or list `{column}` under `exclude` in {node}"
    )]
    NoHistory {
        at: At,
        node: String,
        column: String,
        raw: String,
        source_name: String,
        how: &'static str,
        contract: String,
    },
    #[error(
        "{at}: which rows `{model}` has, behind the features of {node}, is decided by `{raw}` of the source `{source_name}`, of which only today's value is kept ({how}): past nights would know what came after — keep its history in a model with `materialized: scd2` and join it by the row's night, or write `fixed: true` at the column in {contract} if a value never changes"
    )]
    RowsWithoutHistory {
        at: At,
        node: String,
        model: String,
        raw: String,
        source_name: String,
        how: &'static str,
        contract: String,
    },
    #[error(
        "{at}: `{column}` is learnt from by {node} and comes from the history `{history}`, whose `valid_from` is not looked at: past nights would know what came after — join it with `valid_from <= night and (valid_to is null or valid_to > night)`"
    )]
    HistoryOfToday { at: At, node: String, column: String, history: String },
    #[error(
        "{at}: which rows `{model}` has, behind the features of {node}, is decided by `{column}` of the history `{history}`, whose `valid_from` is not looked at: past nights would know what came after — join it with `valid_from <= night and (valid_to is null or valid_to > night)`"
    )]
    RowsOfToday { at: At, node: String, model: String, column: String, history: String },
    #[error(
        "{at}: `{column}` is learnt from by {node} and made of `{raw}` of the source `{source_name}`, which {says}: past nights would know what came after — {way_out}, or list `{column}` under `exclude` in {node}"
    )]
    OfDelivery {
        at: At,
        node: String,
        column: String,
        raw: String,
        source_name: String,
        says: &'static str,
        way_out: &'static str,
    },
    #[error("{at}: audit `{audit}` of `{model}` cannot be asked: {message}")]
    Audit { at: At, model: String, audit: String, message: String },
}

/// The rules that keep a model's SQL meaning the same in DataFusion and in DuckDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Division,
    UnguardedDivision,
    NullOrder,
    Function,
    Clock,
    SelectStar,
    LimitWithoutOrder,
    DoubleTotal,
    Cast,
    Syntax,
}

impl GraphError {
    /// Where the mistake is.
    pub fn at(&self) -> &At {
        match self {
            Self::Syntax { at, .. }
            | Self::NotOneSelect { at, .. }
            | Self::UnqualifiedTable { at, .. }
            | Self::UnknownTable { at, .. }
            | Self::WrongLayer { at, .. }
            | Self::Cycle { at, .. }
            | Self::MartIsView { at, .. }
            | Self::NotPortable { at, .. }
            | Self::UnknownParameter { at, .. }
            | Self::OtherParameter { at, .. }
            | Self::NoWindow { at, .. }
            | Self::NothingWindowed { at, .. }
            | Self::HistoryOfTable { at, .. }
            | Self::HistoryOfOneFile { at, .. }
            | Self::UnknownColumn { at, .. }
            | Self::Plan { at, .. }
            | Self::MissingColumn { at, .. }
            | Self::UndeclaredColumn { at, .. }
            | Self::TypeDiffers { at, .. }
            | Self::MlQuery { at, .. }
            | Self::NotOverSpine { at, .. }
            | Self::FeaturesOfTonight { at, .. }
            | Self::FeaturesKept { at, .. }
            | Self::NoHistory { at, .. }
            | Self::RowsWithoutHistory { at, .. }
            | Self::HistoryOfToday { at, .. }
            | Self::RowsOfToday { at, .. }
            | Self::OfDelivery { at, .. }
            | Self::Audit { at, .. } => at,
        }
    }
}

/// Every mistake found, by file and line; printed one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct GraphErrors(pub Vec<GraphError>);

impl fmt::Display for GraphErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl GraphErrors {
    /// `Ok` where nothing was found, else all of it in the order of the files.
    pub fn unless_empty(mut errors: Vec<GraphError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by(|a, b| a.at().cmp(b.at()));
        errors.dedup();
        Err(Self(errors))
    }

    /// The user's mistake, whatever it is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::User
    }
}
