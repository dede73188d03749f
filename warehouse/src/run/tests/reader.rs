//! What a question to a release may be.

use super::*;
use crate::error::ErrorKind;
use crate::session::Engine;

/// The answer to a question, or why there is none.
async fn answer(shop: &Shop, sql: &str) -> Result<String, RunError> {
    let context = shop.open().await;
    let reader = Reader::open(&context.project, &context.lake, &context.engine, None, context.clock.as_ref()).await?;
    let rows = reader.query(sql).await?.collect().await.unwrap();
    Ok(pretty_format_batches(&rows).unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_changes_nothing_and_whatever_would_is_refused_as_a_mistake() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    let file = shop.root.path().join("out.csv");
    let copy = format!("copy (select * from marts.daily) to '{}'", file.display());
    let changes = [
        "drop table marts.daily",
        "create table marts.daily2 as select 1 as one",
        "create external table t stored as csv location '/tmp/t.csv'",
        "create view marts.v as select 1 as one",
        "insert into marts.daily select * from marts.daily",
        "delete from marts.daily",
        "update marts.daily set revenue = 0",
        "set datafusion.execution.batch_size = 1",
        "prepare p as select 1",
        "explain analyze insert into marts.daily select * from marts.daily",
        copy.as_str(),
        &format!("explain analyze {copy}"),
    ];
    for change in changes {
        let refused = answer(&shop, change).await.expect_err(change);
        assert_eq!(refused.kind(), ErrorKind::User, "{change}: {refused}");
        assert!(refused.to_string().starts_with("this is no query"), "{change}: {refused}");
    }
    assert!(!file.exists());
    let questions = [
        "select * from marts.daily",
        "with d as (select * from marts.daily) select * from d",
        "explain select * from marts.daily",
        "explain analyze select * from marts.daily",
        "show tables",
        "show columns from marts.daily",
        "describe marts.daily",
    ];
    for question in questions {
        let answered = answer(&shop, question).await.unwrap_or_else(|error| panic!("{question}: {error}"));
        assert!(answered.lines().count() > 2, "{question}: {answered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_asked_for_without_its_layer_is_told_with_it() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50")]);
    shop.night("2026-02-01").await;
    for (name, meant) in [("daily", "marts.daily"), ("orders", "bronze.orders"), ("dialy", "marts.daily")] {
        let refused = answer(&shop, &format!("select * from {name}")).await.unwrap_err();
        let told = format!("table `{name}` is not in release 2026-02-01.1 — did you mean `{meant}`?");
        assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::User, told));
    }
    let own = "with daily as (select * from marts.daily) select count(*) as n from daily";
    assert!(answer(&shop, own).await.unwrap().contains("| 1 |"));
}

/// As `buho sql` opens it where a file of the project is wrong.
async fn answer_of_what_is_left(shop: &Shop, sql: &str) -> Result<String, RunError> {
    let project = Project::load_to_look(shop.root.path(), &Overrides::default(), &|_| None, &[]).unwrap();
    let lake = open_lake(&project, &|_| None)?;
    let engine = Engine::new(&lake, project.settings.memory, project.settings.threads).unwrap();
    let clock = FixedClock::new("2026-02-10T03:00:00Z".parse().unwrap());
    let reader = Reader::open(&project, &lake, &engine, None, &clock).await?;
    let rows = reader.query(sql).await?.collect().await.unwrap();
    Ok(pretty_format_batches(&rows).unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_can_be_read_though_a_file_of_the_project_is_wrong() {
    let shop = Shop::new();
    shop.orders("2026-02-01", &[("a", "2026-02-01 10:00:00", "10.50"), ("b", "2026-02-03 10:00:00", "1.00")]);
    shop.night("2026-02-01").await;
    shop.write("sql/marts/mine/zz.yml", "x: [\n");
    let bronze = "select order_id from bronze.orders";
    let rows = answer_of_what_is_left(&shop, bronze).await.unwrap();
    assert!(rows.contains("| a ") && !rows.contains("| b "), "rows of a later day wait: {rows}");
    // Without its contract nobody can tell which rows of a bronze table a night sees; all else can be read.
    shop.write("sql/sources/orders.yml", "x: [\n");
    let refused = answer_of_what_is_left(&shop, bronze).await.unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("`bronze.orders` cannot be read") && told.contains("sql/sources/orders.yml:"), "{told}");
    let rows = answer_of_what_is_left(&shop, "select * from marts.daily").await.unwrap();
    assert!(rows.contains("| 2026-02-01 | 10.50 "), "{rows}");
}
