//! Tests that need more than one crate. This crate holds the promises about the workspace itself;
//! the binary is tested from outside, in `tests/peers`.

#[cfg(test)]
mod lockfile;
#[cfg(test)]
mod manifest;
