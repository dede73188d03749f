//! What a hostile or uneven Parquet file may cost.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::support::*;

fn packed() -> WriterPropertiesBuilder {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    WriterProperties::builder().set_compression(zstd).set_statistics_enabled(EnabledStatistics::None)
}

fn file(columns: Vec<(&str, ArrayRef)>, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

async fn load(world: &mut World, contract: &str, types: &[&str], bytes: &[u8]) -> Result<Loaded, String> {
    let contract = columns(&format!("path: '*'\ntolerance: 1.0\nformat: {{ type: parquet{contract} }}"), types);
    world.put("raw/a.parquet", bytes).await;
    world.load(&contract, "2024-06-30").await.map_err(|error| error.to_string())
}

fn has(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "{part}: {text}"));
}

/// Limits that small files reach.
fn small_world() -> World {
    let mut world = World::new();
    world.options.row_group_bytes = 1 << 20;
    world.options.limits.ratio_from_bytes = 1 << 20;
    world
}

#[tokio::test]
async fn a_long_value_that_rows_share_is_not_copied_into_each_without_end() {
    let value = "x".repeat(1 << 20);
    let keys = || Int32Array::from(vec![0; 100]);
    let texts: ArrayRef =
        Arc::new(DictionaryArray::<Int32Type>::new(keys(), Arc::new(LargeStringArray::from(vec![&*value]))));
    let bytes: ArrayRef =
        Arc::new(DictionaryArray::<Int32Type>::new(keys(), Arc::new(BinaryArray::from(vec![value.as_bytes()]))));
    let items = Arc::new(arrow::datatypes::Field::new_list_field(texts.data_type().clone(), false));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([1; 100]);
    let lists: ArrayRef = Arc::new(ListArray::new(items, offsets, Arc::clone(&texts), None));
    for column in [texts, bytes, lists] {
        let bytes = file(vec![("word", column)], packed().set_dictionary_page_size_limit(4 << 20));
        assert!(bytes.len() < 4096, "{} bytes", bytes.len());
        let mut world = small_world();
        world.options.limits.record_bytes = 2 << 20;
        let error = load(&mut world, "", &["word VARCHAR"], &bytes).await.err().unwrap();
        has(&error, &["`a.parquet` unpacks to more than 300 times its size", "raise `format.max_unpack_ratio`"]);
    }
}

#[tokio::test]
async fn pages_that_unpack_without_end_are_stopped_unless_the_contract_knows_better() {
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 300_000]));
    let small_pages = packed().set_dictionary_enabled(false).set_data_page_row_count_limit(20_000);
    let bytes = file(vec![("id", zeros)], small_pages);
    let mut world = small_world();
    let error = load(&mut world, "", &["id BIGINT!"], &bytes).await.err().unwrap();
    has(&error, &["`a.parquet` unpacks to more than 300 times its size", "bytes packed"]);
    world.options.row_group_bytes = 512;
    let by_blocks = load(&mut world, "", &["id BIGINT!"], &bytes).await.err().unwrap();
    has(&by_blocks, &["`a.parquet` unpacks to more than 300 times its size"]);
    let known = load(&mut small_world(), ", max_unpack_ratio: 1000000", &["id BIGINT!"], &bytes).await.unwrap();
    assert_eq!(known.report.rows, 300_000);
}

#[tokio::test]
async fn a_row_longer_than_a_record_may_be_is_held_with_its_begin() {
    let words: ArrayRef = Arc::new(StringArray::from(vec!["a", &"x".repeat(200_000), "b", "c"]));
    let lists = [1, 2, 3000, 0].map(|items| Some(vec![Some(7); items]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    let bytes = file(vec![("word", words), ("list", lists)], packed());
    let mut world = World::new();
    world.options.limits.record_bytes = 10_000;
    let loaded = load(&mut world, "", &["word VARCHAR", "list VARCHAR"], &bytes).await.unwrap();
    assert_eq!(joined(&loaded), ["a|[7]|1", "c|[]|4"]);
    let held = quarantine(&loaded);
    let places: Vec<(&str, &str)> = held.iter().map(|row| (&*row[0], &*row[2])).collect();
    assert_eq!(places, [("2", ""), ("3", "")]);
    has(&held[0][3], &["the record is longer than 10000 bytes", "at most 65536 bytes are kept"]);
    assert!(held[0][4].starts_with("{\"word\":\"xxx") && held[0][4].len() < 66_000, "{}", held[0][4].len());
}

#[tokio::test]
async fn front_coded_text_is_read_whole_and_stopped_where_it_unfolds_without_end() {
    let word = |id: i32| (id % 7 > 0).then(|| format!("shop/of/many/words/{:06}", id / 3));
    let words: ArrayRef = Arc::new((0..30_000).map(word).collect::<StringArray>());
    let same: ArrayRef = Arc::new(StringArray::from(vec![&*"x".repeat(1 << 16); 500]));
    for (version, encoding) in [
        (WriterVersion::PARQUET_1_0, Encoding::DELTA_BYTE_ARRAY),
        (WriterVersion::PARQUET_2_0, Encoding::DELTA_BYTE_ARRAY),
        (WriterVersion::PARQUET_2_0, Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ] {
        let coded = || packed().set_writer_version(version).set_dictionary_enabled(false).set_encoding(encoding);
        let bytes = file(vec![("word", Arc::clone(&words))], coded());
        let loaded = load(&mut small_world(), "", &["word VARCHAR"], &bytes).await.unwrap();
        let expected = |id: i32| format!("{}|{}", word(id).unwrap_or_else(|| "∅".to_owned()), id + 1);
        assert_eq!(joined(&loaded), (0..30_000).map(expected).collect::<Vec<_>>());
        let bytes = file(vec![("word", Arc::clone(&same))], coded());
        let error = load(&mut small_world(), "", &["word VARCHAR"], &bytes).await.err().unwrap();
        has(&error, &["`a.parquet` unpacks to more than 300 times its size"]);
    }
}

#[tokio::test]
async fn wide_rows_among_narrow_ones_are_read_a_few_at_a_time_and_once() {
    let mut state = 7_u64;
    let mut noise = |length: usize| -> String {
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + (state >> 60) as u8)
        };
        (0..length).map(|_| letter()).collect()
    };
    let words: Vec<String> = (0..20_000).map(|id| noise(if id / 2000 == 4 { 2000 } else { 5 })).collect();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..20_000));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(&words));
    let small_pages =
        packed().set_dictionary_enabled(false).set_data_page_row_count_limit(100).set_write_batch_size(100);
    let bytes = file(vec![("id", ids), ("word", texts)], small_pages);
    let expected: Vec<String> =
        words.iter().zip(1..).map(|(word, record)| format!("{}|{word}|{record}", record - 1)).collect();
    for row_group_bytes in [64 << 10, 16 << 20] {
        let mut world = World::new();
        world.options.row_group_bytes = row_group_bytes;
        let loaded = load(&mut world, "", &["id BIGINT", "word VARCHAR"], &bytes).await.unwrap();
        assert_eq!(joined(&loaded), expected);
        let widest = loaded.batches.iter().map(|batch| batch.column(1).as_string::<i32>().values().len()).max();
        assert!(row_group_bytes > 1 << 20 || widest < Some(256 << 10), "{widest:?}");
    }
}

#[tokio::test]
async fn a_number_written_as_too_many_bytes_is_refused() {
    let schema = Arc::new(parse_message_type("message m { required binary n (DECIMAL(10,2)); }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(packed().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values = vec![ByteArray::from(vec![0; 1000]); 50];
    column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let bytes = writer.into_inner().unwrap();
    let error = load(&mut World::new(), "", &["n DECIMAL(10,2)"], &bytes).await.err().unwrap();
    has(&error, &["`a.parquet` cannot be read as Parquet: a number of it is 1000 bytes long"]);
}

#[tokio::test]
async fn values_whose_type_is_wider_than_a_record_are_refused_by_the_name_of_their_column() {
    let nothing: ArrayRef = Arc::new(FixedSizeBinaryArray::new_null(2 << 20, 10));
    let bytes = file(vec![("wide", nothing)], packed());
    let error = load(&mut World::new(), "", &["wide VARCHAR"], &bytes).await.err().unwrap();
    has(&error, &["each value of its column `wide` is 2097152 bytes long", "a record may have 1048576"]);
}
