//! How a file's columns are read: the types it says it was written with are advice, and some of them cost.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};

/// Where the text of a column goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// Into each row: what the rest works with.
    Copied,
    /// It stays where it lies, and rows share a value of a dictionary, however long it is.
    Shared,
}

/// The types to read with, of those a file says it was written with: text in one layout, shared inside
/// of lists and structs, and no lists with a length that NULLs are filled up to.
pub(super) fn types(fields: &Fields, text: Text) -> Fields {
    fields.iter().map(|column| field(column, text)).collect()
}

fn field(field: &FieldRef, text: Text) -> FieldRef {
    let kind = type_of(field.data_type(), text);
    if kind == *field.data_type() {
        return Arc::clone(field);
    }
    // Not from the field itself: one of a dictionary keeps more than the type.
    let made = Field::new(field.name(), kind, field.is_nullable());
    Arc::new(made.with_metadata(field.metadata().clone()))
}

fn type_of(kind: &DataType, text: Text) -> DataType {
    use DataType as D;
    let inner = |item: &FieldRef| field(item, Text::Shared);
    match (kind, text) {
        (D::Utf8 | D::LargeUtf8 | D::Utf8View, Text::Copied) => D::Utf8,
        (D::Utf8 | D::LargeUtf8, Text::Shared) => D::Utf8View,
        (D::Binary | D::LargeBinary | D::BinaryView, Text::Copied) => D::Binary,
        (D::Binary | D::LargeBinary, Text::Shared) => D::BinaryView,
        (D::Dictionary(_, values), text) => type_of(values, text),
        (D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _), _) => D::List(inner(item)),
        (D::ListView(item) | D::LargeListView(item), _) => D::List(inner(item)),
        (D::Struct(fields), _) => D::Struct(types(fields, Text::Shared)),
        (D::Map(entries, sorted), _) => D::Map(inner(entries), *sorted),
        (other, _) => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_inside_of_columns_is_shared_whatever_a_file_says_and_all_else_stays() {
        use DataType as D;
        let word = || Arc::new(Field::new("w", D::Dictionary(Box::new(D::Int32), Box::new(D::LargeUtf8)), true));
        let view = || Arc::new(Field::new("w", D::Utf8View, true));
        let fields = |kind: D| Fields::from(vec![Field::new("c", kind, false)]);
        for text in [Text::Copied, Text::Shared] {
            let of = |kind: D| types(&fields(kind), text)[0].data_type().clone();
            assert_eq!(of(D::FixedSizeList(word(), 1 << 30)), D::List(view()));
            assert_eq!(of(D::Struct(Fields::from(vec![word()]))), D::Struct(Fields::from(vec![view()])));
            assert_eq!(of(D::Date64), D::Date64);
            let (utf8, binary) = match text {
                Text::Copied => (D::Utf8, D::Binary),
                Text::Shared => (D::Utf8View, D::BinaryView),
            };
            assert_eq!(of(word().data_type().clone()), utf8);
            assert_eq!(of(D::LargeBinary), binary);
        }
    }
}
