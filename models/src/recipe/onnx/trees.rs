//! Sums of trees.

use super::columns::{Prepared, membership};
use super::graph::{Attribute, Graph};
use crate::tree::{Child, Tree};

/// Above every node that asks whether a condition holds: 0 goes right, 1 left.
const HALF: f64 = 0.5;

#[derive(Default)]
struct Nodes {
    tree: Vec<i64>,
    node: Vec<i64>,
    feature: Vec<i64>,
    mode: Vec<String>,
    value: Vec<f64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing_yes: Vec<i64>,
}

#[derive(Default)]
struct Leaves {
    tree: Vec<i64>,
    node: Vec<i64>,
    value: Vec<f64>,
}

/// The sum of the trees for each row, (rows, 1), as far as single precision goes.
pub(super) fn sum(graph: &mut Graph, prepared: &Prepared, trees: &[Tree]) -> String {
    if trees.iter().all(|tree| tree.nodes.is_empty()) {
        // The operator wants a node that splits: a sum of constants is none of its business.
        let start: f64 = trees.iter().filter_map(|tree| tree.leaves.first()).map(|leaf| leaf.value).sum();
        let missing = graph.op("IsNaN", &[&prepared.matrix], vec![]);
        let first = graph.cast(&missing);
        let axes = graph.integers(&[1]);
        let any = graph.op("ReduceSum", &[&first, &axes], vec![Attribute::Integer("keepdims", 1)]);
        let none = graph.with("Mul", &any, 0.0);
        return graph.with("Add", &none, start);
    }
    let (mut nodes, mut leaves) = (Nodes::default(), Leaves::default());
    for (number, tree) in trees.iter().enumerate() {
        add(&mut nodes, &mut leaves, number as i64, tree, prepared);
    }
    let zeros = vec![0; leaves.tree.len()];
    let attributes = vec![
        Attribute::Text("aggregate_function", "SUM"),
        Attribute::Text("post_transform", "NONE"),
        Attribute::Integer("n_targets", 1),
        Attribute::Integers("nodes_treeids", nodes.tree),
        Attribute::Integers("nodes_nodeids", nodes.node),
        Attribute::Integers("nodes_featureids", nodes.feature),
        Attribute::Texts("nodes_modes", nodes.mode),
        Attribute::Doubles("nodes_values_as_tensor", nodes.value),
        Attribute::Integers("nodes_truenodeids", nodes.yes),
        Attribute::Integers("nodes_falsenodeids", nodes.no),
        Attribute::Integers("nodes_missing_value_tracks_true", nodes.missing_yes),
        Attribute::Integers("target_treeids", leaves.tree),
        Attribute::Integers("target_nodeids", leaves.node),
        Attribute::Integers("target_ids", zeros),
        Attribute::Doubles("target_weights_as_tensor", leaves.value),
    ];
    let sum = graph.ml("TreeEnsembleRegressor", &[&prepared.matrix], attributes);
    graph.cast(&sum)
}

/// Nodes keep their numbers, leaves come after them.
fn add(nodes: &mut Nodes, leaves: &mut Leaves, number: i64, tree: &Tree, prepared: &Prepared) {
    let inner = tree.nodes.len() as i64;
    let place = |link| match Child::of(link) {
        Child::Node(node) => node as i64,
        Child::Leaf(leaf) => inner + leaf as i64,
    };
    for (at, node) in tree.nodes.iter().enumerate() {
        nodes.tree.push(number);
        nodes.node.push(at as i64);
        match membership(tree, at) {
            // The condition holds on the left: more than half is yes.
            Some(membership) => {
                nodes.feature.push(prepared.condition(&membership) as i64);
                nodes.mode.push("BRANCH_LEQ".to_owned());
                nodes.value.push(HALF);
                nodes.yes.push(place(node.right));
                nodes.no.push(place(node.left));
                nodes.missing_yes.push(0);
            }
            None => {
                nodes.feature.push(prepared.feature(node.column as usize) as i64);
                nodes.mode.push("BRANCH_LEQ".to_owned());
                nodes.value.push(node.threshold);
                nodes.yes.push(place(node.left));
                nodes.no.push(place(node.right));
                nodes.missing_yes.push(i64::from(node.missing_left));
            }
        }
    }
    for (at, leaf) in tree.leaves.iter().enumerate() {
        let node = inner + at as i64;
        nodes.tree.push(number);
        nodes.node.push(node);
        nodes.feature.push(0);
        nodes.mode.push("LEAF".to_owned());
        nodes.value.push(0.0);
        nodes.yes.push(0);
        nodes.no.push(0);
        nodes.missing_yes.push(0);
        leaves.tree.push(number);
        leaves.node.push(node);
        leaves.value.push(leaf.value);
    }
}
