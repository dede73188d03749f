//! What a file says of itself, looked at before the decoder makes room for it.
//!
//! A decoder believes a footer, the header of a page and the lengths in a page. [`footer`] is read before the metadata,
//! [`pages`] stand between the bytes of a row group and the decoder, and [`room`] counts what they unpack to.

mod chunk;
mod delta;
pub(super) mod footer;
mod header;
mod pages;
mod room;
mod thrift;

pub(super) use pages::{Group, Stored};
pub(super) use room::{Refusal, Room, Seen};
