//! The schemas that ingest writes: bronze and the quarantine.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::project::contract::Contract;

/// Path of the raw file below the raw location.
pub const FILE: &str = "_file";
/// 1-based number of the record in its file; a header is not counted.
pub const RECORD: &str = "_record";
/// Rising number of the delivery within its source; the newest wins.
pub const DELIVERY: &str = "_delivery";
/// The night the delivery belongs to.
pub const NIGHT: &str = "_night";

/// Whether a column of bronze says where a row came from, and is none of the contract's.
pub(crate) fn is_of_the_engine(column: &str) -> bool {
    [FILE, RECORD, DELIVERY, NIGHT].contains(&column)
}

/// The contract's columns in order, then `_file`, `_record`, `_delivery`, `_night`.
///
/// Every column is nullable: Delta readers differ on NOT NULL, and `required` is enforced on the
/// way in.
pub fn bronze_schema(contract: &Contract) -> SchemaRef {
    let mut fields: Vec<Field> = contract
        .spec
        .columns
        .iter()
        .map(|column| Field::new(column.name.as_str(), column.kind.arrow(), true))
        .collect();
    fields.push(Field::new(FILE, DataType::Utf8, true));
    fields.push(Field::new(RECORD, DataType::Int64, true));
    fields.push(Field::new(DELIVERY, DataType::Int64, true));
    fields.push(Field::new(NIGHT, DataType::Date32, true));
    Arc::new(Schema::new(fields))
}

/// One row per record that did not fit.
///
/// `line` is the 1-based physical line the record begins on (NULL for Parquet). `raw` is the
/// record as text; `raw_base64` its exact bytes, only where the text is not exact.
pub fn quarantine_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, true),
        Field::new("file", DataType::Utf8, true),
        Field::new("record", DataType::Int64, true),
        Field::new("line", DataType::Int64, true),
        Field::new("column_name", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, true),
        Field::new("raw", DataType::Utf8, true),
        Field::new("raw_base64", DataType::Utf8, true),
        Field::new("delivery", DataType::Int64, true),
        Field::new("night", DataType::Date32, true),
    ]))
}
