//! Where raw exports and the lake lie: a folder or a bucket behind one trait.
//!
//! Credentials come from the environment variables each cloud's own tools read; a URL that carries a
//! secret is refused, and errors say the name of a variable in the place of what it holds, so that
//! none ends in a log.

mod advice;
mod bucket;
#[cfg(test)]
mod conformance;
mod durable;
#[cfg(test)]
pub(crate) mod faults;
mod inside;
#[cfg(test)]
pub(crate) mod journal;
#[cfg(test)]
pub(crate) mod look_alike;
mod masks;
mod probe;
mod settings;
#[cfg(test)]
pub(crate) mod storm;
#[cfg(test)]
mod tests;
mod unfinished;

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use url::Url;

use crate::error::ErrorKind;

pub use advice::is_refused;
pub(crate) use advice::{kind_of, unreadable, way_out};
use bucket::BucketStore;
pub use durable::{DurableStore, FsyncTotals, fsync_totals};
use inside::InsideStore;
pub use inside::LeadsOut;
use masks::{MaskedStore, Masks};
pub use probe::{ProbeError, probe};
pub use settings::{AWS_VARIABLES, AZURE_VARIABLES, GOOGLE_VARIABLES};
pub use unfinished::remove_unfinished;

/// How environment variables are read: injected, so that a test decides what is set.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The process's own environment. A variable that is not UTF-8 counts as unset.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Why a location could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{url}: `{scheme}:` is not a storage Buho knows; use file:, s3://, gs:// or az://")]
    UnknownScheme { url: String, scheme: String },
    #[error(
        "{url}: a location must not carry a user, password, query or fragment; set the credentials as environment variables ({variables}) and leave them out of the URL"
    )]
    SecretInUrl { url: String, variables: &'static str },
    #[error(
        "{variable}: the URL of a server must not carry a user, password, query or fragment, for it is logged; leave them out, and set the credentials as variables of their own"
    )]
    SecretInVariable { variable: &'static str },
    #[error("{variable} is not the URL of a server; write http:// or https:// and its host, such as https://host:9000")]
    NotAServer { variable: &'static str },
    #[error("{url}: no bucket is named; write {scheme}://BUCKET/FOLDER")]
    NoBucket { url: String, scheme: String },
    #[error("{url}: not the URL of an absolute path; write file:///absolute/folder")]
    NotAPath { url: String },
    #[error("the folder {} does not exist; create it, or set another location in buho.toml", path.display())]
    MissingFolder { path: PathBuf },
    #[error("{} is a file, not a folder; set another location in buho.toml", path.display())]
    NotAFolder { path: PathBuf },
    #[error("cannot read the folder {}: {source}; let this user read it", path.display())]
    ReadFolder { path: PathBuf, source: std::io::Error },
    #[error("cannot create the folder {}: {source}; create it and let this user write to it", path.display())]
    CreateFolder { path: PathBuf, source: std::io::Error },
    #[error("cannot open {url}: {source}; check the variables {variables}")]
    Build { url: String, variables: &'static str, source: object_store::Error },
}

impl StoreError {
    /// What the caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::CreateFolder { source, .. } if !matches!(source.kind(), std::io::ErrorKind::PermissionDenied) => {
                ErrorKind::Retry
            }
            _ => ErrorKind::User,
        }
    }
}

/// Opens a location to read from, and the path below which its objects lie.
///
/// # Errors
/// The URL is none Buho knows, carries a secret, or names a folder that is not there; nothing is
/// asked of a bucket yet.
pub fn open(url: &Url, env: &Environment) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
    check(url)?;
    if url.scheme() == "file" {
        let folder = folder_of(url)?;
        if !folder.exists() {
            return Err(StoreError::MissingFolder { path: folder });
        }
        if !folder.is_dir() {
            return Err(StoreError::NotAFolder { path: folder });
        }
        let inside =
            InsideStore::new(&folder).map_err(|source| StoreError::ReadFolder { path: folder.clone(), source })?;
        return Ok((Arc::new(inside), local_root(url, &folder)?));
    }
    open_bucket(url, env)
}

/// Opens a location to write to: as [`open`], but a missing folder is created, and everything put
/// into a folder is on the disk before the put returns.
///
/// # Errors
/// As [`open`]; besides, the folder cannot be created.
pub fn open_lake(url: &Url, env: &Environment) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
    check(url)?;
    if url.scheme() == "file" {
        let folder = folder_of(url)?;
        if folder.exists() && !folder.is_dir() {
            return Err(StoreError::NotAFolder { path: folder });
        }
        durable::create_folder(&folder).map_err(|source| StoreError::CreateFolder { path: folder.clone(), source })?;
        return Ok((Arc::new(DurableStore::new()), local_root(url, &folder)?));
    }
    open_bucket(url, env)
}

/// The folder a `file:` URL names.
///
/// # Errors
/// The URL names a host or no absolute path.
pub fn folder_of(url: &Url) -> Result<PathBuf, StoreError> {
    url.to_file_path().map_err(|()| StoreError::NotAPath { url: url.to_string() })
}

fn local_root(url: &Url, folder: &std::path::Path) -> Result<Path, StoreError> {
    Path::from_absolute_path(folder).map_err(|_| StoreError::NotAPath { url: url.to_string() })
}

fn names_a_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn carries_a_secret(url: &Url) -> bool {
    names_a_user(url) || url.query().is_some() || url.fragment().is_some()
}

/// The same holds for the variables that name a server; what they hold is not repeated.
fn check_servers(names: &[&'static str], env: &Environment) -> Result<(), StoreError> {
    let servers = names.iter().copied().filter(|name| settings::is_server(name));
    for variable in servers {
        let Some(value) = env(variable).filter(|value| !value.is_empty()) else { continue };
        let url = Url::parse(&value).map_err(|_| StoreError::NotAServer { variable })?;
        if carries_a_secret(&url) {
            return Err(StoreError::SecretInVariable { variable });
        }
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(StoreError::NotAServer { variable });
        }
    }
    Ok(())
}

/// A secret in a URL would be printed with every message that names the location.
fn refuse_secrets(url: &Url) -> Result<(), StoreError> {
    if !carries_a_secret(url) {
        return Ok(());
    }
    let mut shown = url.clone();
    // Both fail only for URLs that cannot carry a user, and those carry none.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    Err(StoreError::SecretInUrl { url: shown.to_string(), variables: variables_of(url) })
}

/// The variables to look at when a location cannot be opened, for messages.
pub fn variables_of(url: &Url) -> &'static str {
    match url.scheme() {
        "s3" | "s3a" => "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
        "gs" => "GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_SERVICE_ACCOUNT",
        "az" | "azure" | "abfs" | "abfss" => {
            "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN"
        }
        _ => "of the storage",
    }
}

/// Whether a URL names a storage Buho knows and carries no secret; asks nothing of it.
///
/// # Errors
/// As [`open`], less what only the storage itself can tell.
pub fn check(url: &Url) -> Result<(), StoreError> {
    refuse_secrets(url)?;
    let scheme = url.scheme().to_owned();
    match url.scheme() {
        "file" => folder_of(url).map(drop),
        "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" => {
            if url.host_str().is_none_or(str::is_empty) {
                return Err(StoreError::NoBucket { url: url.to_string(), scheme });
            }
            Ok(())
        }
        _ => Err(StoreError::UnknownScheme { url: url.to_string(), scheme }),
    }
}

fn open_bucket(url: &Url, env: &Environment) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
    check_servers(settings::names_of(url), env)?;
    let masks = Masks::of(settings::names_of(url), env);
    let built =
        |source| StoreError::Build { url: url.to_string(), variables: variables_of(url), source: masks.error(source) };
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "s3" | "s3a" => {
            let mut builder =
                AmazonS3Builder::new().with_url(url.as_str()).with_conditional_put(S3ConditionalPut::ETagMatch);
            for (key, value) in settings::read(AWS_VARIABLES, env) {
                builder = builder.with_config(key, value);
            }
            Arc::new(builder.build().map_err(built)?)
        }
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::new().with_url(url.as_str());
            for (key, value) in settings::read(GOOGLE_VARIABLES, env) {
                builder = builder.with_config(key, value);
            }
            Arc::new(builder.build().map_err(built)?)
        }
        _ => {
            let mut builder = MicrosoftAzureBuilder::new().with_url(url.as_str());
            for (key, value) in settings::read(AZURE_VARIABLES, env) {
                builder = builder.with_config(key, value);
            }
            Arc::new(builder.build().map_err(built)?)
        }
    };
    let root = Path::from_url_path(url.path()).map_err(|source| built(object_store::Error::InvalidPath { source }))?;
    let masked = MaskedStore::new(store, masks.clone());
    Ok((Arc::new(BucketStore::new(Arc::new(masked))), root))
}
