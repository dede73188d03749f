//! Whether raw can be listed, and the lake written to so that no two runs publish over each other.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::time::timeout;
use url::Url;
use warehouse::clock::run_id;
use warehouse::error::ErrorKind;
use warehouse::project::Project;
use warehouse::release;
use warehouse::store::{self, process_environment, variables_of};
use warehouse::table::Lake;

use super::PATIENCE;
use super::findings::Findings;
use crate::context::Context;
use crate::exit::chain;

/// What went wrong, and what the caller should do.
type Trouble = (ErrorKind, String);

/// Opens and lists the raw location.
pub async fn raw(findings: &mut Findings, project: &Project) -> Option<(Arc<dyn ObjectStore>, Path)> {
    let url = &project.settings.raw;
    let (store, root) = match store::open(url, &process_environment) {
        Ok(opened) => opened,
        Err(error) => {
            findings.problem(error.kind(), "raw", &error);
            return None;
        }
    };
    let mut listing = store.list(Some(&root));
    match answered(url, "list", listing.next()).await {
        Ok(None) => {
            findings.note("raw", "there are no files yet — deliver the first exports here");
            Some((store, root))
        }
        Ok(Some(Ok(_))) => {
            findings.fine("raw", "can be listed");
            Some((store, root))
        }
        Ok(Some(Err(error))) => {
            let (kind, text) = trouble(url, "list", &error);
            findings.problem(kind, "raw", text);
            None
        }
        Err((kind, text)) => {
            findings.problem(kind, "raw", text);
            None
        }
    }
}

/// Opens the lake and tries what publishing needs; whether it works.
pub async fn lake(findings: &mut Findings, context: &Context, project: &Project) -> bool {
    let url = &project.settings.lake;
    let (store, root) = match store::open_lake(url, &process_environment) {
        Ok(opened) => opened,
        Err(error) => {
            findings.problem(error.kind(), "lake", &error);
            return false;
        }
    };
    let probe = root.clone().join("_buho").join(format!("doctor-{}", run_id(context.clock.as_ref())));
    let result = match timeout(PATIENCE, try_publishing(url, store.as_ref(), &probe)).await {
        Ok(result) => result,
        Err(_) => Err(no_answer(url, "write to")),
    };
    // The probe is of no use to anybody; a store that cannot delete has told so above.
    let _ = timeout(PATIENCE, store.delete(&probe)).await;
    if let Err((kind, text)) = result {
        findings.problem(kind, "lake", text);
        return false;
    }
    let lake = Lake::new(url.clone(), store, root);
    if let Err(error) = release::check_format(&lake, false).await {
        findings.problem(error.kind(), "lake", chain(&error));
        return false;
    }
    findings.fine("lake", "can be written, read back, and keeps what was there first");
    true
}

/// Writes an object only if absent, twice: the second must be refused, and the first still be there.
async fn try_publishing(url: &Url, store: &dyn ObjectStore, probe: &Path) -> Result<(), Trouble> {
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let first = Bytes::from_static(b"first");
    match store.put_opts(probe, first.clone().into(), create()).await {
        Ok(_) => {}
        Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => return Err(no_conditions(url)),
        Err(error) => return Err(trouble(url, "write to", &error)),
    }
    match store.put_opts(probe, Bytes::from_static(b"second").into(), create()).await {
        Ok(_) => return Err(no_conditions(url)),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
        Err(error) => return Err(trouble(url, "write to", &error)),
    }
    let found = store.get(probe).await.map_err(|error| trouble(url, "read from", &error))?;
    let found = found.bytes().await.map_err(|error| trouble(url, "read from", &error))?;
    if found != first {
        return Err(no_conditions(url));
    }
    store.delete(probe).await.map_err(|error| trouble(url, "delete from", &error))
}

fn no_conditions(url: &Url) -> Trouble {
    let text = format!(
        "{url} writes over an object that was to be written only if absent (`If-None-Match: *`) — two runs could publish over each other; use a storage that keeps this condition (S3, Google Cloud Storage, Azure, a current MinIO) or a folder"
    );
    (ErrorKind::User, text)
}

async fn answered<T>(url: &Url, action: &str, future: impl Future<Output = T>) -> Result<T, Trouble> {
    timeout(PATIENCE, future).await.map_err(|_| no_answer(url, action))
}

fn no_answer(url: &Url, action: &str) -> Trouble {
    let text = format!(
        "cannot {action} {url}: no answer within {} seconds — check the network, the endpoint and {}",
        PATIENCE.as_secs(),
        variables_of(url)
    );
    (ErrorKind::Retry, text)
}

/// An error of the storage with the way out; which variables are set is told, never their values.
fn trouble(url: &Url, action: &str, error: &Error) -> Trouble {
    let refused = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
    let is_folder = url.scheme() == "file";
    let (kind, way_out) = match (refused, is_folder) {
        (true, true) => (ErrorKind::User, "let this user read and write there".to_owned()),
        (true, false) => (ErrorKind::User, format!("the credentials were refused; {}", credentials(url))),
        (false, true) => (ErrorKind::Retry, "check the disk, and that it is mounted".to_owned()),
        (false, false) => (ErrorKind::Retry, format!("check the endpoint and the bucket's name; {}", credentials(url))),
    };
    (kind, format!("cannot {action} {url}: {} — {way_out}", chain(error)))
}

fn credentials(url: &Url) -> String {
    let names = match url.scheme() {
        "s3" | "s3a" => store::AWS_VARIABLES,
        "gs" => store::GOOGLE_VARIABLES,
        _ => store::AZURE_VARIABLES,
    };
    let set: Vec<&str> = names.iter().copied().filter(|name| process_environment(name).is_some()).collect();
    if set.is_empty() {
        format!("no variable of its credentials is set ({})", variables_of(url))
    } else {
        format!("set are {}", set.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    #[tokio::test]
    async fn a_store_that_keeps_the_condition_passes_and_is_left_clean() {
        let store = InMemory::new();
        let url = Url::parse("s3://bucket/lake").unwrap();
        let probe = Path::from("lake/_buho/doctor-1");
        try_publishing(&url, &store, &probe).await.unwrap();
        assert!(store.list(None).next().await.is_none());
    }

    #[tokio::test]
    async fn a_store_that_ignores_the_condition_is_refused_in_plain_words() {
        let store = forgetful::Forgetful(InMemory::new());
        let url = Url::parse("s3://bucket/lake").unwrap();
        let (kind, text) = try_publishing(&url, &store, &Path::from("probe")).await.unwrap_err();
        assert_eq!(kind, ErrorKind::User);
        assert!(text.contains("two runs could publish over each other"), "{text}");
    }

    /// A store that takes every put as an overwrite.
    mod forgetful {
        use futures::stream::BoxStream;
        use object_store::memory::InMemory;
        use object_store::path::Path;
        use object_store::*;

        #[derive(Debug)]
        pub struct Forgetful(pub InMemory);

        impl std::fmt::Display for Forgetful {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("forgetful")
            }
        }

        #[async_trait::async_trait]
        impl ObjectStore for Forgetful {
            async fn put_opts(&self, path: &Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
                self.0.put(path, payload).await
            }

            async fn put_multipart_opts(
                &self,
                path: &Path,
                opts: PutMultipartOptions,
            ) -> Result<Box<dyn MultipartUpload>> {
                self.0.put_multipart_opts(path, opts).await
            }

            async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
                self.0.get_opts(path, options).await
            }

            fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
                self.0.delete_stream(paths)
            }

            fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
                self.0.list(prefix)
            }

            async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
                self.0.list_with_delimiter(prefix).await
            }

            async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
                self.0.copy_opts(from, to, options).await
            }
        }
    }
}
