//! Rows on their way to a Parquet file, which is written when all its rows are known.
//!
//! Each cell is a tag and its value; rows of a piece are one zstd frame, its length before it.

use super::cell::Cell;

/// Tag of a cell without a value.
pub const NULL: u8 = 0;
/// Tag of a text: two bytes of length, then the text.
pub const TEXT: u8 = 1;
/// Tag of eight bytes: a whole number, day or second, or a double's bits.
pub const NUMBER: u8 = 2;

/// Appends one row. Cells of `absent` are left without a value.
pub fn put_row(out: &mut Vec<u8>, cells: &[Cell<'_>], absent: Option<usize>) {
    for (position, cell) in cells.iter().enumerate() {
        if absent == Some(position) {
            out.push(NULL);
        } else {
            put_cell(out, cell);
        }
    }
}

fn put_cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match *cell {
        Cell::Null => out.push(NULL),
        Cell::Text(text) => put_text(out, |out| out.extend_from_slice(text.as_bytes())),
        Cell::Id(id) => put_text(out, |out| id.put(out)),
        Cell::Integer(number) | Cell::Cents(number) | Cell::Fine(number) => put_number(out, number),
        Cell::Double(number) => put_number(out, i64::from_le_bytes(number.to_le_bytes())),
        Cell::Boolean(truth) => put_number(out, i64::from(truth)),
        Cell::Date(day) => put_number(out, i64::from(day.0)),
        Cell::Time(moment) => put_number(out, moment.0),
    }
}

fn put_number(out: &mut Vec<u8>, number: i64) {
    out.push(NUMBER);
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[TEXT, 0, 0]);
    let start = out.len();
    put(out);
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out.truncate(start + usize::from(length));
    if let Some(place) = out.get_mut(start - 2..start) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// A cell read back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packed<'a> {
    /// No value.
    Null,
    /// A text.
    Text(&'a str),
    /// Eight bytes; what they mean is the column's business.
    Number(i64),
}

/// Takes the next cell off `rows`; none if the bytes make no sense.
pub fn take_cell<'a>(rows: &mut &'a [u8]) -> Option<Packed<'a>> {
    let (&tag, rest) = rows.split_first()?;
    match tag {
        NULL => {
            *rows = rest;
            Some(Packed::Null)
        }
        TEXT => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            *rows = rest;
            std::str::from_utf8(text).ok().map(Packed::Text)
        }
        NUMBER => {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            *rows = rest;
            Some(Packed::Number(i64::from_le_bytes(*number)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Id;
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let mut bytes = Vec::new();
        let cells = [Cell::Id(Id::new("S", 7)), Cell::Null, Cell::Integer(-3), Cell::Text("ñ")];
        put_row(&mut bytes, &cells, None);
        put_row(&mut bytes, &cells, Some(0));
        let mut rest = bytes.as_slice();
        assert_eq!(take_cell(&mut rest), Some(Packed::Text("S0000007")));
        assert_eq!(take_cell(&mut rest), Some(Packed::Null));
        assert_eq!(take_cell(&mut rest), Some(Packed::Number(-3)));
        assert_eq!(take_cell(&mut rest), Some(Packed::Text("ñ")));
        assert_eq!(take_cell(&mut rest), Some(Packed::Null), "the absent key of the second row");
        assert!(take_cell(&mut &b"\x01\xFF\xFFa"[..]).is_none(), "cut short");
    }
}
