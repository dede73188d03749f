//! A plain reader of the exports, that shares nothing with the writer but the columns' names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{NaiveDate, NaiveDateTime};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::export::source::{Column, Format, Kind, Shape};
use super::super::export::tables::Source;
use super::Demo;

/// A good row: values by column; columns without value are not in it.
pub type Row = BTreeMap<&'static str, String>;

/// The records of one file: good rows, or what is wrong with them.
pub type Records = Vec<Result<Row, &'static str>>;

/// Files of a source in the order of their dates.
pub fn files(demo: &Demo, source: Source) -> Vec<(String, Records)> {
    let shape = source.shape();
    let folder = demo.options.raw.join(shape.name);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into_iter().map(|name| (format!("{}/{name}", shape.name), read(shape, &folder.join(&name)))).collect()
}

/// The good rows of a source; of an upsert, the newest of each key (its first column, or for
/// purchase orders the order and the product).
pub fn rows(demo: &Demo, source: Source) -> Vec<Row> {
    let all = files(demo, source).into_iter().flat_map(|(_, records)| records).flatten();
    if !source.shape().upsert {
        return all.collect();
    }
    let mut newest = BTreeMap::new();
    for row in all {
        let key = row[source.shape().columns[0].name].clone();
        let product = row.get("product_id").cloned();
        newest.insert((key, product), row);
    }
    newest.into_values().collect()
}

/// A value of a row; empty where there is none.
pub fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).map_or("", String::as_str)
}

/// An amount in hundredths of a cent.
pub fn amount(row: &Row, column: &str) -> i64 {
    let number: f64 = row[column].parse().expect("a number");
    (number * 10_000.0).round() as i64
}

fn read(shape: &Shape, path: &Path) -> Records {
    let mut bytes = Vec::new();
    let mut file = File::open(path).expect("a file");
    match shape.format {
        Format::Parquet => return parquet_records(shape, file),
        Format::Csv(style) if !style.gzip => {
            file.read_to_end(&mut bytes).expect("bytes");
        }
        Format::Csv(_) | Format::JsonLines => {
            flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
        }
    }
    match shape.format {
        Format::Csv(style) => csv_records(shape, style.delimiter, style.null, &bytes),
        _ => bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| json_record(shape, line))
            .collect(),
    }
}

fn csv_records(shape: &Shape, delimiter: u8, null: &str, bytes: &[u8]) -> Records {
    let mut lines: Vec<Vec<Vec<u8>>> = vec![vec![Vec::new()]];
    let mut quoted = false;
    for &byte in bytes {
        let line = lines.last_mut().expect("a line");
        match byte {
            b'"' => {
                // A doubled quote closes and opens again, and is part of the text.
                quoted = !quoted;
                if quoted && line.last().is_some_and(|field| !field.is_empty()) {
                    line.last_mut().expect("a field").push(b'"');
                }
            }
            b'\n' if !quoted => lines.push(vec![Vec::new()]),
            byte if byte == delimiter && !quoted => line.push(Vec::new()),
            byte => line.last_mut().expect("a field").push(byte),
        }
    }
    assert_eq!(lines.pop(), Some(vec![Vec::new()]), "the last line ends");
    let header: Vec<&[u8]> = shape.columns.iter().map(|column| column.name.as_bytes()).collect();
    assert_eq!(lines[0], header, "{}", shape.name);
    lines[1..]
        .iter()
        .map(|fields| {
            if fields.len() != header.len() {
                return Err("ragged_row");
            }
            let values = fields.iter().map(|field| match std::str::from_utf8(field) {
                Ok(text) => Ok((!text.is_empty() && text != null).then(|| text.to_owned())),
                Err(_) => Err("bad_utf8"),
            });
            typed(shape, values)
        })
        .collect()
}

fn json_record(shape: &Shape, line: &[u8]) -> Result<Row, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "bad_utf8")?;
    let object: serde_json::Value = serde_json::from_str(line).map_err(|_| "ragged_row")?;
    let values = shape.columns.iter().map(|column| match &object[column.name] {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text.clone())),
        other => Ok(Some(other.to_string())),
    });
    typed(shape, values)
}

fn parquet_records(shape: &Shape, file: File) -> Records {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build();
    let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S"));
    let mut records = Vec::new();
    for batch in reader.expect("a reader") {
        let batch = batch.expect("a batch");
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|array| ArrayFormatter::try_new(array, &options).expect("a formatter"))
            .collect();
        for row in 0..batch.num_rows() {
            let values = columns.iter().enumerate().map(|(position, column)| {
                let null = batch.column(position).is_null(row);
                Ok((!null).then(|| column.value(row).to_string()))
            });
            records.push(typed(shape, values));
        }
    }
    records
}

fn typed(
    shape: &Shape,
    values: impl Iterator<Item = Result<Option<String>, &'static str>>,
) -> Result<Row, &'static str> {
    let mut row = Row::new();
    for (column, value) in shape.columns.iter().zip(values) {
        match value? {
            None if column.required => return Err("missing_key"),
            None => {}
            Some(text) => {
                row.insert(column.name, canonical(shape, column, text)?);
            }
        }
    }
    Ok(row)
}

fn canonical(shape: &Shape, column: &Column, text: String) -> Result<String, &'static str> {
    let day_first = shape.name == "inventory_snapshots";
    match column.kind {
        Kind::Text | Kind::Boolean => Ok(text),
        Kind::Integer | Kind::Long => text.parse::<i64>().map(|_| text).map_err(|_| "unparsable_amount"),
        Kind::Decimal | Kind::Double => {
            let text = if shape.name == "purchase_orders" { text.replace(',', ".") } else { text };
            text.parse::<f64>().map(|_| text).map_err(|_| "unparsable_amount")
        }
        Kind::Date => {
            let format = if day_first { "%d/%m/%Y" } else { "%Y-%m-%d" };
            let date = NaiveDate::parse_from_str(&text, format).map_err(|_| "impossible_date")?;
            Ok(date.to_string())
        }
        Kind::Timestamp => {
            NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").map(|_| text).map_err(|_| "impossible_date")
        }
    }
}
