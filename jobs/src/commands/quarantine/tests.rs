//! The quarantine of a small project, asked as a person asks.

use warehouse::run::Refused;

use super::*;
use crate::commands::fixture::Shop;

/// One row of `orders` does not fit.
fn one_held() -> Shop {
    let shop = Shop::new();
    shop.write("raw/orders_2026-02-01.csv", "order_id,amount\na,1.00\nb,n/a\n");
    shop.buho(&["run", "--night", "2026-02-01"]).unwrap();
    shop
}

#[test]
fn what_is_mistyped_is_told_and_is_not_the_same_as_nothing_held() {
    let shop = one_held();
    for (typed, advice) in [
        (&["list", "order"][..], "did you mean `orders`?"),
        (&["show", "order"], "did you mean `orders`?"),
        (&["show", "orders", "--file", "orders_2026-02-10.csv"], "did you mean `orders_2026-02-01.csv`?"),
        (&["show", "orders", "--file", "orders_2026-02-01.csv", "--record", "7"], "record 7 of"),
        (&["replay", "orders", "--file", "nope"], "use `orders_2026-02-01.csv`"),
        (&["discard", "orders", "--file", "nope", "--reason", "x"], "use `orders_2026-02-01.csv`"),
    ] {
        let refused = shop.buho(&[&["quarantine"][..], typed].concat()).unwrap_err();
        assert_eq!(refused.code(), 2, "{typed:?}: {refused}");
        assert!(refused.to_string().contains(advice), "{typed:?}: {refused}");
    }
    let by_shell = ["discard", "orders", "--file", "raw/orders_2026-02-01.csv", "--record", "2", "--reason", "x"];
    for typed in [
        &["list", "orders"][..],
        &["replay", "orders", "--file", "raw/orders_2026-02-01.csv"],
        &by_shell,
        // What is settled is no typo, and may be asked for again.
        &by_shell,
        &["show", "orders", "--file", "orders_2026-02-01.csv", "--record", "2"],
    ] {
        assert_eq!(shop.buho(&[&["quarantine"][..], typed].concat()).unwrap(), Exit::Done, "{typed:?}");
    }
}

#[test]
fn rows_that_do_not_fit_after_a_replay_either_are_told_with_the_reason() {
    let refused = |record| Refused {
        file: "orders_1.csv".to_owned(),
        record,
        reason: "column `amount`: `n/a` is no number".to_owned(),
    };
    let tried = Tried { held: 9, replayed: 2, refused: (1..=7).map(refused).collect() };
    let said = text(&tried);
    assert!(said.starts_with("2 of 9 held rows fit now and are in bronze\n"), "{said}");
    assert!(said.contains("  orders_1.csv, record 1: column `amount`: `n/a` is no number\n"), "{said}");
    assert!(!said.contains("record 6") && said.ends_with("  and 2 more that do not fit\n"), "{said}");
}
