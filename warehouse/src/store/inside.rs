//! A raw folder out of which no link leads.
//!
//! Who may deliver a file may deliver a link too, and what it points to would end in tables that others
//! read. So a link is followed within the raw folder and nowhere else.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The local file system, of which only what lies in one folder is read.
#[derive(Debug)]
pub struct InsideStore {
    inner: LocalFileSystem,
    /// Without links.
    root: PathBuf,
}

impl InsideStore {
    /// # Errors
    /// The folder is not there.
    pub fn new(folder: &FsPath) -> io::Result<Self> {
        Ok(Self { inner: LocalFileSystem::new(), root: folder.canonicalize()? })
    }

    /// Refuses what lies elsewhere; what is not there is for the file system to tell.
    fn check(&self, location: &Path) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        match path.canonicalize() {
            Ok(target) if !target.starts_with(&self.root) => {
                let source = LeadsOut { link: path, target, folder: self.root.clone() };
                Err(Error::Generic { store: "raw folder", source: source.into() })
            }
            _ => Ok(()),
        }
    }
}

/// A link in the raw folder to what is not in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{} is a link to {}, which is not in the raw folder {}; deliver the file itself, or set `raw` to a folder that holds both",
    link.display(), target.display(), folder.display()
)]
pub struct LeadsOut {
    link: PathBuf,
    target: PathBuf,
    folder: PathBuf,
}

impl LeadsOut {
    /// The link that an error of a store is about.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }
}

fn read_only(location: &Path) -> Error {
    Error::NotImplemented { operation: format!("write to {location}"), implementer: "raw folder".to_owned() }
}

impl fmt::Display for InsideStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "raw folder {}", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for InsideStore {
    async fn put_opts(&self, location: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only(location))
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only(location))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|location| location.and_then(|location| Err(read_only(&location)))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let inside = Self { inner: self.inner.clone(), root: self.root.clone() };
        let checked = move |entry: Result<ObjectMeta>| {
            let entry = entry?;
            inside.check(&entry.location).map(|()| entry)
        };
        self.inner.list(prefix).map(checked).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listed = self.inner.list_with_delimiter(prefix).await?;
        listed.objects.iter().try_for_each(|entry| self.check(&entry.location))?;
        Ok(listed)
    }

    async fn copy_opts(&self, _: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only(to))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;

    use super::*;

    fn location(path: &FsPath) -> Path {
        Path::from_absolute_path(path).unwrap()
    }

    #[tokio::test]
    async fn a_link_is_followed_within_the_folder_and_not_out_of_it() {
        let home = tempfile::tempdir().unwrap();
        let (raw, outside) = (home.path().join("raw"), home.path().join("outside"));
        std::fs::create_dir_all(raw.join("orders")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(raw.join("orders/a"), "inside").unwrap();
        std::fs::write(outside.join("b"), "outside").unwrap();
        symlink(raw.join("orders/a"), raw.join("orders/link")).unwrap();
        let store = InsideStore::new(&raw).unwrap();
        let folder = location(&raw.join("orders"));
        let listed: Vec<_> = store.list(Some(&folder)).try_collect().await.unwrap();
        assert_eq!(listed.len(), 2);
        let link = Path::from(format!("{folder}/link"));
        assert_eq!(store.get(&link).await.unwrap().bytes().await.unwrap(), "inside");

        symlink(outside.join("b"), raw.join("orders/out")).unwrap();
        let error = store.list(Some(&folder)).try_collect::<Vec<_>>().await.unwrap_err().to_string();
        assert!(error.contains("orders/out is a link to") && error.contains("deliver the file itself"), "{error}");
        assert!(store.get(&Path::from(format!("{folder}/out"))).await.is_err());

        symlink(&outside, raw.join("folder")).unwrap();
        let through = Path::from(format!("{}/folder", location(&raw)));
        assert!(store.list(Some(&through)).try_collect::<Vec<_>>().await.is_err());
        assert!(store.get(&through.join("b")).await.is_err());
    }

    #[tokio::test]
    async fn a_folder_that_is_itself_a_link_is_read() {
        let home = tempfile::tempdir().unwrap();
        let (real, raw) = (home.path().join("real"), home.path().join("raw"));
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("a"), "x").unwrap();
        symlink(&real, &raw).unwrap();
        let store = InsideStore::new(&raw).unwrap();
        let through = Path::from(format!("{}/a", raw.display()));
        assert_eq!(store.get(&through).await.unwrap().bytes().await.unwrap(), "x");
    }
}
