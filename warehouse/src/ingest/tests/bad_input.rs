//! Files that are wrong: what, where, what to do.

use std::io::Write;

use super::support::*;
use crate::error::ErrorKind;
use crate::ingest::*;
use crate::project::contract::Contract;

fn tolerant(head: &str, names: &[&str]) -> Contract {
    columns(&format!("{head}\ntolerance: 1.0"), names)
}

async fn message(contract: &Contract, content: impl AsRef<[u8]>) -> String {
    match load_file(contract, "a.csv", content, 1 << 20, 2).await {
        Ok(loaded) => panic!("loaded {} rows", loaded.report.rows),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Data, "{error}");
            error.to_string()
        }
    }
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn each_row_that_does_not_fit_is_kept_with_its_place_column_reason_and_text() {
    let contract = tolerant(
        "path: '*'",
        &["id BIGINT!", "name VARCHAR!", "amount DECIMAL(6,2)", "day DATE", "x DOUBLE", "ok BOOLEAN", "n INTEGER"],
    );
    let text = concat!(
        "id,name,amount,day,x,ok,n\n",
        "1,ok,1.00,2024-01-01,1,true,1\n",
        "2,short\n",
        "3,long,1.00,2024-01-01,1,true,1,8\n",
        "\n",
        ",\"multi\nline\",1.00,2024-01-01,1,true,1\n",
        "5,,1.00,2024-01-01,1,true,1\n",
        "6,six,1.005,2024-01-01,1,true,1\n",
        "7,seven,10000,2024-01-01,1,true,1\n",
        "8,eight,\"1.234,56\",2024-01-01,1,true,1\r\n",
        "9,nine,1.000,2024-02-31,1,true,1\n",
        "10,ten,1,2024-01-01,1e400,true,1\n",
        "11,eleven,1,2024-01-01,1,maybe,1\n",
        "12,twelve,1,2024-01-01,1,true,3000000000\n",
        "x,thirteen,1,2024-01-01,1,true,5.0\n",
        "14,fourteen,1,2024-01-01,nan,true,5.0\n",
        "15,fifteen,1.50,2024-01-01,-0.5,FALSE,5.0\n",
    );
    for block in [1, 50, 1 << 20] {
        let loaded = load_file(&contract, "a.csv", text, block, 2).await.unwrap();
        assert_eq!(
            joined(&loaded),
            ["1|ok|1.00|2024-01-01|1.0|true|1|1", "15|fifteen|1.50|2024-01-01|-0.5|false|5|15"]
        );
        let expected = [
            ("2", "3", "", "too few: 2 fields where 7 are expected", "2,short"),
            ("3", "4", "", "too many: 8 fields where 7 are expected", "3,long,1.00,2024-01-01,1,true,1,8"),
            ("4", "6", "id", "required, but there is no value", ",\"multi\nline\",1.00,2024-01-01,1,true,1"),
            ("5", "8", "name", "required, but there is no value", "5,,1.00,2024-01-01,1,true,1"),
            (
                "6",
                "9",
                "amount",
                "`1.005` has more decimal places than DECIMAL(6,2)",
                "6,six,1.005,2024-01-01,1,true,1",
            ),
            ("7", "10", "amount", "`10000` is outside DECIMAL(6,2)", "7,seven,10000,2024-01-01,1,true,1"),
            (
                "8",
                "11",
                "amount",
                "`1.234,56` is not DECIMAL(6,2) (`decimal_comma: true` reads 1.234,56)",
                "8,eight,\"1.234,56\",2024-01-01,1,true,1",
            ),
            ("9", "12", "day", "`2024-02-31` is no day of the calendar", "9,nine,1.000,2024-02-31,1,true,1"),
            ("10", "13", "x", "`1e400` is outside DOUBLE", "10,ten,1,2024-01-01,1e400,true,1"),
            ("11", "14", "ok", "`maybe` is not BOOLEAN", "11,eleven,1,2024-01-01,1,maybe,1"),
            ("12", "15", "n", "`3000000000` is outside INTEGER", "12,twelve,1,2024-01-01,1,true,3000000000"),
            ("13", "16", "id", "`x` is not BIGINT", "x,thirteen,1,2024-01-01,1,true,5.0"),
            ("14", "17", "x", "`nan` is not DOUBLE", "14,fourteen,1,2024-01-01,nan,true,5.0"),
        ];
        let expected: Vec<[String; 6]> = expected
            .map(|(record, line, column, reason, raw)| [record, line, column, reason, raw, ""].map(String::from))
            .to_vec();
        assert_eq!(quarantine(&loaded), expected, "blocks of {block}");
        assert_eq!(loaded.report.quarantine[0].schema(), quarantine_schema());
    }
}

#[tokio::test]
async fn bad_utf8_and_nul_bytes_cost_their_row_and_keep_its_exact_bytes() {
    let contract = tolerant("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    let text = b"id,name\n1,a\n2,\xff\xfe\n3,b\0c\n4,d\n";
    for block in [1, 1 << 20] {
        let loaded = load_file(&contract, "a.csv", text, block, 2).await.unwrap();
        assert_eq!(joined(&loaded), ["1|a|1", "4|d|4"]);
        let rows = quarantine(&loaded);
        assert_eq!(
            rows[0],
            ["2", "3", "name", "bytes that are not UTF-8, from byte 3 of the record", "2,\u{fffd}\u{fffd}", "Miz//g=="]
        );
        assert_eq!(rows[1], ["3", "4", "name", "a NUL byte, at byte 4 of the record", "3,b\0c", ""]);
    }
}

#[tokio::test]
async fn bytes_that_are_not_the_declared_encoding_are_kept_as_they_were() {
    let contract = tolerant("path: '*'\nformat: { encoding: utf-16le }", &["id BIGINT!", "name VARCHAR"]);
    let units: Vec<u16> = "id,name\n1,a\n2,".encode_utf16().chain([0xd800]).chain("x\n3,c\n".encode_utf16()).collect();
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    for block in [1, 4, 1 << 20] {
        let loaded = load_file(&contract, "a.csv", &bytes, block, 2).await.unwrap();
        assert_eq!(joined(&loaded), ["1|a|1", "3|c|3"]);
        let [record, line, _, reason, raw, base64] = quarantine(&loaded)[0].clone();
        assert_eq!([record.as_str(), &line, &reason, &raw], ["2", "3", "bytes that are not UTF-16LE", "2,\u{fffd}x"]);
        use base64::Engine;
        let exact = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
        assert_eq!(exact, [b"2\0,\0".as_slice(), &0xd800_u16.to_le_bytes(), b"x\0"].concat());
    }
}

#[tokio::test]
async fn a_quote_that_is_never_closed_costs_one_line() {
    let contract = tolerant("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    let text = "id,name\n1,a\n2,\"open\n3,b\n4,c\n";
    for block in [1, 7, 1 << 20] {
        let loaded = load_file(&contract, "a.csv", text, block, 2).await.unwrap();
        assert_eq!(joined(&loaded), ["1|a|1", "3|b|3", "4|c|4"], "blocks of {block}");
        let [record, line, _, reason, raw, _] = quarantine(&loaded)[0].clone();
        assert_eq!([record.as_str(), &line, &raw], ["2", "3", "2,\"open"]);
        has(&reason, &["not closed before the end of the file"]);
    }
}

#[tokio::test]
async fn a_record_that_is_too_long_costs_itself_whatever_the_blocks() {
    let contract = tolerant("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    let long = "x".repeat(500);
    let lines = "3,y\n".repeat(100);
    let text = format!("id,name\n1,a\n2,{long}\n{lines}4,\"open\n{lines}5,\"closed\nfar\n{lines}\"\n6,z\n");
    let mut seen = None;
    for block in [1, 64, 333, 1 << 20] {
        for threads in [1, 3] {
            let mut world = World::new();
            world.options.limits.record_bytes = 120;
            (world.options.block_bytes, world.options.threads) = (block, threads);
            world.put("raw/a.csv", &text).await;
            let loaded = world.load(&contract, "2024-06-30").await.unwrap();
            let kept = (joined(&loaded), quarantine(&loaded));
            has(&kept.1[0][3], &["longer than 120 bytes"]);
            assert_eq!(kept.1[0][4], format!("2,{}", "x".repeat(118)));
            has(&kept.1[1][3], &["not closed within 120 bytes"]);
            assert_eq!(*seen.get_or_insert_with(|| kept.clone()), kept, "blocks of {block}, {threads} threads");
        }
    }
}

#[tokio::test]
async fn a_header_that_does_not_fit_stops_the_source_and_says_what_to_do() {
    let contract = columns("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    has(
        &message(&contract, "code,name\n1,a\n").await,
        &["`a.csv`", "no column `id`", "`code`, `name`", "orders.yml", "correct `from`"],
    );
    has(&message(&contract, "id,id,name\n1,2,a\n").await, &["`id` 2 times", "its own name"]);
    has(&message(&contract, "id,\"name\n1,a\n").await, &["header", "quote"]);
    let wide: Vec<u8> = "id,name\n1,a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    has(&message(&contract, wide).await, &["utf-16le"]);
}

#[tokio::test]
async fn damaged_and_foreign_containers_are_named() {
    let contract = columns("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    let text: String = std::iter::once("id,name\n".to_owned())
        .chain((0..50_000).map(|id| format!("{id},{}\n", id * 7919 % 1000)))
        .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    has(&message(&contract, &gzip[..gzip.len() / 2]).await, &["gzip", "the upload was cut", "again"]);
    has(&message(&contract, &gzip[..gzip.len() - 4]).await, &["gzip", "cut"]);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text.as_bytes()).unwrap();
    let mut zstd = encoder.finish().unwrap();
    let middle = zstd.len() / 2;
    zstd[middle..middle + 50].fill(0xaa);
    has(&message(&contract, &zstd).await, &["damaged zstd", "deliver it again"]);
    has(&message(&contract, b"PK\x03\x04rest").await, &["ZIP"]);
    let declared = columns("path: '*'\nformat: { compression: gzip }", &["id BIGINT!"]);
    has(&message(&declared, "id\n1\n").await, &["not gzip", "magic bytes", "format.compression"]);
    let plain = columns("path: '*'\nformat: { compression: none }", &["id BIGINT!"]);
    has(&message(&plain, &gzip).await, &["it is gzip"]);
}

#[tokio::test]
async fn a_file_that_unpacks_without_end_is_stopped() {
    let contract = columns("path: '*'", &["id BIGINT!"]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"id\n").unwrap();
    encoder.write_all(&b"1\n".repeat(1_000_000)).unwrap();
    let bomb = encoder.finish().unwrap();
    let ways = ["deliver it in smaller files", "raise `format.max_unpack_ratio`"];
    for ((bytes, ratio), way) in [(1 << 20, 1_000_000), (1 << 40, 100)].into_iter().zip(ways) {
        let mut world = World::new();
        world.options.limits.unpacked_bytes = bytes;
        world.options.limits.unpacked_ratio = ratio;
        world.options.limits.ratio_from_bytes = 1 << 19;
        world.put("raw/a.csv.gz", &bomb).await;
        let error = world.load(&contract, "2024-06-30").await.err().unwrap().to_string();
        has(&error, &["a.csv.gz", "unpacks to more than", way]);
    }
}

#[tokio::test]
async fn a_contract_may_know_that_its_files_pack_well() {
    let contract = columns("path: '*'\nformat: { max_unpack_ratio: 100000 }", &["id BIGINT!"]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"id\n").unwrap();
    encoder.write_all(&b"1\n".repeat(1_000_000)).unwrap();
    let mut world = World::new();
    world.options.limits.unpacked_ratio = 100;
    world.options.limits.ratio_from_bytes = 1 << 19;
    world.put("raw/a.csv.gz", &encoder.finish().unwrap()).await;
    assert_eq!(world.load(&contract, "2024-06-30").await.unwrap().rows.len(), 1_000_000);
}

#[tokio::test]
async fn what_a_file_holds_is_quoted_in_messages_without_what_moves_a_terminal_and_kept_exactly() {
    let contract = columns("path: '*'\ntolerance: 0.0", &["id BIGINT!"]);
    let value = "x\u{1b}]52;c;aGk=\u{7}\n2026-01-30T03:00:00Z  INFO all is well";
    let long = "\u{1b}[2J".repeat(10_000);
    let text = format!("id,{long}\n\"{value}\",1\n");
    let loaded = load_file(&contract, "a.csv", &text, 1 << 20, 1).await.unwrap();
    let failure = loaded.report.failure.as_ref().unwrap().to_string();
    has(&failure, &["`x\\u{1b}]52;c;aGk=\\u{7}\\n2026-01-30T03:00:00Z  INFO all is well` is not BIGINT"]);
    let path = "a\u{202e}vsc.csv".to_owned();
    let named = IngestError::Directory { contract: "orders".to_owned(), path }.to_string();
    has(&named, &["`a\\u{202e}vsc.csv`"]);
    let renamed =
        load_file(&contract, "a.csv", text.replace("id,", "no,"), 1 << 20, 1).await.err().unwrap().to_string();
    for told in loaded.report.warnings.iter().chain([&failure, &renamed, &named]) {
        assert!(told.chars().all(crate::plain::is_plain) && told.len() < 2000, "{} bytes: {told:?}", told.len());
    }
    assert_eq!(quarantine(&loaded)[0][4], format!("\"{value}\",1"));
}

#[tokio::test]
async fn over_its_tolerance_a_source_fails_and_says_why() {
    let contract = columns("path: '*'\ntolerance: 0.25", &["id BIGINT!"]);
    let mut world = World::new();
    world.put("raw/a.csv", "id\n1\nx\ny\n4\n").await;
    let loaded = world.load(&contract, "2024-06-30").await.unwrap();
    let failure = loaded.report.failure.as_ref().unwrap();
    has(&failure.to_string(), &["2 of 4 rows", "50.00 %", "25.00 %", "column `id`: `x` is not BIGINT (2 rows)"]);
    assert_eq!(quarantine(&loaded).len(), 2);
    assert!(world.ledger.deliveries.is_empty(), "nothing was loaded");
}

#[tokio::test]
async fn a_quarantine_larger_than_its_limit_stops_the_source_and_keeps_the_first_rows() {
    let contract = columns("path: '*'\ntolerance: 1.0", &["id BIGINT!"]);
    let mut world = World::new();
    world.options.limits.quarantine_rows = 10;
    world.put("raw/a.csv", format!("id\n{}", "x\n".repeat(1000))).await;
    let loaded = world.load(&contract, "2024-06-30").await.unwrap();
    let failure = loaded.report.failure.as_ref().unwrap().to_string();
    has(&failure, &["more than 10 rows", "`a.csv`", "column `id`: `x` is not BIGINT", "ops.quarantine"]);
    let held = quarantine(&loaded);
    assert_eq!(held.len(), 10);
    assert_eq!([&held[0][0], &held[0][4]], ["1", "x"], "exact as ever");
    assert_eq!(loaded.report.quarantined, 10);
    assert!(world.ledger.deliveries.is_empty(), "nothing was loaded");
}

/// What was held of them before stands.
#[tokio::test]
async fn files_that_a_full_quarantine_left_unread_are_told_as_waiting() {
    let contract = columns("path: '*'\ntolerance: 1.0", &["id BIGINT!"]);
    let mut world = World::new();
    (world.options.limits.quarantine_rows, world.options.threads) = (2, 1);
    for name in ["a", "b", "c"] {
        world.put(&format!("raw/{name}.csv"), format!("id\n{name}1\n{name}2\n")).await;
    }
    let report = world.load(&contract, "2024-06-30").await.unwrap().report;
    has(&report.failure.as_ref().unwrap().to_string(), &["more than 2 rows", "`b.csv`"]);
    assert_eq!((report.read, report.waiting), (vec!["a.csv".into(), "b.csv".into()], vec!["c.csv".into()]));
}

#[tokio::test]
async fn json_that_is_none_is_refused_line_by_line() {
    let contract = tolerant("path: '*'\nformat: { type: jsonl }", &["id BIGINT!", "name VARCHAR"]);
    let text = concat!(
        "{\"id\":1}\n",
        "{\"id\":2,}\n",
        "[1]\n",
        "{\"id\":4} x\n",
        "{\"id\":\"5\",\"name\":\"\\ud800\"}\n",
        "{\"name\":\"a\"}\n",
        "{\"id\":7,\"name\":{\"a\":[1,}}\n",
        "{\"id\":8,\"name\":\"x\\u0000\"}\n",
        "{\"id\":1e3,\"name\":\"open\n",
        "{\"id\":10}\n",
    );
    let loaded = load_file(&contract, "a.jsonl", text, 1 << 20, 2).await.unwrap();
    assert_eq!(joined(&loaded), ["1|∅|1", "10|∅|10"]);
    let reasons: Vec<String> = quarantine(&loaded).into_iter().map(|row| row[3].clone()).collect();
    for (reason, part) in reasons.iter().zip([
        "quotes",
        "not a JSON object",
        "text after",
        "not JSON",
        "required",
        "not JSON",
        "NUL",
        "not closed",
    ]) {
        assert!(reason.contains(part), "{reason}: {part}");
    }
    assert_eq!(reasons.len(), 8);
    has(
        &load_file(&contract, "a.jsonl", " [{\"id\":1}]", 1 << 20, 2).await.err().unwrap().to_string(),
        &["JSON array", "jq"],
    );
}
