//! Thrift's compact protocol, as far as it takes to look at what the decoder is about to believe.
//!
//! Stricter than the decoder, never more lenient: what is read here is what it will read.

use std::io::{self, Read};

pub(super) const BINARY: u8 = 8;
pub(super) const STRUCT: u8 = 12;

/// Structs in structs that are followed, as the decoder does.
const DEEPEST: usize = 64;

/// What is left of a message.
pub(super) struct Compact<R> {
    reader: R,
    position: u64,
}

/// The begin of a field.
pub(super) struct FieldStart {
    pub(super) id: i16,
    pub(super) kind: u8,
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<R: Read> Compact<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, position: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte)?;
        self.position += 1;
        Ok(byte[0])
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.reader.by_ref().take(bytes), &mut io::sink())?;
        self.position += passed;
        if passed == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("a number has no end"))
    }

    /// A signed number of 32 bits.
    pub(super) fn int(&mut self) -> io::Result<i32> {
        let value = self.varint()?;
        let half = i64::try_from(value >> 1).map_err(|_| damaged("a number is too large"))?;
        let value = if value & 1 == 0 { half } else { -half - 1 };
        i32::try_from(value).map_err(|_| damaged("a number is too large"))
    }

    /// The next field of a struct; `None` at its end.
    pub(super) fn field(&mut self, last: &mut i16) -> io::Result<Option<FieldStart>> {
        let head = self.byte()?;
        let (delta, kind) = (head >> 4, head & 0xf);
        if kind == 0 {
            return Ok(None);
        }
        let wrong = || damaged("a field has no number");
        let id = match delta {
            0 => i16::try_from(self.int()?).map_err(|_| wrong())?,
            delta => last.checked_add(i16::from(delta)).ok_or_else(wrong)?,
        };
        *last = id;
        Ok(Some(FieldStart { id, kind }))
    }

    /// The begin of a list: how many elements it says it has.
    pub(super) fn list(&mut self) -> io::Result<u64> {
        match self.byte()? >> 4 {
            15 => self.varint(),
            few => Ok(u64::from(few)),
        }
    }

    /// Passes a field by.
    pub(super) fn skip(&mut self, kind: u8) -> io::Result<()> {
        self.skip_within(kind, DEEPEST)
    }

    fn skip_within(&mut self, kind: u8, depth: usize) -> io::Result<()> {
        let Some(depth) = depth.checked_sub(1) else { return Err(damaged("too many structs in structs")) };
        match kind {
            1 | 2 => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            BINARY => {
                let bytes = self.varint()?;
                self.pass(bytes)
            }
            STRUCT => {
                let mut last = 0;
                while let Some(field) = self.field(&mut last)? {
                    self.skip_within(field.kind, depth)?;
                }
                Ok(())
            }
            // Neither a page's header nor a column of a schema has lists, sets or maps.
            _ => Err(damaged("a field is of a kind that does not belong there")),
        }
    }
}
