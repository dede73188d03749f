//! Locations as people write them: a path or a URL.

use std::path::{Component, Path, PathBuf};

use url::Url;

use super::nearest::Advice;
use super::problem::Fault;
use crate::store;

const SCHEMES: &[&str] = &["file", "s3", "gs", "az"];

/// The URL of a location; a relative path is taken from `base`.
///
/// # Errors
/// The text is empty, no URL, of an unknown storage, or carries a secret (which is not repeated).
pub(super) fn parse(key: &str, text: &str, base: &Path) -> Result<Url, Fault> {
    let bad = |found: &str, rule: String| Fault::BadValue { key: key.to_owned(), found: found.to_owned(), rule };
    if text.trim().is_empty() {
        return Err(bad(text, "write a folder or a URL".to_owned()));
    }
    let Some(scheme) = scheme_of(text) else {
        return folder_url(&base.join(text)).ok_or_else(|| bad(text, "write a folder or a URL".to_owned()));
    };
    // The text is not repeated where it may carry a secret.
    let shown = format!("{scheme}:…");
    let url = Url::parse(text).map_err(|error| bad(&shown, format!("not a URL: {error}")))?;
    if url.scheme() == "file" {
        store::check(&url).map_err(|error| bad(&shown, error.to_string()))?;
        return Ok(without_slash(url));
    }
    match store::check(&url) {
        Ok(()) => Ok(without_slash(url)),
        Err(store::StoreError::UnknownScheme { .. }) => {
            let advice = Advice::new(url.scheme(), SCHEMES.iter().copied());
            Err(Fault::NotOneOf { key: key.to_owned(), found: shown, advice })
        }
        Err(error) => Err(bad(&shown, error.to_string())),
    }
}

/// The scheme of a URL; one letter before the colon is a drive, not a scheme.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some(scheme)
}

fn folder_url(path: &Path) -> Option<Url> {
    let absolute = std::path::absolute(path).ok()?;
    let mut plain = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    Url::from_file_path(plain).ok()
}

fn without_slash(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}

/// Whether one location is the other or lies in it.
pub(super) fn share_a_folder(one: &Url, other: &Url) -> bool {
    let same_store = (one.scheme(), one.host_str()) == (other.scheme(), other.host_str());
    let (one, other) = (format!("{}/", one.path()), format!("{}/", other.path()));
    same_store && (one.starts_with(&other) || other.starts_with(&one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        parse("raw", text, Path::new("/home/shop")).unwrap()
    }

    #[test]
    fn a_path_becomes_a_file_url_from_its_base() {
        assert_eq!(url("raw").as_str(), "file:///home/shop/raw");
        assert_eq!(url("../lake/").as_str(), "file:///home/lake");
        assert_eq!(url("./a b/ü").as_str(), "file:///home/shop/a%20b/%C3%BC");
        assert_eq!(url("/srv/raw").as_str(), "file:///srv/raw");
    }

    #[test]
    fn a_url_is_kept_without_its_last_slash() {
        assert_eq!(url("s3://bucket/raw/").as_str(), "s3://bucket/raw");
        assert_eq!(url("file:///srv/raw/").as_str(), "file:///srv/raw");
        assert_eq!(url("gs://bucket").host_str(), Some("bucket"));
    }

    #[test]
    fn an_unknown_storage_names_the_nearest() {
        let fault = parse("raw", "s4://bucket/raw", Path::new("/")).unwrap_err();
        assert!(fault.to_string().contains("did you mean `s3`?"), "{fault}");
    }

    #[test]
    fn a_secret_in_a_url_is_not_repeated() {
        for text in ["s3://key:hush@bucket/x", "az://box/x?sig=hush", "s3://:hush@/", "s3://key:hush@bu cket"] {
            let fault = parse("raw", text, Path::new("/")).unwrap_err();
            assert!(!fault.to_string().contains("hush"), "{fault}");
        }
    }

    #[test]
    fn a_lake_in_the_raw_folder_is_seen() {
        assert!(share_a_folder(&url("raw"), &url("raw/lake")));
        assert!(share_a_folder(&url("s3://b"), &url("s3://b/lake")));
        assert!(!share_a_folder(&url("raw"), &url("raw2")));
        assert!(!share_a_folder(&url("s3://a/x"), &url("s3://b/x")));
    }
}
