//! Contracts of sources: what is read of them, and what is refused.

use super::*;

fn one_contract_problem(lines: &str, line: u64, text: &str) {
    let problems = contract_with(lines);
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with(&format!("sql/sources/orders.yml:{line}: ")) && problem.contains(text)),
        "expected line {line} to say `{text}`, found {problems:#?}"
    );
    assert_eq!(problems.len(), 1, "{problems:#?}");
}

#[test]
fn two_contracts_for_one_table_are_refused() {
    let folder = Folder::new(&[
        ("buho.toml", ""),
        ("sql/sources/a.yml", &format!("table: bronze.t\n{CONTRACT}")),
        ("sql/sources/b.yml", &format!("table: bronze.t\n{CONTRACT}")),
    ]);
    assert_eq!(
        folder.problems(),
        ["sql/sources/b.yml:1: defines `bronze.t`, and so does sql/sources/a.yml — keep one of the two"]
    );
}

#[test]
fn a_contract_is_read_whole() {
    let text = r#"
description: Orders.
pack: commerce
table: bronze.shop_orders
path: "orders/orders_{date:%Y-%m-%d}*.csv.gz"
format:
  type: csv
  delimiter: ";"
  encoding: windows-1252
  null_words: ["", "NULL"]
  decimal_comma: true
  date_formats: ["%d/%m/%Y"]
  timestamp_formats: ["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S%:z"]
delivery: upsert
duplicates: fail
key: [order_id]
event_time: ordered_at
time_zone: Europe/Madrid
data_begins: 2024-01-01
tolerance: 0
expect: { every: 1 day, by: "06:00", rows: 0.5, missing: hold }
columns:
  - { name: order_id, from: OrderID, type: VARCHAR, required: true }
  - { name: ordered_at, type: TIMESTAMP }
  - { name: total, type: "DECIMAL(18, 2)", unit: EUR }
"#;
    let folder = Folder::new(&[("buho.toml", ""), ("sql/sources/orders.yml", text)]);
    let contract = &folder.load().unwrap().contracts["orders"];
    assert_eq!(contract.table, "bronze.shop_orders");
    assert_eq!(contract.spec.columns[0].name_in_file(), "OrderID");
    assert_eq!(contract.spec.columns[2].name.line, 25);
    assert_eq!(contract.spec.key[0].line, 16);
}

#[test]
fn contracts_that_cannot_be_meant_are_refused_with_their_line() {
    let base = "path: x.csv\ncolumns:\n  - { name: order_id, type: VARCHAR }\n";
    one_contract_problem(&format!("{base}  - {{ name: order_id, type: DATE }}"), 4, "it is on line 3 already");
    one_contract_problem(
        &format!("{base}  - {{ name: _file, type: DATE }}"),
        4,
        "one that Buho adds to every bronze table",
    );
    one_contract_problem(&format!("{base}  - {{ name: Order, type: DATE }}"), 4, "small letters");
    one_contract_problem(&format!("{base}key: [ordr_id]"), 4, "did you mean `order_id`?");
    one_contract_problem(
        "path: x.csv\ncolumns:\n  - { name: order_id, type: VARCHAR, fixed: false }\nkey: [order_id]",
        4,
        "a key says which row it is and never changes",
    );
    one_contract_problem(&format!("{base}event_time: at"), 4, "not among the columns");
    one_contract_problem(&format!("{base}event_time: order_id"), 4, "must be a DATE or a TIMESTAMP");
    one_contract_problem(&format!("{base}delivery: upsert"), 4, "without `key`");
    one_contract_problem(&format!("{base}delivery: apend"), 4, "did you mean `append`?");
    one_contract_problem(&format!("{base}table: orders"), 4, "write bronze.NAME");
    one_contract_problem(&format!("{base}dropped_columns: fial"), 4, "did you mean `fail`?");
    one_contract_problem(&format!("{base}dropped_columns: fail\nformat: {{ header: false }}"), 4, "by position");
    one_contract_problem(&format!("{base}dropped_columns: fail\nformat: {{ type: jsonl }}"), 4, "csv or parquet");
    one_contract_problem(&format!("{base}tolerance: 1.5"), 4, "a share from 0 to 1");
    one_contract_problem(&format!("{base}tolerance: .nan"), 4, "write a number");
    one_contract_problem(&format!("{base}time_zone: Europe/Madird"), 4, "did you mean `Europe/Madrid`?");
    one_contract_problem(&format!("{base}data_begins: 2024-02-30"), 4, "a day that exists");
    one_contract_problem(&format!("{base}expect: {{ every: daily }}"), 4, "1 day, 2 days, 1 week, 1 month");
    one_contract_problem(&format!("{base}expect: {{ every: 1 day, by: \"25:00\" }}"), 4, "HH:MM");
    one_contract_problem(&format!("{base}expect: {{ every: 1 day, rows: 2 }}"), 4, "a share from 0 to 1");
    one_contract_problem("path: x.csv\ncolumns: []", 2, "at least one column");
    one_contract_problem("path: x.csv\ncolumns:\n  - { name: a, type: MONEY }", 3, "`MONEY`");
    one_contract_problem("path: x.csv\ncolumns:\n  - { name: a, type: VARCHR }", 3, "did you mean `VARCHAR`?");
    one_contract_problem("path: x.csv\ncolumns:\n  - a", 3, "write keys and values");
}

#[test]
fn formats_that_cannot_be_read_are_refused_with_their_line() {
    let with = |lines: &str| format!("path: x\ncolumns: [{{ name: a, type: VARCHAR }}]\nformat:\n{lines}");
    one_contract_problem(&with("  delimiter: \"||\""), 4, "one ASCII character");
    one_contract_problem(&with("  delimiter: \"\""), 4, "one ASCII character");
    one_contract_problem(&with("  quote: \",\""), 4, "not the delimiter");
    one_contract_problem(&with("  encoding: utf8-bom"), 4, "`encoding`");
    one_contract_problem(&with("  date_formats: [\"%Y-%Q\"]"), 4, "not a strftime pattern");
    one_contract_problem(&with("  date_formats: [\"%d/%m\"]"), 4, "year, month and day");
    one_contract_problem(&with("  timestamp_formats: [\"%H:%M\"]"), 4, "day and time");
    one_contract_problem(&with("  type: parquet\n  delimiter: \";\""), 5, "no meaning for parquet");
    one_contract_problem(&with("  type: jsonl\n  header: false"), 5, "no meaning for jsonl");
    one_contract_problem(&with("  type: xlsx"), 4, "use one of csv, jsonl, parquet");
    one_contract_problem(&with("  header: yes"), 4, "write true or false");
}

#[test]
fn delimiters_and_patterns_people_use_are_taken() {
    for lines in [
        "delimiter: \"\\t\"",
        "delimiter: \\t",
        "delimiter: \"|\"",
        "quote: \"\"",
        "quote: \"'\"",
        "encoding: UTF-16LE",
        "encoding: latin1",
        "date_formats: [\"%d/%m/%Y\", \"%e %b %Y\", \"%Y%m%d\", \"%d/%m/%y\"]",
        "timestamp_formats: [\"%d/%m/%Y %H:%M\", \"%m/%d/%Y %I:%M:%S %p\", \"%+\", \"%Y-%m-%d %H:%M:%S%.f\"]",
    ] {
        let text = format!("path: x\ncolumns: [{{ name: a, type: VARCHAR }}]\nformat:\n  {lines}\n");
        let folder = Folder::new(&[("buho.toml", ""), ("sql/sources/orders.yml", &text)]);
        assert!(folder.load().is_ok(), "{lines}: {}", folder.load().unwrap_err());
    }
}

#[test]
fn paths_that_leave_raw_or_cannot_be_read_are_refused() {
    for (path, text) in [
        ("../x.csv", "relative to the raw location"),
        ("a/../../x.csv", "without `..`"),
        ("/srv/x.csv", "relative to the raw location"),
        ("s3://bucket/x.csv", "relative to the raw location"),
        ("x_{date:%Y-%m-%d}_{date:%Y-%m-%d}.csv", "two"),
        ("x_{date:%Y-%m-%d.csv", "{date:%Y-%m-%d}"),
        ("x_{date}.csv", "{date:%Y-%m-%d}"),
        ("x_{date:%Q}.csv", "%Q"),
        ("x_{date:%H}.csv", "does not tell"),
        ("x_{day}.csv", "{date:%Y-%m-%d}"),
        ("x_[a.csv", "without `]`"),
        ("", "is empty"),
    ] {
        one_contract_problem(&format!("columns: [{{ name: a, type: VARCHAR }}]\npath: '{path}'"), 2, text);
    }
    for path in [
        "**/x_{date:%Y%m%d}*.csv.gz",
        "{date:%Y/%m/%d}/x.csv",
        "x_{date:%Y-%m}.csv",
        "x_{date:%Y}.csv",
        "x_{date:%F}T*.csv",
        "a?/[0-9]*.csv",
    ] {
        let text = format!("columns: [{{ name: a, type: VARCHAR }}]\npath: '{path}'\n");
        let folder = Folder::new(&[("buho.toml", ""), ("sql/sources/orders.yml", &text)]);
        assert!(folder.load().is_ok(), "{path}: {}", folder.load().unwrap_err());
    }
}
