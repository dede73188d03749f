use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn batch() -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\""), None, Some("x\ny\u{1b}[31m")]));
    let counts: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(-20), None]));
    let amounts = Decimal128Array::from(vec![Some(1050), None, Some(-5)]).with_precision_and_scale(18, 2).unwrap();
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(20_484), Some(0), None]));
    RecordBatch::try_from_iter([
        ("name", names),
        ("count", counts),
        ("amount", Arc::new(amounts) as ArrayRef),
        ("day", days),
    ])
    .unwrap()
}

fn written(format: RowFormat, batches: &[RecordBatch]) -> String {
    let kept = Kept::default();
    let mut rows = writer(format, batch().schema(), Box::new(kept.clone())).unwrap();
    for batch in batches {
        rows.write(batch).unwrap();
    }
    rows.finish().unwrap();
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_table_aligns_and_shows_nulls_and_hides_what_moves_the_cursor() {
    let expected = [
        "name            count  amount  day",
        "──────────────  ─────  ──────  ──────────",
        "a,\"b\"               1   10.50  2026-01-31",
        "NULL              -20    NULL  1970-01-01",
        "x\\ny\\u{1b}[31m   NULL   -0.05  NULL",
        "(3 rows)",
    ];
    let text = written(RowFormat::Table, &[batch()]);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn csv_is_quoted_and_nulls_are_empty() {
    assert_eq!(
        written(RowFormat::Csv, &[batch()]),
        "name,count,amount,day\n\"a,\"\"b\"\"\",1,10.50,2026-01-31\n,-20,,1970-01-01\n\"x\ny\u{1b}[31m\",,-0.05,\n"
    );
}

#[test]
fn json_is_one_object_a_line_with_every_column() {
    let text = written(RowFormat::Json, &[batch()]);
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["name"], serde_json::Value::Null);
    assert_eq!(rows[1]["count"], -20);
    assert_eq!(rows[0]["day"], "2026-01-31");
    assert!(text.contains("\"amount\":10.50"), "{text}");
}

#[test]
fn an_empty_result_still_names_its_columns() {
    assert_eq!(written(RowFormat::Csv, &[]), "name,count,amount,day\n");
    assert!(written(RowFormat::Table, &[]).starts_with("name  count  amount  day\n"));
    assert!(written(RowFormat::Table, &[]).ends_with("(0 rows)\n"));
    assert_eq!(written(RowFormat::Json, &[]), "");
}

#[tokio::test]
async fn parquet_keeps_types_and_a_whole_file_takes_the_place() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rows.parquet");
    let batches = futures::stream::iter([Ok::<_, ()>(batch()), Ok(batch())]);
    let destination = Destination::new(Some(&path));
    let rows = write_stream(batches, batch().schema(), RowFormat::Parquet, destination, |()| CommandError::user("x"))
        .await
        .unwrap();
    assert_eq!(rows, 6);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().build().unwrap();
    let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 6);
    assert_eq!(read[0].schema().field(2).data_type(), &DataType::Decimal128(18, 2));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_result_that_fails_leaves_the_file_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rows.csv");
    fs::write(&path, "before").unwrap();
    let batches = futures::stream::iter([Ok(batch()), Err("broken")]);
    let destination = Destination::new(Some(&path));
    let error = write_stream(batches, batch().schema(), RowFormat::Csv, destination, CommandError::user).await;
    assert_eq!(error.unwrap_err().to_string(), "broken");
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn more_rows_than_are_measured_are_all_written() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from_iter_values(0..2_500))]).unwrap();
    let kept = Kept::default();
    let mut rows = writer(RowFormat::Table, schema, Box::new(kept.clone())).unwrap();
    rows.write(&batch).unwrap();
    rows.finish().unwrap();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 2_503);
    assert!(text.ends_with("2499\n(2500 rows)\n"));
}
