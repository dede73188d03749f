//! From an object to text: stored bytes, unpacked, decoded to UTF-8; never a whole file at once.

mod stored;
mod text;
mod unpack;

pub(crate) use stored::Opener;
pub(crate) use text::{Malformed, TextReader, encode};
pub use unpack::Codec;
pub(crate) use unpack::{UnpackLimits, Unpacked};
