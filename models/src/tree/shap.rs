//! Exact Shapley values of trees, path-dependent (Lundberg et al. 2020, algorithm 2), leaf by leaf.
//!
//! A leaf of value v counts for a coalition S of columns with `v * prod_{j in S} o_j * prod_{j not in S} z_j`, where j
//! are the columns on its path, o_j is 1 if the row agrees with all of j's splits there, and z_j the share of training
//! rows that do. With A the columns that agree, of D on the path, `Z = prod_{j not in A} z_j` and
//! `W(B) = sum_{S in B} |S|! (D-1-|S|)! / D! * prod_{k in B\S} z_k`:
//!
//! - a column that agrees gets `v * Z * (1 - z_j) * W(A \ j)`,
//! - every column that does not gets the same `-v * Z * W(A)`.
//!
//! So a leaf's shares depend on the row through A alone: for many rows and short paths they are computed once for each
//! of the 2^D sets (Yang 2021, section 3.2), and a row is then a sum over leaves.

use ndarray::{Array2, ArrayView2};

use super::bins::Columns;
use super::error::TreeError;
use super::model::{Child, Tree};
use super::score::in_blocks;
use crate::input::InputError;

/// Longest path whose sets are all computed beforehand.
const TABLE_COLUMNS: usize = 10;
/// Numbers that the tables of one tree may take: 4 MiB.
const TABLE_NUMBERS: usize = 1 << 19;
/// Most splits between a root and a leaf; a set of columns of a path is then one word.
pub(crate) const MAX_DEPTH: usize = 64;

/// The way to a leaf.
#[derive(Default)]
struct Path {
    value: f64,
    /// Distinct columns, in the order in which the path meets them.
    columns: Vec<usize>,
    /// Share of the training rows that agree with all splits of a column.
    shares: Vec<f64>,
    /// Nodes: which, the place of its column in `columns`, and which side the path takes.
    steps: Vec<Step>,
    /// `s! (D-1-s)! / D!`.
    weights: Vec<f64>,
    /// What each column gets, for each set of columns that agree; empty where it is computed for each row.
    table: Vec<f64>,
}

#[derive(Clone, Copy)]
struct Step {
    node: u32,
    slot: u8,
    left: bool,
}

impl Path {
    /// The way one node further.
    fn extended(&self, node: usize, column: usize, left: bool, share: f64) -> Self {
        let mut next = Self {
            value: 0.0,
            columns: self.columns.clone(),
            shares: self.shares.clone(),
            steps: self.steps.clone(),
            ..Self::default()
        };
        let slot = next.columns.iter().position(|known| *known == column).unwrap_or(next.columns.len());
        match next.shares.get_mut(slot) {
            Some(known) => *known *= share,
            None => {
                next.columns.push(column);
                next.shares.push(share);
            }
        }
        next.steps.push(Step { node: node as u32, slot: slot as u8, left });
        next
    }

    fn expectation(&self) -> f64 {
        self.value * self.shares.iter().product::<f64>()
    }

    /// The columns that agree with a row's decisions, one bit each.
    fn agreeing(&self, decisions: &[bool]) -> u64 {
        let mut against = 0_u64;
        for step in &self.steps {
            let left = decisions.get(step.node as usize).copied().unwrap_or_default();
            against |= u64::from(left != step.left) << step.slot;
        }
        !against
    }

    /// What each column gets if those of `agree` agree.
    fn shares_of(&self, agree: u64, found: &mut [f64]) {
        let weights = &self.weights;
        // Coefficients of prod_{k in A} (x + z_k): that of x^s is the sum over sets of s columns.
        let mut coefficients = [0.0; MAX_DEPTH + 1];
        if let Some(first) = coefficients.first_mut() {
            *first = 1.0;
        }
        let (mut degree, mut rest) = (0, self.value);
        for (slot, &z) in self.shares.iter().enumerate() {
            if agree >> slot & 1 == 0 {
                rest *= z;
                continue;
            }
            degree += 1;
            let mut below = 0.0;
            for held in coefficients.iter_mut().take(degree + 1) {
                (below, *held) = (*held, below + z * *held);
            }
        }
        let coefficients = coefficients.get(..=degree).unwrap_or(&coefficients);
        let against = -rest * coefficients.iter().zip(weights).map(|(c, w)| c * w).sum::<f64>();
        for (slot, (&z, found)) in self.shares.iter().zip(found).enumerate() {
            *found =
                if agree >> slot & 1 == 0 { against } else { rest * (1.0 - z) * without(coefficients, z, weights) };
        }
    }

    fn fill_table(&mut self) {
        let width = self.columns.len();
        let mut table = vec![0.0; width << width];
        for (agree, found) in (0_u64..).zip(table.chunks_exact_mut(width.max(1))) {
            self.shares_of(agree, found);
        }
        self.table = table;
    }
}

/// W of the polynomial divided by (x + z). From the top, so that every step multiplies with z <= 1 and errors shrink.
fn without(coefficients: &[f64], z: f64, weights: &[f64]) -> f64 {
    let (mut above, mut sum) = (0.0, 0.0);
    for (place, &coefficient) in coefficients.iter().enumerate().skip(1).rev() {
        above = coefficient - z * above;
        sum += above * weights.get(place - 1).copied().unwrap_or(0.0);
    }
    sum
}

/// `s! (d-1-s)! / d!` for s of 0..d, and 0 for s = d.
fn weights(d: usize) -> Vec<f64> {
    let mut found = Vec::with_capacity(d + 1);
    let mut weight = 1.0 / d.max(1) as f64;
    for s in 0..d {
        found.push(weight);
        // From s to s + 1: times (s + 1) / (d - 1 - s).
        weight *= (s + 1) as f64 / (d - 1 - s).max(1) as f64;
    }
    found.push(0.0);
    found
}

fn paths(tree: &Tree) -> Vec<Path> {
    let covers = tree.covers();
    let mut found = Vec::with_capacity(tree.leaves.len());
    let mut open = vec![(tree.root(), Path::default())];
    while let Some((at, path)) = open.pop() {
        let place = match at {
            Child::Leaf(leaf) => {
                let weights = weights(path.columns.len());
                found.push(Path { value: tree.value(leaf), weights, ..path });
                continue;
            }
            Child::Node(place) => place,
        };
        let (Some(node), Some(&cover)) = (tree.nodes.get(place), covers.get(place)) else { continue };
        for (link, left) in [(node.right, false), (node.left, true)] {
            let child = Child::of(link);
            let under = match child {
                Child::Leaf(leaf) => tree.leaves.get(leaf).map_or(0.0, |leaf| leaf.cover),
                Child::Node(node) => covers.get(node).copied().unwrap_or(0.0),
            };
            // No training row came by: both sides are as likely.
            let share = if cover > 0.0 { under / cover } else { 0.5 };
            open.push((child, path.extended(place, node.column as usize, left, share)));
        }
    }
    found
}

/// Computes beforehand what pays: where there are more rows than sets, shortest paths first.
fn fill_tables(paths: &mut [Path], rows: usize) {
    let mut by_length: Vec<&mut Path> = paths.iter_mut().collect();
    by_length.sort_by_key(|path| path.columns.len());
    let mut numbers = 0;
    for path in by_length {
        let width = path.columns.len();
        if width > TABLE_COLUMNS || rows < 1 << width || numbers + (width << width) > TABLE_NUMBERS {
            break;
        }
        numbers += width << width;
        path.fill_table();
    }
}

fn explain(tree: &Tree, paths: &[Path], row: &[f64], decisions: &mut Vec<bool>, found: &mut [f64]) {
    decisions.clear();
    decisions.extend(tree.nodes.iter().map(|node| tree.goes_left(node, row)));
    let mut own = [0.0; MAX_DEPTH];
    for path in paths {
        let width = path.columns.len();
        let agree = path.agreeing(decisions);
        let shares = if path.table.is_empty() {
            path.shares_of(agree, &mut own);
            own.get(..width)
        } else {
            let place = (agree & ((1 << width) - 1)) as usize * width;
            path.table.get(place..place + width)
        };
        for (&column, share) in path.columns.iter().zip(shares.unwrap_or(&[])) {
            if let Some(found) = found.get_mut(column) {
                *found += share;
            }
        }
    }
}

/// Shapley values of `start + factor * sum of trees`: rows x (columns + 1), the expectation last.
pub(crate) fn contributions(
    trees: &[Tree],
    columns: &Columns,
    x: &ArrayView2<f64>,
    (start, factor): (f64, f64),
    threads: usize,
) -> Result<Array2<f64>, TreeError> {
    columns.check_width(x)?;
    let width = columns.len();
    let mut found = vec![0.0; x.nrows() * (width + 1)];
    let mut expectation = 0.0;
    for tree in trees {
        let mut paths = paths(tree);
        expectation += paths.iter().map(Path::expectation).sum::<f64>();
        fill_tables(&mut paths, x.nrows());
        in_blocks(columns, x, &mut found, width + 1, threads, |rows, found| {
            let mut decisions = Vec::new();
            for (row, found) in rows.chunks_exact(width).zip(found.chunks_exact_mut(width + 1)) {
                explain(tree, &paths, row, &mut decisions, found);
            }
        });
    }
    for row in found.chunks_exact_mut(width + 1) {
        row.iter_mut().for_each(|share| *share *= factor);
        if let Some(last) = row.last_mut() {
            *last = start + factor * expectation;
        }
    }
    Array2::from_shape_vec((x.nrows(), width + 1), found)
        .map_err(|_| InputError::Columns { found: x.ncols(), expected: width }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Chance, Purpose};
    use crate::tree::model::{Leaf, Node};

    /// Shapley values by their definition: all sets of columns.
    fn brute_force(tree: &Tree, row: &[f64]) -> Vec<f64> {
        let covers = tree.covers();
        let d = row.len();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        let mut found = vec![0.0; d + 1];
        for set in 0_usize..1 << d {
            let value = game(tree, &covers, row, set, tree.root());
            let size = set.count_ones() as usize;
            for (column, found) in found.iter_mut().take(d).enumerate() {
                *found += if set >> column & 1 == 1 {
                    factorial(size - 1) * factorial(d - size) / factorial(d) * value
                } else {
                    -factorial(size) * factorial(d - size - 1) / factorial(d) * value
                };
            }
            if set == 0 {
                found[d] = value;
            }
        }
        found
    }

    fn game(tree: &Tree, covers: &[f64], row: &[f64], set: usize, at: Child) -> f64 {
        let place = match at {
            Child::Leaf(leaf) => return tree.value(leaf),
            Child::Node(place) => place,
        };
        let node = &tree.nodes[place];
        let (left, right) = (Child::of(node.left), Child::of(node.right));
        if set >> node.column & 1 == 1 {
            let next = if tree.goes_left(node, row) { left } else { right };
            return game(tree, covers, row, set, next);
        }
        let cover = |child| match child {
            Child::Leaf(leaf) => tree.leaves[leaf].cover,
            Child::Node(node) => covers[node],
        };
        [left, right].map(|child| cover(child) / covers[place] * game(tree, covers, row, set, child)).iter().sum()
    }

    /// A tree of random splits, some of them of a column that is already on the path.
    fn random_tree(seed: u64, columns: usize, leaves: usize) -> Tree {
        let chance = Chance::new(seed, Purpose::Bootstrap, 0);
        let mut draw = {
            let mut place = 0;
            move |limit: usize| {
                place += 1;
                chance.below(place, limit)
            }
        };
        let mut tree = Tree { leaves: vec![Leaf { value: 1.0, cover: 8.0 }], ..Tree::default() };
        // Where each leaf hangs.
        let mut links: Vec<Option<(usize, bool)>> = vec![None];
        while tree.leaves.len() < leaves {
            let leaf = draw(tree.leaves.len());
            let (place, right) = (tree.nodes.len(), tree.leaves.len());
            tree.nodes.push(Node {
                threshold: draw(10) as f64,
                column: draw(columns) as u32,
                left: Child::Leaf(leaf).link(),
                right: Child::Leaf(right).link(),
                set: None,
                missing_left: draw(2) == 0,
                gain: 1.0,
            });
            if let Some((parent, is_left)) = links[leaf] {
                let parent = &mut tree.nodes[parent];
                *(if is_left { &mut parent.left } else { &mut parent.right }) = Child::Node(place).link();
            }
            links[leaf] = Some((place, true));
            links.push(Some((place, false)));
            tree.leaves[leaf].value = draw(1_000) as f64 / 100.0;
            tree.leaves[leaf].cover = 1.0 + draw(50) as f64;
            tree.leaves.push(Leaf { value: draw(1_000) as f64 / 100.0, cover: 1.0 + draw(50) as f64 });
        }
        tree
    }

    #[test]
    fn shares_are_the_shapley_values_of_the_definition_with_and_without_tables() {
        for seed in 0..40 {
            let columns = 2 + seed as usize % 6;
            let tree = random_tree(seed, columns, 2 + seed as usize % 17);
            let mut tabled = paths(&tree);
            fill_tables(&mut tabled, 1 << 20);
            assert!(tabled.iter().all(|path| !path.table.is_empty()));
            for number in 0..20 {
                let row: Vec<f64> = (0..columns)
                    .map(|column| match (number * 7 + column * 3) % 11 {
                        10 => f64::NAN,
                        x => x as f64 + 0.5,
                    })
                    .collect();
                let wanted = brute_force(&tree, &row);
                let base: f64 = tabled.iter().map(Path::expectation).sum();
                assert!((base - wanted[columns]).abs() < 1e-9);
                for paths in [&tabled, &paths(&tree)] {
                    let mut found = vec![0.0; columns + 1];
                    explain(&tree, paths, &row, &mut Vec::new(), &mut found);
                    for column in 0..columns {
                        let (found, wanted) = (found[column], wanted[column]);
                        assert!((found - wanted).abs() < 1e-9, "seed {seed} column {column}: {found} {wanted}");
                    }
                    let sum: f64 = found.iter().sum::<f64>() + base;
                    assert!((sum - tree.value(tree.leaf(&row))).abs() < 1e-9);
                }
            }
        }
    }
}
