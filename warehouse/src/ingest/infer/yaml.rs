//! A draft as the text of `sql/sources/<name>.yml`.

use std::fmt::Write;

use encoding_rs::UTF_8;

use super::Draft;
use super::types::{InferredColumn, Numbers};
use crate::project::contract::FormatKind;
use crate::project::types::ColumnType;

/// Write a contract, its columns aligned.
pub(super) fn write(draft: &Draft) -> String {
    let mut text = String::new();
    text.push_str(&format!("description: {}\n", quoted(&format!("TODO: what one row of {} is.", draft.name))));
    text.push_str(&format!("path: {}\n", quoted(&draft.path)));
    write_format(&mut text, draft);
    text.push_str(
        "delivery: append # append: new rows | upsert: the newest of each key wins | snapshot: all of it each time\n",
    );
    match draft.key.as_slice() {
        [] => text.push_str("# key: [] # no column was found that identifies a row\n"),
        key => {
            let key: Vec<String> = key.iter().map(|column| plain(column)).collect();
            text.push_str(&format!("key: [{}] # different in every row that was read\n", key.join(", ")));
        }
    }
    match &draft.event_time {
        Some(column) => text.push_str(&format!("event_time: {}\n", plain(column))),
        None => text.push_str("# event_time: # the DATE or TIMESTAMP of a row's event\n"),
    }
    text.push_str("tolerance: 0.01 # share of rows that may be quarantined before the source fails\n");
    if draft.kind == FormatKind::Parquet || draft.kind == FormatKind::Csv && draft.shape.header {
        text.push_str(
            "dropped_columns: fail # where a file lacks a column that those before it had: fail the source | warn\n",
        );
    }
    if draft.path.contains("{date:") {
        text.push_str("expect: { every: 1 day, rows: 0.5, missing: warn }\n");
    }
    text.push_str("columns:\n");
    let widest = |part: &dyn Fn(&InferredColumn) -> String| {
        draft.columns.iter().map(|column| part(column).chars().count()).max().unwrap_or(0)
    };
    let (name_width, kind_width) = (widest(&name_part), widest(&kind_part));
    for column in &draft.columns {
        let (name, kind) = (name_part(column), kind_part(column));
        let mut line = format!("  - {{ {name:name_width$} {kind:kind_width$}");
        line.truncate(line.trim_end().len());
        let rest = rest_part(column);
        if rest.is_empty() {
            line = format!("{} }}", line.trim_end_matches(','));
        } else {
            let missing = (8 + name_width + kind_width).saturating_sub(line.chars().count());
            let _ = write!(line, "{:missing$}{rest} }}", "");
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn write_format(text: &mut String, draft: &Draft) {
    let mut lines = Vec::new();
    let is_csv = draft.kind == FormatKind::Csv;
    match draft.kind {
        FormatKind::Csv => lines.push("type: csv".to_owned()),
        FormatKind::Jsonl => lines.push("type: jsonl".to_owned()),
        FormatKind::Parquet => lines.push("type: parquet".to_owned()),
    }
    if is_csv {
        let delimiter = match draft.shape.delimiter {
            b'\t' => "\\t".to_owned(),
            byte => char::from(byte).to_string(),
        };
        lines.push(format!("delimiter: '{delimiter}'"));
        lines.push(format!("header: {}", draft.shape.header));
    }
    if draft.shape.encoding != UTF_8 {
        lines.push(format!("encoding: {}", draft.shape.encoding.name().to_lowercase()));
    }
    if is_csv && !draft.null_words.is_empty() {
        let words: Vec<String> = draft.null_words.iter().map(|word| quoted(word)).collect();
        lines.push(format!("null_words: [{}]", words.join(", ")));
    }
    if draft.numbers == Numbers::Comma {
        lines.push("decimal_comma: true".to_owned());
    }
    for (field, kind, iso) in [
        ("date_formats", ColumnType::Date, "%Y-%m-%d"),
        ("timestamp_formats", ColumnType::Timestamp, "%Y-%m-%d %H:%M:%S"),
    ] {
        let formats = layouts(&draft.columns, kind, iso);
        if !formats.is_empty() {
            lines.push(format!("{field}: [{}]", formats.join(", ")));
        }
    }
    text.push_str("format:\n");
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
}

/// The layouts that columns of a type use; ISO is among them only where it is not the only one.
fn layouts(columns: &[InferredColumn], kind: ColumnType, iso: &str) -> Vec<String> {
    let of_kind = || columns.iter().filter(|column| column.kind == kind);
    let mut formats: Vec<&str> = of_kind().filter_map(|column| column.layout.as_deref()).collect();
    if formats.is_empty() {
        return Vec::new();
    }
    if of_kind().any(|column| column.layout.is_none()) {
        formats.push(iso);
    }
    formats.sort_unstable();
    formats.dedup();
    formats.into_iter().map(quoted).collect()
}

fn name_part(column: &InferredColumn) -> String {
    if column.from == column.name || column.from.is_empty() {
        return format!("name: {},", plain(&column.name));
    }
    format!("name: {}, from: {},", plain(&column.name), quoted(&column.from))
}

fn kind_part(column: &InferredColumn) -> String {
    match column.kind {
        ColumnType::Decimal(..) => format!("type: \"{}\",", column.kind),
        kind => format!("type: {kind},"),
    }
}

fn rest_part(column: &InferredColumn) -> String {
    let required = column.required.then(|| "required: true".to_owned());
    let pii = column.pii.map(|kind| format!("pii: {kind}"));
    [required, pii].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A canonical name, in quotes only where YAML would take it for something else than text.
fn plain(name: &str) -> String {
    match name {
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" => quoted(name),
        name => name.to_owned(),
    }
}

/// A text in double quotes. YAML reads JSON's, but refuses characters that do not print.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            c if c == '\u{7f}' || !c.is_ascii() && !c.is_alphanumeric() => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
