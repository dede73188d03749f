//! A fitted tree as two flat arrays, and what a stored one must satisfy.

use ndarray::Array1;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bins::{Column, Columns};
use super::shap::MAX_DEPTH;
use super::split::{Rule, Set, Way, holds};

/// An inner node. Children below 0 are leaves: -1 is the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    /// Present values up to here go left; every present value where it is infinite.
    #[serde(with = "unbounded")]
    pub(crate) threshold: f64,
    pub(crate) column: u32,
    pub(crate) left: i32,
    pub(crate) right: i32,
    /// Place in [`Tree::sets`] of the categories that go left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) set: Option<u32>,
    pub(crate) missing_left: bool,
    pub(crate) gain: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaf {
    pub(crate) value: f64,
    /// Training rows here: the weights of path-dependent Shapley values.
    pub(crate) cover: f64,
}

/// A binary tree. Children stand after their parents, so that no walk can return.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) leaves: Vec<Leaf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sets: Vec<Set>,
}

/// JSON has no infinity: null stands for it.
mod unbounded {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        (*value != f64::INFINITY).then_some(*value).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::INFINITY))
    }
}

/// What a child of a node is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Child {
    Node(usize),
    Leaf(usize),
}

impl Child {
    pub(crate) fn of(link: i32) -> Self {
        if link < 0 { Self::Leaf(!link as usize) } else { Self::Node(link as usize) }
    }

    pub(crate) fn link(self) -> i32 {
        match self {
            Self::Node(place) => place as i32,
            Self::Leaf(place) => !(place as i32),
        }
    }
}

impl Tree {
    pub(crate) fn root(&self) -> Child {
        if self.nodes.is_empty() { Child::Leaf(0) } else { Child::Node(0) }
    }

    /// The leaf that answers lead to.
    pub(crate) fn descend(&self, goes_left: impl Fn(usize) -> bool) -> usize {
        let mut at = self.root();
        loop {
            match at {
                Child::Leaf(leaf) => return leaf,
                Child::Node(place) => {
                    let Some(node) = self.nodes.get(place) else { return 0 };
                    at = Child::of(if goes_left(place) { node.left } else { node.right });
                }
            }
        }
    }

    /// The leaf of a row of [`Columns::prepare`]d values.
    pub(crate) fn leaf(&self, row: &[f64]) -> usize {
        self.descend(|place| self.nodes.get(place).is_some_and(|node| self.goes_left(node, row)))
    }

    pub(crate) fn goes_left(&self, node: &Node, row: &[f64]) -> bool {
        let x = row.get(node.column as usize).copied().unwrap_or(f64::NAN);
        match node.set {
            _ if x.is_nan() => node.missing_left,
            None => x <= node.threshold,
            Some(set) => self.sets.get(set as usize).is_some_and(|set| holds(set, x as u8)),
        }
    }

    pub(crate) fn value(&self, leaf: usize) -> f64 {
        self.leaves.get(leaf).map_or(0.0, |leaf| leaf.value)
    }

    /// Appends a node for a way; its children are set by the caller.
    pub(crate) fn push(&mut self, way: &Way, gain: f64, columns: &Columns) -> usize {
        let (threshold, set) = match way.rule {
            Rule::UpTo(last) => (threshold(columns.all().get(way.column), last), None),
            Rule::Among(set) => {
                self.sets.push(set);
                (0.0, Some(self.sets.len() as u32 - 1))
            }
        };
        let node =
            Node { threshold, column: way.column as u32, left: 0, right: 0, set, missing_left: way.missing_left, gain };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Training rows under each node, in the order of the nodes.
    pub(crate) fn covers(&self) -> Vec<f64> {
        let mut covers = vec![0.0; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate().rev() {
            let under = |link| match Child::of(link) {
                Child::Leaf(leaf) => self.leaves.get(leaf).map_or(0.0, |leaf| leaf.cover),
                Child::Node(child) => covers.get(child).copied().unwrap_or(0.0),
            };
            let cover = under(node.left) + under(node.right);
            if let Some(held) = covers.get_mut(place) {
                *held = cover;
            }
        }
        covers
    }

    /// Checks what a stored tree says: every node and leaf is reached once, from a node before it; columns and sets
    /// exist; numbers are finite.
    pub(crate) fn check(&self, columns: &Columns) -> Result<(), &'static str> {
        if self.leaves.len() != self.nodes.len() + 1 {
            return Err("has not one leaf more than nodes");
        }
        let mut nodes = vec![false; self.nodes.len()];
        let mut leaves = vec![false; self.leaves.len()];
        let mut depths = vec![1; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for child in [Child::of(node.left), Child::of(node.right)] {
                let seen = match child {
                    Child::Node(child) if child <= place => return Err("has a node that leads back"),
                    Child::Node(child) => nodes.get_mut(child),
                    Child::Leaf(leaf) => leaves.get_mut(leaf),
                };
                let depth = depths.get(place).copied().unwrap_or_default();
                if let Child::Node(child) = child
                    && let Some(below) = depths.get_mut(child)
                {
                    *below = depth + 1;
                }
                if depth > MAX_DEPTH {
                    return Err("is deeper than 64 splits");
                }
                if std::mem::replace(seen.ok_or("has a child out of range")?, true) {
                    return Err("has a child of two parents");
                }
            }
            self.check_node(node, columns)?;
        }
        let finite = self.leaves.iter().all(|leaf| leaf.value.is_finite() && leaf.cover.is_finite());
        if !finite || self.leaves.iter().any(|leaf| leaf.cover < 0.0) {
            return Err("has a leaf that is not finite, or with a negative cover");
        }
        Ok(())
    }

    fn check_node(&self, node: &Node, columns: &Columns) -> Result<(), &'static str> {
        let column = columns.all().get(node.column as usize).ok_or("splits a column that the model has not")?;
        if node.threshold.is_nan() || node.threshold == f64::NEG_INFINITY || !node.gain.is_finite() {
            return Err("has a node that is not finite");
        }
        if node.set.is_some() != column.is_categorical() {
            return Err("splits a column by what it does not hold");
        }
        match node.set {
            Some(set) if set as usize >= self.sets.len() => Err("has a set out of range"),
            _ => Ok(()),
        }
    }
}

/// Share of the gain of all splits that each column's have.
pub(crate) fn importance(trees: &[Tree], columns: usize) -> Array1<f64> {
    let mut gains = Array1::zeros(columns);
    for node in trees.iter().flat_map(|tree| &tree.nodes) {
        if let Some(gain) = gains.get_mut(node.column as usize) {
            *gain += node.gain;
        }
    }
    let all = gains.sum();
    if all > 0.0 { gains / all } else { gains }
}

fn threshold(column: Option<&Column>, last: u8) -> f64 {
    match column {
        Some(Column::Numeric { cuts }) => cuts.get(usize::from(last)).copied().unwrap_or(f64::INFINITY),
        _ => f64::INFINITY,
    }
}
