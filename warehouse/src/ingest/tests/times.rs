//! Dates, timestamps, zones and numbers: what is read, and what is refused with which reason.

use super::support::*;
use crate::project::contract::Contract;

async fn one(contract: &Contract, text: &str) -> Result<String, String> {
    let name = contract.spec.columns[0].name.as_str();
    let loaded = load_file(contract, "a.csv", format!("{name}\n\"{text}\"\n"), 1 << 20, 1).await.unwrap();
    match loaded.rows.first() {
        Some(row) => Ok(row[0].clone()),
        None => Err(quarantine(&loaded)[0][3].clone()),
    }
}

fn typed(kind: &str, head: &str) -> Contract {
    columns(&format!("path: '*'\ntolerance: 1.0\n{head}"), &[&format!("v {kind}")])
}

async fn all_read(contract: &Contract, pairs: &[(&str, &str)]) {
    for (text, expected) in pairs {
        assert_eq!(one(contract, text).await.as_deref(), Ok(*expected), "{text}");
    }
}

async fn all_refused(contract: &Contract, pairs: &[(&str, &str)]) {
    for (text, reason) in pairs {
        let refused = one(contract, text).await.expect_err(text);
        assert!(refused.contains(reason), "{text}: {refused}");
    }
}

#[tokio::test]
async fn timestamps_are_the_wall_clock_of_the_projects_zone() {
    let contract = typed("TIMESTAMP", "");
    all_read(
        &contract,
        &[
            ("2024-01-15 10:00:00", "2024-01-15T10:00:00"),
            ("2024-01-15", "2024-01-15T00:00:00"),
            ("2024-01-15T10:00", "2024-01-15T10:00:00"),
            ("2024-01-15T10:00:00Z", "2024-01-15T11:00:00"),
            ("2024-07-15 10:00:00+00:00", "2024-07-15T12:00:00"),
            ("2024-07-15T10:00:00.123456789-0500", "2024-07-15T17:00:00.123456"),
            ("2024-01-01 00:30:00 UTC", "2024-01-01T01:30:00"),
            ("1900-01-01 12:00:00Z", "1900-01-01T11:45:16"),
            // Clocks go forward at 02:00: 01:30 UTC is past the gap, and a wall clock stays as it is.
            ("2024-03-31T00:59:59Z", "2024-03-31T01:59:59"),
            ("2024-03-31T01:00:00Z", "2024-03-31T03:00:00"),
            ("2024-03-31 02:30:00", "2024-03-31T02:30:00"),
        ],
    )
    .await;
    all_refused(
        &contract,
        &[
            ("2024-02-30 10:00:00", "no day of the calendar"),
            ("2024-01-15 24:00:00", "no time of day"),
            ("2024-01-15 10:00:60", "no time of day"),
            ("2024-01-15 10:00:00+25:00", "no time of day"),
            ("15/01/2024", "is not TIMESTAMP"),
            ("2024-01-15 10", "is not TIMESTAMP"),
            ("0000-01-01", "no day of the calendar"),
        ],
    )
    .await;
}

#[tokio::test]
async fn timestamps_of_another_zone_are_converted_and_gaps_have_a_rule() {
    let contract = typed("TIMESTAMP", "time_zone: America/New_York");
    all_read(
        &contract,
        &[
            ("2024-01-15 10:00:00", "2024-01-15T16:00:00"),
            // Europe changes three weeks after America.
            ("2024-03-15 10:00:00", "2024-03-15T15:00:00"),
            // 02:30 never was: read with the offset before the gap, it is 03:30 EDT.
            ("2024-03-10 02:30:00", "2024-03-10T08:30:00"),
            ("2024-03-10 03:30:00", "2024-03-10T08:30:00"),
            // 01:30 was twice: the first.
            ("2024-11-03 01:30:00", "2024-11-03T06:30:00"),
            ("2024-01-15T10:00:00Z", "2024-01-15T11:00:00"),
        ],
    )
    .await;
}

#[tokio::test]
async fn declared_formats_are_tried_in_order() {
    let dates = typed("DATE", "format: { date_formats: ['%d/%m/%Y', '%Y%m%d', '%d %b %Y'] }");
    all_read(
        &dates,
        &[
            ("31/12/2023", "2023-12-31"),
            ("1/2/2024", "2024-02-01"),
            ("20240229", "2024-02-29"),
            ("3 Jan 2024", "2024-01-03"),
        ],
    )
    .await;
    all_refused(
        &dates,
        &[("31/02/2024", "no day of the calendar"), ("2024-01-01", "is not DATE"), ("1/2/24", "is not DATE")],
    )
    .await;
    let times = typed(
        "TIMESTAMP",
        "format: { timestamp_formats: ['%d/%m/%Y %H:%M', '%m/%d/%y %I:%M %p', '%Y-%m-%dT%H:%M:%S%.f%:z', '%s'] }",
    );
    all_read(
        &times,
        &[
            ("31/12/2023 8:05", "2023-12-31T08:05:00"),
            ("12/31/23 8:05 PM", "2023-12-31T20:05:00"),
            ("2024-01-15T10:00:00.5+00:00", "2024-01-15T11:00:00.500"),
            ("1705312800", "2024-01-15T11:00:00"),
        ],
    )
    .await;
    all_refused(&times, &[("31/12/2023 25:00", "no time of day")]).await;
}

#[tokio::test]
async fn dates_may_carry_midnight_and_nothing_else() {
    let contract = typed("DATE", "");
    all_read(
        &contract,
        &[
            ("2024-02-29", "2024-02-29"),
            ("2024-02-29 00:00:00", "2024-02-29"),
            ("0001-01-01", "0001-01-01"),
            ("9999-12-31", "9999-12-31"),
        ],
    )
    .await;
    all_refused(
        &contract,
        &[("2024-02-29 00:00:01", "has a time of day"), ("2023-02-29", "no day"), ("2024-2-9", "is not DATE")],
    )
    .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn numbers_are_exact_or_refused() {
    let decimal = typed("DECIMAL(38,2)", "");
    all_read(
        &decimal,
        &[
            ("1", "1.00"),
            ("-.5", "-0.50"),
            ("5.", "5.00"),
            ("+1.10000000000000000000000000", "1.10"),
            ("999999999999999999999999999999999999.99", "999999999999999999999999999999999999.99"),
            (" 12 ", "12.00"),
            ("1.5E+3", "1500.00"),
            ("0e999999999", "0.00"),
        ],
    )
    .await;
    all_refused(
        &decimal,
        &[
            ("1000000000000000000000000000000000000", "outside"),
            ("0.001", "more decimal places"),
            ("1e400", "outside"),
            ("1,5", "decimal_comma"),
            ("12a", "is not"),
            ("-", "is not"),
            (".", "is not"),
            ("1.2.3", "is not"),
            ("--1", "is not"),
            ("1e", "is not"),
        ],
    )
    .await;
    let whole = typed("BIGINT", "");
    all_read(
        &whole,
        &[
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("007", "7"),
            ("5.00", "5"),
        ],
    )
    .await;
    all_refused(
        &whole,
        &[
            ("9223372036854775808", "outside"),
            ("5.5", "more decimal places"),
            ("1e3", "is not BIGINT"),
            ("0x1F", "is not"),
        ],
    )
    .await;
    let comma = typed("DECIMAL(10,2)", "format: { decimal_comma: true }");
    all_read(&comma, &[("1.234.567,89", "1234567.89"), ("1234,5", "1234.50"), ("-1.234", "-1234.00"), (",5", "0.50")])
        .await;
    all_refused(&comma, &[("12.50", "is not"), ("1.23,4", "is not"), ("1,2,3", "is not"), ("1234.567,8", "is not")])
        .await;
    let double = typed("DOUBLE", "");
    all_read(&double, &[("1e-400", "0.0"), ("-1.7976931348623157e308", "-1.7976931348623157e308"), (".5", "0.5")])
        .await;
    all_refused(&double, &[("inf", "is not"), ("NaN", "is not"), ("1e999", "outside"), ("1_000", "is not")]).await;
    let truth = typed("BOOLEAN", "");
    all_read(
        &truth,
        &[("TRUE", "true"), ("t", "true"), ("Sí", "true"), ("si", "true"), ("0", "false"), ("No", "false")],
    )
    .await;
}
