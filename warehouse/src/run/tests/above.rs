//! Rows that no release names, left by runs that died behind their commits: audited anew, or gone from the newest version.

use super::crash::{attempt, dies_before_its_release, is_released_for_strangers, link_of};
use super::pairs::counted;
use super::*;
use crate::release::TableState;
use crate::store::faults::Rule;

const FIRST: &str = "2026-02-01";
const NEXT: &str = "2026-02-02";
const PAIR: [&str; 2] = ["marts.counted", "marts.daily"];

/// A shop of which the first night is released, and the orders of the next.
async fn before_the_second_night() -> Shop {
    let shop = counted("");
    shop.night(FIRST).await;
    shop.orders(NEXT, &[("b", "2026-02-02 10:00:00", "30.00")]);
    shop
}

/// A run an hour later: the lease of one that died has expired.
async fn later(shop: &Shop, night: &str) -> RunReport {
    let (context, _) = attempt(shop, 2, Rule::Never).await;
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    run_night(&context, &request).await.unwrap()
}

async fn released(shop: &Shop, table: &str) -> (u64, String, TableState) {
    let latest = release::latest(&shop.open().await.lake).await.unwrap().unwrap();
    let table = &latest.tables[table];
    (table.version, table.night.to_string(), table.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_committed_is_audited_as_if_it_were_new_and_held_with_its_pair() {
    let shop = before_the_second_night().await;
    dies_before_its_release(&shop, before_the_second_night().await, NEXT).await;
    for table in PAIR {
        assert!(!is_released_for_strangers(&shop, table).await, "{table} was not committed");
    }
    let audit = "audits:\n  - { name: none_above_twenty, sql: 'select * from marts.daily where revenue > 20' }";
    shop.write("sql/marts/shop/daily.yml", &DAILY_YML.replace("audits:", audit));
    let report = later(&shop, NEXT).await;
    assert_eq!((report.nodes.failed, report.nodes.held), (1, 1), "{report:#?}");
    assert_eq!(released(&shop, "marts.daily").await, (0, FIRST.to_owned(), TableState::Failed));
    assert_eq!(released(&shop, "marts.counted").await, (0, FIRST.to_owned(), TableState::Held));
    for table in PAIR {
        assert!(is_released_for_strangers(&shop, table).await, "{table}");
    }
    shop.write("sql/marts/shop/daily.yml", DAILY_YML);
    assert_eq!(later(&shop, NEXT).await.status, RunStatus::Done);
    for table in PAIR {
        let days = shop.ask(&format!("select count(*) as days from {table}")).await;
        assert!(days.contains("| 2 ") && is_released_for_strangers(&shop, table).await, "{table}: {days}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_committed_goes_out_as_it_is_where_its_audits_pass() {
    let shop = before_the_second_night().await;
    dies_before_its_release(&shop, before_the_second_night().await, NEXT).await;
    let report = later(&shop, NEXT).await;
    let audited: BTreeSet<&str> = report.audits.iter().map(|audit| audit.node.as_str()).collect();
    assert_eq!((&report.status, audited), (&RunStatus::Done, BTreeSet::from(PAIR)), "{report:#?}");
    for table in PAIR {
        // One entry of the dead run, and the fence.
        assert_eq!(released(&shop, table).await, (2, NEXT.to_owned(), TableState::Fresh));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_stays_at_its_last_release_whatever_a_dead_run_has_loaded_of_it() {
    let shop = before_the_second_night().await;
    dies_before_its_release(&shop, before_the_second_night().await, NEXT).await;
    shop.write("raw/orders/orders_2026-01-31.csv", "something,else\n1,2\n");
    let report = later(&shop, NEXT).await;
    assert_eq!(report.exit_kind.as_deref(), Some("data"), "{report:#?}");
    assert_eq!(released(&shop, "bronze.orders").await, (0, FIRST.to_owned(), TableState::Failed));
    for table in PAIR {
        assert_eq!(released(&shop, table).await, (0, FIRST.to_owned(), TableState::Held));
        assert!(is_released_for_strangers(&shop, table).await, "{table}");
    }
    std::fs::remove_file(shop.root.path().join("raw/orders/orders_2026-01-31.csv")).unwrap();
    assert_eq!(later(&shop, NEXT).await.status, RunStatus::Done);
    assert!(shop.ask("select count(*) as n from bronze.orders").await.contains("| 2 "));
}

/// What a plan says of the tables that it resets.
async fn planned(shop: &Shop, night: &str) -> Vec<String> {
    let request = RunRequest { night: night.parse().unwrap(), ..RunRequest::default() };
    let plan = plan_night(&shop.open().await, &request).await.unwrap();
    let resets: Vec<_> = plan.nodes.iter().filter(|node| node.action == "reset").collect();
    assert_eq!(plan.is_empty(), resets.is_empty(), "{plan:#?}");
    assert!(resets.iter().all(|node| node.why.contains("the released ones are put back")), "{plan:#?}");
    resets.iter().map(|node| node.node.clone()).collect()
}

/// A run of a night of which nothing is new gives strangers what is released; the next finds nothing to do.
async fn gives_back(shop: &Shop, night: &str) -> Vec<String> {
    let before = release::list(&shop.open().await.lake).await.unwrap();
    let ahead = planned(shop, night).await;
    let report = later(shop, night).await;
    let told: Vec<&String> =
        report.warnings.iter().filter(|said| said.contains("rows that no release names")).collect();
    assert_eq!(told.len(), ahead.len(), "{report:#?}");
    assert!(ahead.iter().all(|table| told.iter().any(|said| said.starts_with(table.as_str()))), "{report:#?}");
    let expected = if ahead.is_empty() { RunStatus::Skipped } else { RunStatus::Done };
    assert_eq!(report.status, expected, "{report:#?}");
    for table in PAIR {
        assert!(is_released_for_strangers(shop, table).await, "{table}");
    }
    let again = later(shop, night).await;
    assert_eq!((again.status, again.warnings), (RunStatus::Skipped, Vec::new()));
    assert_eq!(planned(shop, night).await, [""; 0]);
    assert_eq!(release::list(&shop.open().await.lake).await.unwrap(), before, "it tells readers nothing new");
    ahead
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_what_is_released_after_a_rollback_that_died_at_any_write() {
    let two_nights = async || {
        let shop = before_the_second_night().await;
        shop.night(NEXT).await;
        shop
    };
    let first = "2026-02-01.1".parse().unwrap();
    let link = link_of(two_nights().await, "2026-02-02-000002", async |context: &RunContext| {
        rollback(context, first).await.unwrap();
    });
    let mut put_back = BTreeSet::new();
    for write in 1..link.await {
        let shop = two_nights().await;
        let (context, _) = attempt(&shop, 0, Rule::DiesAt { write, applied: true }).await;
        rollback(&context, first).await.unwrap_err();
        put_back.insert(gives_back(&shop, NEXT).await.len());
        // Once more, to its end.
        let restored = rollback(&attempt(&shop, 4, Rule::Never).await.0, first).await.unwrap();
        assert_eq!(restored.restores.as_deref(), Some("2026-02-01.1"));
        for table in PAIR {
            assert!(shop.ask(&format!("select count(*) as days from {table}")).await.contains("| 1 "), "{table}");
            assert!(is_released_for_strangers(&shop, table).await, "{table}");
        }
    }
    assert_eq!(put_back, BTreeSet::from([0, 1, 2]), "none, a mixture, and all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_what_is_released_after_a_night_that_died_and_whose_sql_is_taken_back() {
    let changed = async || {
        let shop = counted("");
        shop.night(FIRST).await;
        shop.write("sql/marts/shop/daily.sql", &DAILY_SQL.replace("sum(amount)", "sum(amount * 2)"));
        shop
    };
    let shop = changed().await;
    let request = RunRequest { night: FIRST.parse().unwrap(), ..RunRequest::default() };
    let link = link_of(changed().await, "2026-02-01-000002", async |context: &RunContext| {
        run_night(context, &request).await.unwrap();
    });
    let rule = Rule::DiesAt { write: link.await, applied: false };
    run_night(&attempt(&shop, 0, rule).await.0, &request).await.unwrap_err();
    shop.write("sql/marts/shop/daily.sql", DAILY_SQL);
    assert_eq!(gives_back(&shop, FIRST).await, ["marts.daily"]);
}
