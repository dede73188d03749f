//! Models and contracts for tests, from their YAML.

use std::collections::BTreeMap;

use crate::project::contract::{Contract, ContractFile};
use crate::project::model::Model;

/// A model `layer.name` from its SQL and the YAML beside it.
pub fn model(name: &str, sql: &str, yml: &str) -> Model {
    let (layer, file) = name.split_once('.').expect("layer.name");
    Model {
        name: name.to_owned(),
        layer: layer.to_owned(),
        pack: None,
        sql_file: format!("sql/{layer}/{file}.sql"),
        yml_file: format!("sql/{layer}/{file}.yml"),
        sql: sql.to_owned(),
        spec: serde_saphyr::from_str(yml).expect("the YAML of a model"),
        ml: None,
    }
}

pub fn model_map(models: Vec<Model>) -> BTreeMap<String, Model> {
    models.into_iter().map(|model| (model.name.clone(), model)).collect()
}

/// A contract of `bronze.<name>` with the columns given as YAML.
pub fn contract(name: &str, columns: &str) -> Contract {
    let yml = format!("path: \"{name}/*.csv\"\ncolumns: {columns}");
    let spec: ContractFile = serde_saphyr::from_str(&yml).expect("the YAML of a contract");
    Contract { name: name.to_owned(), table: format!("bronze.{name}"), file: format!("sql/sources/{name}.yml"), spec }
}

pub fn contract_map(contracts: Vec<Contract>) -> BTreeMap<String, Contract> {
    contracts.into_iter().map(|contract| (contract.name.clone(), contract)).collect()
}
