//! Models: what is refused of their files.

use super::*;

fn one_model_problem(lines: &str, line: u64, text: &str) {
    let folder = Folder::new(&[
        ("buho.toml", ""),
        ("sql/marts/commerce/x.sql", "select 1"),
        ("sql/marts/commerce/x.yml", lines),
    ]);
    let problems = folder.problems();
    assert!(
        problems.iter().any(|problem| problem.starts_with(&format!("sql/marts/commerce/x.yml:{line}: ")) && problem.contains(text)),
        "expected line {line} to say `{text}`, found {problems:#?}"
    );
    assert_eq!(problems.len(), 1, "{problems:#?}");
}

#[test]
fn two_files_for_one_model_are_refused() {
    let folder = Folder::new(&[
        ("buho.toml", ""),
        ("sql/marts/a/x.sql", "select 1"),
        ("sql/marts/a/x.yml", MODEL),
        ("sql/marts/b/x.sql", "select 1"),
        ("sql/marts/b/x.yml", MODEL),
    ]);
    let problems = folder.problems();
    assert_eq!(
        problems[0],
        "sql/marts/b/x.sql: defines `marts.x`, and so does sql/marts/a/x.sql — keep one of the two"
    );
}

#[test]
fn models_that_cannot_be_meant_are_refused_with_their_line() {
    let base = "columns:\n  - { name: order_id, type: VARCHAR }\n";
    one_model_problem(&format!("{base}  - {{ name: order_id, type: DATE }}\n"), 3, "it is on line 2 already");
    one_model_problem(&format!("{base}key: [order]\n"), 3, "not among the columns");
    one_model_problem(&format!("{base}materialized: view\n"), 3, "others read marts as Delta");
    one_model_problem(&format!("{base}materialized: sometimes\n"), 3, "use one of view, table");
    stored_rows_that_cannot_be_meant(base);
    one_model_problem(&format!("{base}audits:\n  - {{ severity: warn }}\n"), 4, "an audit has no rule");
    one_model_problem(
        &format!("{base}audits:\n  - {{ not_null: [order_id], unique: [order_id] }}\n"),
        4,
        "2 rules (not_null, unique)",
    );
    one_model_problem(&format!("{base}audits:\n  - {{ unique: [id] }}\n"), 4, "`unique` names the column `id`");
    one_model_problem(
        &format!("{base}audits:\n  - {{ accepted_values: {{ column: stat, values: [a] }} }}\n"),
        4,
        "`stat`",
    );
    one_model_problem(&format!("{base}audits:\n  - {{ row_count: {{ min: 9, max: 1 }} }}\n"), 4, "at most `max`");
    one_model_problem(&format!("{base}audits:\n  - {{ row_count: {{ min: -1 }} }}\n"), 4, "not negative");
    one_model_problem(&format!("{base}audits:\n  - {{ sql: ' ' }}\n"), 4, "empty query");
    one_model_problem(
        &format!("{base}audits:\n  - {{ relationships: {{ column: order_id, to: marts.y, field: a }} }}\n"),
        4,
        "which the project does not have",
    );
    one_model_problem(
        &format!(
            "{base}tests:\n  - {{ name: a, night: 2026-01-31, expect: [] }}\n  - {{ name: a, night: 2026-01-31, expect: [] }}\n"
        ),
        5,
        "used a second time",
    );
    one_model_problem(
        &format!("{base}tests:\n  - {{ name: a, night: 2026-01-32, expect: [] }}\n"),
        4,
        "a day that exists",
    );
    one_model_problem("description: x\n", 1, "the model has no `columns`");
}

fn stored_rows_that_cannot_be_meant(base: &str) {
    one_model_problem(&format!("{base}materialized: incremental\n"), 3, "say how: `incremental: { time: … }`");
    let incremental = "materialized: incremental\nincremental: ";
    one_model_problem(&format!("{base}{incremental}{{ time: order_id }}\n"), 4, "of type DATE or TIMESTAMP");
    one_model_problem(&format!("{base}{incremental}{{ time: day }}\n"), 4, "not among the columns");
    one_model_problem(
        &format!("{base}incremental: {{ time: order_id }}\n"),
        3,
        "belongs to `materialized: incremental`",
    );
    let dated = "columns:\n  - { name: day, type: DATE }\n";
    one_model_problem(&format!("{dated}materialized: merge\nmerge: {{ time: day }}\n"), 3, "give `key`");
    let merge = format!("{dated}key: [day]\nmaterialized: merge\nmerge: ");
    one_model_problem(&format!("{merge}{{ time: day, deleted: day }}\n"), 5, "of type BOOLEAN");
    one_model_problem(
        &format!("{dated}  - {{ name: valid_from, type: DATE }}\nkey: [day]\nmaterialized: scd2\n"),
        2,
        "declare column `valid_to` of type DATE",
    );
    one_model_problem(&format!("{base}sort: [order]\n"), 3, "not among the columns");
    one_model_problem(&format!("{base}partition_by: [order_id]\n"), 3, "at least one column that is no partition");
    let test = "tests:\n  - { name: a, night: 2026-01-31, expect: [], ";
    one_model_problem(&format!("{base}{test}prior: [{{ order_id: a }}] }}\n"), 4, "build on the rows before");
    one_model_problem(&format!("{base}{test}window: [2026-01-01, 2026-01-02] }}\n"), 4, "have windows");
}

#[test]
fn a_model_needs_both_its_files_and_a_query() {
    let folder = Folder::new(&[
        ("buho.toml", ""),
        ("sql/core/a.yml", MODEL),
        ("sql/core/b.sql", " \n"),
        ("sql/core/b.yml", MODEL),
    ]);
    assert_eq!(
        folder.problems(),
        [
            "sql/core/a.yml: has no a.sql beside it — write its SELECT there",
            "sql/core/b.sql:1: is an empty query — write one SELECT"
        ]
    );
}

#[test]
fn an_audit_of_a_table_at_a_column_is_told_where_it_goes() {
    let at_column = |audit: &str| format!("columns:\n  - {{ name: order_id, type: VARCHAR, audits: [{audit}] }}\n");
    for audit in ["{ accepted_values: [a] }", "relationships"] {
        one_model_problem(&at_column(audit), 2, "below the table's own `audits:`");
    }
    one_model_problem(&at_column("uniqe"), 2, "did you mean `unique`?");
}
