//! ML nodes: read, checked, and their tables put among the models.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::load::{Loader, Text};
use super::ml::{self, MlFile, MlNode};
use super::model::Model;
use super::name::is_identifier;
use super::problem::{Fault, Problem};
use super::shape::Shape;

/// The layer of ML nodes: a `.yml` without a `.sql` beside it is one.
pub(super) const ML_LAYER: &str = "ml";

impl Loader<'_> {
    /// Reads the file of an ML node.
    pub(super) fn ml(&mut self, name: &str, pack: Option<String>, text: &Text) {
        let shape = Shape::of::<MlFile>("the ML node");
        let Some((spec, tree)) = self.yaml::<MlFile>(&shape, text) else { return };
        self.problems.extend(ml::check(&text.path, &tree, &spec));
        let node = MlNode { name: name.to_owned(), pack, file: text.path.clone(), spec };
        if is_identifier(name) {
            self.ml.push(Arc::new(node));
        }
    }

    /// Puts the tables that the ML nodes make among the models, once all these are read.
    pub(super) fn add_ml_tables(&mut self, models: &mut BTreeMap<String, Model>) {
        // With a file that could not be read, its table is missing for that reason alone.
        if !self.problems.is_empty() {
            return;
        }
        let nodes = std::mem::take(&mut self.ml);
        let made = ml::made_tables(&nodes, models);
        for node in &nodes {
            // Another ML node's table may be what an entity is worth.
            let all = made.iter().map(|model| (model.name.clone(), model.clone())).chain(models.clone()).collect();
            self.problems.extend(ml::cross_check(node, &all));
        }
        for model in made {
            match models.get(&model.name) {
                Some(other) => {
                    let fault = Fault::TwoFiles { name: model.name.clone(), other: other.yml_file.clone() };
                    self.problems.push(Problem::new(&model.yml_file, 0, fault));
                }
                None => drop(models.insert(model.name.clone(), model)),
            }
        }
        self.ml = nodes;
    }
}
