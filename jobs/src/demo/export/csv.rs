//! Records as delimited text.

use super::cell::{Cell, DateStyle, put_date, put_decimal, put_integer, put_time};
use super::dirt::{Dirt, Fault};
use super::source::{Column, CsvStyle, Kind};

/// Appends one record, with `fault` in it if there is one.
pub fn put_record(out: &mut Vec<u8>, style: &CsvStyle, columns: &[Column], cells: &[Cell<'_>], fault: Option<Fault>) {
    for (position, (cell, column)) in cells.iter().zip(columns).enumerate() {
        let here = fault.filter(|fault| fault.column == position).map(|fault| fault.dirt);
        if here == Some(Dirt::RaggedRow) {
            break;
        }
        if position > 0 {
            out.push(style.delimiter);
        }
        match here {
            None | Some(Dirt::DuplicateKey) => put_cell(out, style, cell),
            Some(dirt) => put_garbage(out, style, column, dirt),
        }
    }
    out.push(b'\n');
}

fn put_cell(out: &mut Vec<u8>, style: &CsvStyle, cell: &Cell<'_>) {
    match *cell {
        Cell::Null => out.extend_from_slice(style.null.as_bytes()),
        Cell::Text(text) => put_text(out, style, text),
        Cell::Id(id) => id.put(out),
        Cell::Integer(number) => put_integer(out, number),
        Cell::Cents(cents) => put_decimal(out, cents, 2, style.decimal_mark),
        Cell::Fine(units) => put_decimal(out, units, 4, style.decimal_mark),
        Cell::Double(number) => {
            let thousandths = (number * 1000.0).round();
            put_decimal(out, thousandths as i64, 3, style.decimal_mark);
        }
        Cell::Boolean(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Cell::Date(day) => put_date(out, day, style.dates),
        Cell::Time(moment) => put_time(out, moment, style.dates),
    }
}

fn put_text(out: &mut Vec<u8>, style: &CsvStyle, text: &str) {
    let special = |byte: u8| byte == style.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if !text.bytes().any(special) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn put_garbage(out: &mut Vec<u8>, style: &CsvStyle, column: &Column, dirt: Dirt) {
    match dirt {
        Dirt::UnparsableAmount => out.extend_from_slice(b"1O.5O"),
        Dirt::ImpossibleDate => {
            out.extend_from_slice(match style.dates {
                DateStyle::Iso => b"2025-02-31",
                DateStyle::DayFirst => b"31/02/2025",
            });
            if column.kind == Kind::Timestamp {
                out.extend_from_slice(b" 10:00:00");
            }
        }
        Dirt::MissingKey => out.extend_from_slice(style.null.as_bytes()),
        Dirt::BadUtf8 => out.extend_from_slice(b"espa\xF1ol"),
        Dirt::RaggedRow | Dirt::DuplicateKey => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: CsvStyle =
        CsvStyle { delimiter: b';', decimal_mark: b',', dates: DateStyle::DayFirst, null: "n/d", gzip: false };
    const COLUMNS: [Column; 3] = [
        Column { name: "name", kind: Kind::Text, required: true },
        Column { name: "amount", kind: Kind::Decimal, required: false },
        Column { name: "note", kind: Kind::Text, required: false },
    ];

    fn line(cells: &[Cell<'_>], fault: Option<Fault>) -> Vec<u8> {
        let mut out = Vec::new();
        put_record(&mut out, &STYLE, &COLUMNS, cells, fault);
        out
    }

    #[test]
    fn text_that_would_break_the_line_is_quoted() {
        let cells = [Cell::Text("a;b"), Cell::Cents(1250), Cell::Text("said \"hi\"\nand left")];
        assert_eq!(line(&cells, None), b"\"a;b\";12,50;\"said \"\"hi\"\"\nand left\"\n");
        assert_eq!(line(&[Cell::Null, Cell::Null, Cell::Text("x")], None), b"n/d;n/d;x\n");
    }

    #[test]
    fn a_fault_spoils_one_field_and_leaves_the_others() {
        let cells = [Cell::Text("a"), Cell::Cents(1250), Cell::Text("b")];
        let fault = |dirt, column| Some(Fault { dirt, column });
        assert_eq!(line(&cells, fault(Dirt::UnparsableAmount, 1)), b"a;1O.5O;b\n");
        assert_eq!(line(&cells, fault(Dirt::RaggedRow, 1)), b"a\n");
        assert_eq!(line(&cells, fault(Dirt::MissingKey, 0)), b"n/d;12,50;b\n");
        assert!(std::str::from_utf8(&line(&cells, fault(Dirt::BadUtf8, 2))).is_err());
        assert_eq!(line(&cells, fault(Dirt::DuplicateKey, 0)), line(&cells, None));
    }
}
