//! Statistics and learning: arrays in, arrays out; no I/O, no tables.
