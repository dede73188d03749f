//! What a question to a release may be.

use super::*;
use crate::error::ErrorKind;

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
