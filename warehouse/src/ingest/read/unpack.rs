//! Unpacking: gzip of many members, zstd of many frames, bzip2 of many streams.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::num::NonZeroU64;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;

use super::stored::{StoredBytes, from_io};
use crate::ingest::error::IngestError;
use crate::ingest::options::Limits;
use crate::project::contract::{Compression, Contract};

/// Packed bytes read at a time.
const BUFFER_BYTES: usize = 1 << 17;

/// A compression that ingest unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Gzip,
    Zstd,
    Bzip2,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// What a file's first bytes say it is.
enum Magic {
    Packed(Codec),
    /// A container that is not unpacked, by its name.
    Foreign(&'static str),
    Plain,
}

fn magic(head: &[u8]) -> Magic {
    match head {
        [0x1f, 0x8b, ..] => Magic::Packed(Codec::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Magic::Packed(Codec::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => Magic::Packed(Codec::Bzip2),
        [b'P', b'K', 3, 4, ..] => Magic::Foreign("it is a ZIP archive or an Excel workbook"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Magic::Foreign("it is xz"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Magic::Foreign("it is a 7-Zip archive"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Magic::Foreign("it is lz4"),
        [b'P', b'A', b'R', b'1', ..] => Magic::Foreign("it is Parquet (`format.type: parquet`)"),
        _ => Magic::Plain,
    }
}

/// The codec a file is to be read with.
///
/// # Errors
/// [`IngestError::Magic`] where its first bytes and the contract disagree.
fn codec(declared: Compression, head: &[u8], path: &str) -> Result<Option<Codec>, IngestError> {
    let wanted = match declared {
        Compression::Auto => None,
        Compression::None => Some(None),
        Compression::Gzip => Some(Some(Codec::Gzip)),
        Compression::Zstd => Some(Some(Codec::Zstd)),
        Compression::Bzip2 => Some(Some(Codec::Bzip2)),
    };
    let wrong = |declared: String, found: String| Err(IngestError::Magic { path: path.to_owned(), declared, found });
    let declared = || match wanted {
        Some(Some(codec)) => codec.to_string(),
        _ => "plain text".to_owned(),
    };
    match (magic(head), wanted) {
        // An empty file is an export without rows, whatever it was to be packed with.
        (_, _) if head.is_empty() => Ok(None),
        (Magic::Packed(found), None) => Ok(Some(found)),
        (Magic::Packed(found), Some(Some(wanted))) if found == wanted => Ok(Some(found)),
        (Magic::Packed(found), Some(_)) => wrong(declared(), format!("it is {found}")),
        (Magic::Foreign(found), _) => wrong(declared(), found.to_owned()),
        (Magic::Plain, Some(Some(wanted))) => {
            wrong(declared(), format!("it does not begin with the magic bytes of {wanted}"))
        }
        (Magic::Plain, _) => Ok(None),
    }
}

/// The bytes of a file without its compression.
pub(crate) struct Unpacked {
    decoder: Decoder,
    codec: Option<Codec>,
    path: String,
    limits: UnpackLimits,
    given: u64,
}

/// What one file may unpack to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackLimits {
    pub(crate) bytes: u64,
    pub(crate) ratio: u64,
    pub(crate) ratio_from_bytes: u64,
}

impl From<&Limits> for UnpackLimits {
    fn from(limits: &Limits) -> Self {
        Self { bytes: limits.unpacked_bytes, ratio: limits.unpacked_ratio, ratio_from_bytes: limits.ratio_from_bytes }
    }
}

impl UnpackLimits {
    /// With what a contract says: it may know better how well its exports pack.
    pub(crate) fn of(contract: &Contract, limits: &Limits) -> Self {
        let limits = Self::from(limits);
        Self { ratio: contract.spec.format.max_unpack_ratio.map_or(limits.ratio, NonZeroU64::get), ..limits }
    }

    /// The limit that so much is over, and what to do if it is right.
    pub(crate) fn broken(&self, packed: u64, unpacked: u64) -> Option<(String, &'static str)> {
        if unpacked > self.bytes {
            return Some((format!("{} bytes", self.bytes), "deliver it in smaller files"));
        }
        let is_over = unpacked > self.ratio_from_bytes && unpacked / packed.max(1) > self.ratio;
        is_over.then(|| (format!("{} times its size", self.ratio), "raise `format.max_unpack_ratio` in its contract"))
    }
}

enum Decoder {
    Plain(Box<StoredBytes>),
    Gzip(Box<MultiGzDecoder<BufReader<StoredBytes>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<StoredBytes>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<StoredBytes>>>),
}

impl Unpacked {
    /// Look at the first bytes and choose.
    pub(crate) fn new(
        mut stored: StoredBytes,
        declared: Compression,
        path: &str,
        limits: UnpackLimits,
    ) -> Result<Self, IngestError> {
        let head = stored.peek(8).map_err(|error| from_io(error, path))?;
        let codec = codec(declared, head, path)?;
        let buffered = |stored| BufReader::with_capacity(BUFFER_BYTES, stored);
        let decoder = match codec {
            None => Decoder::Plain(Box::new(stored)),
            Some(Codec::Gzip) => Decoder::Gzip(Box::new(MultiGzDecoder::new(buffered(stored)))),
            Some(Codec::Bzip2) => Decoder::Bzip2(Box::new(MultiBzDecoder::new(buffered(stored)))),
            Some(Codec::Zstd) => {
                let decoder =
                    zstd::stream::read::Decoder::with_buffer(buffered(stored)).map_err(|error| from_io(error, path))?;
                Decoder::Zstd(Box::new(decoder))
            }
        };
        Ok(Self { decoder, codec, path: path.to_owned(), limits, given: 0 })
    }

    /// Append up to `want` bytes; fewer only at the end.
    pub(crate) fn read_into(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<usize, IngestError> {
        let before = buffer.len();
        buffer.resize(before + want, 0);
        let mut filled = before;
        while filled < buffer.len() {
            let read = match (&mut self.decoder, buffer.get_mut(filled..).unwrap_or_default()) {
                (Decoder::Plain(reader), room) => reader.read(room),
                (Decoder::Gzip(reader), room) => reader.read(room),
                (Decoder::Zstd(reader), room) => reader.read(room),
                (Decoder::Bzip2(reader), room) => reader.read(room),
            };
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What was unpacked before an error is not used: the source fails.
                Err(error) => return Err(self.decoding(error, (filled - before) as u64)),
            }
        }
        buffer.truncate(filled);
        self.given += (filled - before) as u64;
        self.check_limits()?;
        Ok(filled - before)
    }

    /// blake3 of the whole file as stored, in hex; reads what a decoder left.
    pub(crate) fn content(&mut self) -> Result<String, IngestError> {
        let path = self.path.clone();
        let stored = self.stored_mut();
        stored.drain().map_err(|error| from_io(error, &path))?;
        Ok(stored.content())
    }

    fn stored_mut(&mut self) -> &mut StoredBytes {
        match &mut self.decoder {
            Decoder::Plain(stored) => stored,
            Decoder::Gzip(decoder) => decoder.get_mut().get_mut(),
            Decoder::Zstd(decoder) => decoder.get_mut().get_mut(),
            Decoder::Bzip2(decoder) => decoder.get_mut().get_mut(),
        }
    }

    fn decoding(&self, error: io::Error, more: u64) -> IngestError {
        let (path, bytes) = (self.path.clone(), self.given + more);
        match (self.codec, error.downcast::<IngestError>()) {
            (_, Ok(ours)) => ours,
            (None, Err(source)) => IngestError::Read { path, source },
            (Some(codec), Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                IngestError::Truncated { path, codec, bytes }
            }
            (Some(codec), Err(error)) => IngestError::Corrupt { path, codec, bytes, reason: error.to_string() },
        }
    }

    fn check_limits(&mut self) -> Result<(), IngestError> {
        if self.codec.is_none() {
            return Ok(());
        }
        let unpacked = self.given;
        let packed = self.stored_mut().given();
        let Some((limit, advice)) = self.limits.broken(packed, unpacked) else { return Ok(()) };
        Err(IngestError::Bomb { path: self.path.clone(), limit, packed, unpacked, advice })
    }
}
