//! Forest.
