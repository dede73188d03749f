//! The version of an object that was listed, as the Parquet reader wants it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader};

use super::guard::footer;
use crate::ingest::discover::RawFile;

/// Ranged reads of one listed file.
#[derive(Clone)]
pub(crate) struct ObjectReader {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) file: RawFile,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let options =
            GetOptions { if_match: self.file.etag.clone(), range: Some(range.into()), ..GetOptions::default() };
        async move { self.store.get_opts(&self.file.location, options).await?.bytes().await }.map_err(external).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let fetch = |range: Range<u64>| self.store.get_range(&self.file.location, range);
            object_store::coalesce_ranges(&ranges, fetch, object_store::OBJECT_STORE_COALESCE_DEFAULT).await
        }
        .map_err(external)
        .boxed()
    }

    /// The footer: pages are not looked up by their index.
    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let short = || ParquetError::EOF("it is too short for a footer".to_owned());
            let tail_at = self.file.size.checked_sub(FOOTER_SIZE as u64).ok_or_else(short)?;
            let tail = FooterTail::try_from(&*self.get_bytes(tail_at..self.file.size).await?)?;
            if tail.is_encrypted_footer() {
                return Err(ParquetError::General("it is encrypted".to_owned()));
            }
            let begin = tail_at.checked_sub(tail.metadata_length() as u64).ok_or_else(short)?;
            let bytes = self.get_bytes(begin..tail_at).await?;
            footer::check(&bytes)?;
            Ok(Arc::new(ParquetMetaDataReader::decode_metadata(&bytes)?))
        }
        .boxed()
    }
}
