//! Pieces of SQL that the engine writes itself.

/// A quoted column name.
pub fn column(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Several quoted column names.
pub fn columns<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(column).collect::<Vec<_>>().join(", ")
}

/// A quoted `layer.name`.
pub fn table(name: &str) -> String {
    name.split('.').map(column).collect::<Vec<_>>().join(".")
}

/// A text literal.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A number without exponent, which SQL would read as a DOUBLE in one engine and not in another.
pub fn number(value: f64) -> String {
    let text = format!("{value:.12}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
