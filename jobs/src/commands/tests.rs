//! What every command promises, whatever else is wrong.

use super::fixture::Shop;
use crate::exit::Exit;

#[test]
fn one_broken_file_keeps_nobody_from_looking_into_the_lake() {
    let shop = Shop::new();
    shop.write("raw/orders_2026-02-01.csv", "order_id,amount\na,1.00\nb,n/a\n");
    shop.buho(&["run", "--night", "2026-02-01"]).unwrap();
    shop.write("raw/orders_2026-02-02.csv", "order_id,amount\nc,1.00\n");
    shop.buho(&["run", "--night", "2026-02-02"]).unwrap();
    let looks = [
        &["runs", "list"][..],
        &["runs", "show"],
        &["runs", "unlock"],
        &["releases", "list"],
        &["releases", "show"],
        &["releases", "diff", "2026-02-01"],
        &["releases", "pin", "2026-02-01"],
        &["sql", "select * from marts.total"],
        &["quarantine", "list"],
        &["quarantine", "show", "orders"],
    ];
    let wrong_column = ("sql/marts/shop/total.sql", "select count(nope) as n from staging.stg_shop__orders");
    for (file, text) in [wrong_column, ("sql/marts/mine/zz.yml", "x: [\n")] {
        shop.write(file, text);
        for typed in looks {
            let seen = shop.buho(typed).unwrap_or_else(|error| panic!("{typed:?} with {file}: {error}"));
            assert_eq!(seen, Exit::Done, "{typed:?} with {file}");
        }
        // What builds, or takes back, needs all of it.
        for typed in [
            &["run", "--night", "2026-02-03"][..],
            &["maintain"],
            &["releases", "rollback", "2026-02-01"],
            &["releases", "diff", "2026-02-01", "--select", "marts.total"],
            &["quarantine", "replay", "orders"],
        ] {
            assert_eq!(shop.buho(typed).unwrap_err().code(), 2, "{typed:?} with {file}");
        }
    }
    // Settings must be right.
    shop.write("buho.toml", "lake = 3\n");
    for typed in looks {
        assert_eq!(shop.buho(typed).unwrap_err().code(), 2, "{typed:?}");
    }
}
