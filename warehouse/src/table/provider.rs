//! A list of Parquet files as a table of DataFusion: pinned, with statistics from the log.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics, project_schema};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;

use super::error::TableError;
use super::lake::Lake;
use super::snapshot::{DataFile, TableSnapshot};
use super::stats;
use super::writer::StagedFile;

/// A table as a fixed list of files: a released version, or what a run has staged.
///
/// Reads no log and lists nothing, so a plan made from it sees the same rows whatever is committed
/// meanwhile.
#[derive(Debug)]
pub struct PinnedTable {
    schema: SchemaRef,
    store: ObjectStoreUrl,
    files: Vec<PartitionedFile>,
    statistics: Statistics,
}

impl PinnedTable {
    /// A table's released version.
    pub fn from_snapshot(lake: &Lake, snapshot: &TableSnapshot) -> Result<Self, TableError> {
        Self::new(lake, &snapshot.table, &snapshot.schema, &snapshot.files)
    }

    /// Files that were staged, as the table they will be.
    pub fn from_staged(
        lake: &Lake,
        table: &str,
        schema: &SchemaRef,
        staged: &[StagedFile],
    ) -> Result<Self, TableError> {
        let files: Vec<DataFile> = staged.iter().map(DataFile::from).collect();
        Self::new(lake, table, schema, &files)
    }

    /// Any list of the table's files.
    pub fn new(lake: &Lake, table: &str, schema: &SchemaRef, files: &[DataFile]) -> Result<Self, TableError> {
        let schema = readable_schema(schema);
        let folder = lake.table_path(table);
        let files: Vec<PartitionedFile> = files
            .iter()
            .map(|file| {
                let location = file.path.split('/').fold(folder.clone(), |path, part| path.join(part));
                let statistics = stats::to_datafusion(file.stats.as_deref(), file.size, &schema);
                PartitionedFile::from(ObjectMeta {
                    location,
                    last_modified: DateTime::default(),
                    size: file.size,
                    e_tag: None,
                    version: None,
                })
                .with_statistics(Arc::new(statistics))
            })
            .collect();
        let statistics =
            Statistics::try_merge_iter(files.iter().filter_map(|file| file.statistics.as_deref()), &schema)
                .unwrap_or_else(|_| Statistics::new_unknown(&schema));
        Ok(Self { schema, store: lake.store_url()?, files, statistics })
    }
}

impl From<&StagedFile> for DataFile {
    fn from(staged: &StagedFile) -> Self {
        Self {
            path: staged.path.clone(),
            size: staged.size,
            rows: Some(staged.rows),
            stats: Some(staged.stats.clone()),
            partition: staged.partition.clone(),
        }
    }
}

/// Text is read as views, which DataFusion compares and groups without copying.
fn readable_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
            _ => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl TableProvider for PinnedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let runtime = state.runtime_env();
        let readers = CachedParquetFileReaderFactory::new(
            runtime.object_store(&self.store)?,
            runtime.cache_manager.get_file_metadata_cache(),
        );
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let groups = FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics.clone())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }
}
