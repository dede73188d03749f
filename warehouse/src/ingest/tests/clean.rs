//! Files that are right.

use std::io::Write;

use super::support::*;
use crate::ingest::*;

#[tokio::test]
async fn a_csv_becomes_typed_rows_that_know_where_they_come_from() {
    let contract = columns(
        "path: '*.csv'",
        &[
            "id BIGINT!",
            "name VARCHAR",
            "price DECIMAL(10,2)",
            "day DATE",
            "at TIMESTAMP",
            "ok BOOLEAN",
            "x DOUBLE",
            "n INTEGER",
        ],
    );
    let text = "name,id,price,day,at,ok,x,n\nAna,1,1.5,2024-02-29,2024-02-29 10:11:12.5,true,1e3,7\r\n\"O'Neil, \"\"Bob\"\"\",2,-0.01,,2024-07-01T00:00:00Z,no,,\n";
    let loaded = load_file(&contract, "a.csv", text, 1 << 20, 2).await.unwrap();
    assert_eq!(
        joined(&loaded),
        [
            "1|Ana|1.50|2024-02-29|2024-02-29T10:11:12.500|true|1000.0|7|1",
            "2|O'Neil, \"Bob\"|-0.01|∅|2024-07-01T02:00:00|false|∅|∅|2",
        ]
    );
    assert_eq!(loaded.report.rows, 2);
    assert!(loaded.report.warnings.is_empty(), "{:?}", loaded.report.warnings);
    let batch = &loaded.batches[0];
    assert_eq!(batch.schema(), bronze_schema(&contract));
    assert_eq!(
        arrow::util::display::array_value_to_string(batch.column_by_name("_file").unwrap(), 0).unwrap(),
        "a.csv"
    );
    assert_eq!(
        arrow::util::display::array_value_to_string(batch.column_by_name("_night").unwrap(), 0).unwrap(),
        "2024-06-30"
    );
    let record = &loaded.report.ledger.deliveries[0];
    assert_eq!(record.content, blake3::hash(text.as_bytes()).to_hex().to_string());
    assert_eq!((record.number, record.rows, record.night), (1, 2, date("2024-06-30")));
}

#[tokio::test]
async fn packed_files_give_the_rows_of_the_plain_one() {
    let contract = columns("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    let mut text = String::from("id,name\n");
    for id in 0..5000 {
        text.push_str(&format!("{id},\"line one\nline {id}\"\n"));
    }
    let plain = load_file(&contract, "a", &text, 1000, 2).await.unwrap();
    assert_eq!(plain.report.rows, 5000);
    let half = text.find("2500,").unwrap();
    let mut gzip = Vec::new();
    for member in [&text[..half], &text[half..]] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(member.as_bytes()).unwrap();
        gzip.extend(encoder.finish().unwrap());
    }
    let mut zstd = zstd::encode_all(&text.as_bytes()[..half], 1).unwrap();
    zstd.extend(zstd::encode_all(&text.as_bytes()[half..], 1).unwrap());
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(text.as_bytes()).unwrap();
    for packed in [gzip, zstd, bzip2.finish().unwrap()] {
        let loaded = load_file(&contract, "a", &packed, 1000, 3).await.unwrap();
        assert_eq!(loaded.rows, plain.rows);
        assert_eq!(loaded.report.ledger.deliveries[0].content, blake3::hash(&packed).to_hex().to_string());
    }
}

#[tokio::test]
async fn encodings_and_byte_order_marks_give_the_same_text() {
    let contract = columns("path: '*'\nformat: { encoding: windows-1252 }", &["id BIGINT!", "name VARCHAR"]);
    let text = "id,name\r\n1,Málaga\r\n2,€\r\n";
    let utf16 = |big: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let files = [
        encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
        [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat(),
        utf16(false),
        utf16(true),
    ];
    for file in files {
        for block in [3, 1 << 20] {
            let loaded = load_file(&contract, "a", &file, block, 2).await.unwrap();
            assert_eq!(joined(&loaded), ["1|Málaga|1", "2|€|2"]);
        }
    }
}

#[tokio::test]
async fn delimiter_quote_header_and_null_words_are_the_contracts() {
    let contract = columns(
        "path: '*'\nformat: { delimiter: ';', quote: \"'\", header: false, decimal_comma: true, null_words: ['NULL', 'n/a'], date_formats: ['%d/%m/%Y'] }",
        &["id INTEGER!", "amount DECIMAL(12,2)", "x DOUBLE", "day DATE", "note VARCHAR"],
    );
    let text = "1;1.234,56;0,5;31/12/2023;'a;b'\n2;n/a;NULL;;''\n3;7;1.000;1/2/2024;NULL\n";
    let loaded = load_file(&contract, "a", text, 10, 2).await.unwrap();
    assert_eq!(joined(&loaded), ["1|1234.56|0.5|2023-12-31|a;b|1", "2|∅|∅|∅||2", "3|7.00|1000.0|2024-02-01|∅|3"]);
}

#[tokio::test]
async fn empty_files_and_files_with_only_a_header_are_exports_without_rows() {
    let contract = columns("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    for text in ["", "\n\n", "id,name", "id,name\n", "\u{feff}id,name\r\n\r\n"] {
        let loaded = load_file(&contract, "a.csv", text, 1 << 20, 2).await.unwrap();
        assert_eq!((loaded.report.rows, loaded.report.quarantined), (0, 0), "{text:?}");
        assert_eq!(loaded.report.ledger.deliveries.len(), 1);
    }
}

#[tokio::test]
async fn columns_are_found_by_name_in_any_order_and_case() {
    let contract = columns("path: '*'", &["id BIGINT!", "name VARCHAR", "gone VARCHAR"]);
    let loaded = load_file(&contract, "a.csv", "extra, NAME ,Id\nx,Ana,1\n", 1 << 20, 1).await.unwrap();
    assert_eq!(joined(&loaded), ["1|Ana|∅|1"]);
    let told = loaded.report.warnings.join("\n");
    for part in ["`a.csv`", "`extra` is not in the contract", "` NAME `", "`Id`", "no column `gone`"] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn json_lines_keep_every_digit_and_nested_values_as_text() {
    let contract = columns(
        "path: '*'\nformat: { type: jsonl }",
        &["id BIGINT!", "amount DECIMAL(38,4)", "tags VARCHAR", "at TIMESTAMP", "ok BOOLEAN", "name VARCHAR"],
    );
    let text = concat!(
        r#"{"id":1,"amount":1234567890123456789012345678901234.5678,"tags":["a",{"b":"}"}],"at":"2024-01-01T00:00:00+01:00","ok":true,"name":"a\"\u00e9"}"#,
        "\n\n",
        r#" { "name" : null , "unknown" : {} , "id" : "2" , "amount": 1.5e2, "tags": 7, "ok": 0 } "#,
        "\r\n",
        r#"{"id":3,"amount":1e-4}"#
    );
    for block in [1, 1 << 20] {
        let loaded = load_file(&contract, "a.jsonl", text, block, 2).await.unwrap();
        assert_eq!(
            joined(&loaded),
            [
                "1|1234567890123456789012345678901234.5678|[\"a\",{\"b\":\"}\"}]|2024-01-01T00:00:00|true|a\"é|1",
                "2|150.0000|7|∅|false|∅|2",
                "3|0.0001|∅|∅|∅|∅|3",
            ],
            "{:?}",
            quarantine(&loaded)
        );
    }
}

#[tokio::test]
async fn a_remote_file_is_read_in_requests_and_in_order() {
    let contract = columns("path: '*'", &["id BIGINT!", "name VARCHAR"]);
    let mut text = String::from("id,name\n");
    // Several requests of 4 MiB.
    (0..600_000).for_each(|id| text.push_str(&format!("{id},name of number {id}\n")));
    let mut world = World::new();
    world.options.threads = 3;
    world.put("raw/a.csv", &text).await;
    let loaded = world.load(&contract, "2024-06-30").await.unwrap();
    assert_eq!(loaded.report.rows, 600_000);
    let right = loaded.rows.iter().enumerate().all(|(id, row)| {
        row[0] == id.to_string() && row[1] == format!("name of number {id}") && row[2] == (id + 1).to_string()
    });
    assert!(right);
    assert_eq!(loaded.report.ledger.deliveries[0].content, blake3::hash(text.as_bytes()).to_hex().to_string());
}

#[tokio::test]
async fn lines_that_end_in_a_return_alone_are_lines() {
    let contract = columns("path: '*'\ntolerance: 1.0", &["id BIGINT!", "name VARCHAR"]);
    for block in [1, 1 << 20] {
        let loaded = load_file(&contract, "a.csv", "id,name\r1,a\rx,b\r\r3,\"c\rd\"", block, 2).await.unwrap();
        assert_eq!(joined(&loaded), ["1|a|1", "3|c\rd|3"]);
        assert_eq!(quarantine(&loaded)[0][..2], ["2", "3"]);
    }
}

#[tokio::test]
async fn many_files_are_read_beside_each_other_and_each_keeps_its_records() {
    let contract = columns("path: 'o_{date:%Y-%m-%d}.csv.gz'", &["id BIGINT!"]);
    let mut world = World::new();
    (world.options.threads, world.options.block_bytes) = (4, 64);
    for day in 1..=28 {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"id\n").unwrap();
        (0..day).for_each(|n| encoder.write_all(format!("{}\n", day * 100 + n).as_bytes()).unwrap());
        world.put(&format!("raw/o_2024-02-{day:02}.csv.gz"), encoder.finish().unwrap()).await;
    }
    let loaded = world.load(&contract, "2024-06-30").await.unwrap();
    let expected: Vec<String> =
        (1..=28).flat_map(|day| (0..day).map(move |n| format!("{}|{}", day * 100 + n, n + 1))).collect();
    assert_eq!(joined(&loaded), expected);
    assert!(
        loaded
            .report
            .ledger
            .deliveries
            .iter()
            .zip(1..)
            .all(|(record, day)| record.rows == day && record.number == day as i64)
    );
}
