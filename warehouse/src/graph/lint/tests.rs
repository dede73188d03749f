//! Promises of the lint: what is refused, where, and with which portable form.

use super::portable::{AGGREGATE, SCALAR, TABLE, WINDOW};
use super::syntax::lint;
use crate::functions::{session, session_config};
use crate::graph::error::{GraphError, Rule};
use crate::graph::parse::parse;

fn findings(layer: &str, sql: &str) -> Vec<GraphError> {
    lint("x.sql", layer, &parse("x.sql", sql).unwrap())
}

fn rules(sql: &str) -> Vec<Rule> {
    let rule = |error: &GraphError| match error {
        GraphError::NotPortable { rule, .. } => *rule,
        other => panic!("{other}"),
    };
    findings("marts", sql).iter().map(rule).collect()
}

#[test]
fn a_finding_names_the_place_and_the_portable_form() {
    let found = findings("marts", "select a,\n  b / c as share\nfrom core.x");
    assert_eq!(
        found[0].to_string(),
        "x.sql:2:3: `b / c` fails or not, by engine, where `c` is 0 — write b / NULLIF(c, 0)"
    );
}

#[test]
fn a_division_must_be_guarded() {
    for sql in ["a / b", "a / (b + 1)", "a / 0", "a / NULLIF(b, 1)", "a % b", "a / count(*)", "a / greatest(b, 0)"] {
        assert_eq!(rules(&format!("select {sql} from core.x")), [Rule::UnguardedDivision], "{sql}");
    }
    for sql in [
        "a / NULLIF(b, 0)",
        "a / 100",
        "a / -2.5",
        "a / (NULLIF(b, 0) * 100)",
        "a / CAST(NULLIF(b, 0) AS DOUBLE)",
        "a / greatest(b, 1)",
        "a % 7",
    ] {
        assert_eq!(rules(&format!("select {sql} from core.x")), [], "{sql}");
    }
}

#[test]
fn what_follows_is_distinct_from_must_not_run_on() {
    for sql in ["a is distinct from false or b", "a is not distinct from b and c", "a is distinct from b = c"] {
        assert_eq!(rules(&format!("select {sql} as x from core.x")), [Rule::Syntax], "{sql}");
    }
    for sql in ["(a is distinct from false) or b", "b or a is distinct from false", "a is distinct from (b or c)"] {
        assert_eq!(rules(&format!("select {sql} as x from core.x")), [], "{sql}");
    }
    assert_eq!(rules("select a is distinct from b + 1 as x from core.x"), []);
}

#[test]
fn every_order_by_says_where_nulls_go() {
    for sql in [
        "select a from core.x order by a",
        "select row_number() over (partition by a order by b desc) from core.x",
        "select string_agg(a, ',' order by a) from core.x",
        "select sum(a) over w from core.x window w as (order by b)",
    ] {
        assert_eq!(rules(sql), [Rule::NullOrder], "{sql}");
    }
    assert_eq!(rules("select lag(a) over (order by b nulls first) from core.x order by a desc nulls last"), []);
}

#[test]
fn a_numbering_without_order_is_chance() {
    assert_eq!(rules("select row_number() over (partition by a) from core.x"), [Rule::NullOrder]);
    assert_eq!(rules("select string_agg(a, ',') from core.x"), [Rule::NullOrder]);
    assert_eq!(rules("select sum(a) over (partition by b) from core.x"), []);
}

#[test]
fn the_clock_and_chance_are_refused_with_the_night_as_way_out() {
    for sql in ["now()", "current_date", "CURRENT_TIMESTAMP", "random()", "uuid()", "today()", "localtimestamp"] {
        assert_eq!(rules(&format!("select {sql} from core.x")), [Rule::Clock], "{sql}");
    }
    assert!(findings("marts", "select now()")[0].to_string().contains("$night"));
}

#[test]
fn a_function_of_one_dialect_is_refused_with_the_portable_form() {
    for sql in [
        "strftime(a, '%Y')",
        "date_diff('day', a, b)",
        "list(a)",
        "approx_distinct(a)",
        "nvl(a, b)",
        "max_by(a, b)",
        "to_char(a, 'x')",
    ] {
        assert_eq!(rules(&format!("select {sql} from core.x")), [Rule::Function], "{sql}");
    }
    assert!(findings("marts", "select coalsce(a, b)")[0].to_string().contains("did you mean `coalesce`"));
    assert_eq!(rules("select extract(century from a), date_part('year', a) from core.x"), [Rule::Function]);
}

#[test]
fn select_star_of_a_table_is_for_staging() {
    assert_eq!(rules("select * from core.x"), [Rule::SelectStar]);
    assert_eq!(rules("select o.* from core.x as o join core.y as p on o.a = p.a"), [Rule::SelectStar]);
    assert_eq!(rules("with c as (select a from core.x) select * from c"), []);
    assert_eq!(rules("with c as (select a from core.x) select c.*, y.b from c join core.y as y on y.a = c.a"), []);
    assert_eq!(findings("staging", "select * from bronze.x"), []);
}

#[test]
fn a_limit_needs_an_order() {
    assert_eq!(rules("select a from core.x limit 10"), [Rule::LimitWithoutOrder]);
    assert_eq!(rules("select 1 as one, a from core.x limit 1"), [Rule::LimitWithoutOrder]);
    assert_eq!(rules("select 1 as one from core.x where a > 2 limit 1"), [], "rows that are alike");
    assert_eq!(rules("select distinct on (a) a, b from core.x"), [Rule::LimitWithoutOrder]);
    assert_eq!(rules("select a from core.x order by a nulls last limit 10"), []);
}

#[test]
fn what_the_engines_spell_or_mean_differently_is_refused() {
    for sql in [
        "select a ^ 2 from core.x",
        "select a ~ 'x' from core.x",
        "select a // 2 from core.x",
        "select a from core.x tablesample (10 percent)",
        "select a from read_csv('x.csv') as t(a)",
        "select value from generate_series(0, 3)",
        "select [1, 2]",
        "select a from core.x where a similar to 'b'",
        "select a at time zone 'UTC' from core.x",
    ] {
        assert_eq!(rules(sql), [Rule::Syntax], "{sql}");
    }
    for sql in [
        "cast(a as float)",
        "cast(a as decimal)",
        "cast(a as varchar(3))",
        "cast(a as timestamptz)",
        "1e3",
        "cast(a as tinyint)",
    ] {
        assert_eq!(rules(&format!("select {sql} from core.x")), [Rule::Cast], "{sql}");
    }
    for sql in [
        "cast(a as decimal(18,2))",
        "a::double",
        "date '2024-01-01'",
        "try_cast(a as timestamp)",
        "interval '1 day'",
        "ceil(a)",
    ] {
        assert_eq!(rules(&format!("select {sql} from core.x")), [], "{sql}");
    }
    assert_eq!(rules("select n from generate_series(0, 3) as t(n)"), []);
    assert_eq!(rules("select unnest(generate_series(date '2026-01-01', $night, interval '1 day')) as day"), []);
    assert_eq!(rules("select unnest(a) from core.x"), [Rule::Function]);
}

#[test]
fn every_portable_function_is_in_the_registry() {
    let context = session(session_config(1), Default::default());
    let state = context.state();
    let missing: Vec<&str> = SCALAR
        .iter()
        .filter(|name| !state.scalar_functions().contains_key(**name))
        .chain(AGGREGATE.iter().filter(|name| !state.aggregate_functions().contains_key(**name)))
        .chain(WINDOW.iter().filter(|name| !state.window_functions().contains_key(**name)))
        .chain(TABLE.iter().filter(|name| !state.table_functions().contains_key(**name)))
        .copied()
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_start_before_the_text_is_refused() {
    assert_eq!(rules("select substr(a, -2) from core.x"), [Rule::Function]);
    assert_eq!(rules("select substring(a from -2) from core.x"), [Rule::Function]);
    assert_eq!(rules("select substr(a, 2), right(a, 2) from core.x"), []);
}
