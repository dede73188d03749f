//! Gzip files made of pieces that were deflated apart.
//!
//! Workers deflate their own rows into blocks that end on a byte (a full flush); one after the other
//! these blocks are one deflate stream, and their checksums combine. So the file is a single gzip
//! member whose bytes depend neither on threads nor on the time (its `mtime` is 0).

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Magic, deflate, no flags, mtime 0, no extra flags, unknown system.
pub const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// The empty last block of a deflate stream.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Deflates pieces; kept by a worker, because its tables are large.
pub struct Deflater {
    compress: Compress,
}

impl Deflater {
    /// A deflater for speed rather than size: exports are read once.
    pub fn new() -> Self {
        Self { compress: Compress::new(Compression::new(2), false) }
    }

    /// Appends `bytes` to `out` as deflate blocks that end on a byte; gives their checksum.
    ///
    /// # Errors
    /// What the compressor says, if it cannot go on.
    pub fn piece(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Crc, String> {
        self.compress.reset();
        out.reserve(bytes.len() / 4 + 64);
        loop {
            let read = usize::try_from(self.compress.total_in()).unwrap_or(usize::MAX);
            let rest = bytes.get(read..).unwrap_or_default();
            let status =
                self.compress.compress_vec(rest, out, FlushCompress::Full).map_err(|error| error.to_string())?;
            let all_read = usize::try_from(self.compress.total_in()) == Ok(bytes.len());
            let room_left = out.len() < out.capacity();
            if all_read && room_left {
                break;
            }
            if status == Status::StreamEnd {
                return Err("the stream ended early".to_owned());
            }
            out.reserve(out.capacity().max(1024));
        }
        let mut crc = Crc::new();
        crc.update(bytes);
        Ok(crc)
    }
}

/// What ends a gzip file whose uncompressed bytes have the checksum `crc`.
pub fn trailer(crc: &Crc) -> [u8; 10] {
    let mut end = [0; 10];
    end[..2].copy_from_slice(&LAST_BLOCK);
    end[2..6].copy_from_slice(&crc.sum().to_le_bytes());
    end[6..].copy_from_slice(&crc.amount().to_le_bytes());
    end
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn pieces_make_one_gzip_member() {
        let pieces: Vec<Vec<u8>> =
            (0..5_u8).map(|turn| (0..40_000_u32).map(|i| (i * 31 / 7) as u8 ^ turn).collect()).collect();
        let mut file = HEADER.to_vec();
        let mut crc = Crc::new();
        let mut deflater = Deflater::new();
        for piece in &pieces {
            let part = deflater.piece(piece, &mut file).expect("deflates");
            crc.combine(&part);
        }
        file.extend_from_slice(&trailer(&crc));
        let mut read = Vec::new();
        let mut decoder = flate2::bufread::GzDecoder::new(file.as_slice());
        decoder.read_to_end(&mut read).expect("one valid member");
        assert_eq!(read, pieces.concat());
        assert!(decoder.into_inner().is_empty(), "nothing after the member");
    }

    #[test]
    fn a_file_without_rows_is_valid() {
        let mut file = HEADER.to_vec();
        file.extend_from_slice(&trailer(&Crc::new()));
        let mut read = Vec::new();
        flate2::bufread::GzDecoder::new(file.as_slice()).read_to_end(&mut read).expect("valid");
        assert!(read.is_empty());
    }
}
