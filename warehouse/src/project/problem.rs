//! What can be wrong with a project: every fault of every file, reported together.

use std::fmt;
use std::path::{Path, PathBuf};

use super::nearest::Advice;
use crate::error::ErrorKind;

/// One thing wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File below the project's folder, or the flag or variable (`--memory`, `BUHO_MEMORY`).
    pub file: String,
    /// 1-based line; 0 where the fault is of the whole file.
    pub line: u64,
    pub fault: Fault,
}

impl Problem {
    pub fn new(file: impl Into<String>, line: u64, fault: Fault) -> Self {
        Self { file: file.into(), line, fault }
    }

    /// What the caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self.fault {
            Fault::Unreadable { retry: true, .. } => ErrorKind::Retry,
            _ => ErrorKind::User,
        }
    }
}

/// What is wrong: first what was found, then what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no buho.toml here — run `buho init` to make a project, or name its folder with --project")]
    NoProject,
    #[error("cannot be read: {reason} — let this user read it")]
    Unreadable { reason: String, retry: bool },
    #[error("is {bytes} bytes long — a file of a project has at most {limit}; split it")]
    TooLarge { bytes: u64, limit: u64 },
    #[error(
        "is deeper, or unfolds to more by its aliases, than a file of a project may ({message}) — write it out, or split it"
    )]
    TooComplex { message: String },
    #[error("{message} — mend the syntax here")]
    Syntax { message: String },
    #[error("unknown key `{key}` in {of} — {advice}")]
    UnknownKey { key: String, of: String, advice: Advice },
    #[error("{of} has no `{key}` — add it; it is required")]
    MissingKey { key: String, of: String },
    #[error("`{key}` is {found} — write {expected}")]
    WrongShape { key: String, found: String, expected: String },
    #[error("`{key}` is `{found}` — {advice}")]
    NotOneOf { key: String, found: String, advice: Advice },
    #[error("`{key}` is `{found}` — {rule}")]
    BadValue { key: String, found: String, rule: String },
    #[error(
        "{what} `{name}` is not a name SQL reads without quotes — use small letters, digits and `_`, not starting with a digit"
    )]
    BadName { what: &'static str, name: String },
    #[error("column `{column}` is named a second time — it is on line {first} already; rename or remove one")]
    DuplicateColumn { column: String, first: u64 },
    #[error(
        "column `{column}` has the name of one that Buho adds to every bronze table — rename it and give the file's name in `from`"
    )]
    ReservedColumn { column: String },
    #[error("`{used_by}` names the column `{column}`, which is not among the columns — {advice}")]
    NoSuchColumn { used_by: String, column: String, advice: Advice },
    #[error("`delivery: upsert` without `key` — name the columns that identify a row")]
    UpsertWithoutKey,
    #[error("`event_time` is the column `{column}` of type {kind} — it must be a DATE or a TIMESTAMP")]
    EventTimeType { column: String, kind: String },
    #[error("`{key}` has no meaning for {kind} — remove it; only {only} has it")]
    NotForFormat { key: String, kind: &'static str, only: &'static str },
    #[error("`path: {path}` {rule}")]
    BadPath { path: String, rule: String },
    #[error(
        "an audit has {found} — give it exactly one of not_null, unique, accepted_values, relationships, row_count, reconcile, sql"
    )]
    RuleCount { found: String },
    #[error("the name `{name}` is used a second time, first on line {first} — rename one")]
    DuplicateName { name: String, first: u64 },
    #[error("`{used_by}` names the table `{table}`, which the project does not have — {advice}")]
    NoSuchTable { used_by: String, table: String, advice: Advice },
    #[error(
        "`materialized: view` in the layer marts — use `table`: others read marts as Delta, where a view has no file"
    )]
    MartView,
    #[error("defines `{name}`, and so does {other} — keep one of the two")]
    TwoFiles { name: String, other: String },
    #[error("has no {missing} beside it — {advice}")]
    Alone { missing: String, advice: &'static str },
    #[error("is an empty query — write one SELECT")]
    EmptyQuery,
    #[error("`{layer}` is not a layer — {advice}")]
    UnknownLayer { layer: String, advice: Advice },
    #[error("lies too deep — a file is sql/<layer>/<pack>/<name>.sql, .yml beside it, or sql/sources/<name>.yml")]
    TooDeep,
    #[error("ends in `.{found}` — rename it to `.{expected}`")]
    WrongExtension { found: String, expected: &'static str },
    #[error("pack `{pack}` is not known — {advice}")]
    UnknownPack { pack: String, advice: Advice },
    #[error("`lake` ({lake}) and `raw` ({raw}) share a folder — keep them apart, or tables would be read as exports")]
    LakeInRaw { lake: String, raw: String },
}

/// Everything wrong with a project.
#[derive(Debug, Clone)]
pub struct ProjectErrors {
    /// The project's folder, put before the files' names unless it is the current one.
    pub root: PathBuf,
    pub problems: Vec<Problem>,
}

impl ProjectErrors {
    /// What the caller should do: retry when storage is to blame, else mend the project.
    pub fn kind(&self) -> ErrorKind {
        self.problems.iter().map(Problem::kind).fold(ErrorKind::User, ErrorKind::worst)
    }
}

impl std::error::Error for ProjectErrors {}

impl fmt::Display for ProjectErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write_place(f, &self.root, problem)?;
            write!(f, ": {}", problem.fault)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, Path::new("."), self)?;
        write!(f, ": {}", self.fault)
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, root: &Path, problem: &Problem) -> fmt::Result {
    let is_setting = problem.file.starts_with("--") || problem.file.starts_with("BUHO_");
    if is_setting || root == Path::new(".") || root == Path::new("") {
        f.write_str(&problem.file)?;
    } else {
        write!(f, "{}", root.join(&problem.file).display())?;
    }
    if problem.line > 0 { write!(f, ":{}", problem.line) } else { Ok(()) }
}
