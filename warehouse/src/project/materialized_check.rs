//! What the `.yml` of a model must say about how it is stored.

use super::located::Located;
use super::model::{Materialized, VALID_FROM, VALID_TO};
use super::model_check::Check;
use super::types::ColumnType;

impl Check<'_> {
    /// Each way to store rows has what it needs, and nothing that belongs to another.
    pub(super) fn materialisation(&mut self) {
        let spec = self.spec;
        let kind = spec.materialized;
        self.block("incremental", spec.incremental.is_some(), kind == Materialized::Incremental);
        self.block("merge", spec.merge.is_some(), kind == Materialized::Merge);
        if matches!(kind, Materialized::Merge | Materialized::Scd2) && spec.key.is_empty() {
            let rule = "give `key`, the columns by which rows of one thing are found";
            self.refuse(self.tree.line_of(&["materialized"]), "materialized", kind.word(), rule);
        }
        if let Some(time) = spec.time() {
            self.typed("time", time, &[ColumnType::Date, ColumnType::Timestamp]);
        }
        if let Some(merge) = &spec.merge {
            self.typed("time", &merge.time, &[ColumnType::Date]);
            for column in &merge.newest {
                self.known("newest", column);
            }
            if let Some(deleted) = &merge.deleted {
                self.typed("deleted", deleted, &[ColumnType::Boolean]);
            }
        }
        if kind == Materialized::Scd2 {
            self.history();
        }
        self.layout();
        self.prior();
    }

    fn block(&mut self, name: &'static str, given: bool, wanted: bool) {
        let found = self.spec.materialized.word();
        match (given, wanted) {
            (false, true) => {
                let rule = format!("say how: `{name}: {{ time: … }}`; `buho schema model` shows what it takes");
                self.refuse(self.tree.line_of(&["materialized"]), "materialized", found, &rule);
            }
            (true, false) => {
                let rule = format!("`{name}` belongs to `materialized: {name}`; take one of them out");
                self.refuse(self.tree.line_of(&[name]), "materialized", found, &rule);
            }
            _ => {}
        }
    }

    fn typed(&mut self, used_by: &str, column: &Located<String>, kinds: &[ColumnType]) {
        self.known(used_by, column);
        self.of_kind(used_by, column, kinds);
    }

    fn of_kind(&mut self, used_by: &str, column: &Located<String>, kinds: &[ColumnType]) {
        let declared = self.spec.columns.iter().find(|known| known.name.as_str() == column.as_str());
        if let Some(declared) = declared
            && !kinds.contains(&declared.kind)
        {
            let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            let found = format!("{column} {kind}", column = column.value, kind = declared.kind.value);
            self.refuse(column.line, used_by, &found, &format!("name a column of type {}", names.join(" or ")));
        }
    }

    /// The two columns that the engine fills are declared, so that readers find them described.
    fn history(&mut self) {
        for name in [VALID_FROM, VALID_TO] {
            let declared = self.spec.columns.iter().find(|column| column.name.as_str() == name);
            if declared.is_none_or(|column| column.kind.value != ColumnType::Date) {
                let rule = format!("declare column `{name}` of type DATE: the engine fills it");
                self.refuse(self.tree.line_of(&["columns"]), "columns", name, &rule);
            }
        }
    }

    fn layout(&mut self) {
        let spec = self.spec;
        for (used_by, columns) in [("partition_by", &spec.partition_by), ("sort", &spec.sort)] {
            if spec.materialized == Materialized::View && !columns.is_empty() {
                let rule = "a view stores nothing; take it out, or write `materialized: table`";
                self.refuse(self.tree.line_of(&[used_by]), used_by, "given for a view", rule);
            }
            for column in columns {
                self.known(used_by, column);
            }
        }
        for column in &spec.partition_by {
            let kinds =
                [ColumnType::Varchar, ColumnType::Date, ColumnType::Integer, ColumnType::Bigint, ColumnType::Boolean];
            self.of_kind("partition_by", column, &kinds);
        }
        if spec.partition_by.len() == spec.columns.len() {
            let rule = "leave at least one column that is no partition: Delta stores no other rows";
            self.refuse(self.tree.line_of(&["partition_by"]), "partition_by", "all columns", rule);
        }
    }

    /// `prior` and `window` of a test say something only where there is a table before the night.
    fn prior(&mut self) {
        let spec = self.spec;
        let kind = spec.materialized;
        for test in &spec.tests {
            if !test.prior.is_empty() && matches!(kind, Materialized::View | Materialized::Table) {
                let rule = "only `incremental`, `merge` and `scd2` build on the rows before; take it out";
                self.refuse(test.name.line, "prior", kind.word(), rule);
            }
            match test.window {
                Some(_) if !kind.is_windowed() => {
                    let rule = "only `incremental` and `merge` have windows; take it out";
                    self.refuse(test.name.line, "window", kind.word(), rule);
                }
                Some([first, last]) if first > last => {
                    let found = format!("[{first}, {last}]");
                    self.refuse(test.name.line, "window", &found, "let the first day be at most the last");
                }
                _ => {}
            }
        }
    }
}
