//! JSON lines: one object a line, its keys to fields.

mod scan;
mod tokens;

pub(crate) use tokens::{Keys, texts, tokenise};
