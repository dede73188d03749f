//! Which file is what: by its place below `sql/`.

use std::borrow::Cow;

use super::name::is_identifier;
use super::nearest::Advice;
use super::problem::Fault;

/// The layers SQL models lie in, in the order data flows.
pub const LAYERS: &[&str] = &["staging", "core", "features", "ml", "marts"];

/// A file of the standard `sql/`, from inside the binary.
#[derive(Debug, Clone)]
pub struct StandardFile {
    /// `sql/staging/commerce/stg_shop__orders.sql`.
    pub path: String,
    pub contents: Cow<'static, str>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Contract { name: String },
    Model { layer: String, pack: Option<String>, name: String, half: Half },
}

/// A model is two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Sql,
    Yml,
}

/// What the file at a path below the project's folder is; `None` for files that are none of ours
/// (notes, hidden files).
pub(super) fn classify(path: &str) -> Result<Option<Place>, Fault> {
    let parts: Vec<&str> = path.split('/').collect();
    let ["sql", folders @ .., file] = parts.as_slice() else { return Ok(None) };
    if file.starts_with('.') || folders.iter().any(|folder| folder.starts_with('.')) {
        return Ok(None);
    }
    let Some((stem, extension)) = file.rsplit_once('.') else { return Ok(None) };
    let half = match extension {
        "sql" => Half::Sql,
        "yml" => Half::Yml,
        _ => {
            let lower = extension.to_ascii_lowercase();
            let expected = match lower.as_str() {
                "yaml" | "yml" => "yml",
                "sql" => "sql",
                _ => return Ok(None),
            };
            return Err(Fault::WrongExtension { found: extension.to_owned(), expected });
        }
    };
    match folders {
        [] => Err(Fault::UnknownLayer { layer: file.to_string(), advice: layers("") }),
        ["sources"] => contract(stem, half).map(Some),
        ["sources", ..] => Err(Fault::TooDeep),
        [layer, ..] if !LAYERS.contains(layer) => {
            Err(Fault::UnknownLayer { layer: layer.to_string(), advice: layers(layer) })
        }
        [layer] => model(layer, None, stem, half).map(Some),
        [layer, pack] => model(layer, Some(pack), stem, half).map(Some),
        _ => Err(Fault::TooDeep),
    }
}

fn layers(word: &str) -> Advice {
    Advice::new(word, std::iter::once("sources").chain(LAYERS.iter().copied()))
}

fn contract(stem: &str, half: Half) -> Result<Place, Fault> {
    if half == Half::Sql {
        return Err(Fault::WrongExtension { found: "sql".to_owned(), expected: "yml" });
    }
    identifier("the source", stem).map(|name| Place::Contract { name })
}

fn model(layer: &str, pack: Option<&str>, stem: &str, half: Half) -> Result<Place, Fault> {
    let name = identifier("the model", stem)?;
    let pack = pack.map(|pack| identifier("the pack", pack)).transpose()?;
    Ok(Place::Model { layer: layer.to_owned(), pack, name, half })
}

fn identifier(what: &'static str, name: &str) -> Result<String, Fault> {
    if is_identifier(name) { Ok(name.to_owned()) } else { Err(Fault::BadName { what, name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_what_a_file_is() {
        let place = classify("sql/marts/commerce/revenue_daily.sql").unwrap().unwrap();
        assert_eq!(
            place,
            Place::Model {
                layer: "marts".to_owned(),
                pack: Some("commerce".to_owned()),
                name: "revenue_daily".to_owned(),
                half: Half::Sql
            }
        );
        let place = classify("sql/sources/orders.yml").unwrap().unwrap();
        assert_eq!(place, Place::Contract { name: "orders".to_owned() });
    }

    #[test]
    fn notes_and_hidden_files_are_none_of_ours() {
        for path in ["sql/DECISIONS.md", "sql/core/.x.sql", "sql/.git/x.sql", "sql/README", "sql/core/notes.txt"] {
            assert_eq!(classify(path), Ok(None), "{path}");
        }
    }

    #[test]
    fn a_file_in_the_wrong_place_is_told_the_right_one() {
        for (path, message) in [
            ("sql/mart/x.sql", "did you mean `marts`?"),
            ("sql/x.sql", "use one of sources, staging"),
            ("sql/sources/x.yaml", "rename it to `.yml`"),
            ("sql/sources/x.sql", "rename it to `.yml`"),
            ("sql/core/a/b/x.sql", "lies too deep"),
            ("sql/core/Dim Customer.sql", "not a name SQL reads without quotes"),
        ] {
            let fault = classify(path).unwrap_err().to_string();
            assert!(fault.contains(message), "{path}: {fault}");
        }
    }
}
