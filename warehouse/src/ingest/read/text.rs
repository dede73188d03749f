//! Decoding to UTF-8, in pieces; what cannot be decoded is marked where it stands.

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::unpack::Unpacked;
use crate::ingest::error::IngestError;

/// Undecoded bytes read at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// Bytes that mean nothing in the file's encoding; U+FFFD stands for them in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where U+FFFD begins in the text.
    pub(crate) offset: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The text of a file as UTF-8.
///
/// A file in UTF-8 is passed through unchecked: whoever splits it into records checks it, as a
/// bad byte must cost one record and not the file.
pub(crate) struct TextReader {
    unpacked: Unpacked,
    encoding: &'static Encoding,
    /// `None` for UTF-8.
    decoder: Option<Decoder>,
    /// Text read ahead to look at.
    pending: Vec<u8>,
    pending_malformed: Vec<Malformed>,
    given_of_pending: usize,
    /// Undecoded bytes, reused.
    raw: Vec<u8>,
    /// The last undecoded bytes of the chunk before, as a bad sequence may begin there.
    tail: Vec<u8>,
    ended: bool,
}

impl TextReader {
    /// Read the byte order mark and the first `ahead` bytes.
    pub(crate) fn new(mut unpacked: Unpacked, declared: &'static Encoding, ahead: usize) -> Result<Self, IngestError> {
        let mut head = Vec::with_capacity(ahead.max(4));
        unpacked.read_into(&mut head, ahead.max(4))?;
        let (encoding, mark) = Encoding::for_bom(&head).unwrap_or((declared, 0));
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        let mut reader = Self {
            unpacked,
            encoding,
            decoder,
            pending: Vec::new(),
            pending_malformed: Vec::new(),
            given_of_pending: 0,
            raw: Vec::new(),
            tail: Vec::new(),
            ended: false,
        };
        let text = head.get(mark..).unwrap_or_default();
        if reader.decoder.is_none() {
            reader.pending = text.to_vec();
        } else {
            let (mut out, mut malformed) = (Vec::new(), Vec::new());
            reader.decode(text, false, &mut out, &mut malformed);
            (reader.pending, reader.pending_malformed) = (out, malformed);
        }
        Ok(reader)
    }

    pub(crate) fn encoding(&self) -> &'static Encoding {
        self.encoding
    }

    /// The text read ahead by [`TextReader::new`].
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.pending
    }

    /// blake3 of the file as stored.
    pub(crate) fn content(&mut self) -> Result<String, IngestError> {
        self.unpacked.content()
    }

    /// Append about `want` bytes of text; `false` at the end of the file.
    pub(crate) fn read_into(
        &mut self,
        text: &mut Vec<u8>,
        malformed: &mut Vec<Malformed>,
        want: usize,
    ) -> Result<bool, IngestError> {
        if self.given_of_pending < self.pending.len() {
            self.give_pending(text, malformed, want);
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        if self.decoder.is_none() {
            let read = self.unpacked.read_into(text, want)?;
            self.ended = read < want;
            return Ok(read > 0);
        }
        let enough = text.len() + want;
        while text.len() < enough && !self.ended {
            let mut raw = std::mem::take(&mut self.raw);
            raw.clear();
            let read = self.unpacked.read_into(&mut raw, CHUNK_BYTES.min(want.max(4)))?;
            self.ended = read == 0;
            self.decode(&raw, self.ended, text, malformed);
            self.raw = raw;
        }
        Ok(true)
    }

    fn give_pending(&mut self, text: &mut Vec<u8>, malformed: &mut Vec<Malformed>, want: usize) {
        let from = self.given_of_pending;
        let to = self.pending.len().min(from + want);
        let at = text.len();
        text.extend_from_slice(self.pending.get(from..to).unwrap_or_default());
        let here = self.pending_malformed.iter().filter(|bad| (from..to).contains(&bad.offset));
        malformed.extend(here.map(|bad| Malformed { offset: bad.offset - from + at, bytes: bad.bytes.clone() }));
        self.given_of_pending = to;
        if to == self.pending.len() {
            (self.pending, self.given_of_pending) = (Vec::new(), 0);
        }
    }

    fn decode(&mut self, raw: &[u8], last: bool, text: &mut Vec<u8>, malformed: &mut Vec<Malformed>) {
        let Some(decoder) = &mut self.decoder else { return };
        let mut from = 0;
        loop {
            let rest = raw.get(from..).unwrap_or_default();
            let room = decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(rest.len() * 3 + 16);
            let at = text.len();
            text.resize(at + room, 0);
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, text.get_mut(at..).unwrap_or_default(), last);
            text.truncate(at + written);
            from += read;
            let DecoderResult::Malformed(length, after) = result else { break };
            let offset = text.len();
            text.extend_from_slice("\u{fffd}".as_bytes());
            let end = from.saturating_sub(usize::from(after));
            let bytes = with_tail(&self.tail, raw, end, usize::from(length));
            malformed.push(Malformed { offset, bytes });
        }
        let keep = raw.len().saturating_sub(4);
        self.tail = raw.get(keep..).unwrap_or_default().to_vec();
    }
}

/// The `length` bytes before `end` of this chunk, which may begin in the one before.
fn with_tail(tail: &[u8], raw: &[u8], end: usize, length: usize) -> Vec<u8> {
    match end.checked_sub(length) {
        Some(start) => raw.get(start..end).unwrap_or_default().to_vec(),
        None => {
            let missing = length - end;
            let mut bytes = tail.get(tail.len().saturating_sub(missing)..).unwrap_or_default().to_vec();
            bytes.extend_from_slice(raw.get(..end).unwrap_or_default());
            bytes
        }
    }
}

/// Text in an encoding again: the exact bytes of a record, given its undecodable parts.
pub(crate) fn encode(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    if encoding == UTF_16LE {
        return text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    }
    if encoding == UTF_16BE {
        return text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    }
    let mut encoder = encoding.new_encoder();
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let room = encoder.max_buffer_length_from_utf8_if_no_unmappables(rest.len()).unwrap_or(rest.len() * 4 + 16);
        let at = bytes.len();
        bytes.resize(at + room, 0);
        let (result, read, written, _) = encoder.encode_from_utf8(rest, bytes.get_mut(at..).unwrap_or_default(), true);
        bytes.truncate(at + written);
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return bytes;
        }
    }
}
