//! What a person names of the quarantine, looked up before anything is done with it: nothing held and nothing that was
//! ever held look alike otherwise.

use std::path::Path;

use arrow::array::cast::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use url::Url;
use warehouse::error::ErrorKind;
use warehouse::plain::escaped;
use warehouse::project::{Advice, Project};
use warehouse::run::{Choice, Reader, no_source};

use crate::cli::QuarantineChoice;
use crate::exit::CommandError;

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The quarantine of a project, to be asked.
pub struct Held<'a> {
    pub project: &'a Project,
    pub reader: &'a Reader<'a>,
}

impl Held<'_> {
    /// A source that the project has, or of which there are rows.
    ///
    /// # Errors
    /// There is no such source.
    pub async fn check_source(&self, source: &str) -> Result<(), CommandError> {
        if self.project.contracts.contains_key(source) {
            return Ok(());
        }
        let held = self.texts("select distinct source from ops.quarantine order by source").await?;
        if held.iter().any(|held| held == source) {
            return Ok(());
        }
        let known = self.project.contracts.keys().chain(&held).map(String::as_str);
        Err(no_source(source, known).into())
    }

    /// The rows that are meant, the file as the quarantine names it.
    ///
    /// # Errors
    /// There is no such source, or no row of such a file or record, whatever became of it.
    pub async fn meant(&self, choice: &QuarantineChoice) -> Result<Choice, CommandError> {
        let source = &choice.source;
        self.check_source(source).await?;
        let Some(text) = &choice.file else { return Ok(Choice::default()) };
        let of_source = format!("select distinct file from ops.quarantine where source = {}", literal(source));
        let known = self.texts(&format!("{of_source} order by file")).await?;
        let Some(file) = named(text, &self.project.settings.raw, &known) else {
            let advice = Advice::new(text, known.iter().map(String::as_str)).to_string();
            return Err(CommandError::user(format!(
                "no row of file `{}` of {source} is or was in quarantine — {}",
                escaped(text),
                escaped(&advice)
            )));
        };
        if let Some(record) = choice.record {
            let one = format!("{of_source} and file = {} and record = {record}", literal(file));
            if self.texts(&one).await?.is_empty() {
                return Err(CommandError::user(format!(
                    "record {record} of `{}` is not, and was not, in quarantine — `buho quarantine show {source} --file …` lists those that are",
                    escaped(file)
                )));
            }
        }
        Ok(Choice { file: Some(file.clone()), record: choice.record })
    }

    /// The first column of a query.
    async fn texts(&self, query: &str) -> Result<Vec<String>, CommandError> {
        let batches = self.reader.query(query).await?.collect().await.map_err(super::unread)?;
        let mut texts = Vec::new();
        for batch in batches {
            let column = cast(batch.column(0), &DataType::Utf8);
            let column = column.map_err(|error| CommandError::of(ErrorKind::Defect, &error))?;
            texts.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        Ok(texts)
    }
}

/// The file that is meant: as the quarantine names it, below the raw location, or as it lies there, for a shell completes
/// its path from where one stands.
fn named<'a>(text: &str, raw: &Url, known: &'a [String]) -> Option<&'a String> {
    let below = |text: &str, folder: &str| Some(text.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
    let plain = text.trim_start_matches("./");
    let last = raw.path().rsplit('/').next().unwrap_or_default();
    let shapes = [
        Some(text.to_owned()),
        Some(plain.to_owned()),
        on_disk(text, raw),
        below(text, raw.as_str()),
        below(plain, last),
    ];
    shapes.into_iter().flatten().find_map(|shape| known.iter().find(|known| **known == shape))
}

/// A path on this machine, as it is called below a raw folder.
fn on_disk(text: &str, raw: &Url) -> Option<String> {
    let folder = raw.to_file_path().ok()?;
    let full = std::path::absolute(text).ok()?;
    let full = full.canonicalize().unwrap_or(full);
    let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let below: &Path = full.strip_prefix(&real).or_else(|_| full.strip_prefix(&folder)).ok()?;
    let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_path_below_raw_and_by_the_one_that_the_shell_completes() {
        let known = ["orders/o_1.csv".to_owned(), "raw/o_2.csv".to_owned()];
        let folder = Url::parse("file:///srv/shop/raw").unwrap();
        let bucket = Url::parse("s3://bucket/raw").unwrap();
        for (text, raw, file) in [
            ("orders/o_1.csv", &folder, Some("orders/o_1.csv")),
            ("./raw/orders/o_1.csv", &folder, Some("orders/o_1.csv")),
            ("/srv/shop/raw/orders/o_1.csv", &folder, Some("orders/o_1.csv")),
            ("s3://bucket/raw/orders/o_1.csv", &bucket, Some("orders/o_1.csv")),
            ("raw/orders/o_1.csv", &bucket, Some("orders/o_1.csv")),
            ("raw/o_2.csv", &folder, Some("raw/o_2.csv")),
            ("o_1.csv", &folder, None),
            ("/srv/other/orders/o_1.csv", &folder, None),
        ] {
            assert_eq!(named(text, raw, &known).map(String::as_str), file, "{text}");
        }
    }
}
