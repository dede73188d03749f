use std::path::Path;

use super::*;
use crate::error::ErrorKind;

/// A project's folder for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let full = self.0.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }

    fn load_with(
        &self,
        overrides: &Overrides,
        env: &[(&str, &str)],
        standard: &[StandardFile],
    ) -> Result<Project, ProjectErrors> {
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Project::load(self.0.path(), overrides, &env, standard)
    }

    fn load(&self) -> Result<Project, ProjectErrors> {
        self.load_with(&Overrides::default(), &[], &[])
    }

    /// The problems, with the folder's own path left out.
    fn problems(&self) -> Vec<String> {
        self.load().unwrap_err().problems.iter().map(ToString::to_string).collect()
    }
}

fn standard(path: &str, text: &'static str) -> StandardFile {
    StandardFile { path: path.to_owned(), contents: text.into() }
}

const CONTRACT: &str = "path: orders_{date:%Y-%m-%d}.csv\ncolumns:\n  - { name: order_id, type: VARCHAR }\n";
const MODEL: &str = "columns:\n  - { name: order_id, type: VARCHAR }\n";

fn contract_with(lines: &str) -> Vec<String> {
    Folder::new(&[("buho.toml", ""), ("sql/sources/orders.yml", &format!("{lines}\n"))]).problems()
}

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
fn an_empty_file_makes_a_project_of_defaults() {
    let folder = Folder::new(&[("buho.toml", "")]);
    let project = folder.load().unwrap();
    let settings = &project.settings;
    assert!(settings.raw.as_str().ends_with("/raw"), "{}", settings.raw);
    assert!(settings.lake.as_str().ends_with("/lake"));
    assert_eq!(settings.time_zone, chrono_tz::Tz::UTC);
    assert_eq!(settings.currency, "EUR");
    assert_eq!(settings.packs, ["commerce"]);
    assert!(settings.threads >= 1 && settings.memory >= 256 << 20);
    assert_eq!(settings.origin("raw"), &Origin::Default);
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let folder = Folder::new(&[("buho.toml", "memory = \"1GiB\"\ncurrency = \"USD\"\nthreads = 3\n")]);
    let flags = Overrides { memory: Some("3GiB".to_owned()), ..Overrides::default() };
    let env = [("BUHO_MEMORY", "2GiB"), ("BUHO_CURRENCY", "GBP"), ("BUHO_NAME", "")];
    let settings = folder.load_with(&flags, &env, &[]).unwrap().settings;
    assert_eq!(settings.memory, 3 << 30);
    assert_eq!(settings.origin("memory").to_string(), "flag --memory");
    assert_eq!(settings.currency, "GBP");
    assert_eq!(settings.origin("currency").to_string(), "environment BUHO_CURRENCY");
    assert_eq!(settings.threads, 3);
    assert_eq!(settings.origin("threads").to_string(), "buho.toml:3");
    assert_eq!(settings.origin("time_zone"), &Origin::Default);
}

#[test]
fn a_wrong_setting_names_its_flag_variable_or_line() {
    let folder = Folder::new(&[("buho.toml", "\ntime_zone = \"Europe/Madird\"\ncurrency = \"euro\"\n")]);
    let flags = Overrides { memory: Some("much".to_owned()), ..Overrides::default() };
    let errors = folder.load_with(&flags, &[("BUHO_THREADS", "-1")], &[]).unwrap_err();
    let shown: Vec<String> = errors.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "--memory: `memory` is `much` — write a number with a unit, such as 4GiB or 512MiB",
            "BUHO_THREADS: `threads` is `-1` — write a whole number from 1 to 1024, or 0 for all cores",
            "buho.toml:2: `time_zone` is `Europe/Madird` — did you mean `Europe/Madrid`?",
            "buho.toml:3: `currency` is `euro` — write its three ISO 4217 letters, such as EUR",
        ]
    );
    assert_eq!(errors.kind(), ErrorKind::User);
}

#[test]
fn a_folder_without_buho_toml_says_how_to_make_one() {
    let folder = Folder::new(&[("sql/mart/x.sql", "select 1")]);
    assert_eq!(
        folder.problems(),
        ["buho.toml: no buho.toml here — run `buho init` to make a project, or name its folder with --project"]
    );
}

#[test]
fn problems_show_the_path_from_where_one_stands() {
    let folder = Folder::new(&[("buho.toml", "x = 1\n")]);
    let shown = folder.load().unwrap_err().to_string();
    let expected = format!("{}:1: unknown key", folder.0.path().join("buho.toml").display());
    assert!(shown.starts_with(&expected), "{shown}");
}

#[test]
fn problems_of_all_files_are_reported_together() {
    let folder = Folder::new(&[
        ("buho.toml", "raws = \"x\"\n"),
        ("sql/sources/orders.yml", "pat: x\ncolumns:\n  - { name: a, typ: VARCHAR }\n"),
        ("sql/marts/x.sql", "select 1"),
    ]);
    assert_eq!(
        folder.problems(),
        [
            "buho.toml:1: unknown key `raws` in buho.toml — did you mean `raw`?",
            "sql/marts/x.sql: has no x.yml beside it — write what its columns mean there; `buho schema model` prints the form",
            "sql/sources/orders.yml:1: unknown key `pat` in the contract — did you mean `path`?",
            "sql/sources/orders.yml:1: the contract has no `path` — add it; it is required",
            "sql/sources/orders.yml:3: unknown key `typ` in `columns` — did you mean `type`?",
            "sql/sources/orders.yml:3: `columns` has no `type` — add it; it is required",
        ]
    );
}

#[test]
fn a_project_s_file_replaces_the_standard_one_of_its_name_whatever_the_pack() {
    let folder = Folder::new(&[
        ("buho.toml", ""),
        ("sql/sources/orders.yml", CONTRACT),
        ("sql/staging/mine/stg_orders.sql", "select 'mine'"),
        ("sql/staging/mine/stg_orders.yml", MODEL),
    ]);
    let files = [
        standard("sql/sources/orders.yml", "path: standard.csv\ncolumns:\n  - { name: a, type: DATE }\n"),
        standard("sql/sources/refunds.yml", "path: refunds.csv\ncolumns:\n  - { name: a, type: DATE }\n"),
        standard("sql/staging/commerce/stg_orders.sql", "select 'standard'"),
        standard("sql/staging/commerce/stg_orders.yml", MODEL),
        standard("sql/staging/commerce/stg_refunds.sql", "select 'standard'"),
        standard("sql/staging/commerce/stg_refunds.yml", MODEL),
    ];
    let project = folder.load_with(&Overrides::default(), &[], &files).unwrap();
    assert_eq!(project.contracts["orders"].spec.path.as_str(), "orders_{date:%Y-%m-%d}.csv");
    assert_eq!(project.contracts["refunds"].table, "bronze.refunds");
    assert_eq!(project.models["staging.stg_orders"].sql, "select 'mine'");
    assert_eq!(project.models["staging.stg_orders"].pack.as_deref(), Some("mine"));
    assert_eq!(project.models["staging.stg_refunds"].sql, "select 'standard'");
}

#[test]
fn a_pack_that_is_off_is_left_out_and_a_project_s_own_is_always_on() {
    let folder = Folder::new(&[
        ("buho.toml", "packs = []\n"),
        ("sql/marts/mine/own.sql", "select 1"),
        ("sql/marts/mine/own.yml", MODEL),
    ]);
    let files = [
        standard("sql/marts/commerce/x.sql", "select 1"),
        standard("sql/marts/commerce/x.yml", MODEL),
        standard("sql/sources/orders.yml", "pack: commerce\npath: x.csv\ncolumns: [{ name: a, type: DATE }]\n"),
    ];
    let project = folder.load_with(&Overrides::default(), &[], &files).unwrap();
    assert_eq!(project.models.keys().collect::<Vec<_>>(), ["marts.own"]);
    assert!(project.contracts.is_empty());
}

#[test]
fn an_unknown_pack_names_the_nearest_and_its_line() {
    let folder = Folder::new(&[("buho.toml", "name = \"x\"\npacks = [\"comerce\"]\n")]);
    assert_eq!(folder.problems(), ["buho.toml:2: pack `comerce` is not known — did you mean `commerce`?"]);
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
fn a_country_called_no_stays_text() {
    let text = format!(
        "{MODEL}tests:\n  - name: norway\n    night: 2026-01-31\n    given: {{ core.a: [{{ country: NO }}] }}\n    expect: []\n"
    );
    let folder = Folder::new(&[("buho.toml", ""), ("sql/core/x.sql", "select 1"), ("sql/core/x.yml", &text)]);
    let project = folder.load().unwrap();
    assert_eq!(project.models["core.x"].spec.tests[0].given["core.a"][0]["country"], "NO");
}

#[test]
fn broken_yaml_is_told_with_its_line() {
    for (text, line) in [
        ("path: [x\ncolumns: 1\n", 2),
        ("path: x\npath: y\n", 2),
        ("a: b: c\n", 1),
        ("", 0),
        ("- a\n", 1),
        ("path: \"\\q\"\n", 1),
    ] {
        let problems = contract_with(text);
        let place =
            if line == 0 { "sql/sources/orders.yml".to_owned() } else { format!("sql/sources/orders.yml:{line}: ") };
        assert!(problems[0].starts_with(&place), "{text:?}: {problems:?}");
    }
}

#[test]
fn an_alias_bomb_is_stopped_before_it_goes_off() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
    }
    let started = std::time::Instant::now();
    let problems = contract_with(&bomb);
    assert!(started.elapsed().as_secs() < 5);
    assert!(problems[0].contains("unfolds to more by its aliases"), "{problems:?}");
}

#[test]
fn a_file_that_is_too_large_or_not_utf_8_is_refused() {
    let folder = Folder::new(&[("buho.toml", ""), ("sql/sources/big.yml", &"#".repeat(5 << 20))]);
    std::fs::write(folder.0.path().join("sql/sources/latin.yml"), b"path: x\ndescription: a\xf1o\n").unwrap();
    let problems = folder.problems();
    assert!(problems[0].contains("split it"), "{problems:?}");
    assert!(problems[1].starts_with("sql/sources/latin.yml:2: a byte that is not UTF-8"), "{problems:?}");
}

#[test]
fn a_lake_inside_raw_is_refused() {
    let folder = Folder::new(&[("buho.toml", "raw = \"data\"\nlake = \"data/lake\"\n")]);
    assert!(folder.problems()[0].starts_with("buho.toml:2: `lake` ("), "{:?}", folder.problems());
}

#[test]
fn settings_paths_are_relative_to_the_file_and_flags_to_where_one_stands() {
    let folder = Folder::new(&[("buho.toml", "raw = \"exports\"\n")]);
    let flags = Overrides { lake: Some("some-lake".to_owned()), ..Overrides::default() };
    let settings = folder.load_with(&flags, &[], &[]).unwrap().settings;
    assert_eq!(settings.raw.to_file_path().unwrap(), folder.0.path().join("exports"));
    assert_eq!(settings.lake.to_file_path().unwrap(), std::path::absolute(Path::new("some-lake")).unwrap());
}
