//! The end of a file, before the decoder makes room for what it says of itself.

use std::io;

use parquet::errors::{ParquetError, Result};

use super::thrift::Compact;

/// Columns within columns.
const DEEPEST: usize = 100;

/// Whether the counts of a footer can be true.
///
/// # Errors
/// It counts more row groups or columns than it has bytes for, or nests columns too deeply.
pub(in crate::ingest::parquet) fn check(bytes: &[u8]) -> Result<()> {
    read(bytes).map_err(|error| ParquetError::General(format!("its footer is damaged: {error}")))
}

fn read(bytes: &[u8]) -> io::Result<()> {
    let mut thrift = Compact::new(bytes);
    let mut last = 0;
    while let Some(field) = thrift.field(&mut last)? {
        match field.id {
            1 | 3 => thrift.skip(field.kind)?,
            2 => {
                let columns = count(&mut thrift, bytes)?;
                schema(&mut thrift, columns)?;
            }
            // The row groups are the last that room is made for without a look at what there is.
            4 => return count(&mut thrift, bytes).map(drop),
            id => return Err(invalid(format!("field {id} stands before its row groups"))),
        }
    }
    Ok(())
}

fn count(thrift: &mut Compact<&[u8]>, bytes: &[u8]) -> io::Result<u64> {
    let count = thrift.list()?;
    if count > bytes.len() as u64 {
        return Err(invalid(format!("it counts {count} things in {} bytes", bytes.len())));
    }
    Ok(count)
}

/// Each column of the schema, in order, those inside one after it.
fn schema(thrift: &mut Compact<&[u8]>, columns: u64) -> io::Result<()> {
    // How many columns are still to come in each of those around.
    let mut around: Vec<u64> = Vec::new();
    for _ in 0..columns {
        let (mut children, mut last) = (0, 0);
        while let Some(field) = thrift.field(&mut last)? {
            match field.id {
                5 => children = u64::try_from(thrift.int()?).unwrap_or(0),
                _ => thrift.skip(field.kind)?,
            }
        }
        if children > columns {
            return Err(invalid(format!("a column of {columns} says that it has {children} within it")));
        }
        if let Some(left) = around.last_mut() {
            *left = left.saturating_sub(1);
        }
        if children > 0 {
            around.push(children);
        }
        if around.len() > DEEPEST {
            return Err(invalid(format!("columns lie more than {DEEPEST} deep in columns")));
        }
        while around.last() == Some(&0) {
            around.pop();
        }
    }
    Ok(())
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer's version and schema, of columns that have so many within them.
    fn footer(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0xfc, u8::try_from(children.len()).unwrap()];
        for children in children {
            bytes.extend([0x48, 1, b'c', 0x15, children * 2, 0]);
        }
        bytes
    }

    #[test]
    fn counts_that_cannot_be_true_are_refused_before_room_is_made() {
        assert!(check(&[footer(&[2, 0, 1, 0]), vec![0]].concat()).is_ok());
        assert!(check(&footer(&[60, 0])).unwrap_err().to_string().contains("60 within it"));
        let deep: Vec<u8> = std::iter::repeat_n(1, 120).chain([0]).collect();
        assert!(check(&footer(&deep)).unwrap_err().to_string().contains("deep"));
        let mut groups = footer(&[1, 0]);
        groups.extend([0x16, 4, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7]);
        assert!(check(&groups).unwrap_err().to_string().contains("2147483647 things"));
    }
}
