//! What the variables of a storage hold is taken out of what its client says: a key where a path is
//! expected would be quoted as a file that is not there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::{Environment, settings};

/// Characters from which on a value is told from a word that is in a message by chance.
const LEAST: usize = 8;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The values of variables, with the names that are said in their place.
#[derive(Clone, Default)]
pub(super) struct Masks(Arc<Vec<(String, &'static str)>>);

impl Masks {
    pub(super) fn of(names: &[&'static str], env: &Environment) -> Self {
        let set = names.iter().copied().filter(|name| !settings::is_plain(name));
        let mut values: Vec<(String, &'static str)> = Vec::new();
        for (name, value) in set.filter_map(|name| Some((name, env(name)?))) {
            values.extend(shapes(&value).into_iter().map(|shape| (shape, name)));
        }
        values.retain(|(value, _)| value.len() >= LEAST);
        // A value within another is looked for after it.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(Arc::new(values))
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name))
    }

    /// An error that says none of the values; those that do not are left as they are, with their causes.
    pub(super) fn error(&self, error: Error) -> Error {
        if self.0.is_empty() || !self.is_in(&format!("{error} {error:?}")) {
            return error;
        }
        let said = |source: Cause| -> Cause { self.text(&source.to_string()).into() };
        match error {
            Error::NotFound { path, source } => Error::NotFound { path, source: said(source) },
            Error::AlreadyExists { path, source } => Error::AlreadyExists { path, source: said(source) },
            Error::Precondition { path, source } => Error::Precondition { path, source: said(source) },
            Error::NotModified { path, source } => Error::NotModified { path, source: said(source) },
            Error::PermissionDenied { path, source } => Error::PermissionDenied { path, source: said(source) },
            Error::Unauthenticated { path, source } => Error::Unauthenticated { path, source: said(source) },
            Error::Generic { store, source } => Error::Generic { store, source: said(source) },
            other => Error::Generic { store: "storage", source: self.text(&other.to_string()).into() },
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.iter().any(|(value, _)| text.contains(value))
    }
}

/// A value as it may be said: as it is, as in quotes, and the signature of a token alone.
fn shapes(value: &str) -> Vec<String> {
    let value = value.trim();
    let signature = value.split(['?', '&']).find_map(|part| part.strip_prefix("sig="));
    let quoted = format!("{value:?}");
    let mut shapes = vec![value.to_owned(), quoted.trim_matches('"').to_owned()];
    shapes.extend(signature.map(str::to_owned));
    shapes
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, name)| name)).finish()
    }
}

/// A storage whose errors say no secret.
#[derive(Debug)]
pub(super) struct MaskedStore {
    inner: Arc<dyn ObjectStore>,
    masks: Masks,
}

impl MaskedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, masks: Masks) -> Self {
        Self { inner, masks }
    }

    fn each<T: 'static>(&self, all: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        let masks = self.masks.clone();
        all.map(move |one| one.map_err(|error| masks.error(error))).boxed()
    }
}

impl fmt::Display for MaskedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for MaskedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await.map_err(|error| self.masks.error(error))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, options).await.map_err(|error| self.masks.error(error))?;
        Ok(Box::new(MaskedUpload { inner, masks: self.masks.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let got = self.inner.get_opts(location, options).await.map_err(|error| self.masks.error(error))?;
        let payload = match got.payload {
            GetResultPayload::Stream(bytes) => GetResultPayload::Stream(self.each::<Bytes>(bytes)),
            file => file,
        };
        Ok(GetResult { payload, ..got })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.each(self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.each(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.each(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await.map_err(|error| self.masks.error(error))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await.map_err(|error| self.masks.error(error))
    }
}

#[derive(Debug)]
struct MaskedUpload {
    inner: Box<dyn MultipartUpload>,
    masks: Masks,
}

#[async_trait]
impl MultipartUpload for MaskedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, masks) = (self.inner.put_part(data), self.masks.clone());
        Box::pin(async move { part.await.map_err(|error| masks.error(error)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await.map_err(|error| self.masks.error(error))
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await.map_err(|error| self.masks.error(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(set: &[(&'static str, &str)]) -> Masks {
        let names: Vec<&'static str> = set.iter().map(|(name, _)| *name).collect();
        let env = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        Masks::of(&names, &env)
    }

    #[test]
    fn a_value_is_said_by_the_name_of_its_variable_however_it_is_quoted() {
        let key = "{\n  \"private_key\": \"hush hush\"\n}";
        let masks = masks(&[("GOOGLE_APPLICATION_CREDENTIALS", key), ("GOOGLE_PROXY_URL", "http://a:hush@b")]);
        let source = format!("no file {key}, {key:?} or http://a:hush@b").into();
        let error = masks.error(Error::Generic { store: "GCS", source });
        let name = "GOOGLE_APPLICATION_CREDENTIALS";
        let expected = format!("Generic GCS error: no file {name}, \"{name}\" or GOOGLE_PROXY_URL");
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?} {masks:?}").contains("hush"));
    }

    #[test]
    fn a_signature_is_masked_alone_and_a_plain_name_is_not() {
        let masks = masks(&[
            ("AZURE_STORAGE_SAS_TOKEN", "?sv=2023-11-03&sig=hushhushhush"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "accountname"),
            ("AZURE_STORAGE_TOKEN", "short"),
        ]);
        let told = masks.text("GET /accountname?comp=list&sig=hushhushhush: in short");
        assert_eq!(told, "GET /accountname?comp=list&sig=AZURE_STORAGE_SAS_TOKEN: in short");
    }

    #[test]
    fn an_error_without_a_secret_keeps_its_cause() {
        let masks = masks(&[("AWS_SECRET_ACCESS_KEY", "hushhushhush")]);
        let source = Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
        let error = masks.error(Error::Generic { store: "S3", source });
        assert!(std::error::Error::source(&error).unwrap().is::<std::io::Error>());
    }
}
