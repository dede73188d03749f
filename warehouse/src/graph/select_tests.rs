//! Promises of selectors.

use super::fixtures::{contract, contract_map, model, model_map};
use super::select::select;
use super::{Graph, build};

fn graph() -> Graph {
    let columns = |tags: &str| format!("tags: [{tags}]\ncolumns: [{{ name: a, type: VARCHAR }}]");
    let mut mart = model("marts.m", "select a from core.c", &columns("daily"));
    mart.pack = Some("commerce".to_owned());
    let models = vec![
        model("staging.s", "select a from bronze.raw", &columns("")),
        model("core.c", "select a from staging.s", &columns("daily")),
        mart,
        model("marts.other", "select a from core.c", &columns("")),
        model("marts.s", "select a from core.c", &columns("")),
    ];
    build(&model_map(models), &contract_map(vec![contract("raw", "[{ name: a, type: VARCHAR }]")])).unwrap()
}

fn selected(selector: &str) -> String {
    select(selector, &graph()).unwrap().into_iter().collect::<Vec<_>>().join(" ")
}

fn error(selector: &str) -> String {
    select(selector, &graph()).unwrap_err().to_string()
}

#[test]
fn a_name_selects_its_table_with_or_without_layer() {
    assert_eq!(selected("marts.m"), "marts.m");
    assert_eq!(selected("m"), "marts.m");
    assert_eq!(error("s"), "`s` could be marts.s or staging.s — write the layer");
}

#[test]
fn a_plus_adds_what_it_is_made_from_or_what_is_made_from_it() {
    assert_eq!(selected("+m"), "bronze.raw core.c marts.m staging.s");
    assert_eq!(selected("c+"), "core.c marts.m marts.other marts.s");
    assert_eq!(selected("+core.c+"), "bronze.raw core.c marts.m marts.other marts.s staging.s");
    assert_eq!(selected("bronze.raw+"), "bronze.raw core.c marts.m marts.other marts.s staging.s");
}

#[test]
fn tags_layers_and_packs_select_their_models() {
    assert_eq!(selected("tag:daily"), "core.c marts.m");
    assert_eq!(selected("layer:marts"), "marts.m marts.other marts.s");
    assert_eq!(selected("pack:commerce"), "marts.m");
    assert_eq!(selected("layer:bronze"), "bronze.raw");
}

#[test]
fn a_space_unites_and_a_comma_intersects() {
    assert_eq!(selected("other pack:commerce"), "marts.m marts.other");
    assert_eq!(selected("tag:daily,layer:marts"), "marts.m");
    assert_eq!(selected("tag:daily,layer:marts other"), "marts.m marts.other");
    assert_eq!(selected("tag:daily,pack:commerce,staging.s"), "");
    assert_eq!(selected("  ").split(' ').count(), 6);
}

#[test]
fn what_is_not_there_is_named_with_the_nearest() {
    assert_eq!(error("marts.othr+"), "`marts.othr+` selects no table — did you mean `marts.other`?");
    assert_eq!(error("tag:dayly"), "`tag:dayly` selects no tag — did you mean `tag:daily`?");
    assert_eq!(error("layer:mart"), "`layer:mart` selects no layer — did you mean `layer:marts`?");
    assert!(error("team:x").contains("is no selector"));
    assert!(error("+").contains("is no selector"));
}
