//! What a bucket's client leaves to who asks.
//!
//! It asks again for what a server refused, and for the rest of an object whose body broke off. A listing that breaks off
//! it gives up, and so it does where a refusal breaks off; the night would go with it. And it takes a 409 for an object
//! that is there, where S3 says no more than that another request was at work on the name, and to ask again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How often a request is made in all; what came of a listing in between counts anew.
const TRIES: u32 = 4;
/// Waited before it is made again, longer each time.
const PAUSE: Duration = Duration::from_millis(100);

/// A bucket, with listings that go on where they broke off and an "is there" that can be believed.
#[derive(Debug)]
pub(super) struct BucketStore {
    inner: Arc<dyn ObjectStore>,
}

impl BucketStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    /// Whether an object is there; what cannot be asked for is taken for there, as its put was told.
    async fn is_there(&self, location: &Path) -> bool {
        !matches!(self.inner.head(location).await, Err(Error::NotFound { .. }))
    }

    fn listed(&self, prefix: Option<&Path>, after: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let begun = Listing {
            answers: asked(&self.inner, prefix, after.as_ref()),
            store: Arc::clone(&self.inner),
            prefix: prefix.cloned(),
            after,
            broken: 0,
        };
        stream::unfold(begun, Listing::next).boxed()
    }
}

/// A listing, and what it takes to ask for its rest: services list in the order of names.
struct Listing {
    store: Arc<dyn ObjectStore>,
    answers: BoxStream<'static, Result<ObjectMeta>>,
    prefix: Option<Path>,
    /// The last name that came.
    after: Option<Path>,
    /// Answers that broke off since.
    broken: u32,
}

impl Listing {
    async fn next(mut self) -> Option<(Result<ObjectMeta>, Self)> {
        loop {
            match self.answers.next().await? {
                Ok(entry) => {
                    self.after = Some(entry.location.clone());
                    self.broken = 0;
                    return Some((Ok(entry), self));
                }
                Err(error) if may_go_on(&error, &mut self.broken).await => {
                    self.answers = asked(&self.store, self.prefix.as_ref(), self.after.as_ref());
                }
                Err(error) => return Some((Err(error), self)),
            }
        }
    }
}

fn asked(
    store: &Arc<dyn ObjectStore>,
    prefix: Option<&Path>,
    after: Option<&Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    match after {
        Some(after) => store.list_with_offset(prefix, after),
        None => store.list(prefix),
    }
}

/// Makes a request again while its answer breaks off. A put that was made is made once: the client itself takes it so.
async fn whole<'a, T>(request: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
    let mut broken = 0;
    loop {
        match request().await {
            Err(error) if may_go_on(&error, &mut broken).await => {}
            answered => return answered,
        }
    }
}

/// Whether a request is to be made again, after a pause.
async fn may_go_on(error: &Error, broken: &mut u32) -> bool {
    *broken += 1;
    if !broke_off(error) || *broken >= TRIES {
        return false;
    }
    tracing::debug!(%error, broken, "an answer broke off: the request is made again");
    tokio::time::sleep(PAUSE * *broken).await;
    true
}

/// Whether an answer began and did not end. What was refused, the client has asked for again already.
fn broke_off(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        if let Some(http) = one.downcast_ref::<HttpError>() {
            // Of a request that timed out the client has made another, of a body that did it has not.
            let is_body = || error.to_string().contains("response body");
            return match http.kind() {
                HttpErrorKind::Interrupted | HttpErrorKind::Decode | HttpErrorKind::Unknown => true,
                HttpErrorKind::Timeout => is_body(),
                _ => false,
            };
        }
        cause = one.source();
    }
    false
}

impl fmt::Display for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for BucketStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mut tries = 1;
        loop {
            let put = whole(|| self.inner.put_opts(location, payload.clone(), options.clone())).await;
            let Err(error @ Error::AlreadyExists { .. }) = put else { return put };
            if tries >= TRIES || self.is_there(location).await {
                return Err(error);
            }
            tracing::debug!(%error, tries, "what is said to be there is not: it is put again");
            tokio::time::sleep(PAUSE * tries).await;
            tries += 1;
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        whole(|| self.inner.put_multipart_opts(location, options.clone())).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        whole(|| self.inner.get_opts(location, options.clone())).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        whole(|| self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::TryStreamExt;
    use object_store::PutMode;
    use object_store::memory::InMemory;

    use super::*;

    /// Listings break off after as many entries as it says, one after the other; then they are whole. Puts meet as
    /// many others at work.
    #[derive(Debug)]
    struct Breaking {
        inner: InMemory,
        after: Mutex<VecDeque<usize>>,
        kind: HttpErrorKind,
        /// What the client says of it.
        says: &'static str,
        conflicts: AtomicU32,
    }

    impl Breaking {
        fn error(&self) -> Error {
            let source = Box::new(HttpError::new(self.kind, std::io::Error::other(self.says)));
            Error::Generic { store: "test", source }
        }

        fn shown(&self, all: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
            match self.after.lock().unwrap().pop_front() {
                Some(count) => all.take(count).chain(stream::iter([Err(self.error())])).boxed(),
                None => all,
            }
        }
    }

    impl fmt::Display for Breaking {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("breaking")
        }
    }

    #[async_trait]
    impl ObjectStore for Breaking {
        async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
            let less = |left: u32| left.checked_sub(1);
            if self.conflicts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                let source = "409 Conflict: ConditionalRequestConflict".into();
                return Err(Error::AlreadyExists { path: location.to_string(), source });
            }
            self.inner.put_opts(location, payload, options).await
        }

        async fn put_multipart_opts(
            &self,
            at: &Path,
            options: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.inner.put_multipart_opts(at, options).await
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
            self.inner.get_opts(location, options).await
        }

        fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
            self.inner.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            self.shown(self.inner.list(prefix))
        }

        fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
            self.shown(self.inner.list_with_offset(prefix, offset))
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
            let breaks = self.after.lock().unwrap().pop_front();
            match breaks {
                Some(_) => Err(self.error()),
                None => self.inner.list_with_delimiter(prefix).await,
            }
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
            self.inner.copy_opts(from, to, options).await
        }
    }

    async fn six(breaks: &[usize], kind: HttpErrorKind) -> BucketStore {
        six_saying(breaks, kind, "the connection ended").await
    }

    async fn six_saying(breaks: &[usize], kind: HttpErrorKind, says: &'static str) -> BucketStore {
        let inner = InMemory::new();
        for name in ["a", "b", "c", "d", "e", "f"] {
            inner.put(&Path::from(format!("folder/{name}")), "x".into()).await.unwrap();
        }
        let (after, conflicts) = (Mutex::new(breaks.iter().copied().collect()), AtomicU32::new(0));
        BucketStore::new(Arc::new(Breaking { inner, after, kind, says, conflicts }))
    }

    async fn names(listed: BoxStream<'static, Result<ObjectMeta>>) -> Result<Vec<String>> {
        listed.map_ok(|entry| entry.location.filename().unwrap_or_default().to_owned()).try_collect().await
    }

    #[tokio::test]
    async fn a_listing_that_breaks_off_goes_on_behind_the_last_name_and_shows_each_once() {
        let folder = Path::from("folder");
        let store = six(&[2, 0, 0, 3, 0], HttpErrorKind::Interrupted).await;
        assert_eq!(names(store.list(Some(&folder))).await.unwrap(), ["a", "b", "c", "d", "e", "f"]);
        let store = six(&[1, 0], HttpErrorKind::Decode).await;
        let offset = Path::from("folder/c");
        assert_eq!(names(store.list_with_offset(Some(&folder), &offset)).await.unwrap(), ["d", "e", "f"]);
        let store = six(&[0, 0], HttpErrorKind::Unknown).await;
        assert_eq!(store.list_with_delimiter(Some(&folder)).await.unwrap().objects.len(), 6);
    }

    #[tokio::test]
    async fn a_listing_that_breaks_off_again_and_again_or_was_refused_is_given_up() {
        let folder = Path::from("folder");
        let store = six(&[2, 0, 0, 0, 0], HttpErrorKind::Interrupted).await;
        names(store.list(Some(&folder))).await.unwrap_err();
        let store = six(&[0; 4], HttpErrorKind::Interrupted).await;
        store.list_with_delimiter(Some(&folder)).await.unwrap_err();
        let store = six(&[2], HttpErrorKind::Connect).await;
        names(store.list(Some(&folder))).await.unwrap_err();
    }

    /// Of a request that timed out the client has made another.
    #[tokio::test]
    async fn a_listing_goes_on_where_its_body_timed_out_and_not_where_every_request_did() {
        let folder = Path::from("folder");
        let store = six_saying(&[2, 0], HttpErrorKind::Timeout, "request or response body error").await;
        assert_eq!(names(store.list(Some(&folder))).await.unwrap(), ["a", "b", "c", "d", "e", "f"]);
        let store = six_saying(&[2], HttpErrorKind::Timeout, "error sending request").await;
        names(store.list(Some(&folder))).await.unwrap_err();
    }

    async fn created_after(conflicts: u32, is_there: bool) -> Result<PutResult> {
        let (inner, path) = (InMemory::new(), Path::from("link"));
        if is_there {
            inner.put(&path, "another's".into()).await.unwrap();
        }
        let (kind, says, after) = (HttpErrorKind::Unknown, "", Mutex::default());
        let store = Breaking { inner, after, kind, says, conflicts: AtomicU32::new(conflicts) };
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        BucketStore::new(Arc::new(store)).put_opts(&path, "ours".into(), create).await
    }

    #[tokio::test]
    async fn a_name_that_another_was_at_work_on_is_put_again_unless_it_is_there() {
        for conflicts in [0, 1, TRIES - 1] {
            created_after(conflicts, false).await.unwrap();
        }
        for (conflicts, is_there) in [(TRIES, false), (0, true), (1, true)] {
            let refused = created_after(conflicts, is_there).await;
            assert!(matches!(refused, Err(Error::AlreadyExists { .. })), "{refused:?}");
        }
    }
}
