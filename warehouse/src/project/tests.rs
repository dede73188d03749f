mod contracts;
mod models;

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
fn to_look_into_the_lake_the_settings_are_enough_and_what_is_wrong_is_told() {
    let model = "columns:\n  - { name: n, type: BIGINT }\n";
    let folder = Folder::new(&[
        ("buho.toml", ""),
        ("sql/marts/a/x.sql", "select 1 as n"),
        ("sql/marts/a/x.yml", model),
        ("sql/marts/a/y.yml", "x: [\n"),
        ("sql/marts/a/z.sql", "select 1 as n"),
    ]);
    let look = || Project::load_to_look(folder.0.path(), &Overrides::default(), &|_| None, &[]);
    let project = look().unwrap();
    assert!(project.models.contains_key("marts.x") && !project.models.contains_key("marts.z"));
    let told = project.told_of_left_out().unwrap();
    assert!(told.contains("sql/marts/a/y.yml") && told.ends_with("(and 1 more: `buho doctor` lists them)"), "{told}");
    assert_eq!(folder.problems().len(), 2);
    folder.write("buho.toml", "time_zone = \"Europe/Madird\"\n");
    assert!(look().unwrap_err().to_string().contains("Europe/Madrid"));
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
