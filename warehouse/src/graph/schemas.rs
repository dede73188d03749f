//! The tables a model is planned against: names, columns and types, and no rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;

use crate::functions::CATALOG;
use crate::ingest::bronze_schema;
use crate::project::contract::Contract;
use crate::project::model::Model;

/// The columns a model's yml declares, in its order.
pub fn model_schema(model: &Model) -> SchemaRef {
    let fields =
        model.spec.columns.iter().map(|column| Field::new(column.name.value.as_str(), column.kind.arrow(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns that a model's SELECT gives, in the order of its yml.
pub fn selected_schema(model: &Model) -> SchemaRef {
    let fields = model.spec.selected().map(|column| Field::new(column.name.value.as_str(), column.kind.arrow(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns of every table of the project by `layer.name`: bronze, models, and `others` (ops).
pub fn schemas(
    models: &BTreeMap<String, Model>,
    contracts: &BTreeMap<String, Contract>,
    others: &BTreeMap<String, SchemaRef>,
) -> BTreeMap<String, SchemaRef> {
    let mut schemas = others.clone();
    schemas.extend(contracts.values().map(|contract| (contract.table.clone(), bronze_schema(contract))));
    schemas.extend(models.values().map(|model| (model.name.clone(), model_schema(model))));
    schemas
}

/// Makes tables readable under their `layer.name`, in place of all that were there.
///
/// # Errors
/// A table named twice.
pub fn register(
    context: &SessionContext,
    tables: impl IntoIterator<Item = (String, Arc<dyn TableProvider>)>,
) -> Result<()> {
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("public", Arc::new(MemorySchemaProvider::new()))?;
    for (name, table) in tables {
        let (layer, name) = name.split_once('.').unwrap_or(("public", &name));
        let schema = match catalog.schema(layer) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(layer, Arc::clone(&schema))?;
                schema
            }
        };
        schema.register_table(name.to_owned(), table)?;
    }
    context.register_catalog(CATALOG, Arc::new(catalog));
    Ok(())
}

/// A table of that schema without rows.
pub fn empty(schema: &SchemaRef) -> Arc<dyn TableProvider> {
    Arc::new(EmptyTable::new(Arc::clone(schema)))
}
