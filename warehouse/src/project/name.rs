//! Names that SQL reads without quotes.

/// Whether a name is small letters, digits and `_`, not starting with a digit.
pub fn is_identifier(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    starts && name.len() <= 128 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn names_that_sql_folds_or_quotes_are_no_identifiers() {
        for name in ["orders", "_night", "stg_shop__orders", "x1"] {
            assert!(is_identifier(name), "{name}");
        }
        for name in ["", "1x", "Orders", "order id", "órdenes", "a-b", "a.b"] {
            assert!(!is_identifier(name), "{name}");
        }
    }
}
