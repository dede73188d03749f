//! Promises of what models may learn from past nights: nothing that only today knows.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{GraphErrors, build, resolve};
use crate::project::{Overrides, Project};

const CUSTOMERS: &str = "path: 'customers_{date:%Y-%m-%d}.csv'
delivery: upsert
key: [customer_id]
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: registered_on, type: DATE, fixed: true }
  - { name: city, type: VARCHAR }
";
const ORDERS: &str = "path: 'orders_{date:%Y-%m-%d}.csv'
delivery: upsert
key: [order_id]
event_time: ordered_on
columns:
  - { name: order_id, type: VARCHAR }
  - { name: customer_id, type: VARCHAR }
  - { name: ordered_on, type: DATE }
  - { name: status, type: VARCHAR, fixed: false }
";
const STG_CUSTOMERS: &str = "select customer_id, registered_on, upper(city) as town from bronze.customers";
const STG_CUSTOMERS_YML: &str = "materialized: view
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: registered_on, type: DATE }
  - { name: town, type: VARCHAR }
";
const STG_ORDERS: &str = "select order_id, customer_id, ordered_on, status from bronze.orders";
const STG_ORDERS_YML: &str = "materialized: view
columns:
  - { name: order_id, type: VARCHAR }
  - { name: customer_id, type: VARCHAR }
  - { name: ordered_on, type: DATE }
  - { name: status, type: VARCHAR }
";
const TOWNS: &str = "select customer_id, town from staging.customers";
const TOWNS_YML: &str = "materialized: scd2
key: [customer_id]
columns:
  - { name: customer_id, type: VARCHAR }
  - { name: town, type: VARCHAR }
  - { name: valid_from, type: DATE }
  - { name: valid_to, type: DATE }
";
const SPINE: &str =
    "select customer_id, cast($night as date) as night from staging.customers where registered_on <= $night";
const SPINE_YML: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
";
const FEATURES: &str = "select
    s.customer_id,
    s.night,
    cast(s.night - c.registered_on as integer) as tenure_days,
    cast(count(o.order_id) as bigint) as orders
from features.spine as s
inner join staging.customers as c on c.customer_id = s.customer_id
left join staging.orders as o on o.customer_id = s.customer_id and o.ordered_on <= s.night
group by s.customer_id, s.night, c.registered_on";
const FEATURES_YML: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: tenure_days, type: INTEGER }
  - { name: orders, type: BIGINT }
";
const CHURN: &str = "kind: classifier
entity: customer_id
spine: features.spine
features: features.customer_night
label: select customer_id, night, 1 as label from features.spine
horizon: { days: 30 }
candidates: [{ family: logistic }]
output: ml.churn_scores
";
const WITH_TOWN: &str = "select f.customer_id, f.night, c.town as home
from features.spine as f
inner join staging.customers as c on c.customer_id = f.customer_id";
const TOWN_YML: &str = "columns:
  - { name: customer_id, type: VARCHAR }
  - { name: night, type: DATE }
  - { name: home, type: VARCHAR }
";

/// What is said of the shop with some files replaced.
async fn said(replaced: &[(&str, &str)]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("buho.toml", ""),
        ("sql/sources/customers.yml", CUSTOMERS),
        ("sql/sources/orders.yml", ORDERS),
        ("sql/staging/shop/customers.sql", STG_CUSTOMERS),
        ("sql/staging/shop/customers.yml", STG_CUSTOMERS_YML),
        ("sql/staging/shop/orders.sql", STG_ORDERS),
        ("sql/staging/shop/orders.yml", STG_ORDERS_YML),
        ("sql/core/shop/towns.sql", TOWNS),
        ("sql/core/shop/towns.yml", TOWNS_YML),
        ("sql/features/shop/spine.sql", SPINE),
        ("sql/features/shop/spine.yml", SPINE_YML),
        ("sql/features/shop/customer_night.sql", FEATURES),
        ("sql/features/shop/customer_night.yml", FEATURES_YML),
        ("sql/ml/churn.yml", CHURN),
    ];
    for (path, text) in files.iter().chain(replaced) {
        let full = folder.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }
    let project =
        Project::load(folder.path(), &Overrides::default(), &|_| None, &[]).map_err(|error| error.to_string())?;
    let told = |error: GraphErrors| error.to_string();
    let graph = build(&project.models, &project.contracts).map_err(told)?;
    let night = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    resolve(&graph, &project.models, &project.contracts, &BTreeMap::new(), night).await.map(drop).map_err(told)
}

const SQL: &str = "sql/features/shop/customer_night.sql";
const YML: &str = "sql/features/shop/customer_night.yml";

#[tokio::test]
async fn events_keys_and_columns_that_never_change_may_be_learnt_from() {
    assert_eq!(said(&[]).await, Ok(()));
}

#[tokio::test]
async fn a_column_of_a_source_that_keeps_today_alone_is_refused_with_its_place_and_the_way_out() {
    let refused = said(&[(SQL, WITH_TOWN), (YML, TOWN_YML)]).await.unwrap_err();
    assert!(refused.starts_with("sql/features/shop/customer_night.sql:1:42: `home` is learnt from by sql/ml/churn.yml and made of `city` of the source `customers`"), "{refused}");
    for way_out in [
        "`upsert` without an `event_time`",
        "scd2",
        "`fixed: true` at the column in sql/sources/customers.yml",
        "`exclude`",
    ] {
        assert!(refused.contains(way_out), "{way_out}: {refused}");
    }
    assert_eq!(refused.lines().count(), 1, "{refused}");
    let whole = CUSTOMERS.replace("delivery: upsert", "delivery: snapshot");
    let refused = said(&[(SQL, WITH_TOWN), (YML, TOWN_YML), ("sql/sources/customers.yml", &whole)]).await.unwrap_err();
    assert!(refused.contains("delivered as a `snapshot`"), "{refused}");
}

#[tokio::test]
async fn each_way_out_that_is_told_is_one() {
    let (wrong, yml) = ((SQL, WITH_TOWN), (YML, TOWN_YML));
    let fixed = CUSTOMERS.replace("city, type: VARCHAR", "city, type: VARCHAR, fixed: true");
    assert_eq!(said(&[wrong, yml, ("sql/sources/customers.yml", &fixed)]).await, Ok(()));
    let first_known = STG_CUSTOMERS_YML.replace("town, type: VARCHAR", "town, type: VARCHAR, fixed: true");
    assert_eq!(said(&[wrong, yml, ("sql/staging/shop/customers.yml", &first_known)]).await, Ok(()));
    let both = WITH_TOWN.replace("as home", "as home, c.registered_on as since");
    let both_yml = format!("{TOWN_YML}  - {{ name: since, type: DATE }}\n");
    let excluded = format!("{CHURN}exclude: [home]\n");
    assert_eq!(said(&[(SQL, &both), (YML, &both_yml), ("sql/ml/churn.yml", &excluded)]).await, Ok(()));
    let history = WITH_TOWN.replace("staging.customers as c on", "core.towns as c on")
        + " and c.valid_from <= f.night and (c.valid_to is null or c.valid_to > f.night)";
    assert_eq!(said(&[(SQL, &history), yml]).await, Ok(()));
}

#[tokio::test]
async fn a_history_that_is_asked_for_its_present_state_is_refused() {
    let present = WITH_TOWN.replace("staging.customers as c on", "core.towns as c on") + " and c.valid_to is null";
    let refused = said(&[(SQL, &present), (YML, TOWN_YML)]).await.unwrap_err();
    assert!(
        refused.contains("`home` is learnt from by sql/ml/churn.yml and comes from the history `core.towns`"),
        "{refused}"
    );
    assert!(refused.contains("valid_from <= night"), "{refused}");
}

const IN_MADRID: &str = "select c.customer_id, cast($night as date) as night
from staging.customers as c
inner join core.towns as t on t.customer_id = c.customer_id
where c.registered_on <= $night and t.town = 'MADRID'";

#[tokio::test]
async fn rows_that_a_history_decides_without_being_asked_by_the_night_are_refused() {
    let spine = "sql/features/shop/spine.sql";
    let present = format!("{IN_MADRID} and t.valid_to is null");
    for (wrong, column) in
        [(IN_MADRID, "town"), (present.as_str(), "town"), (&present.replace("t.town = 'MADRID'", "true"), "valid_to")]
    {
        let refused = said(&[(spine, wrong)]).await.unwrap_err();
        assert!(refused.starts_with("sql/features/shop/spine.sql:"), "{refused}");
        let told = format!(
            "which rows `features.spine` has, behind the features of sql/ml/churn.yml, is decided by `{column}` of the history `core.towns`"
        );
        assert!(refused.contains(&told) && refused.contains("valid_from <= night"), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
    let then = format!("{IN_MADRID} and t.valid_from <= $night and (t.valid_to is null or t.valid_to > $night)");
    assert_eq!(said(&[(spine, &then)]).await, Ok(()));
}

#[tokio::test]
async fn a_history_may_be_asked_by_the_night_on_the_way_to_it_or_from_it() {
    let spine = "sql/features/shop/spine.sql";
    let view = |sql: &str, columns: &str| {
        let yml = format!("materialized: view\ncolumns:\n  - {{ name: customer_id, type: VARCHAR }}\n{columns}");
        (sql.to_owned(), yml)
    };
    let over = IN_MADRID.replace("core.towns", "core.dwellings");
    let (before, before_yml) = view(
        "select customer_id, town from core.towns where valid_from <= $night and (valid_to is null or valid_to > $night)",
        "  - { name: town, type: VARCHAR }\n",
    );
    let nights =
        "  - { name: town, type: VARCHAR }\n  - { name: valid_from, type: DATE }\n  - { name: valid_to, type: DATE }\n";
    let (after, after_yml) =
        view("select customer_id, town, valid_from, valid_to from core.towns where town <> 'VIGO'", nights);
    let asked = format!("{over} and t.valid_from <= $night and (t.valid_to is null or t.valid_to > $night)");
    let dwellings = ("sql/core/shop/dwellings.sql", "sql/core/shop/dwellings.yml");
    for (sql, yml, of, fits) in
        [(&before, &before_yml, &over, true), (&after, &after_yml, &asked, true), (&after, &after_yml, &over, false)]
    {
        let found = said(&[(dwellings.0, sql), (dwellings.1, yml), (spine, of)]).await;
        assert_eq!(found.is_ok(), fits, "{found:?}");
    }
}

#[tokio::test]
async fn what_the_engine_says_of_a_delivery_is_known_from_its_night_on() {
    let staged = STG_ORDERS.replace("status from", "status, _night as delivered_on from");
    let staged_yml = format!("{STG_ORDERS_YML}  - {{ name: delivered_on, type: DATE }}\n");
    let told_late = FEATURES.replace("as orders\n", "as orders,\n    max(o.delivered_on) as told_on\n");
    let told_yml = format!("{FEATURES_YML}  - {{ name: told_on, type: DATE }}\n");
    let by_night =
        told_late.replace("o.ordered_on <= s.night", "o.ordered_on <= s.night and o.delivered_on <= s.night");
    let added = ORDERS.replace("delivery: upsert", "delivery: append");
    let shop = async |orders: &str, features: &str| {
        said(&[
            ("sql/sources/orders.yml", orders),
            ("sql/staging/shop/orders.sql", &staged),
            ("sql/staging/shop/orders.yml", &staged_yml),
            (SQL, features),
            (YML, &told_yml),
        ])
        .await
    };
    let of_night = "`told_on` is learnt from by sql/ml/churn.yml and made of `_night` of the source `orders`";
    for (orders, features, way_out) in [
        (added.as_str(), told_late.as_str(), "keep rows that were delivered by the row's night"),
        (ORDERS, &told_late, "`fixed: true` at the column of a model"),
        (ORDERS, &by_night, "`fixed: true` at the column of a model"),
    ] {
        let refused = shop(orders, features).await.unwrap_err();
        assert!(refused.contains(of_night) && refused.contains(way_out) && refused.contains("`exclude`"), "{refused}");
    }
    assert_eq!(shop(&added, &by_night).await, Ok(()));
    let only_rows = by_night.replace("max(o.delivered_on) as told_on", "max(o.ordered_on) as told_on");
    assert_eq!(shop(ORDERS, &only_rows).await, Ok(()));
}

#[tokio::test]
async fn what_decides_which_rows_there_are_is_followed_too() {
    let only_madrid = format!("{SPINE} and town = 'MADRID'");
    let refused = said(&[("sql/features/shop/spine.sql", &only_madrid)]).await.unwrap_err();
    assert!(refused.starts_with("sql/features/shop/spine.sql:1:"), "{refused}");
    assert!(refused.contains("which rows `features.spine` has, behind the features of sql/ml/churn.yml, is decided by `city` of the source `customers`"), "{refused}");
    let standing = FEATURES.replace("o.ordered_on <= s.night", "o.ordered_on <= s.night and o.status = 'paid'");
    let refused = said(&[(SQL, &standing)]).await.unwrap_err();
    assert!(refused.contains("`status` of the source `orders`") && refused.contains("`fixed: false`"), "{refused}");
}

#[tokio::test]
async fn a_node_that_learns_from_tonight_alone_may_learn_from_what_today_knows() {
    let tonight = CHURN.replace("horizon: { days: 30 }", "snapshots: { count: 1 }");
    assert_eq!(said(&[(SQL, WITH_TOWN), (YML, TOWN_YML), ("sql/ml/churn.yml", &tonight)]).await, Ok(()));
    let later = CHURN.replace("horizon: { days: 30 }", "snapshots: { count: 2 }");
    assert!(said(&[(SQL, WITH_TOWN), (YML, TOWN_YML), ("sql/ml/churn.yml", &later)]).await.is_err());
}
