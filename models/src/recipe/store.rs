//! A model as bytes, and back.
//!
//! ```text
//! 8 bytes   BUHOMODL
//! 4 bytes   format, little-endian
//! 8 bytes   length of what follows the hash, little-endian
//! 32 bytes  BLAKE3 hash of what follows
//! ...       the model as JSON, deflated
//! ```
//!
//! Nothing of it is run, and nothing believed before the hash agrees; what the JSON says is then checked type by type.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::{FittedModel, RecipeError};

const MAGIC: &[u8; 8] = b"BUHOMODL";

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Most bytes that a model unpacks to.
const LARGEST: u64 = 4 << 30;

fn damaged(what: impl ToString) -> RecipeError {
    RecipeError::Damaged { what: what.to_string() }
}

impl FittedModel {
    /// The model as bytes: the same bytes for the same model.
    ///
    /// # Errors
    /// [`RecipeError::Damaged`] where a number in it is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecipeError> {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut packed, self).map_err(damaged)?;
        packed.flush().map_err(damaged)?;
        let body = packed.finish().map_err(damaged)?;
        let mut bytes = Vec::with_capacity(body.len() + 52);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(blake3::hash(&body).as_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Reads a model back.
    ///
    /// # Errors
    /// [`RecipeError::Foreign`] for bytes that do not begin as a model, [`RecipeError::Format`] for another format,
    /// [`RecipeError::Damaged`] for bytes that are not those that were written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecipeError> {
        let foreign = RecipeError::Foreign { bytes: bytes.len() };
        let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(foreign) };
        let Some((format, rest)) = rest.split_first_chunk::<4>() else { return Err(foreign) };
        let found = u32::from_le_bytes(*format);
        if found != FORMAT {
            return Err(RecipeError::Format { found, known: FORMAT });
        }
        let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Err(damaged("it was cut short")) };
        let Some((hash, body)) = rest.split_first_chunk::<32>() else { return Err(damaged("it was cut short")) };
        let length = u64::from_le_bytes(*length);
        if length != body.len() as u64 {
            return Err(damaged(format!("it has {} bytes where {length} were written", body.len())));
        }
        if blake3::hash(body) != blake3::Hash::from_bytes(*hash) {
            return Err(damaged("its bytes are not those that were written"));
        }
        let mut json = Vec::new();
        DeflateDecoder::new(body).take(LARGEST).read_to_end(&mut json).map_err(damaged)?;
        serde_json::from_slice(&json).map_err(damaged)
    }
}
