//! CSV: records to fields, and the header to columns.
//!
//! The grammar is RFC 4180 as exports have it: a quote opens a field only where the field begins,
//! `""` inside is one quote, a quote elsewhere is text; lines end in `\n` or `\r\n`; a blank line
//! is no record.

mod header;
mod tokens;

pub(crate) use header::{Header, dialect};
pub(crate) use tokens::{fields_of, tokenise};
