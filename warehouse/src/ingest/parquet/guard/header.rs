//! What stands before a page: how large it says it is.

use std::io::{self, Read};

use super::thrift::Compact;

const DICTIONARY_PAGE: i32 = 2;

/// What a page says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the header itself.
    pub(super) length: u64,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Values, NULLs among them.
    pub(super) values: u64,
    pub(super) is_dictionary: bool,
}

impl PageHeader {
    pub(super) fn read(reader: impl Read) -> io::Result<Self> {
        let mut thrift = Compact::new(reader);
        let (mut kind, mut unpacked, mut packed, mut values) = (None, None, None, 0);
        let mut last = 0;
        while let Some(field) = thrift.field(&mut last)? {
            match field.id {
                1 => kind = Some(thrift.int()?),
                2 => unpacked = Some(size(thrift.int()?)?),
                3 => packed = Some(size(thrift.int()?)?),
                // Which of them counts, the kind of the page says: the largest is taken.
                5 | 7 | 8 => values = values.max(values_of(&mut thrift)?),
                _ => thrift.skip(field.kind)?,
            }
        }
        let (Some(kind), Some(unpacked), Some(packed)) = (kind, unpacked, packed) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a page does not say how large it is"));
        };
        Ok(Self { length: thrift.position(), packed, unpacked, values, is_dictionary: kind == DICTIONARY_PAGE })
    }
}

fn size(value: i32) -> io::Result<u64> {
    u64::try_from(value).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a page has a negative size"))
}

/// The first field of each kind of header.
fn values_of(thrift: &mut Compact<impl Read>) -> io::Result<u64> {
    let (mut values, mut last) = (0, 0);
    while let Some(field) = thrift.field(&mut last)? {
        match field.id {
            1 => values = size(thrift.int()?)?,
            _ => thrift.skip(field.kind)?,
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_its_sizes_whatever_else_is_in_it() {
        // kind, unpacked, packed, crc, then a header of version 1 with statistics.
        let statistics = [0x1c, 0x18, 3, b'a', b'b', b'c', 0];
        let mut bytes =
            vec![0x15, 0, 0x15, 0x80, 0x10, 0x15, 0x14, 0x15, 1, 0x1c, 0x15, 0xc8, 1, 0x15, 0, 0x15, 6, 0x15, 6];
        bytes.extend(statistics);
        bytes.extend([0, 0, 99]);
        let length = bytes.len() as u64 - 1;
        let expected = PageHeader { length, packed: 10, unpacked: 1024, values: 100, is_dictionary: false };
        assert_eq!(PageHeader::read(&*bytes).unwrap(), expected);
        let dictionary = [0x15, 4, 0x15, 8, 0x15, 6, 0x4c, 0x15, 2, 0x15, 0, 0, 0];
        let expected = PageHeader { length: 13, packed: 3, unpacked: 4, values: 1, is_dictionary: true };
        assert_eq!(PageHeader::read(&dictionary[..]).unwrap(), expected);
    }

    #[test]
    fn a_header_that_hides_its_size_is_refused() {
        let negative: &[u8] = &[0x15, 0, 0x15, 1, 0x15, 0, 0];
        let endless: &[u8] =
            &[0x15, 0, 0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0x15, 0, 0];
        let list: &[u8] = &[0x15, 0, 0x15, 2, 0x15, 2, 0x69, 0x21, 1, 1, 0];
        let without: &[u8] = &[0x15, 0, 0x25, 2, 0];
        for bytes in [negative, endless, list, without, &[]] {
            assert!(PageHeader::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
