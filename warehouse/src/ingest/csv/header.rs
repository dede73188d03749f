//! Which field of a record is which column of the contract.

use std::collections::HashMap;

use encoding_rs::Encoding;

use super::tokens::fields_of;
use crate::ingest::blocks::{Block, Dialect};
use crate::ingest::error::IngestError;
use crate::plain::plain;
use crate::project::contract::Contract;

/// Names that a message lists.
const SHOWN_NAMES: usize = 50;
/// Characters of a name that a message repeats.
const SHOWN_CHARS: usize = 100;

/// The columns of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Fields of a record.
    pub(crate) width: usize,
    /// For each column of the contract its field.
    pub(crate) places: Vec<Option<usize>>,
    /// What to tell about it; without the file's name, so that it is told once for many files.
    pub(crate) warnings: Vec<String>,
}

impl Header {
    /// Columns by position, for files without header.
    pub(crate) fn by_position(contract: &Contract) -> Self {
        let width = contract.spec.columns.len();
        Self { width, places: (0..width).map(Some).collect(), warnings: Vec::new() }
    }

    /// Columns by the names in the first record: as written, else without regard to case and
    /// surrounding blanks, with a warning.
    ///
    /// # Errors
    /// When the header is no record, a name that is needed is there twice, or a required column
    /// is missing.
    pub(crate) fn by_name(
        block: &Block,
        dialect: &Dialect,
        encoding: &'static Encoding,
        contract: &Contract,
        path: &str,
    ) -> Result<Self, IngestError> {
        let names = fields_of(block, dialect, encoding.name()).map_err(|reason| IngestError::Header {
            path: path.to_owned(),
            contract: contract.file.clone(),
            reason: hint(reason, block),
        })?;
        Self::of_names(&names, contract, path)
    }

    /// Columns by the names a file has, whatever its format.
    pub(crate) fn of_names(names: &[String], contract: &Contract, path: &str) -> Result<Self, IngestError> {
        let names = Names::new(names);
        let (mut places, mut missing) = (Vec::new(), Vec::new());
        let mut warnings = Vec::new();
        for column in &contract.spec.columns {
            let wanted = column.name_in_file();
            let place = names.find(wanted).map_err(|times| IngestError::DuplicateColumn {
                path: path.to_owned(),
                contract: contract.file.clone(),
                column: wanted.to_owned(),
                times,
            })?;
            match place {
                Some(Found { written: Some(found), .. }) => {
                    warnings.push(format!("the header writes {} for column `{wanted}`", quoted(found)))
                }
                None if column.required => missing.push(format!("`{wanted}`")),
                None => warnings.push(format!("there is no column `{wanted}`; `{}` is NULL", column.name.as_str())),
                Some(_) => {}
            }
            places.push(place.map(|found| found.place));
        }
        if !missing.is_empty() {
            return Err(IngestError::MissingColumns {
                path: path.to_owned(),
                contract: contract.file.clone(),
                missing: missing.join(", "),
                found: names.shown(),
            });
        }
        warnings.extend(names.extra(&places));
        Ok(Self { width: names.all.len(), places, warnings })
    }
}

/// Why a header may be unreadable.
fn hint(reason: String, block: &Block) -> String {
    let zeros = memchr::memchr_iter(0, &block.bytes).count();
    if zeros * 3 > block.bytes.len() {
        return format!("{reason} (it looks like UTF-16 without byte order mark: `encoding: utf-16le`)");
    }
    reason
}

/// Where a column was found.
struct Found<'a> {
    place: usize,
    /// How the header writes it, where that differs.
    written: Option<&'a str>,
}

/// The names of a header.
struct Names<'a> {
    all: &'a [String],
    exact: HashMap<&'a str, Vec<usize>>,
    loose: HashMap<String, Vec<usize>>,
}

impl<'a> Names<'a> {
    fn new(all: &'a [String]) -> Self {
        let mut exact: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut loose: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, name) in all.iter().enumerate() {
            exact.entry(name).or_default().push(place);
            loose.entry(name.trim().to_lowercase()).or_default().push(place);
        }
        Self { all, exact, loose }
    }

    /// The place of a name; `Err`: it is there so many times.
    fn find(&self, wanted: &str) -> Result<Option<Found<'a>>, usize> {
        if let Some(places) = self.exact.get(wanted) {
            return one(places).map(|place| Some(Found { place, written: None }));
        }
        let Some(places) = self.loose.get(&wanted.trim().to_lowercase()) else { return Ok(None) };
        let place = one(places)?;
        Ok(Some(Found { place, written: self.all.get(place).map(String::as_str) }))
    }

    fn extra(&self, places: &[Option<usize>]) -> Vec<String> {
        let unknown = |place: &usize| !places.contains(&Some(*place));
        let names: Vec<String> = (0..self.all.len())
            .filter(unknown)
            .filter_map(|place| self.all.get(place).map(|name| quoted(name)))
            .collect();
        match names.as_slice() {
            [] => Vec::new(),
            [name] => vec![format!("the column {name} is not in the contract and is left out")],
            names => vec![format!("the columns {} are not in the contract and are left out", listed(names))],
        }
    }

    fn shown(&self) -> String {
        if self.all.is_empty() {
            return "none".to_owned();
        }
        let names: Vec<String> = self.all.iter().map(|name| quoted(name)).collect();
        listed(&names)
    }
}

/// A name as a file writes it.
fn quoted(name: &str) -> String {
    format!("`{}`", plain(name, SHOWN_CHARS))
}

/// The first names of a list that may be as long as somebody else pleases.
fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(SHOWN_NAMES));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn one(places: &[usize]) -> Result<usize, usize> {
    match places {
        [place] => Ok(*place),
        many => Err(many.len()),
    }
}

/// The dialect a contract declares.
///
/// # Errors
/// [`IngestError::Contract`] where delimiter or quote are not one ASCII character.
pub(crate) fn dialect(contract: &Contract, record_bytes: usize) -> Result<Dialect, IngestError> {
    let format = &contract.spec.format;
    let wrong = |field: &str, found: &str, reason: &str| IngestError::Contract {
        contract: contract.file.clone(),
        field: format!("format.{field}"),
        found: found.to_owned(),
        reason: reason.to_owned(),
    };
    let one_byte = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Some(*byte),
        _ => None,
    };
    let delimiter = match format.delimiter.as_str() {
        "\\t" | "tab" => b'\t',
        text => {
            one_byte(text).ok_or_else(|| wrong("delimiter", text, "must be one ASCII character; `\\t` for a tab"))?
        }
    };
    let quote = match format.quote.as_str() {
        "" => None,
        text => {
            Some(one_byte(text).ok_or_else(|| wrong("quote", text, "must be one ASCII character, or empty for none"))?)
        }
    };
    if quote == Some(delimiter) {
        return Err(wrong("quote", &format.quote, "is the delimiter too; use another"));
    }
    Ok(Dialect { delimiter, quote, newline: b'\n', record_bytes })
}
