//! What contracts declare, as a view that SQL reads like any other: `staging.stg_buho__sources`.
//!
//! It is a SELECT of constants, so it is planned, tested, rebuilt on change and read by other engines like a view that
//! somebody wrote.

use std::collections::BTreeMap;

use super::contract::Contract;
use super::ml::{Made, made_model};
use super::model::{Materialized, Model};
use super::types::ColumnType;
use crate::sql_text::text;

/// One row per source.
pub(crate) const SOURCES: &str = "staging.stg_buho__sources";

/// Adds the view where a model reads it and none of the project has its name.
pub(crate) fn add_sources(models: &mut BTreeMap<String, Model>, contracts: &BTreeMap<String, Contract>) {
    if !models.contains_key(SOURCES) && models.values().any(|model| model.sql.contains(SOURCES)) {
        models.insert(SOURCES.to_owned(), sources(contracts));
    }
}

fn sources(contracts: &BTreeMap<String, Contract>) -> Model {
    let columns = [
        Made::new("source", ColumnType::Varchar, "declared.source", "Name of the contract"),
        Made::new(
            "data_begins",
            ColumnType::Date,
            "declared.data_begins",
            "The first day the export covers; NULL where the contract does not say",
        ),
    ];
    let row = |contract: &Contract| {
        let begins = contract.spec.data_begins.map_or("null".to_owned(), |day| text(&day.to_string()));
        format!("({}, {begins})", text(&contract.name))
    };
    // Without a source there is a table all the same, of no rows.
    let rows: Vec<String> = std::iter::once("(null, null)".to_owned()).chain(contracts.values().map(row)).collect();
    let from = format!(
        "from (values {}) as declared (source, data_begins) where declared.source is not null",
        rows.join(", ")
    );
    let mut model = made_model(SOURCES, None, &columns, &from);
    "What the contracts declare.".clone_into(&mut model.spec.description);
    "one row per source".clone_into(&mut model.spec.grain);
    model.spec.materialized = Materialized::View;
    model
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::graph::fixtures::{contract, contract_map, model, model_map};

    #[test]
    fn contracts_are_a_view_of_constants_where_a_model_reads_it() {
        let reads = model("core.a", "select source from staging.stg_buho__sources", "columns: []");
        let mut models = model_map(vec![reads]);
        let mut orders = contract("o'rders", "[]");
        orders.spec.data_begins = NaiveDate::from_ymd_opt(2010, 12, 1);
        add_sources(&mut models, &contract_map(vec![orders, contract("visits", "[]")]));
        assert!(models[SOURCES].sql.contains("(null, null), ('o''rders', '2010-12-01'), ('visits', null)"));
        let mut models = model_map(vec![model("core.a", "select 1 as a", "columns: []")]);
        add_sources(&mut models, &contract_map(vec![contract("visits", "[]")]));
        assert!(!models.contains_key(SOURCES), "what nobody reads is not made");
    }
}
