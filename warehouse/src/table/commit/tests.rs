use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::release::tests::lake;
use crate::table::{PartitionValues, StageWriter};

const TABLE: &str = "core.places";

async fn staged(lake: &Lake, schema: &SchemaRef, partition: PartitionValues) -> StagedFile {
    let mut writer = StageWriter::open(lake, TABLE, "rows.parquet", schema).unwrap().of_partition(partition);
    let cities: ArrayRef = Arc::new(StringArray::from(vec!["Vigo", "Vigo"]));
    writer.write(&RecordBatch::try_new(Arc::clone(schema), vec![cities]).unwrap()).await.unwrap();
    writer.finish().await.unwrap()
}

fn change(schema: &SchemaRef, partition_by: &[&str], file: StagedFile) -> Change {
    Change {
        table: TABLE.to_owned(),
        schema: Arc::clone(schema),
        partition_by: partition_by.iter().map(|name| (*name).to_owned()).collect(),
        adds: vec![file],
        removes: HashSet::new(),
        rearranges: false,
        app_id: "test".to_owned(),
        sequence: 1,
        token: None,
        run_id: "test".to_owned(),
        notes: HashMap::new(),
        at: "2026-02-10T03:00:00Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn files_that_lie_otherwise_than_their_table_are_refused_before_anything_is_written() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("city", DataType::Utf8, true)]));
    let of = |column: &str| PartitionValues::from([(column.to_owned(), Some("Vigo".to_owned()))]);
    let placed: [(&[&str], PartitionValues, bool); 5] = [
        (&["city"], of("city"), true),
        (&[], PartitionValues::new(), true),
        (&["city"], PartitionValues::new(), false),
        (&[], of("city"), false),
        (&["city"], of("town"), false),
    ];
    for (partition_by, partition, fits) in placed {
        let lake = lake();
        let file = staged(&lake, &schema, partition).await;
        let committed = commit(&lake, None, &change(&schema, partition_by, file.clone())).await;
        let there = TableSnapshot::load(&lake, TABLE, None).await.unwrap();
        let at = format!("{:?} in a table by {partition_by:?}: {committed:?}", file.partition);
        assert_eq!((committed.is_ok(), there.is_some()), (fits, fits), "{at}");
        if let Err(error) = committed {
            assert!(error.to_string().contains("rows.parquet was written for other partitions"), "{at}");
        }
    }
}

#[tokio::test]
async fn every_table_says_that_its_log_is_not_to_be_cleaned() {
    let lake = lake();
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("city", DataType::Utf8, true)]));
    let file = staged(&lake, &schema, PartitionValues::new()).await;
    let first = commit(&lake, None, &change(&schema, &[], file)).await.unwrap();
    // Other columns are another metadata entry: it must say so again.
    let wider: SchemaRef = Arc::new(Schema::new(vec![schema.field(0).clone(), Field::new("n", DataType::Int64, true)]));
    let second = change(&wider, &[], staged(&lake, &schema, PartitionValues::new()).await);
    let second = Change { adds: Vec::new(), sequence: 2, ..second };
    let second = commit(&lake, Some(&first), &second).await.unwrap();
    for table in [first, second] {
        let configuration = table.metadata().unwrap().configuration();
        assert_eq!(configuration.get("delta.enableExpiredLogCleanup").map(String::as_str), Some("false"));
    }
}
