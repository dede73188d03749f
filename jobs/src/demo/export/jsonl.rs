//! Records as JSON objects, one a line.

use super::cell::{Cell, DateStyle, put_date, put_decimal, put_integer, put_time};
use super::dirt::{Dirt, Fault};
use super::source::Column;

/// Appends one object and its line end, with `fault` in it if there is one.
pub fn put_record(out: &mut Vec<u8>, columns: &[Column], cells: &[Cell<'_>], fault: Option<Fault>) {
    for (position, (cell, column)) in cells.iter().zip(columns).enumerate() {
        let here = fault.filter(|fault| fault.column == position).map(|fault| fault.dirt);
        out.extend_from_slice(if position == 0 { b"{\"" } else { b",\"" });
        out.extend_from_slice(column.name.as_bytes());
        out.extend_from_slice(b"\":");
        match here {
            None | Some(Dirt::DuplicateKey) => put_cell(out, cell),
            Some(Dirt::MissingKey) => out.extend_from_slice(b"null"),
            Some(Dirt::UnparsableAmount) => out.extend_from_slice(b"\"1O.5O\""),
            Some(Dirt::ImpossibleDate) => out.extend_from_slice(b"\"2025-02-31 10:00:00\""),
            Some(Dirt::BadUtf8) => out.extend_from_slice(b"\"espa\xF1ol\""),
            Some(Dirt::RaggedRow) => {
                out.push(b'\n');
                return;
            }
        }
    }
    out.extend_from_slice(b"}\n");
}

fn put_cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match *cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Integer(number) => put_integer(out, number),
        Cell::Cents(cents) => put_decimal(out, cents, 2, b'.'),
        Cell::Fine(units) => put_decimal(out, units, 4, b'.'),
        Cell::Double(number) => put_decimal(out, (number * 1000.0).round() as i64, 3, b'.'),
        Cell::Boolean(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Cell::Text(text) => put_text(out, text),
        Cell::Id(id) => quoted(out, |out| id.put(out)),
        Cell::Date(day) => quoted(out, |out| put_date(out, day, DateStyle::Iso)),
        Cell::Time(moment) => quoted(out, |out| put_time(out, moment, DateStyle::Iso)),
    }
}

fn quoted(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    put(out);
    out.push(b'"');
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..0x20 => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::source::Kind;
    use super::*;

    const COLUMNS: [Column; 2] = [
        Column { name: "id", kind: Kind::Text, required: true },
        Column { name: "amount", kind: Kind::Decimal, required: true },
    ];

    #[test]
    fn a_record_is_an_object_that_parses() {
        let mut out = Vec::new();
        put_record(&mut out, &COLUMNS, &[Cell::Text("a\"\n\\b"), Cell::Cents(5)], None);
        let object: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(object["id"], "a\"\n\\b");
        assert_eq!(object["amount"], 0.05);
    }

    #[test]
    fn a_ragged_record_does_not_parse() {
        let mut out = Vec::new();
        let fault = Fault { dirt: Dirt::RaggedRow, column: 1 };
        put_record(&mut out, &COLUMNS, &[Cell::Text("a"), Cell::Cents(5)], Some(fault));
        assert_eq!(out, b"{\"id\":\"a\",\"amount\":\n");
    }
}
